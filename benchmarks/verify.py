"""Verifying a log against a bare loop that reads, decodes and hashes the same lines."""

import tempfile
from hashlib import sha256
from pathlib import Path

from benchmarks.purchases import by_engine, opened
from benchmarks.side_by_side import Figure, side_by_side, timed
from marketsim.audit.log import LogWriter
from marketsim.audit.verify import verify
from marketsim.saga.events import decode

__all__ = ["figures"]

_PURCHASES = 10_700
_PAIRS = 7


def figures() -> list[Figure]:
    """About 200,000 events, in one segment after another."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "audit"
        with LogWriter(folder, "market", durability="none") as log:
            by_engine(log, opened(log), _PURCHASES)
        found = verify(folder)
        assert not found.findings, found.findings[:3]
        ratio = side_by_side(timed(lambda: _bare(folder)), timed(lambda: verify(folder)), pairs=_PAIRS)
    what = f"verifying {found.size:,} events: the share of a bare loop's speed that is kept"
    note = f"{found.size / ratio.b_s:,.0f} events a second against {found.size / ratio.a_s:,.0f}"
    return [Figure(what, ratio, note=note)]


def _bare(folder: Path) -> None:
    """Read, decode and hash, and compare nothing but the chain."""
    prev = "0" * 64
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_bytes().splitlines():
            assert decode(line).prev == prev
            prev = sha256(b"\x00" + line).hexdigest()
