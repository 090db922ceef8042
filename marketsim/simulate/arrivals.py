"""The moments at which customers come of their own: at random, evenly, or in a rush."""

from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from math import isqrt

import msgspec
from msgspec import UNSET

from marketsim.drivers.clock import span_us
from marketsim.saga.tape import Tape
from marketsim.simulate.chance import UNIT, exponential
from marketsim.simulate.model import Arrivals, FlashSale

__all__ = ["Stretch", "moments", "stretches"]

_PER_ARRIVAL = 10**12
"""So many millionths of an arrival a second, times microseconds, are one arrival."""


class Stretch(msgspec.Struct, frozen=True):
    """A while in which the rate goes evenly from one to another; ``lasts_us`` 0: for ever.

    Rates are in millionths of an arrival a second.
    """

    lasts_us: int
    first: int
    last: int


def stretches(arrivals: Arrivals) -> list[Stretch]:
    """How the rate of those who come of their own goes; empty for a closed group and for a trace."""
    rate = arrivals.steady if arrivals.poisson is UNSET else arrivals.poisson
    if rate is not UNSET:
        return [Stretch(0, _millionths(rate), _millionths(rate))]
    return _sale(arrivals.flash_sale) if arrivals.flash_sale is not UNSET else []


def _sale(sale: FlashSale) -> list[Stretch]:
    base, peak, ramp_us = _millionths(sale.base), _millionths(sale.peak), span_us(sale.ramp)
    parts = [
        Stretch(span_us(sale.at), base, base),
        Stretch(ramp_us, base, peak),
        Stretch(span_us(sale.hold), peak, peak),
        Stretch(ramp_us, peak, base),
    ]
    return [*(part for part in parts if part.lasts_us), Stretch(0, base, base)]


def _millionths(rate: float) -> int:
    return round(Fraction(repr(rate)) * 1_000_000)


def moments(arrivals: Arrivals, tape: Tape) -> Iterator[int]:
    """When they come, in microseconds from the start; it ends where nobody comes any more.

    A random process of changing rate is one of rate 1 whose time is stretched (Çinlar, Introduction to
    Stochastic Processes, 1975): it comes when the area under the rate reaches the sum of the gaps.
    """
    needs = _even() if arrivals.steady is not UNSET else _random(tape)
    need, before, began_us = next(needs), 0, 0
    for stretch in stretches(arrivals):
        twice = (stretch.first + stretch.last) * stretch.lasts_us
        while stretch.lasts_us == 0 or 2 * need < before + twice:
            if not stretch.lasts_us and not stretch.first:
                return
            yield began_us + _reached_us(stretch, need - before // 2)
            need = next(needs)
        before += twice
        began_us += stretch.lasts_us


def _even() -> Iterator[int]:
    return (number * _PER_ARRIVAL for number in count())


def _random(tape: Tape) -> Iterator[int]:
    need = 0
    for number in count(1):
        need += exponential(tape, f"come-{number}/gap")
        yield need * _PER_ARRIVAL // UNIT


def _reached_us(stretch: Stretch, area: int) -> int:
    """How far into the stretch the area under its rate is reached: a quadratic equation."""
    climb = stretch.last - stretch.first
    if not climb:
        return area // stretch.first
    side = stretch.lasts_us * stretch.first
    root = isqrt(max(0, side * side + 2 * climb * stretch.lasts_us * area))
    return min((root - side) // climb, stretch.lasts_us)
