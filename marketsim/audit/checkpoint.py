"""The tree's head on disk: a C2SP tlog checkpoint, which tells the size of the log and its root."""

import os
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path

import msgspec

from marketsim.audit.merkle import HASH_BYTES
from marketsim.saga.errors import LogDamaged, MarketError, quoted

__all__ = [
    "CHECKPOINT",
    "Checkpoint",
    "checkpoint_text",
    "parse_checkpoint",
    "read_checkpoint",
    "sync_folder",
    "write_checkpoint",
    "write_whole",
]

CHECKPOINT = "checkpoint"
"""The file's name, beside the segments."""

_CHECKPOINT_BYTES_MAX = 1 << 16
_REMEDY = "restore it from a copy; the next command that writes makes a new one"


class Checkpoint(msgspec.Struct, frozen=True):
    """A head: the log's name, the number of its events, and the Merkle root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the checkpoint as it stands in the file: three lines and an empty one."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n\n"


def parse_checkpoint(text: str, *, where: str = CHECKPOINT) -> Checkpoint:
    """Read a checkpoint; lines of extension and signatures are allowed, and not interpreted.

    Raises LogDamaged for anything else.
    """
    body, end, signatures = text.partition("\n\n")
    lines = body.split("\n")
    if not end or len(lines) < 3 or not lines[0]:
        raise _malformed("it has three lines and an empty one", where)
    if any(not line.startswith("— ") for line in signatures.removesuffix("\n").split("\n") if signatures):
        raise _malformed("what follows the empty line is no signature", where)
    origin, size, root = lines[:3]
    if not (size.isascii() and size.isdecimal()) or len(size) > 18 or size != str(int(size)):
        raise _malformed(f"{quoted(size)} is no size", where, line=2)
    try:
        digest = b64decode(root, validate=True)
    except ValueError:
        digest = b""
    if len(digest) != HASH_BYTES or b64encode(digest).decode() != root:
        raise _malformed(f"{quoted(root)} is no root", where, line=3)
    return Checkpoint(origin, int(size), digest)


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint file; None if there is none.

    Raises LogDamaged if it is malformed, and MarketError if it cannot be read.
    """
    text = checkpoint_text(path)
    return None if text is None else parse_checkpoint(text, where=_place(path))


def checkpoint_text(path: Path) -> str | None:
    """Read a checkpoint file as it stands, signatures and all; for the rest see read_checkpoint."""
    where = _place(path)
    try:
        with path.open("rb") as file:
            data = file.read(_CHECKPOINT_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise MarketError(f"the checkpoint cannot be read: {error.strerror}", where=where) from error
    if len(data) > _CHECKPOINT_BYTES_MAX:
        raise _malformed(f"it is longer than {_CHECKPOINT_BYTES_MAX} bytes", where)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8", where) from error


def write_checkpoint(folder: Path, head: Checkpoint, *, durable: bool = True) -> None:
    """Replace the checkpoint in a folder at one stroke; raises OSError where that fails.

    One that says the same already is left as it is, with whatever signatures it has.
    """
    with suppress(LogDamaged, MarketError):
        if read_checkpoint(folder / CHECKPOINT) == head:
            return
    write_whole(folder / CHECKPOINT, head.text(), durable=durable)


def write_whole(path: Path, text: str, *, passing: str = "tmp", durable: bool = True) -> None:
    """Replace a file at one stroke, by way of one that ends in ``passing``; raises OSError."""
    beside = path.with_name(f"{path.name}.{passing}")
    try:
        with beside.open("wb") as file:
            file.write(text.encode())
            file.flush()
            if durable:
                os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that the names of a folder's files survive a crash."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _malformed(what: str, where: str, *, line: int = 0) -> LogDamaged:
    place = f"{where}:{line}" if line else where
    return LogDamaged(f"the checkpoint is malformed: {what}", where=place, todo=_REMEDY)
