"""The figures of many runs as a table, a row for each: CSV, Parquet or JSON."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from marketsim.audit.exports.tables import csv_of, parquet_of
from marketsim.saga.errors import InputError

__all__ = ["FORMS", "columns_of", "form_of", "table_of"]

FORMS = ("csv", "parquet", "json")
"""The forms that a table can have, by the ends of their files' names."""

_BIGINT_MAX = 2**63 - 1

Row = Mapping[str, Any]


def form_of(path: PurePath) -> str:
    """The form that a file's name asks for. Raises InputError for any other."""
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMS:
        known = ", ".join(f".{each}" for each in FORMS)
        raise InputError(
            "the name does not say which form is meant", where=str(path), todo=f"end it in {known}"
        )
    return form


def columns_of(rows: Sequence[Row]) -> list[str]:
    """The names of all columns, in the order in which the rows have them first."""
    return list(dict.fromkeys(name for row in rows for name in row))


def table_of(rows: Sequence[Row], form: str) -> Iterator[str] | Iterator[bytes]:
    """The pieces of a file in a form of FORMS; what a row does not have is empty (null).

    Raises InputError for Parquet where the extra ``parquet`` is not installed.
    """
    columns = columns_of(rows)
    if form == "json":
        return _json(rows, columns)
    cells = ([row.get(name) for name in columns] for row in rows)
    if form == "csv":
        return csv_of(columns, cells)
    return parquet_of({name: _kind([row.get(name) for row in rows]) for name in columns}, cells)


def _json(rows: Sequence[Row], columns: Sequence[str]) -> Iterator[str]:
    """An array with a row a line."""
    yield "["
    for number, row in enumerate(rows):
        line = msgspec.json.encode({name: row.get(name) for name in columns}).decode()
        yield f"{',' if number else ''}\n{line}"
    yield "\n]\n"


def _kind(cells: Sequence[object]) -> str:
    """The type in SQL of a column: whole numbers, other numbers, or text."""
    there = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, int) and abs(cell) <= _BIGINT_MAX for cell in there):
        return "BOOLEAN" if there and all(isinstance(cell, bool) for cell in there) else "BIGINT"
    return "DOUBLE" if all(isinstance(cell, int | float) for cell in there) else "VARCHAR"
