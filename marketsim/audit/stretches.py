"""Stretches of a log that nothing speaks against, found without what stands before them, on any core."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from marketsim.audit.merkle import HASH_BYTES
from marketsim.audit.segments import LINE_BYTES_MAX, blocks
from marketsim.saga.errors import MarketError
from marketsim.saga.events import Event, decode, encode_lines

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

__all__ = [
    "PIECE_BYTES",
    "TIME",
    "Piece",
    "Stretch",
    "cores",
    "instant",
    "pieces_of",
    "sound",
    "sound_pieces",
]

PIECE_BYTES = 4 << 20
"""About how much of a segment is given to a core at a time."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
"""How a time is written: RFC 3339, in UTC."""

_WAITING_MAX = 4
_HASH_DIGITS = 2 * HASH_BYTES
# As the program writes times: of one form, they sort as they are, and need no pattern each.
_USUAL_TIME = "0000-00-00T00:00:00.000000Z"
_DIGITS = str.maketrans("123456789", "0" * 9)
# To copy a hash that was begun costs less than to begin one and to join its input.
_leaf = sha256(b"\x00").copy


class Piece(msgspec.Struct, frozen=True):
    """A part of a segment, from the beginning of a line to the end of another; None: to its end."""

    path: Path
    start: int
    end: int | None


class Stretch(msgspec.Struct, frozen=True):
    """Lines that nothing speaks against: canonical events, numbered, chained and timed in a row.

    ``seq`` and ``prev`` are what the first of them says of itself, ``began`` and ``time`` the times
    of the first and the last; ``leaves`` are their hashes, one after another.
    """

    size_bytes: int
    seq: int
    prev: str
    began: str
    time: str
    leaves: bytes

    @property
    def size(self) -> int:
        """How many lines there are."""
        return len(self.leaves) // HASH_BYTES

    @property
    def last(self) -> str:
        """The hash of the last line, in hex."""
        return self.leaves[-HASH_BYTES:].hex()

    def follows(self, due: int, prev: str, time: str) -> bool:
        """Whether it goes on where event ``due`` belongs, behind a line of that hash and that time."""
        return self.seq == due and self.prev == prev and instant(self.began) >= instant(time)


def sound(lines: list[bytes]) -> tuple[Stretch, list[Event]] | None:
    """The stretch that these lines are, and their events; None if anything at all is wrong with them.

    What is wrong, and where, is for a slower look to tell. All lines are compared at once: a loop
    over them costs more than what is compared in it.
    """
    if not lines or len(lines[0]) > LINE_BYTES_MAX:
        return None
    try:
        events = [decode(line) for line in lines]
    except (ValueError, RecursionError):
        return None
    data = b"\n".join([*lines, b""])
    seq, times = events[0].seq, [event.time for event in events]
    if encode_lines(events) != data or not _in_order(times):
        return None
    leaves = _leaf_hashes(lines)
    if not _chained([event.prev for event in events], leaves.hex()):
        return None
    if [event.seq for event in events] != list(range(seq, seq + len(events))):
        return None
    return Stretch(len(data), seq, events[0].prev, times[0], times[-1], leaves), events


def instant(time: str) -> str:
    """A time as a text that sorts as times do: without the Z, and zeros at the end of a fraction."""
    return time[:-1].rstrip("0").rstrip(".") if "." in time else time[:-1]


def _leaf_hashes(lines: list[bytes]) -> bytes:
    hashes = []
    for line in lines:
        leaf = _leaf()
        leaf.update(line)
        hashes.append(leaf.digest())
    return b"".join(hashes)


def _chained(prevs: list[str], hashes: str) -> bool:
    """Whether each but the first names the hash before it; of one length, they can be compared in one."""
    return set(map(len, prevs)) == {_HASH_DIGITS} and "".join(prevs[1:]) == hashes[:-_HASH_DIGITS]


def _in_order(times: list[str]) -> bool:
    """Whether all are times, and none is before the one in front of it."""
    usual = set(map(len, times)) == {len(_USUAL_TIME)}
    if usual and "".join(times).translate(_DIGITS) == _USUAL_TIME * len(times):
        return times == sorted(times)
    if not all(map(TIME.fullmatch, times)):
        return False
    instants = list(map(instant, times))
    return instants == sorted(instants)


# Many cores.


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def pieces_of(path: Path) -> list[Piece]:
    """Divide a segment into pieces of about PIECE_BYTES; a line that is too long stays in one."""
    starts = [0]
    try:
        with path.open("rb", buffering=0) as file:
            for about in range(PIECE_BYTES, path.stat().st_size, PIECE_BYTES):
                start = max(about, starts[-1])
                file.seek(start)
                after = file.read(LINE_BYTES_MAX + 2).find(b"\n") + 1
                if after:
                    starts.append(start + after)
    except OSError:
        return [Piece(path, 0, None)]  # Whoever reads it will be told, and tell.
    return [Piece(path, start, end) for start, end in zip(starts, [*starts[1:], None], strict=True)]


def sound_pieces(pieces: Sequence[Piece], workers: int) -> Iterator[Stretch | None]:
    """The stretch that each piece is, in order, found in ``workers`` processes; None if it is none.

    A process that dies, or cannot be started, has found nothing sound.
    """
    from collections import deque
    from concurrent.futures.process import BrokenProcessPool

    told, waiting = 0, deque["Future[Stretch | None]"]()
    try:
        with _processes(workers) as pool:
            for piece in pieces:
                waiting.append(pool.submit(_read_sound, piece))
                if len(waiting) >= _WAITING_MAX * workers:
                    stretch = waiting.popleft().result()
                    told += 1
                    yield stretch
            while waiting:
                stretch = waiting.popleft().result()
                told += 1
                yield stretch
    except (BrokenProcessPool, OSError):
        yield from [None] * (len(pieces) - told)


def _processes(workers: int) -> "ProcessPoolExecutor":
    import multiprocessing
    import signal
    from concurrent.futures import ProcessPoolExecutor

    # A fork costs least, and is safe on Linux; the program has no threads.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    ignore = (signal.SIGINT, signal.SIG_IGN)  # An interrupt is for the one that waits.
    return ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=ignore)


def _read_sound(piece: Piece) -> Stretch | None:
    parts = list[Stretch]()
    try:
        for lines, torn in blocks(piece.path, piece.start, piece.end):
            found = sound(lines) if lines else None
            if torn or (lines and found is None):
                return None
            if found is not None:
                parts.append(found[0])
    except MarketError:
        return None
    return _joined(parts)


def _joined(parts: list[Stretch]) -> Stretch | None:
    """The stretch that these are together, if each follows the one before it."""
    for one, next_one in pairwise(parts):
        if not next_one.follows(one.seq + one.size, one.last, one.time):
            return None
    if not parts:
        return None
    size_bytes, leaves = sum(part.size_bytes for part in parts), b"".join(part.leaves for part in parts)
    return msgspec.structs.replace(parts[0], size_bytes=size_bytes, time=parts[-1].time, leaves=leaves)
