"""A file that somebody brings: read within bounds, and refused with one clear error otherwise."""

import re
from codecs import getincrementaldecoder
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from marketsim.audit.segments import reason
from marketsim.saga.errors import InputError

__all__ = ["IMPORT_BYTES_MAX", "LINE_BYTES_MAX", "decoded", "decoded_lines", "read_source"]

IMPORT_BYTES_MAX = 256 << 20
"""The largest file that is taken in."""

LINE_BYTES_MAX = 64 << 20
"""The longest line of a file that has a document on each line."""

_CHUNK_BYTES = 1 << 20
_T = TypeVar("_T")
_OFFSET = re.compile(r"\(byte (\d+)\)")
_PACKED = {
    b"\x1f\x8b": ("gzip", "gunzip it first"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unpack it first"),
    b"PK\x03\x04": ("zip", "unpack it first"),
    b"BZh": ("bzip2", "unpack it first"),
    b"\xfd7zXZ": ("xz", "unpack it first"),
}
_BOMS = {b"\xef\xbb\xbf": "", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_source(path: Path) -> bytes:
    """The bytes of a text file in UTF-8, without a mark of byte order.

    Raises InputError for one that cannot be read, is empty, larger than IMPORT_BYTES_MAX, packed, or not
    in UTF-8; a character that was cut in two at the end is told as such.
    """
    try:
        with path.open("rb") as file:
            data = file.read(IMPORT_BYTES_MAX + 1)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise InputError(f"the file cannot be read: {why}", where=str(path)) from error
    if len(data) > IMPORT_BYTES_MAX:
        raise InputError(
            f"the file is larger than {IMPORT_BYTES_MAX >> 20} MiB",
            where=str(path),
            todo="bring a part of it",
        )
    for start, (name, todo) in _PACKED.items():
        if data.startswith(start):
            raise InputError(f"the file is packed ({name})", where=str(path), todo=todo)
    for mark, encoding in _BOMS.items():
        if data.startswith(mark) and encoding:
            raise InputError(f"the file is in {encoding}", where=str(path), todo="save it in UTF-8")
        data = data.removeprefix(mark) if data.startswith(mark) else data
    if not data.strip():
        raise InputError("the file is empty", where=str(path), todo="give a file with a log in it")
    _check_text(data, path)
    return data


def _check_text(data: bytes, path: Path) -> None:
    if data.isascii():
        return
    decoder = getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _CHUNK_BYTES):
        try:
            decoder.decode(data[start : start + _CHUNK_BYTES])
        except UnicodeDecodeError as error:
            at = max(0, start + error.start - 3)
            what = f"this is no text in UTF-8 (near byte {at})"
            raise InputError(what, where=f"{path}:{_line_at(data, at)}", todo="give a log in JSON") from error
    if decoder.getstate()[0]:
        what = "the file ends in the middle of a character: it was cut off"
        raise InputError(what, where=f"{path}:{_line_at(data, len(data))}", todo="bring all of it")


def decoded(data: bytes, kind: type[_T], path: Path, what: str) -> _T:
    """One JSON document of this type; raises InputError, with file and line, for anything else."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError) as error:
        found = _OFFSET.search(str(error))
        line = _line_at(data, int(found[1])) if found else 1
        _refuse(error, f"{path}:{line}", what)


def decoded_lines(data: bytes, kind: type[_T], path: Path, what: str) -> list[_T]:
    """A JSON document a line; raises InputError, with file and line, for anything else."""
    found = []
    decoder: msgspec.json.Decoder[_T] = msgspec.json.Decoder(kind)
    for number, line in enumerate(data.split(b"\n"), 1):
        if len(line) > LINE_BYTES_MAX:
            raise InputError(
                f"the line is longer than {LINE_BYTES_MAX >> 20} MiB",
                where=f"{path}:{number}",
                todo="bring a part of it",
            )
        if not line.strip():
            continue
        try:
            found.append(decoder.decode(line))
        except (ValueError, RecursionError) as error:
            _refuse(error, f"{path}:{number}", what)
    return found


def _refuse(error: Exception, where: str, what: str) -> NoReturn:
    if isinstance(error, RecursionError):
        raise InputError(f"this is no {what}: it is nested too deeply", where=where) from error
    cut = "truncated" in str(error)
    told = "it ends in the middle of a document" if cut else reason(error)
    todo = "bring all of it" if cut else "name the format with --from"
    raise InputError(f"this is no {what}: {told}", where=where, todo=todo) from error


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, max(0, offset)) + 1
