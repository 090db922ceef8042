"""What a large catalog costs a purchase: whole processes, 50,000 products against 50."""

import tempfile
from pathlib import Path

from benchmarks.side_by_side import Figure, process, side_by_side
from benchmarks.start_up import fresh_market, marketsim

__all__ = ["figures"]

_LARGE, _SMALL = 50_000, 50
_PAIRS = 7


def figures() -> list[Figure]:
    """One purchase after another, in a market of each size."""
    with tempfile.TemporaryDirectory() as name:
        large, small = (
            process(marketsim("purchase", "product-1"), folder=fresh_market(Path(name) / str(size), size))
            for size in (_LARGE, _SMALL)
        )
        ratio = side_by_side(large, small, pairs=_PAIRS)
    what = f"`marketsim purchase` in a catalog of {_LARGE:,} products, as a multiple of one in {_SMALL}"
    return [Figure(what, ratio, note=f"{ratio.a_s * 1000:,.0f} ms against {ratio.b_s * 1000:.0f} ms")]
