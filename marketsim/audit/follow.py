"""Reading on at the end of a log that somebody else is writing, without a lock."""

import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from marketsim.audit.segments import (
    LINE_BYTES_MAX,
    RESTORE,
    blocks,
    numbered,
    place,
    reason,
    segment_files,
    segment_name,
)
from marketsim.saga.errors import LogDamaged, MarketError
from marketsim.saga.events import GENESIS, Event, decode

__all__ = ["Follower"]

_TAIL_BYTES = 1 << 16


class Follower:
    """Stands behind an event of a log, and reads what has come since, whenever it is asked.

    It begins at the end of what is there, or (``from_start``) before the first event. Number and chain
    of each event are held against the one before it; the tree is not computed. A line that is being
    written waits until it ends. Every method raises LogDamaged for a log that is not what was written,
    or became shorter, and MarketError for one that cannot be read.
    """

    def __init__(self, folder: Path, *, from_start: bool = False) -> None:
        self._folder = folder
        self._segment, self._offset = 1, 0
        self._seq, self._prev = 0, GENESIS
        paths = segment_files(folder)
        if not from_start:
            while paths and not self._stand_behind(paths.pop()):
                pass

    @property
    def seq(self) -> int:
        """The number of the last event that was read or passed over."""
        return self._seq

    def poll(self) -> Iterator[Event]:
        """Yield the events that have come since, in order; none if nothing has."""
        while True:
            yield from self._rest_of_segment()
            following = self._folder / segment_name(self._segment + 1)
            if not following.exists():
                return
            # The writer begins the next segment when this one is complete, so a second look sees it all.
            yield from self._rest_of_segment()
            if self._size() > self._offset:
                self._refuse("the line is cut off, although the log goes on")
            self._segment, self._offset = self._segment + 1, 0

    def _rest_of_segment(self) -> Iterator[Event]:
        size = self._size()
        if size < self._offset:
            self._refuse("the segment is shorter than it was")
        if size == self._offset:
            return
        for lines, torn in blocks(self._path, self._offset):
            for line in lines:
                yield self._take(line)
            if len(torn) > LINE_BYTES_MAX:
                self._refuse(f"the line is longer than {LINE_BYTES_MAX} bytes")

    def _take(self, line: bytes) -> Event:
        if len(line) > LINE_BYTES_MAX:
            self._refuse(f"the line is longer than {LINE_BYTES_MAX} bytes")
        try:
            event = decode(line)
        except (ValueError, RecursionError) as error:
            self._refuse(f"this is no event: {reason(error)}")
        if event.seq != self._seq + 1:
            self._refuse(f"event {event.seq} stands where event {self._seq + 1} belongs")
        if event.prev != self._prev:
            self._refuse(f"event {event.seq} was chained to another line than the one before it")
        self._seq, self._prev = event.seq, sha256(b"\x00" + line).hexdigest()
        self._offset += len(line) + 1
        return event

    def _stand_behind(self, path: Path) -> bool:
        """Go to the end of the last complete line of a segment; False if it has none."""
        line, end = _last_line(path)
        if not end:
            return False
        self._segment, self._offset = numbered(path), end
        try:
            event = decode(line)
        except (ValueError, RecursionError) as error:
            self._refuse(f"the last line is no event: {reason(error)}")
        self._seq, self._prev = event.seq, sha256(b"\x00" + line).hexdigest()
        return True

    @property
    def _path(self) -> Path:
        return self._folder / segment_name(self._segment)

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            if self._seq or self._offset:
                self._refuse("the segment is missing")
            return 0
        except OSError as error:
            what = f"the segment cannot be read: {error.strerror}"
            raise MarketError(what, where=place(self._path)) from error

    def _refuse(self, what: str) -> NoReturn:
        raise LogDamaged(what, where=place(self._path), todo=RESTORE)


def _last_line(path: Path) -> tuple[bytes, int]:
    """The last line that ends with a newline, without it, and where the next begins; 0 if there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            length = _TAIL_BYTES
            while True:
                start = max(0, size - length)
                file.seek(start)
                tail = file.read(size - start)
                end = tail.rfind(b"\n")
                before = tail.rfind(b"\n", 0, max(0, end))
                if before >= 0 or start == 0 or length > 2 * LINE_BYTES_MAX:
                    return (tail[before + 1 : end], start + end + 1) if end >= 0 else (b"", 0)
                length *= 8
    except OSError as error:
        raise MarketError(f"the segment cannot be read: {error.strerror}", where=place(path)) from error
