"""The engine against a loop of try and except that does the same purchases and writes the same events."""

import gc
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.by_hand import by_hand
from benchmarks.purchases import Log, by_engine, opened
from benchmarks.side_by_side import Figure, Ratio, Side, side_by_side, timed
from marketsim.audit.log import LogWriter, MemoryLog
from marketsim.market.world import World
from marketsim.saga.events import encode

__all__ = ["figures"]

_PURCHASES = 5_000
_PAIRS = 15


def figures() -> list[Figure]:
    """In memory, and with the log on the disk."""
    events = _equal_streams()
    memory = side_by_side(_in_memory(by_engine), _in_memory(by_hand), pairs=_PAIRS)
    disk = side_by_side(_on_disk(by_engine), _on_disk(by_hand), pairs=_PAIRS)
    rest = f"a loop of try and except that writes the same {events:,} events"
    return [
        Figure(
            f"{_PURCHASES:,} purchases in memory, against {rest}", memory, 1.5, note=_rate(memory, events)
        ),
        Figure(
            f"{_PURCHASES:,} purchases on the disk, 1,000 events a sync, against {rest}",
            disk,
            note=_rate(disk, events),
        ),
    ]


def _equal_streams() -> int:
    """How many events both sides write. Raises AssertionError if they are not the same."""
    streams = []
    for make in (by_engine, by_hand):
        log = MemoryLog()
        make(log, opened(log), _PURCHASES)
        streams.append([encode(event) for event in log.events])
    one, other = streams
    for number, (ours, theirs) in enumerate(zip(one, other, strict=False), 1):
        assert ours == theirs, f"event {number} differs:\n{ours!r}\n{theirs!r}"
    assert len(one) == len(other), f"{len(one)} and {len(other)} events"
    return len(one)


def _in_memory(make: Callable[[Log, World, int], None]) -> Side:
    def side() -> float:
        log = MemoryLog()
        world = opened(log)
        gc.collect()
        return timed(lambda: make(log, world, _PURCHASES))()

    return side


def _on_disk(make: Callable[[Log, World, int], None]) -> Side:
    def side() -> float:
        with TemporaryDirectory() as folder, LogWriter(Path(folder) / "audit", "market") as log:
            world = opened(log)
            gc.collect()

            def run() -> None:
                make(log, world, _PURCHASES)
                log.checkpoint()

            return timed(run)()

    return side


def _rate(ratio: Ratio, events: int) -> str:
    ours, theirs = _PURCHASES / ratio.a_s, _PURCHASES / ratio.b_s
    return (
        f"{ours:,.0f} purchases a second ({events / ratio.a_s:,.0f} events) "
        f"against {theirs:,.0f} ({events / ratio.b_s:,.0f})"
    )
