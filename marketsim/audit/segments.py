"""The segments of the stream: their names, their lines, and the events in them, verified as they are read."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import msgspec

from marketsim.audit.merkle import Frontier
from marketsim.saga.errors import LogDamaged, MarketError, quoted
from marketsim.saga.events import GENESIS, Event, decode

__all__ = [
    "FORMAT_NEWEST",
    "LINE_BYTES_MAX",
    "RESTORE",
    "START",
    "LogReader",
    "Position",
    "blocks",
    "check_format",
    "check_position",
    "cut_torn_line",
    "frontier_at",
    "numbered",
    "place",
    "read_events",
    "reason",
    "segment_files",
    "segment_name",
    "segments",
]

FORMAT_NEWEST = 1
"""The newest format of events, as market.created tells it, that is read."""

LINE_BYTES_MAX = 1 << 20
"""The longest line that is written or read, without its newline."""

RESTORE = "`marketsim audit verify` lists everything that is wrong; restore the folder from a copy"
"""What to do about a log that is not what was written."""

_BLOCK_BYTES = 1 << 18
_ENDLESS = 1 << 62
_HEX = "0123456789abcdef"


class Position(msgspec.Struct, frozen=True):
    """A place between two events: all that is needed to read on, or to write on, from there.

    ``size`` is the number of events before it, ``prev`` the leaf hash of the last of them (hex),
    ``time`` its time, ``peaks`` the frontier of the tree (hex); ``segment`` counts from 1, and
    ``offset`` is in bytes.
    """

    size: int = 0
    prev: str = GENESIS
    peaks: list[str] = []
    segment: int = 1
    offset: int = 0
    time: str = ""


START = Position()
"""The beginning of every stream."""


class LogReader:
    """Reads the events behind a position, and verifies number, chain and form of each as it goes.

    Iterate once, to the end; then ``position`` is the end of the log, and ``torn_bytes`` is the
    length of a last line that was cut off while it was written (it is not an event). The memory
    stays flat. Raises LogDamaged, with the place, at the first line that does not verify.
    """

    def __init__(self, folder: Path, position: Position = START) -> None:
        self.position = position
        self.torn_bytes = 0
        self._folder = folder
        self._frontier = frontier_at(position, where=str(folder))

    def __iter__(self) -> Iterator[Event]:
        check_position(self._folder, self.position)
        paths = segments(self._folder)[self.position.segment - 1 :]
        if not paths and self.position != START:
            raise LogDamaged("the log is shorter than it was", where=str(self._folder), todo=RESTORE)
        for path in paths:
            if numbered(path) != self.position.segment:
                self.position = msgspec.structs.replace(self.position, segment=numbered(path), offset=0)
            yield from self._segment(path, last=path is paths[-1])

    def _segment(self, path: Path, *, last: bool) -> Iterator[Event]:
        offset = self.position.offset
        if path.stat().st_size < offset:
            raise LogDamaged("the segment is shorter than it was", where=place(path), todo=RESTORE)
        for lines, torn in blocks(path, offset):
            if lines:
                yield from self._block(path, lines)
            self.torn_bytes = len(torn)
            if torn and (len(torn) > LINE_BYTES_MAX or not last):
                self._refuse(path, 0, "the line does not end")

    def _block(self, path: Path, lines: list[bytes]) -> Iterator[Event]:
        before, hashes = self.position, [self.position.prev]
        if len(lines[0]) > LINE_BYTES_MAX:
            self._refuse(path, 0, f"the line is longer than {LINE_BYTES_MAX} bytes")
        if not before.size:
            check_format(lines[0], place(path, 1))
        for index, line in enumerate(lines):
            try:
                event = decode(line)
            except (ValueError, RecursionError) as error:
                self._refuse(path, index, f"this is no event: {reason(error)}")
            due = before.size + index + 1
            if event.seq != due:
                self._refuse(path, index, f"event {event.seq} stands where event {due} belongs")
            if event.prev != hashes[index]:
                self._refuse(path, index, "the event was chained to another line than the one before it")
            hashes.append(sha256(b"\x00" + line).hexdigest())
            yield event
        self._frontier.extend_joined(bytes.fromhex("".join(hashes[1:])))
        peaks = [peak.hex() for peak in self._frontier.peaks]
        offset = before.offset + sum(map(len, lines)) + len(lines)
        self.position = Position(due, hashes[-1], peaks, before.segment, offset, event.time)

    def _refuse(self, path: Path, index: int, what: str) -> NoReturn:
        line = _newlines(path, self.position.offset) + index + 1
        raise LogDamaged(what, where=place(path, line), todo=RESTORE)


def check_format(line: bytes, where: str) -> None:
    """Raise MarketError for the first line of a log of a newer format, whose other lines may be strange."""
    try:
        created = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return
    form = bytes(created.get("format", b"0"))[:9]
    begins = bytes(created.get("type", b"")) == b'"market.created"'
    if begins and form.isdigit() and int(form) > FORMAT_NEWEST:
        todo = "read it with a newer marketsim"
        raise MarketError(
            f"the log is of format {int(form)}, newer than {FORMAT_NEWEST}", where=where, todo=todo
        )


def check_position(folder: Path, position: Position) -> None:
    """Raise LogDamaged unless the line that ends at a position that was kept is the one it was kept for.

    Of what lies before it this says nothing: that is for a verification of the whole.
    """
    if not position.size:
        return
    # Whoever kept it may be hostile too: it is held against the files that are there, and no others.
    frontier_at(position, where=str(folder))
    paths = segments(folder)[: position.segment]
    if len(paths) < position.segment:
        raise LogDamaged("the log is shorter than it was", where=str(folder), todo=RESTORE)
    path, offset = paths.pop(), position.offset
    while offset == 0 and paths:
        path = paths.pop()
        offset = path.stat().st_size
    line = _line_before(path, offset)
    if sha256(b"\x00" + line).hexdigest() != position.prev:
        what = f"event {position.size} is not the one that was written"
        raise LogDamaged(what, where=place(path), todo=RESTORE)


def _line_before(path: Path, offset: int) -> bytes:
    """The line that ends at ``offset``, without its newline; of one that is too long, its end only."""
    start = max(0, offset - LINE_BYTES_MAX - 2)
    try:
        if path.stat().st_size < offset:
            raise LogDamaged("the segment is shorter than it was", where=place(path), todo=RESTORE)
        with path.open("rb") as file:
            file.seek(start)
            tail = file.read(offset - start)
    except OSError as error:
        raise MarketError(f"the segment cannot be read: {error.strerror}", where=place(path)) from error
    if not tail.endswith(b"\n"):
        raise LogDamaged("no line ends where one did", where=place(path), todo=RESTORE)
    return tail[:-1].rpartition(b"\n")[2]


def read_events(folder: Path, position: Position = START) -> Iterator[Event]:
    """Yield the events behind a position, one by one; see LogReader for what is verified and raised."""
    return iter(LogReader(folder, position))


def segment_name(number: int) -> str:
    """Name the file of a segment; ``number`` counts from 1."""
    return f"{number:06d}.jsonl"


def numbered(path: Path) -> int:
    """Return the number in the name of a segment."""
    return int(path.name[:6])


def place(path: Path, line: int = 0) -> str:
    """Say where something stands, as in ``audit/000001.jsonl:7``."""
    return f"{path.parent.name}/{path.name}" + (f":{line}" if line else "")


def reason(error: Exception) -> str:
    """Tell what a decoder has against its input, which it may repeat: printable, and not too long."""
    return quoted(error)[1:-1]


def segment_files(folder: Path) -> list[Path]:
    """List the segments that are there, in order, whether or not some are missing.

    Raises MarketError if the folder cannot be listed; a folder that is not there has no segments.
    """
    try:
        return sorted(path for path in folder.iterdir() if _is_name(path.name) and path.is_file())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise MarketError(f"the log cannot be read: {error.strerror}", where=str(folder)) from error


def _is_name(name: str) -> bool:
    number, _, ending = name.partition(".")
    digits = len(number) == 6 and number.isascii() and number.isdigit()
    return digits and number != "000000" and ending == "jsonl"


def _is_hash(text: str) -> bool:
    return len(text) == len(GENESIS) and not text.strip(_HEX)


def segments(folder: Path) -> list[Path]:
    """List the segments in order; raises LogDamaged where one is missing."""
    paths = segment_files(folder)
    for number, path in enumerate(paths, 1):
        if numbered(path) != number:
            missing = folder / segment_name(number)
            raise LogDamaged("the segment is missing", where=place(missing), todo=RESTORE)
    return paths


def blocks(path: Path, offset: int = 0, end: int | None = None) -> Iterator[tuple[list[bytes], bytes]]:
    """Yield the lines of a file from ``offset`` to ``end`` in blocks, and at last what has no newline.

    A line longer than LINE_BYTES_MAX is the first of its block, or the one without a newline; it
    is not yielded whole, but one byte longer than that. Raises MarketError if reading fails.
    """
    rest, left = b"", (_ENDLESS if end is None else end) - offset
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(min(_BLOCK_BYTES, left)):
                left -= len(chunk)
                *lines, rest = (rest + chunk).split(b"\n")
                # Wherever the block began: what is told of such a line must not depend on that.
                lines[:1] = [line[: LINE_BYTES_MAX + 1] for line in lines[:1]]
                rest = rest[: LINE_BYTES_MAX + 1]
                yield lines, b""
    except OSError as error:
        raise MarketError(f"the segment cannot be read: {error.strerror}", where=place(path)) from error
    if rest:
        yield [], rest


def cut_torn_line(folder: Path) -> int:
    """Cut a last line off that has no newline, and say how many bytes it had: 0 if all was well.

    Raises LogDamaged if it is longer than any line can be, and MarketError if cutting fails.
    """
    paths = segments(folder)
    if not paths:
        return 0
    try:
        with paths[-1].open("r+b") as file:
            start = max(0, file.seek(0, os.SEEK_END) - LINE_BYTES_MAX - 1)
            file.seek(start)
            tail = file.read()
            torn_bytes = len(tail) - tail.rfind(b"\n") - 1
            if torn_bytes > LINE_BYTES_MAX:
                raise LogDamaged("the last line does not end", where=place(paths[-1]), todo=RESTORE)
            if torn_bytes:
                file.truncate(start + len(tail) - torn_bytes)
                os.fsync(file.fileno())
    except OSError as error:
        what = f"the torn last line cannot be cut: {error.strerror}"
        raise MarketError(what, where=place(paths[-1])) from error
    return torn_bytes


def frontier_at(position: Position, *, where: str) -> Frontier:
    """Return the tree up to a position that was kept somewhere; raises LogDamaged if it cannot be one."""
    if position.segment < 1 or position.offset < 0 or not _is_hash(position.prev):
        raise LogDamaged("the position in the log makes no sense", where=where, todo=RESTORE)
    try:
        return Frontier(position.size, [bytes.fromhex(peak) for peak in position.peaks])
    except ValueError as error:
        raise LogDamaged(
            f"the position in the log makes no sense: {error}", where=where, todo=RESTORE
        ) from error


def _newlines(path: Path, offset: int) -> int:
    count = 0
    with path.open("rb") as file:
        while offset > 0 and (chunk := file.read(min(offset, _BLOCK_BYTES))):
            count += chunk.count(b"\n")
            offset -= len(chunk)
    return count
