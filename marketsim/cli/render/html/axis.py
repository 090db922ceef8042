"""What stands along the axis of a timeline: moments, milestones and gaps, labelled where there is room."""

from collections.abc import Iterable

import msgspec
from rich.cells import cell_len

from marketsim.cli.render.html.rows import Course
from marketsim.cli.render.html.scale import Scale
from marketsim.cli.render.words import duration

__all__ = ["WORDS_PX", "Flag", "GapMark", "Tick", "flags_of", "gap_marks_of", "ticks_of"]

WORDS_PX = 6.1
"""How wide a column of words is at the most, in pixels."""


class GapMark(msgspec.Struct, frozen=True):
    """Where time is squeezed; ``label`` is empty where there is no room for it."""

    x: float
    width: float
    label: str
    words: str


class Tick(msgspec.Struct, frozen=True):
    """A moment on the axis."""

    x: float
    words: str
    at_end: bool = False


class Flag(msgspec.Struct, frozen=True):
    """A moment of the whole transaction; ``level`` is its line above the axis, -1 for no label."""

    x: float
    level: int
    at_end: bool
    seq: int
    style: str
    label: str
    words: str


def flags_of(course: Course, scale: Scale, left: float, right: float) -> list[Flag]:
    """The milestones, each with its label where there is room for it: on two lines, to the right or left."""
    flags: list[Flag] = []
    taken: list[list[tuple[float, float]]] = [[], []]
    for each in course.milestones:
        x = scale.at(each.at_us)
        width = cell_len(each.label) * WORDS_PX + 12
        spots = [
            (level, at_end)
            for at_end in (False, True)
            for level in (0, 1)
            if each.label and _free(taken[level], *_span(x, width, at_end), left, right)
        ]
        level, at_end = spots[0] if spots else (-1, False)
        if spots:
            taken[level].append(_span(x, width, at_end))
        flags.append(Flag(x, level, at_end, each.seq, each.style, each.label, each.words))
    return flags


def _span(x: float, width: float, at_end: bool) -> tuple[float, float]:
    return (x - width, x) if at_end else (x, x + width)


def _free(taken: list[tuple[float, float]], begin: float, end: float, left: float, right: float) -> bool:
    inside = begin >= left - 14 and end <= right + 12
    return inside and all(end <= one or begin >= two for one, two in taken)


def ticks_of(scale: Scale, apart: float, right: float, flags: Iterable[Flag]) -> list[Tick]:
    """The moments of the axis, to the right of their lines or to the left, where nothing crosses them."""
    ticks: list[Tick] = []
    taken = [(flag.x - 1, flag.x + 1) for flag in flags]
    for each in scale.ticks(apart):
        x, words = scale.at(each), _brief(each)
        width = cell_len(words) * WORDS_PX + 8
        sides = [side for side in (False, True) if _free(taken, *_span(x, width, side), 12, right)]
        if sides:
            taken.append(_span(x, width, sides[0]))
            ticks.append(Tick(x, words, sides[0]))
    return sorted(ticks, key=lambda tick: tick.x)


def _brief(length_us: int, *, digits: int = 3) -> str:
    """A time for a label: no more digits than it needs."""
    if length_us >= 59_995_000:
        return duration(length_us)
    return f"{length_us / 1_000_000:.{digits}f}".rstrip("0").rstrip(".") + " s"


def gap_marks_of(scale: Scale, left: float, right: float) -> list[GapMark]:
    """The gaps; the longest get their labels first."""
    marks: list[GapMark] = []
    taken: list[tuple[float, float]] = []
    longest_first = sorted(scale.gaps, key=lambda gap: gap.from_us - gap.to_us)
    for gap in longest_first:
        words = _brief(gap.to_us - gap.from_us, digits=1)
        half = (cell_len(words) * WORDS_PX + 8) / 2
        middle = gap.x + gap.width / 2
        span = (middle - half, middle + half)
        fits = _free(taken, *span, left, right)
        taken += [span] if fits else []
        marks.append(GapMark(gap.x, gap.width, words if fits else "", f"{words} squeezed"))
    return sorted(marks, key=lambda mark: mark.x)
