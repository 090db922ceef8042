"""From time to place: short stretches to scale, and a stretch in which nothing happens squeezed to a gap."""

from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from statistics import median

import msgspec

__all__ = ["Gap", "Scale", "scale_of"]

_GAP_FLOOR_US = 1_000_000
_GAP_FACTOR = 8
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000)


class Gap(msgspec.Struct, frozen=True):
    """A stretch that is not drawn to scale: from when to when, in microseconds, and where."""

    from_us: int
    to_us: int
    x: float
    width: float


class Scale(msgspec.Struct, frozen=True):
    """A monotone map from microseconds to pixels: its fixed points in order, and its gaps."""

    points: list[tuple[int, float]]
    gaps: list[Gap]

    def at(self, moment_us: int) -> float:
        """Where a moment is; one outside lies at the nearest end."""
        after = bisect_right(self.points, moment_us, key=lambda point: point[0])
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (from_us, left), (to_us, right) = self.points[after - 1], self.points[after]
        return left + (right - left) * (moment_us - from_us) / (to_us - from_us)

    def ticks(self, apart: float) -> list[int]:
        """Moments worth a label, the more important first: the ends of gaps, then round ones.

        ``apart`` is how many pixels a label needs.
        """
        starts = [self.points[0][0], *(gap.to_us for gap in self.gaps)]
        broken = {gap.from_us for gap in self.gaps}
        drawn = [(one, two) for one, two in pairwise(self.points) if one[0] not in broken]
        pixels = sum(two[1] - one[1] for one, two in drawn)
        length_us = sum(two[0] - one[0] for one, two in drawn)
        if not pixels or not length_us:
            return starts
        step = _round_step(length_us / pixels * apart)
        rounds = [
            moment for one, two in drawn for moment in range(-(-one[0] // step) * step, two[0] + 1, step)
        ]
        return list(dict.fromkeys([*starts, *rounds]))


def scale_of(moments_us: Iterable[int], left: float, right: float, *, gap: float, least: float) -> Scale:
    """The scale on which these moments fill the space from ``left`` to ``right``, in pixels.

    A stretch much longer than most is a gap, ``gap`` wide; any other takes ``least`` pixels and its
    share of what remains. Where there is too little room, both are made narrower.
    """
    instants = sorted(set(moments_us)) or [0]
    stretches = [two - one for one, two in pairwise(instants)]
    if not stretches:
        return Scale([(instants[0], left)], [])
    limit_us = _limit_us(stretches)
    broken = [length > limit_us for length in stretches]
    room = right - left
    gap = min(gap, room / 2 / max(1, sum(broken)))
    least = min(least, room / 3 / len(stretches))
    ordinary_us = sum(length for length, cut in zip(stretches, broken, strict=True) if not cut)
    rest = room - gap * sum(broken) - least * (len(stretches) - sum(broken))
    points, gaps, x = [(instants[0], left)], [], left
    for (one, two), cut in zip(pairwise(instants), broken, strict=True):
        width = gap if cut else least + rest * (two - one) / ordinary_us
        gaps += [Gap(one, two, x, width)] if cut else []
        x += width
        points.append((two, x))
    return Scale(points, gaps)


def _limit_us(stretches: list[int]) -> float:
    """How long a stretch may be before it is squeezed."""
    usual = _GAP_FACTOR * median(stretches)
    ordinary_us = sum(length for length in stretches if length <= usual)
    return max(_GAP_FLOOR_US, usual, ordinary_us / 2)


def _round_step(least_us: float) -> int:
    magnitude = 1_000
    while True:
        for step in _STEPS:
            if step * magnitude >= least_us:
                return step * magnitude
        magnitude *= 1_000
