"""What customers wanted and did not get: sales that are lost, and those who came back and bought."""

from collections import OrderedDict

import msgspec

__all__ = ["PATIENCE_US", "WISHES_MAX", "Sales", "Wish", "Wishes"]

PATIENCE_US = 3_600_000_000
"""How long a customer may stay away and still be after the same thing, in microseconds: an hour."""

WISHES_MAX = 100_000
"""How many wishes are remembered at once; of older ones nobody comes back."""


class Sales(msgspec.Struct):
    """Sales: how many, of how many units, and for how many minor units of money."""

    count: int = 0
    units: int = 0
    minor: int = 0

    def add(self, units: int, minor: int, times: int = 1) -> None:
        """Count one more, or (``times`` -1) one less."""
        self.count += times
        self.units += times * units
        self.minor += times * minor


class Wish:
    """A customer wants so many units of a product; ``in_vain`` for stock that only looked sold."""

    __slots__ = ("bought", "in_vain", "last_us", "minor", "units")

    def __init__(self, units: int, minor: int) -> None:
        self.units, self.minor, self.last_us = units, minor, 0
        self.in_vain = self.bought = False


class Wishes:
    """The wishes of an hour: one that is refused again is the same, and one that is granted is no lost sale.

    Who is refused again within PATIENCE_US of the last time, and has not bought meanwhile, still has the
    same wish. So memory is bounded by the refusals of an hour, and by WISHES_MAX.
    """

    def __init__(self) -> None:
        self.lost, self.came_back = Sales(), Sales()
        self._recent: OrderedDict[tuple[str, str], Wish] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._recent)

    def refuse(self, customer: str, product: str, units: int, minor: int, now_us: int) -> Wish:
        """A customer is turned away; the wish that was not granted."""
        recent, key = self._recent, (customer, product)
        wish = recent.pop(key, None)
        if wish is None or now_us - wish.last_us > PATIENCE_US:
            wish = Wish(units, minor)
        wish.last_us, recent[key] = now_us, wish
        while len(recent) > WISHES_MAX or now_us - next(iter(recent.values())).last_us > PATIENCE_US:
            recent.popitem(last=False)
        return wish

    def count(self, wish: Wish) -> None:
        """It was refused for stock that only looked sold; counted once."""
        if not wish.in_vain:
            wish.in_vain = True
            (self.came_back if wish.bought else self.lost).add(wish.units, wish.minor)

    def grant(self, customer: str, product: str, now_us: int) -> None:
        """A customer buys."""
        wish = self._recent.pop((customer, product), None)
        if wish is None or now_us - wish.last_us > PATIENCE_US:
            return
        wish.bought = True
        if wish.in_vain:
            self.lost.add(wish.units, wish.minor, -1)
            self.came_back.add(wish.units, wish.minor)
