"""The crowd: who comes, when and for what, drawn from the tape one after another."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from marketsim.drivers.clock import span_us
from marketsim.market.requests import Line, request_of
from marketsim.saga.events import JSONObject
from marketsim.saga.tape import Tape
from marketsim.simulate.arrivals import moments
from marketsim.simulate.chance import UNIT, exponential
from marketsim.simulate.load import Simulation
from marketsim.simulate.model import PURCHASES_MAX, Closed
from marketsim.simulate.shoppers import Baskets, Customs

__all__ = ["Arrival", "Crowd"]

_FOREVER_US = 2**63


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """Somebody comes to buy: when (microseconds since 1970), who, and what for.

    ``point`` is the name under which its choices are drawn: ``come-7``, or ``user-3/buy-2`` for one of
    a closed group. Who tries again keeps it, and comes for the ``tries``-th time. The purchase is
    cancelled ``cancel_us``, or given up ``deadline_us``, after it began (0: never).
    """

    moment_us: int
    point: str
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
        workload = simulation.workload
        self.simulation = simulation
        self.tape = tape
        self.baskets = Baskets(workload, [record["id"] for record in simulation.catalog.products], tape)
        self.customs = Customs(workload.habits, tape)
        self._customers = [record["id"] for record in simulation.customers]
        self._most = PURCHASES_MAX if workload.purchases is UNSET else workload.purchases
        self._lasts_us = _FOREVER_US if workload.duration is UNSET else span_us(workload.duration)
        self._ends_us = simulation.start_us + self._lasts_us
        self._closed = workload.arrivals.closed
        self._came = 0

    def arrivals(self) -> Iterator[Arrival]:
        """Those who come of their own, lazily and in order of time.

        Of a closed group these are the first purchases; the others come out of :meth:`after`.
        """
        if self._closed is not UNSET:
            return self._first_of_a_group(self._closed)
        return self._of_a_trace() if self.simulation.trace is not None else self._of_their_own()

    def after(self, arrival: Arrival, outcome: str, code: str, ended_us: int) -> Arrival | None:
        """What the customer does after a purchase has ended so: comes again (when, for what), or not.

        ``outcome`` is that of the transaction (committed, compensated, ...), ``code`` why it failed.
        """
        tries, point = arrival.tries, arrival.point
        pause_us = self.customs.after(outcome, code, tries, point)
        if pause_us is not None:
            cancel_us = self.customs.cancel_us(f"{point}.{tries + 1}")
            return msgspec.structs.replace(
                arrival, moment_us=ended_us + pause_us, tries=tries + 1, cancel_us=cancel_us
            )
        if self._closed is UNSET or self._came >= self._most:
            return None
        number = arrival.number + 1
        moment_us = ended_us + self._thinks_us(self._closed, arrival.customer, number)
        if moment_us >= self._ends_us:
            return None
        self._came += 1
        return self._arrival(moment_us, f"{arrival.customer}/buy-{number}", number, arrival.customer)

    def _arrival(self, moment_us: int, point: str, number: int, customer: str) -> Arrival:
        lines, customs = self.baskets.lines(point), self.customs
        cancel_us = customs.cancel_us(point)
        return Arrival(moment_us, point, number, customer, lines, 1, cancel_us, customs.deadline_us)

    def _of_their_own(self) -> Iterator[Arrival]:
        customers, start_us, draw = self._customers, self.simulation.start_us, self.tape.draw
        for number, after_us in enumerate(moments(self.simulation.workload.arrivals, self.tape), 1):
            if number > self._most or after_us >= self._lasts_us:
                return
            point = f"come-{number}"
            customer = customers[draw(f"{point}/customer", len(customers))]
            yield self._arrival(start_us + after_us, point, number, customer)

    def _of_a_trace(self) -> Iterator[Arrival]:
        trace, customs = self.simulation.trace, self.customs
        for number, order in enumerate(trace.orders if trace is not None else (), 1):
            if number > self._most or order.moment_us >= self._ends_us:
                return
            point = f"come-{number}"
            cancel_us = customs.cancel_us(point)
            lines = [Line(order.product, order.quantity)]
            yield Arrival(
                order.moment_us, point, number, order.customer, lines, 1, cancel_us, customs.deadline_us
            )

    def _first_of_a_group(self, closed: Closed) -> Iterator[Arrival]:
        start_us = self.simulation.start_us
        firsts = sorted(
            (start_us + self._thinks_us(closed, customer, 1), index, customer)
            for index, customer in enumerate(self._customers)
        )
        for moment_us, _, customer in firsts:
            if self._came >= self._most or moment_us >= self._ends_us:
                return
            self._came += 1
            yield self._arrival(moment_us, f"{customer}/buy-1", 1, customer)

    def _thinks_us(self, closed: Closed, customer: str, number: int) -> int:
        return span_us(closed.think) * exponential(self.tape, f"{customer}/buy-{number}/think") // UNIT
