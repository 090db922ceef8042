"""Keep a TinyDB database in one file that is either the old one or the new one, whatever dies when."""

import os
from itertools import count
from operator import eq
from pathlib import Path
from typing import Any

import msgspec
from tinydb import Storage

from marketsim.market.documents import DEPTH_MAX, Document, read_bytes, read_document
from marketsim.saga.errors import CatalogError, InputError, MarketError, nearest, quoted

__all__ = ["KEPT_SIZE_MAX_BYTES", "TABLES", "AtomicStorage"]

KEPT_SIZE_MAX_BYTES = 512 * 1024 * 1024
"""How large the kept file may be: the most products that a catalog may have, and their orders."""

TABLES = ("products", "users", "orders", "guardrails", "market", "extra")


class AtomicStorage(Storage):
    """A storage of TinyDB that never writes in place, and never makes a file by reading it.

    The file is read once, until the next write: TinyDB asks for all of it again for every table.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.document: Document | None = None
        self._tables: dict[str, dict[str, Any]] | None = None

    def read(self) -> dict[str, dict[str, Any]] | None:
        """The tables in the file, or None where there is no file.

        Raises InputError, with the line, for what is no JSON, and CatalogError for what is no such
        database: a person may have edited it.
        """
        if self._tables is None and self.path.exists():
            # What stood at the top of a catalog stands two levels deeper in the kept file.
            depth_max = DEPTH_MAX + 2
            document = read_document(self.path, size_max_bytes=KEPT_SIZE_MAX_BYTES, depth_max=depth_max)
            self._tables = _checked(document)
            self.document = document
        return self._tables

    def read_untouched(self) -> dict[str, dict[str, Any]] | None:
        """The tables, where every byte of the file is as :meth:`write` leaves it; None where one is not.

        Such a file says nothing twice, so the fast parser reads it as the strict one would. Whatever
        is wrong with any other is for :meth:`read` to tell.
        """
        try:
            source = read_bytes(self.path, KEPT_SIZE_MAX_BYTES)
            tables: Any = msgspec.json.decode(source)
            return tables if _is_numbered(tables) and _text(tables) == source else None
        except (InputError, ArithmeticError, ValueError, RecursionError):
            return None

    def write(self, data: dict[str, dict[str, Any]]) -> None:
        """Replace the file: a temporary one beside it, synced, renamed, and the folder synced.

        Raises MarketError where that cannot be done; the old file is then as it was.
        """
        self._tables = None
        temporary = self.path.with_name(f".{self.path.name}.new")
        try:
            _write_synced(temporary, _text(data))
            os.replace(temporary, self.path)
            _sync_folder(self.path.parent)
        except OSError as wrong:
            temporary.unlink(missing_ok=True)
            what = f"cannot be written: {wrong.strerror or wrong}"
            todo = "the file is as it was; make room, or check who may write to the folder"
            raise MarketError(what, where=str(self.path), todo=todo) from wrong


def _text(data: dict[str, dict[str, Any]]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n"


def _is_numbered(tables: Any) -> bool:
    """Whether these are tables whose records are numbered from 1, as they are written."""
    return isinstance(tables, dict) and all(
        name in TABLES
        and isinstance(table, dict)
        and all(map(eq, table, map(str, count(1))))
        and all(isinstance(record, dict) for record in table.values())
        for name, table in tables.items()
    )


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _checked(document: Document) -> dict[str, dict[str, Any]]:
    if not isinstance(document.value, dict):
        raise _wrong(document, (), "is no object of tables")
    for name, table in document.value.items():
        if name not in TABLES:
            raise _wrong(document, (name,), f"there is no table {quoted(name)}", nearest(name, TABLES))
        if not isinstance(table, dict):
            what = "must be an object of records, each under a number"
            raise _wrong(document, (name,), what, 'write {"1": {...}, "2": {...}}')
        for number, record in table.items():
            if not (number.isascii() and number.isdigit() and number[0] != "0" and len(number) < 16):
                raise _wrong(document, (name, number), f"{quoted(number)} is no number of a record")
            if not isinstance(record, dict):
                raise _wrong(document, (name, number), "must be an object")
    tables: dict[str, dict[str, Any]] = document.value
    return tables


def _wrong(document: Document, path: tuple[str, ...], what: str, todo: str = "") -> CatalogError:
    words = document.words(path)
    return CatalogError(f"{words}: {what}" if words else what, where=document.place(path), todo=todo)
