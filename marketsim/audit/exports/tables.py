"""A table of any columns as CSV, or as a Parquet file written by DuckDB."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from marketsim.audit.exports.common import CHUNK, ENCODER
from marketsim.saga.errors import InputError, MarketError

__all__ = ["csv_of", "parquet_of"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")
_PIECE_BYTES = 1 << 20
_ROWS_TOGETHER = 10_000
_MEMORY_MB = 64
_SETTINGS = "SET threads=1; SET preserve_insertion_order=true; SET TimeZone='UTC';"


def csv_of(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield CSV (RFC 4180) with a row of names, in pieces of many rows; None is an empty cell.

    A text that a spreadsheet would take for a formula (it begins with = + - @, a tab or the end of a
    line) has an apostrophe before it, and so has one that begins with an apostrophe: take the first
    away, and the text is there again.
    """
    from csv import writer  # only for this form
    from io import StringIO

    buffer = StringIO()
    put = writer(buffer, lineterminator="\r\n").writerow
    put(map(_inert, columns))
    left = iter(rows)
    while True:
        for row in islice(left, CHUNK):
            put(map(_inert, row))
        if not (piece := buffer.getvalue()):
            return
        yield piece
        buffer.seek(0)
        buffer.truncate()


def _inert(cell: object) -> object:
    return "'" + cell if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def parquet_of(kinds: Mapping[str, str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    """Yield a Parquet file in pieces; ``kinds`` are the columns, each with its type in SQL.

    The rows pass through a temporary folder, because the file's index stands at its end: the memory
    stays flat, and the disk holds the table once more for as long as it takes. Raises InputError where
    the extra ``parquet`` is not installed.
    """
    duckdb = _duckdb()
    with TemporaryDirectory(prefix="marketsim-") as name:
        lines, file = Path(name, "rows.jsonl"), Path(name, "rows.parquet")
        longest_bytes = _write(list(kinds), rows, lines)
        # A time is a text in JSON, and DuckDB is asked to make a time of it.
        read = {each: "VARCHAR" if kind == "TIMESTAMPTZ" else kind for each, kind in kinds.items()}
        said = ", ".join(f"{_quoted(each)}: '{kind}'" for each, kind in read.items())
        columns = ", ".join(
            _name(each) if kind == read[each] else f"CAST({_name(each)} AS {kind}) AS {_name(each)}"
            for each, kind in kinds.items()
        )
        # DuckDB reads into buffers of twice the longest line that it is told to expect: 32 MB, if it is not.
        options = f"format='newline_delimited', maximum_object_size={max(_PIECE_BYTES, 2 * longest_bytes)}"
        source = f"read_json({_quoted(lines)}, {options}, columns={{{said}}})"
        form = f"FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {_ROWS_TOGETHER}"
        try:
            with duckdb.connect(":memory:") as base:
                limit_mb = _MEMORY_MB + 16 * longest_bytes // _PIECE_BYTES
                base.execute(
                    f"{_SETTINGS} SET memory_limit='{limit_mb}MB'; SET temp_directory={_quoted(name)}"
                )
                base.execute(f"COPY (SELECT {columns} FROM {source}) TO {_quoted(file)} ({form})")
        except duckdb.Error as error:
            told = str(error).partition("\n")[0]
            raise MarketError(f"it does not fit into a table: {told}") from error
        yield from _pieces(file)


def _duckdb() -> Any:
    try:
        import duckdb  # type: ignore[import-not-found, unused-ignore]  # only for this form
    except ImportError:
        todo = "install the extra: pip install 'marketsim[parquet]'"
        raise InputError(
            "parquet needs DuckDB, which is not installed", where="--format", todo=todo
        ) from None
    return duckdb


def _write(columns: Sequence[str], rows: Iterable[Sequence[object]], path: Path) -> int:
    """Write a row a line, and tell the length of the longest in bytes."""
    longest_bytes = 0
    with path.open("wb") as file:
        chunk = bytearray()
        for number, row in enumerate(rows, 1):
            line = ENCODER.encode(dict(zip(columns, row, strict=True)))
            longest_bytes = max(longest_bytes, len(line))
            chunk += line + b"\n"
            if number % CHUNK == 0:
                file.write(chunk)
                chunk.clear()
        file.write(chunk)
    return longest_bytes


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece


def _quoted(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
