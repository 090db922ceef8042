"""Shoppers: who comes, what is wanted, and what somebody does who did not get it."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeAlias

from msgspec import UNSET

from marketsim.drivers.clock import span_us
from marketsim.market.requests import Line
from marketsim.saga.tape import Tape
from marketsim.simulate.chance import UNIT, exponential, fixed, logarithm, power
from marketsim.simulate.model import Habits, Popularity, Workload

__all__ = ["Baskets", "Customs", "parts_per_million"]

_CAME_TO_NOTHING = ("compensated", "abandoned")
_GAVE_UP = ("cancelled", "deadline_exceeded")
_ONE = {"1": 1}


def parts_per_million(percent: float) -> int:
    """A percentage as a whole number of parts in a million."""
    return round(percent * 10_000)


class Baskets:
    """What is wanted: products by their popularity, how many of them, and how many units of each."""

    def __init__(self, workload: Workload, products: Sequence[str], tape: Tape) -> None:
        self.products = products
        self.tape = tape
        self._which = _chosen(_popularity(workload.popularity, products))
        self._units = _weighted(workload.units or _ONE)
        self._different = _weighted(workload.products or _ONE)
        hot = workload.popularity.hot
        self._hot = -1 if hot is UNSET else products.index(hot.product)
        self._hot_ppm = 0 if hot is UNSET else parts_per_million(hot.percent)

    def lines(self, point: str) -> list[Line]:
        """The lines of a request, each of another product."""
        different = min(self._different(self.tape, f"{point}/products"), len(self.products))
        if different == 1:
            return [self._line(self._product(f"{point}/product"), f"{point}/units")]
        taken: dict[int, None] = {}
        for number in range(1, different + 1):
            index = self._product(f"{point}/product.{number}")
            while index in taken:
                # What is in the cart makes way for the next of the catalog.
                index = (index + 1) % len(self.products)
            taken[index] = None
        return [self._line(index, f"{point}/units.{number}") for number, index in enumerate(taken, 1)]

    def _product(self, point: str) -> int:
        if self._hot >= 0 and self.tape.chance(f"{point}/hot", self._hot_ppm):
            return self._hot
        return self._which(self.tape, point)

    def _line(self, index: int, point: str) -> Line:
        return Line(self.products[index], self._units(self.tape, point))


def _popularity(popularity: Popularity, products: Sequence[str]) -> list[int]:
    """A weight for each product; whoever does not want the hot one wants another."""
    weights = [1] * len(products)
    if popularity.zipf is not UNSET:
        exponent = fixed(popularity.zipf)
        weights = [power(-exponent * logarithm(rank) // UNIT) for rank in range(1, len(products) + 1)]
    if popularity.hot is not UNSET and len(products) > 1:
        weights[products.index(popularity.hot.product)] = 0
    return weights if any(weights) else [1] * len(products)


_Choice: TypeAlias = Callable[[Tape, str], int]


def _chosen(weights: Sequence[int]) -> _Choice:
    """What draws an index by these weights; where there is one alternative, nothing is drawn."""
    if len(set(weights)) == 1:
        count = len(weights)
        return lambda tape, point: tape.draw(point, count)
    sums = list(accumulate(weights))
    return lambda tape, point: bisect_right(sums, tape.draw(point, sums[-1]))


def _weighted(weights: dict[str, int]) -> _Choice:
    """What draws a number by the weights of a table that has them as text."""
    numbers = [int(number) for number in weights]
    if len(numbers) == 1:
        only = numbers[0]
        return lambda tape, point: only
    which = _chosen(list(weights.values()))
    return lambda tape, point: numbers[which(tape, point)]


class Customs:
    """The habits of customers: whether and when somebody cancels, and who comes again when."""

    def __init__(self, habits: Habits, tape: Tape) -> None:
        self.tape = tape
        self.deadline_us = 0 if habits.patience is UNSET else span_us(habits.patience)
        self._cancel_ppm = self._within_us = self._again_ppm = self._after_us = self._times = 0
        self._codes: frozenset[str] = frozenset()
        if habits.cancel is not UNSET:
            self._cancel_ppm = parts_per_million(habits.cancel.percent)
            self._within_us = span_us(habits.cancel.within)
        if habits.again is not UNSET:
            self._again_ppm = parts_per_million(habits.again.percent)
            self._after_us, self._times = span_us(habits.again.after), habits.again.times
            self._codes = frozenset(habits.again.codes)

    def cancel_us(self, point: str) -> int:
        """How long after the start of a purchase it is cancelled; 0: never."""
        if not self.tape.chance(f"{point}/cancels", self._cancel_ppm):
            return 0
        return self.tape.between(f"{point}/cancel", 1, self._within_us)

    def after(self, outcome: str, code: str, tries: int, point: str) -> int | None:
        """After how long somebody tries again whose purchase has ended so, or None who does not.

        ``tries`` is how often it was tried. Nobody tries again who bought, was rejected, is stuck, or
        gave the purchase up.
        """
        if tries > self._times or outcome not in _CAME_TO_NOTHING or code in _GAVE_UP:
            return None
        if self._codes and code not in self._codes:
            return None
        if not self.tape.chance(f"{point}/again.{tries}", self._again_ppm):
            return None
        return self._after_us * exponential(self.tape, f"{point}/pause.{tries}") // UNIT
