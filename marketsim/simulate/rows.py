"""The rows of a text file of somebody else's: its separator and its header are found out."""

import csv
import os
import stat
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

import msgspec

from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["LINE_LENGTH_MAX", "ROWS_MAX", "Rows", "column_of", "read_rows"]

ROWS_MAX = 2_000_000
"""How many rows a file may have."""

LINE_LENGTH_MAX = 64 * 1024
"""How many characters a line may have."""


class Rows(msgspec.Struct, frozen=True):
    """The rows of a file, with the number of the line at which each ends.

    ``header`` has the names of the columns, ``width`` how many the first row has.
    """

    name: str
    header: list[str]
    width: int
    cells: Iterator[tuple[int, list[str]]]


def read_rows(path: Path) -> Rows:
    """The rows of a file whose cells are separated by tabs, ``;``, ``,`` or blanks, as its first line says.

    The first row is the header if no cell of it begins with a digit. Raises InputError where there is no such
    regular file; its rows raise it, with the line, for a line or a file that is too long, and for a
    quotation mark that is not closed.
    """
    name = str(path)
    lines = _lines(path)
    first = next(lines, "")
    if not first.strip():
        raise InputError("the file is empty" if not first else "the first line is empty", where=name)
    cells = _numbered(name, _split(first, lines))
    line, row = next(cells, (1, []))
    if any(cell.strip()[:1].isdigit() for cell in row):
        return Rows(name, [], len(row), chain([(line, row)], cells))
    return Rows(name, [cell.strip() for cell in row], len(row), cells)


def column_of(rows: Rows, said: int | str, what: str) -> int:
    """The index of a column that is said by its name or by its number from 1.

    Raises InputError, with the nearest name, where there is none.
    """
    if isinstance(said, int):
        if said > rows.width:
            todo = f"it has {rows.width}, numbered from 1"
            raise InputError(f"there is no column {said} for the {what}", where=rows.name, todo=todo)
        return said - 1
    folded = {name.casefold(): index for index, name in reversed(list(enumerate(rows.header)))}
    index = folded.get(said.casefold())
    if index is None:
        todo = nearest(said, rows.header) if rows.header else "there is no header: give its number from 1"
        raise InputError(f"there is no column {quoted(said)} for the {what}", where=rows.name, todo=todo)
    return index


def _lines(path: Path) -> Iterator[str]:
    name = str(path)
    try:
        # A pipe or a device might never end: it is not even opened.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise InputError("is not a regular file", where=name, todo="copy its content to a file")
        with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
            for number in count(1):
                line = file.readline(LINE_LENGTH_MAX + 1)
                if len(line) > LINE_LENGTH_MAX:
                    raise InputError(f"longer than {LINE_LENGTH_MAX:,} characters", where=f"{name}:{number}")
                if not line:
                    return
                yield line
    except FileNotFoundError as wrong:
        raise InputError("there is no such file", where=name, todo="check the path") from wrong
    except OSError as wrong:
        raise InputError(f"cannot be read: {wrong.strerror or wrong}", where=name) from wrong
    except ValueError as wrong:
        raise InputError("is not a path", where=quoted(name)) from wrong


def _split(first: str, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of each line; a field in quotation marks may go over lines."""
    separator = next((mark for mark in "\t;," if mark in first), "")
    if not separator:
        for number, line in enumerate(chain([first], lines), 1):
            yield number, line.split()
        return
    reader = csv.reader(chain([first], lines), delimiter=separator, strict=True)
    for row in reader:
        yield reader.line_num, row


def _numbered(name: str, cells: Iterator[tuple[int, list[str]]]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, within bounds; what is wrong is told with the line."""
    line, rows = 0, 0
    try:
        for line, row in cells:
            if not any(row):
                continue
            rows += 1
            if rows > ROWS_MAX:
                raise InputError(f"has more than {ROWS_MAX:,} rows", where=f"{name}:{line}")
            yield line, row
    except csv.Error as wrong:
        raise InputError(f"cannot be read as CSV: {wrong}", where=f"{name}:{line + 1}") from wrong
