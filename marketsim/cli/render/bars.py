"""Small charts of plain blocks: a bar for a share, and a row of columns for how durations are spread."""

from collections.abc import Sequence
from math import log

from marketsim.cli.render.theme import UNICODE, Glyphs

__all__ = ["bar", "columns", "spread"]

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_HEIGHTS_ASCII = "_.-=+*%#"


def bar(part: int, whole: int, width: int, glyphs: Glyphs) -> str:
    """A bar whose length is the share of ``part`` in ``whole``; what is not 0 is seen."""
    if part <= 0 or whole <= 0:
        return ""
    if glyphs is not UNICODE:
        return "#" * max(1, round(part * width / whole))
    eighths = max(1, round(part * width * 8 / whole))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def columns(buckets: Sequence[tuple[int, int, int]], low: int, high: int, width: int, glyphs: Glyphs) -> str:
    """How numbers are spread from ``low`` to ``high`` on a logarithmic axis: a column for each step of it."""
    heights = spread(buckets, low, high, width)
    marks = _HEIGHTS if glyphs is UNICODE else _HEIGHTS_ASCII
    top = max(heights, default=0)
    return "".join(" " if not each else marks[(each * (len(marks) - 1) + top - 1) // top] for each in heights)


def spread(buckets: Sequence[tuple[int, int, int]], low: int, high: int, width: int) -> list[int]:
    """How many numbers lie in each of ``width`` steps from ``low`` to ``high`` on a logarithmic axis."""
    heights = [0] * width
    span = log(max(high, 1) + 1) - log(low + 1)
    for first, last, count in buckets:
        share = (log((first + last) / 2 + 1) - log(low + 1)) / span if span > 0 else 0.0
        heights[min(width - 1, max(0, int(share * width)))] += count
    return heights
