"""The crowd: who comes, when and for what, drawn from the tape one after another."""

from collections.abc import Iterator

import msgspec

from marketsim.market.requests import Line, request_of
from marketsim.saga.events import JSONObject
from marketsim.saga.tape import Tape
from marketsim.simulate.load import Simulation

__all__ = ["Arrival", "Crowd"]


class Arrival(msgspec.Struct, frozen=True):
    """Somebody comes to buy: when (microseconds since 1970), who, and what for.

    ``number`` counts those who come, from 1; who tries again keeps it, and comes for the ``tries``-th
    time. The purchase is cancelled ``cancel_us``, or given up ``deadline_us``, after it began (0: never).
    """

    moment_us: int
    number: int
    customer: str
    lines: list[Line]
    tries: int = 1
    cancel_us: int = 0
    deadline_us: int = 0

    def request(self, saga: str) -> JSONObject:
        """What is asked of a saga."""
        return request_of(saga, self.customer, self.lines)


class Crowd:
    """Everybody who comes: the same for the same simulation and tape, on any machine."""

    def __init__(self, simulation: Simulation, tape: Tape) -> None:
        self.simulation = simulation
        self.tape = tape

    def arrivals(self) -> Iterator[Arrival]:
        """Those who come of their own, lazily and in order of time.

        Of a closed group these are the first purchases; the others come out of :meth:`after`.
        """
        raise NotImplementedError

    def after(self, arrival: Arrival, outcome: str, code: str, ended_us: int) -> Arrival | None:
        """What the customer does after a purchase has ended so: comes again (when, for what), or not.

        ``outcome`` is that of the transaction (committed, compensated, ...), ``code`` why it failed.
        """
        raise NotImplementedError
