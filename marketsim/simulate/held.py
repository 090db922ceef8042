"""Money that was taken for orders that did not stand: how much, for how long, and what is still held."""

from collections.abc import Iterable

import msgspec

from marketsim.audit.quantiles import Histogram
from marketsim.audit.stats import Durations
from marketsim.market.ledger import AUTHORIZED, MERCHANT

__all__ = ["TAKEN", "Held", "HeldMoney"]

Taking = tuple[int, int]
"""The moment in microseconds, and the minor units that were taken (or given back, below 0)."""

TAKEN = frozenset((MERCHANT, AUTHORIZED))
"""The accounts in which money is that was taken of customers."""


class Held(msgspec.Struct, frozen=True):
    """Money that was authorized or charged for orders that did not stand.

    ``minor`` of ``count`` customers, each at its most; ``minor_hours`` is that by the hours it was held;
    ``returned`` how long those waited who got all of it back; ``still_minor`` what is held at the end.
    ``double`` orders stand of which ``double_minor`` more was taken than they cost.
    """

    returned: Durations
    count: int = 0
    minor: int = 0
    minor_hours: int = 0
    still_minor: int = 0
    double: int = 0
    double_minor: int = 0


class HeldMoney:
    """Counts it, as transactions end."""

    def __init__(self) -> None:
        self._lengths = Histogram()
        self._count = self._minor = self._minor_us = 0
        self._still_minor = self._still_since_us = 0
        self._double = self._double_minor = 0

    def sold(self, minor: int, price_minor: int) -> None:
        """An order stands that costs so much, and so much was taken for it."""
        if minor > price_minor:
            self._double += 1
            self._double_minor += minor - price_minor

    def in_vain(self, takings: Iterable[Taking], now_us: int) -> None:
        """A transaction has ended that did not commit, and this was taken for it."""
        held = most = first_us = last_us = 0
        for moment_us, minor in takings:
            self._minor_us += held * (moment_us - last_us)
            first_us, last_us = first_us or moment_us, moment_us
            held += minor
            most = max(most, held)
        if not most:
            return
        self._count += 1
        self._minor += most
        if held <= 0:
            self._lengths.add(last_us - first_us)
        else:
            self._minor_us += held * (now_us - last_us)
            self.after(held, now_us)

    def after(self, minor: int, now_us: int) -> None:
        """Money is held on, or (below 0) given back, when its transaction has ended."""
        self._minor_us += self._still_minor * (now_us - self._still_since_us)
        self._still_minor, self._still_since_us = self._still_minor + minor, now_us

    def told(self, now_us: int) -> Held:
        """What it came to until now."""
        still_us = self._still_minor * (now_us - self._still_since_us)
        return Held(
            returned=Durations.of("returned", self._lengths),
            count=self._count,
            minor=self._minor,
            minor_hours=(self._minor_us + still_us) // 3_600_000_000,
            still_minor=self._still_minor,
            double=self._double,
            double_minor=self._double_minor,
        )
