"""The log as a Parquet file, with the columns of the table, written by DuckDB."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from marketsim.audit.exports.common import CHUNK, ENCODER
from marketsim.audit.exports.rows import COLUMNS, NUMBERS, rows
from marketsim.audit.redaction import Record
from marketsim.saga.errors import InputError, MarketError
from marketsim.saga.events import JSONObject

__all__ = ["parquet"]

_PIECE_BYTES = 1 << 20
_ROWS_TOGETHER = 10_000
_MEMORY_MB = 64
_SETTINGS = "SET threads=1; SET preserve_insertion_order=true; SET TimeZone='UTC';"


def parquet(records: Iterable[Record], header: JSONObject) -> Iterator[bytes]:
    """Yield a Parquet file in pieces; ``time`` is a timestamp in UTC, with microseconds.

    The rows pass through a temporary folder, because the file's index stands at its end: the memory
    stays flat, and the disk holds the log once more for as long as it takes. Raises InputError where
    the extra ``parquet`` is not installed.
    """
    duckdb = _duckdb()
    with TemporaryDirectory(prefix="marketsim-") as name:
        lines, file = Path(name, "rows.jsonl"), Path(name, "rows.parquet")
        longest_bytes = _write(records, lines)
        kinds = {each: "BIGINT" if each in NUMBERS else "VARCHAR" for each in COLUMNS}
        said = ", ".join(f"{_quoted(each)}: '{kind}'" for each, kind in kinds.items())
        columns = ", ".join(
            'CAST("time" AS TIMESTAMPTZ) AS "time"' if each == "time" else f'"{each}"' for each in COLUMNS
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
            raise MarketError(f"the log does not fit into a table: {told}") from error
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


def _write(records: Iterable[Record], path: Path) -> int:
    """Write a row a line, and tell the length of the longest in bytes."""
    longest_bytes = 0
    with path.open("wb") as file:
        chunk = bytearray()
        for number, row in enumerate(rows(records), 1):
            line = ENCODER.encode(dict(zip(COLUMNS, row, strict=True)))
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
