"""The stream's files: segments of JSON Lines that are only ever appended to, and the tree's head."""

import errno
import os
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, TypeAlias

from marketsim.audit.checkpoint import Checkpoint, read_checkpoint, sync_folder, write_checkpoint
from marketsim.audit.segments import (
    LINE_BYTES_MAX,
    RESTORE,
    START,
    LogReader,
    Position,
    cut_torn_line,
    frontier_at,
    place,
    read_events,
    segment_name,
    segments,
)
from marketsim.saga.errors import LogDamaged, MarketError, quoted
from marketsim.saga.events import Event, decode, encode

__all__ = [
    "GROUP_EVENTS",
    "LINE_BYTES_MAX",
    "SEGMENT_BYTES",
    "START",
    "Checkpoint",
    "Durability",
    "Log",
    "LogReader",
    "LogWriter",
    "MemoryLog",
    "Position",
    "cut_torn_line",
    "read_checkpoint",
    "read_events",
    "segments",
]

Durability: TypeAlias = Literal["group", "each", "none"]
"""When an event is safe on disk: with its group or a flush, at once, or when the system sees fit."""

SEGMENT_BYTES = 32 << 20
"""How large a segment grows before the next one is begun."""

GROUP_EVENTS = 1000
"""How many events share one write and one sync."""

_REMEDIES = {
    errno.ENOSPC: "free some space; what was recorded before is safe",
    errno.EDQUOT: "free some space; what was recorded before is safe",
    errno.EACCES: "make the folder writable",
    errno.EROFS: "make the folder writable",
}
# To copy a hash that was begun costs less than to begin one and to join its input.
_leaf = sha256(b"\x00").copy
_sync_file = getattr(os, "fdatasync", os.fsync)


class Log(Protocol):
    """Where events go."""

    def append(self, event: Event) -> None:
        """Number the event and record it; it may wait in memory until ``flush``."""

    def flush(self) -> None:
        """Make sure that whatever was appended is recorded."""


class MemoryLog:
    """A log that keeps events in memory: numbered, but neither hashed nor chained."""

    __slots__ = ("events",)

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, event: Event) -> None:
        """Number the event and keep it."""
        events = self.events
        event.seq = len(events) + 1
        events.append(event)

    def flush(self) -> None:
        """Do nothing: it is where it will be."""

    checkpoint = close = flush


class LogWriter:
    """Appends events to the segments in a folder, from a position that must be the end of the log.

    ``origin`` names the log in its checkpoint. Events wait in memory until ``group`` of them are
    together (``durability="each"``: one), or until ``flush``; then they are written and synced at
    once. ``segment_bytes`` is the size at which the next segment is begun; an event never spans two.

    As a context manager it is closed at the end, also by an exception: what was appended happened.
    Raises LogDamaged if the log does not end at the position, and MarketError if it cannot be
    written; after that it takes no more events.
    """

    __slots__ = (
        "_durable",
        "_encode",
        "_file",
        "_folder",
        "_frontier",
        "_group",
        "_hashes",
        "_last",
        "_lines",
        "_offset",
        "_origin",
        "_segment",
        "_segment_bytes",
        "_size",
        "_time",
    )

    def __init__(
        self,
        folder: Path,
        origin: str,
        position: Position = START,
        *,
        durability: Durability = "group",
        group: int = GROUP_EVENTS,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        if not origin or len(origin) > 255 or not origin.isprintable():
            raise MarketError(
                f"{quoted(origin)} cannot name a log", todo="use printable characters, at most 255"
            )
        self._folder, self._origin = folder, origin
        self._durable = durability != "none"
        self._group = 1 if durability == "each" else max(1, group)
        self._segment_bytes = segment_bytes
        self._frontier = frontier_at(position, where=str(folder))
        self._size, self._time, self._last = position.size, position.time, b""
        self._segment, self._offset = position.segment, position.offset
        self._lines: list[bytes] = []
        # The hash at [n] is that of the event before line n, so that the number of buffered lines
        # is the only thing that changes with an append: an interrupt cannot leave half of one.
        self._hashes = [position.prev] * (self._group + 1)
        self._encode = encode
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._open(position.segment, position.offset)
        except OSError as error:
            raise _unwritable(folder, error) from error

    def append(self, event: Event) -> None:
        """Number, chain and buffer the event; write the group when it is full.

        Sets ``event.seq`` and ``event.prev``; ``event.time`` is the caller's. Raises MarketError
        if the event is longer than LINE_BYTES_MAX (it is not recorded), or if writing fails.
        """
        lines, hashes = self._lines, self._hashes
        count = len(lines)
        event.seq = self._size + count + 1
        event.prev = hashes[count]
        line = self._encode(event)
        if len(line) > LINE_BYTES_MAX:
            raise _too_long(event, len(line))
        digest = _leaf()
        digest.update(line)
        count += 1
        try:
            hashes[count] = digest.hexdigest()
        except IndexError:
            # The group was full, and an interrupt came before it was written.
            hashes.append(digest.hexdigest())
        lines.append(line)
        if count >= self._group:
            self.flush()

    def flush(self) -> None:
        """Write and sync what is buffered; raises MarketError where that fails."""
        count = len(self._lines)
        if not count:
            return
        data = b"\n".join([*self._lines, b""])
        try:
            self._write(data)
        except OSError as error:
            raise self._fail(error) from error
        frontier = self._frontier.copy()
        frontier.extend_joined(bytes.fromhex("".join(self._hashes[1 : count + 1])))
        last, prev, end = self._lines[-1], self._hashes[count], self._offset + len(data)
        # Only assignments from here on, and no call: between them no interrupt is delivered. One
        # before them makes the next flush write the same bytes to the same place.
        self._frontier, self._last, self._hashes[0] = frontier, last, prev
        self._size += count
        self._offset = end
        self._lines = []

    def tear(self) -> None:
        """Write half a line, as a process does that dies while it writes; the next opening cuts it off."""
        os.lseek(self._file, self._offset, os.SEEK_SET)
        os.write(self._file, b'{"attempt":1,"comp')

    def checkpoint(self) -> None:
        """Flush, and replace the tree's head on disk by the one of now."""
        head = self.head()
        try:
            write_checkpoint(self._folder, head, durable=self._durable)
        except OSError as error:
            raise _unwritable(self._folder, error) from error

    @property
    def size(self) -> int:
        """How many events were appended."""
        return self._size + len(self._lines)

    def head(self) -> Checkpoint:
        """Flush, and tell the tree's head over all events so far."""
        self.flush()
        return Checkpoint(self._origin, self._size, self._frontier.root())

    @property
    def position(self) -> Position:
        """The end of what is written; what is only buffered lies behind it."""
        peaks = [peak.hex() for peak in self._frontier.peaks]
        time = decode(self._last).time if self._last else self._time
        return Position(self._size, self._hashes[0], peaks, self._segment, self._offset, time)

    @property
    def failed(self) -> bool:
        """Whether a write has failed (or the log is closed), so that no more events are taken."""
        return self._encode is _refuse

    def close(self) -> None:
        """Flush, write the checkpoint, and let go of the file; a second time does nothing."""
        try:
            if self._encode is encode:
                self.checkpoint()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Drop what is buffered and let go of the file, as a process does that dies."""
        self._lines = []
        if self._file >= 0:
            os.close(self._file)
        self._file, self._encode = -1, _refuse

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self, segment: int, offset: int) -> int:
        path = self._folder / segment_name(segment)
        new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        later = (self._folder / segment_name(segment + 1)).exists()
        if os.fstat(file).st_size != offset or later:
            os.close(file)
            raise LogDamaged(f"the log does not end at byte {offset}", where=place(path), todo=RESTORE)
        if new and self._durable:
            sync_folder(self._folder)
        return file

    def _write(self, data: bytes) -> None:
        if self._offset >= self._segment_bytes:
            full, self._file = self._file, self._open(self._segment + 1, 0)
            self._segment, self._offset = self._segment + 1, 0
            os.close(full)
        os.lseek(self._file, self._offset, os.SEEK_SET)
        left = memoryview(data)
        while left:
            left = left[os.write(self._file, left) :]
        if self._durable:
            _sync_file(self._file)

    def _fail(self, error: OSError) -> MarketError:
        # Which bytes of the group reached the disk is unknown, so none of them may stay.
        self._lines, self._encode = [], _refuse
        try:
            os.ftruncate(self._file, self._offset)
            os.fsync(self._file)
        except OSError:
            pass  # The torn line, if there is one, is cut by the next opening.
        return _unwritable(self._folder / segment_name(self._segment), error)


def _refuse(event: Event) -> bytes:
    raise MarketError(
        "the log takes no more events: it was closed, or could not be written", todo="open it again"
    )


def _too_long(event: Event, size_bytes: int) -> MarketError:
    what = f"the event {event.type} is {size_bytes} bytes long, and a line has at most {LINE_BYTES_MAX}"
    return MarketError(what, todo="record less in one event")


def _unwritable(path: Path, error: OSError) -> MarketError:
    reason = (error.strerror or type(error).__name__).lower()
    todo = _REMEDIES.get(error.errno or 0, "check the disk; what was recorded before is safe")
    return MarketError(f"the log cannot be written: {reason}", where=place(path), todo=todo)
