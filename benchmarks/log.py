"""The log against a bare loop that encodes, hashes, joins, writes and syncs the same bytes."""

import gc
import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.purchases import stream
from benchmarks.side_by_side import Figure, Side, side_by_side, timed
from marketsim.audit.log import LogWriter
from marketsim.saga.events import GENESIS, Event, encode

__all__ = ["figures"]

_EVENTS = {1: 2_000, 10: 15_000, 100: 60_000, 1_000: 90_000}
"""How many events are appended, for each number of events that share a sync."""

_PAIRS = 15


def figures() -> list[Figure]:
    """One figure for each size of a group."""
    events = list(stream(_EVENTS[1_000] // 18))
    _assert_same_bytes(events[:5_000])
    return [_figure(events[:count], group) for group, count in _EVENTS.items()]


def _figure(events: list[Event], group: int) -> Figure:
    # A is the bare loop: the ratio is then the share of its speed that the log keeps.
    ratio = side_by_side(_side(_bare, events, group), _side(_logged, events, group), pairs=_PAIRS)
    ours, theirs = len(events) / ratio.b_s, len(events) / ratio.a_s
    return Figure(
        f"events appended a second, {group:,} a sync: the share of a bare loop's that the log keeps",
        ratio,
        0.8,
        at_least=True,
        note=f"{ours:,.0f} events a second against {theirs:,.0f}",
    )


def _side(
    work: Callable[[Path, Sequence[Event], int], Callable[[], object]], events: list[Event], group: int
) -> Side:
    def side() -> float:
        with TemporaryDirectory() as folder:
            run = work(Path(folder), events, group)
            gc.collect()
            return timed(run)()

    return side


def _logged(folder: Path, events: Sequence[Event], group: int) -> Callable[[], object]:
    """Append, with the Merkle tree as it grows, and the head at the end."""
    log = LogWriter(folder, "market", group=group, segment_bytes=1 << 40)

    def run() -> None:
        append = log.append
        for event in events:
            append(event)
        log.close()

    return run


def _bare(folder: Path, events: Sequence[Event], group: int) -> Callable[[], object]:
    """What the bytes cost that stand in the file: number and chain each event, and sync each group."""
    file = os.open(folder / "000001.jsonl", os.O_WRONLY | os.O_CREAT)
    sync = getattr(os, "fdatasync", os.fsync)

    def run() -> None:
        prev, lines = GENESIS, list[bytes]()
        for number, event in enumerate(events, 1):
            event.seq, event.prev = number, prev
            line = encode(event)
            prev = sha256(b"\x00" + line).hexdigest()
            lines.append(line)
            if len(lines) == group:
                os.write(file, b"\n".join(lines) + b"\n")
                sync(file)
                lines = []
        if lines:
            os.write(file, b"\n".join(lines) + b"\n")
            sync(file)
        os.close(file)

    return run


def _assert_same_bytes(events: Sequence[Event]) -> None:
    files = []
    for work in (_logged, _bare):
        with TemporaryDirectory() as folder:
            work(Path(folder), events, 100)()
            files.append((Path(folder) / "000001.jsonl").read_bytes())
    assert files[0] == files[1], "the two sides write different bytes"
