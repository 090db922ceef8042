"""How sure a mean of repeated runs is: confidence intervals, and differences of runs on the same tape."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import cos, pi, sin, sqrt, tan
from typing import Any, TypeAlias

import msgspec

from marketsim.simulate.sweep import Sweep

__all__ = [
    "LEVEL",
    "Difference",
    "Figures",
    "Interval",
    "Point",
    "differences",
    "interval",
    "point_rows",
    "run_rows",
    "summary",
    "t_quantile",
]

Figures: TypeAlias = Mapping[str, int]
"""What came out of one run: counts, amounts of money and durations by their names."""

LEVEL = 0.95
"""How often an interval holds the true mean, if the repeats scatter normally about it."""


class Interval(msgspec.Struct, frozen=True):
    """The mean of some runs, and how far on either side of it the true one may lie.

    ``half`` is None where fewer than two runs leave it unknown.
    """

    runs: int
    mean: float
    half: float | None


class Point(msgspec.Struct, frozen=True):
    """A point of a sweep: the values of its axes, how many runs there are, and each figure over them."""

    values: tuple[str, ...]
    runs: int
    figures: dict[str, Interval]


class Difference(msgspec.Struct, frozen=True):
    """What changes on the same tapes from one value of an axis (``base``) to another (``other``).

    ``values`` are those of the point with ``other``; the figures are other minus base, run by run.
    """

    values: tuple[str, ...]
    base: str
    other: str
    runs: int
    figures: dict[str, Interval]


def interval(numbers: Sequence[int], level: float = LEVEL) -> Interval:
    """The mean of whole numbers and half the width of its confidence interval, by Student's t.

    Sums are exact, so that no order of the runs and no large number changes a digit. At least one number.
    """
    runs, total = len(numbers), sum(numbers)
    if runs < 2:
        return Interval(runs, float(total), None)
    spread = runs * sum(each * each for each in numbers) - total * total
    error = sqrt(spread / (runs * runs * (runs - 1)))
    return Interval(runs, total / runs, t_quantile(runs - 1, level) * error)


@lru_cache(maxsize=1024)
def t_quantile(freedom: int, level: float = LEVEL) -> float:
    """The t within which Student's distribution with ``freedom`` (at least 1) degrees lies at this level.

    The probability between -t and t is a finite series for whole degrees: Abramowitz and Stegun, Handbook
    of Mathematical Functions, 26.7.3 and 26.7.4. It is solved by halving, and rounded to nine decimals.
    """
    low, high = 0.0, pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        if _within(middle, freedom) < level:
            low = middle
        else:
            high = middle
    return round(sqrt(freedom) * tan(low), 9)


def _within(angle: float, freedom: int) -> float:
    """The probability between -t and t, for the angle whose tangent is t / sqrt(freedom)."""
    square = cos(angle) ** 2
    odd = freedom % 2
    term = total = (cos(angle) if odd else 1.0) if freedom > 1 else 0.0
    for number in range(3 if odd else 2, freedom - 1, 2):
        term *= square * (number - 1) / number
        total += term
    return 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total


def summary(sweep: Sweep, results: Mapping[int, Figures]) -> list[Point]:
    """Every point in order, with the runs that there are; one without any has no figures."""
    repeat = len(sweep.seeds)
    points = []
    for number, values in enumerate(sweep.points):
        first = number * repeat
        there = [results[index] for index in range(first, first + repeat) if index in results]
        points.append(Point(values, len(there), _each(there)))
    return points


def differences(sweep: Sweep, results: Mapping[int, Figures], axis: str = "policy") -> list[Difference]:
    """For each value of an axis but its first, what it changes at every point of the other axes.

    Only seeds that were run with both count. Nothing, if the sweep has no such axis.
    """
    place = next((at for at, each in enumerate(sweep.axes) if each.name == axis), None)
    if place is None:
        return []
    number_of = {values: number for number, values in enumerate(sweep.points)}
    base, repeat = next(iter(sweep.axes[place].values)), len(sweep.seeds)
    found = []
    for number, values in enumerate(sweep.points):
        if values[place] == base:
            continue
        beside = number_of[(*values[:place], base, *values[place + 1 :])]
        pairs = [(number * repeat + at, beside * repeat + at) for at in range(repeat)]
        both = [(results[one], results[two]) for one, two in pairs if one in results and two in results]
        changes = [{name: one[name] - two[name] for name in one if name in two} for one, two in both]
        found.append(Difference(values, base, values[place], len(both), _each(changes)))
    return found


def _each(runs: Sequence[Figures]) -> dict[str, Interval]:
    names = dict.fromkeys(name for figures in runs for name in figures)
    return {name: interval([figures[name] for figures in runs if name in figures]) for name in names}


def run_rows(sweep: Sweep, results: Mapping[int, Figures]) -> list[dict[str, Any]]:
    """A flat row for each run that there is: the axes, repeat (from 1) and seed, then the figures."""
    return [
        {**_named(sweep, run.values), "repeat": run.repeat + 1, "seed": run.seed, **results[run.index]}
        for run in sweep.runs()
        if run.index in results
    ]


def point_rows(sweep: Sweep, results: Mapping[int, Figures]) -> list[dict[str, Any]]:
    """A flat row for each point: the axes, how many runs, and mean, low and high of each figure."""
    return [
        {**_named(sweep, point.values), "runs": point.runs, **_ends(point)}
        for point in summary(sweep, results)
    ]


def _ends(point: Point) -> dict[str, float | None]:
    row: dict[str, float | None] = {}
    for name, each in point.figures.items():
        row[f"{name}_mean"] = each.mean
        row[f"{name}_low"] = None if each.half is None else each.mean - each.half
        row[f"{name}_high"] = None if each.half is None else each.mean + each.half
    return row


def _named(sweep: Sweep, values: tuple[str, ...]) -> dict[str, Any]:
    return {axis.label: axis.cell(value) for axis, value in zip(sweep.axes, values, strict=True)}
