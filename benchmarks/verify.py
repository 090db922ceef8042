"""Verifying a log against a bare loop that reads, decodes and hashes the same lines, and on two cores."""

import tempfile
from hashlib import sha256
from pathlib import Path

from benchmarks.purchases import by_engine, opened
from benchmarks.side_by_side import Figure, Ratio, side_by_side, timed
from marketsim.audit.log import LogWriter
from marketsim.audit.verify import verify
from marketsim.saga.events import decode

__all__ = ["figures"]

_PURCHASES = 10_700
_PAIRS = 7
_WORKERS = 2


def figures() -> list[Figure]:
    """About 200,000 events, in one segment after another."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "audit"
        with LogWriter(folder, "market", durability="none") as log:
            by_engine(log, opened(log), _PURCHASES)
        found = verify(folder)
        assert not found.findings, found.findings[:3]
        assert verify(folder, workers=_WORKERS) == found
        bare, one, two = (
            timed(lambda: _bare(folder)),
            timed(lambda: verify(folder)),
            timed(lambda: verify(folder, workers=_WORKERS)),
        )
        share = side_by_side(bare, one, pairs=_PAIRS)
        share_of_two = side_by_side(bare, two, pairs=_PAIRS)
        gain = side_by_side(one, two, pairs=_PAIRS)
    of_bare = "the share of a bare loop's speed that is kept"
    kept, on_two = f"{of_bare} on one core", f"{of_bare}, on {_WORKERS} cores against its one"
    faster = f"how many times as fast {_WORKERS} cores are as one"
    return [
        _figure(found.size, kept, share, 0.8),
        _figure(found.size, on_two, share_of_two, None),
        _figure(found.size, faster, gain, 1.6),
    ]


def _figure(size: int, what: str, ratio: Ratio, target: float | None) -> Figure:
    note = f"{size / ratio.b_s:,.0f} events a second against {size / ratio.a_s:,.0f}"
    return Figure(f"verifying {size:,} events: {what}", ratio, target, at_least=True, note=note)


def _bare(folder: Path) -> None:
    """Read, decode and hash, and compare nothing but the chain."""
    prev = "0" * 64
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            assert decode(line).prev == prev
            prev = sha256(b"\x00" + line).hexdigest()
