"""The log against a bare loop that encodes, hashes, writes and syncs the same bytes, head included."""

import gc
import os
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from benchmarks.purchases import stream
from benchmarks.side_by_side import Figure, Side, side_by_side, timed
from marketsim.audit.log import LogWriter
from marketsim.saga.events import GENESIS, Event, encode

__all__ = ["figures"]

Work: TypeAlias = Callable[[Path, Sequence[Event], int], Callable[[], object]]

_EVENTS = {1: 2_000, 10: 15_000, 100: 60_000, 1_000: 90_000}
"""How many events are appended, for each number of events that share a sync."""

_PAIRS = 15


def figures() -> list[Figure]:
    """One figure for each size of a group."""
    events = list(stream(_EVENTS[1_000] // 18))
    _assert_same_bytes(events[:5_000])
    return [
        _figure(events[:count], group, bare, what)
        for bare, what in (
            (_bare, "writes the same files"),
            (_headless, "has no Merkle tree and writes no head"),
        )
        for group, count in _EVENTS.items()
    ]


def _figure(events: list[Event], group: int, bare: Work, what: str) -> Figure:
    # A is the bare loop: the ratio is then the share of its speed that the log keeps.
    ratio = side_by_side(_side(bare, events, group), _side(_logged, events, group), pairs=_PAIRS)
    ours, theirs = len(events) / ratio.b_s, len(events) / ratio.a_s
    return Figure(
        f"events appended a second, {group:,} a sync, as a share of a bare loop's that {what}",
        ratio,
        0.8,
        at_least=True,
        note=f"{ours:,.0f} events a second against {theirs:,.0f}",
    )


def _side(work: Work, events: list[Event], group: int) -> Side:
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
    """What the bytes cost that stand in the files: the events', and the head's over all of them."""
    return _loop(folder, events, group, head=True)


def _headless(folder: Path, events: Sequence[Event], group: int) -> Callable[[], object]:
    """What the bytes of the events alone cost."""
    return _loop(folder, events, group, head=False)


def _loop(folder: Path, events: Sequence[Event], group: int, *, head: bool) -> Callable[[], object]:
    file = os.open(folder / "000001.jsonl", os.O_WRONLY | os.O_CREAT)
    sync = getattr(os, "fdatasync", os.fsync)

    def run() -> None:
        prev, lines, leaves = GENESIS, list[bytes](), list[str]()
        for number, event in enumerate(events, 1):
            event.seq, event.prev = number, prev
            line = encode(event)
            prev = sha256(b"\x00" + line).hexdigest()
            lines.append(line)
            if head:
                leaves.append(prev)
            if len(lines) == group:
                os.write(file, b"\n".join(lines) + b"\n")
                sync(file)
                lines = []
        if lines:
            os.write(file, b"\n".join(lines) + b"\n")
            sync(file)
        os.close(file)
        if head:
            root = b64encode(_root(bytes.fromhex("".join(leaves)))).decode()
            (folder / "checkpoint").write_text(f"market\n{len(events)}\n{root}\n\n")

    return run


def _root(joined: bytes) -> bytes:
    """The root of the tree over leaf hashes that stand one after another."""
    level = [joined[at : at + 32] for at in range(0, len(joined), 32)]
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [
            sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)
        ] + odd
    return level[0]


def _assert_same_bytes(events: Sequence[Event]) -> None:
    files = []
    for work in (_logged, _bare):
        with TemporaryDirectory() as folder:
            work(Path(folder), events, 100)()
            files.append([(Path(folder) / name).read_bytes() for name in ("000001.jsonl", "checkpoint")])
    assert files[0] == files[1], "the two sides write different bytes"
