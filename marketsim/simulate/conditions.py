"""The conditions of the day: what goes wrong at which moment, and how long every call takes."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import UNSET

from marketsim.drivers.calls import Running
from marketsim.drivers.clock import Clock, span_us
from marketsim.drivers.virtual import Driver
from marketsim.saga.definition import Operation, Role
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultPlan, FaultRule
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS
from marketsim.saga.wants import Invoke
from marketsim.simulate.latencies import Draw, latency_of, uniform
from marketsim.simulate.limits import CircuitBreaker, Servers, TokenBucket
from marketsim.simulate.load import Simulation, rules_of
from marketsim.simulate.model import Limit

__all__ = ["Conditions", "SimulatedDriver", "is_sick"]

_OPEN = FAULTS["connection_refused"]
_LIMITED = FAULTS["rate_limited"]
_TIMED_OUT = FAULTS["timeout_after"]
_SLOW = (5, 100)
"""How many times as long an answer takes that is slow: at least and at most."""


def is_sick(fault: Fault) -> bool:
    """Whether a fault says that the service is in a bad way, as a circuit breaker counts it.

    Nothing could be sent, or no clear answer came; that a card is declined says nothing of the kind.
    """
    return fault.slow or fault.group in ("before sending", "ambiguous")


def _arrives(fault: Fault) -> bool:
    """Whether the service has work with a call that is struck so."""
    return fault.group != "before sending" and fault.name != "timeout_before"


class _Service(msgspec.Struct, eq=False):
    """What all calls to a service share."""

    servers: Servers | None = None
    bucket: TokenBucket | None = None
    breaker: CircuitBreaker | None = None


class _Place(msgspec.Struct, eq=False):
    """All that can happen to the calls of one operation in one role; times since the simulation's start."""

    name: str
    service: _Service
    latency: Draw
    least_us: int
    time_limit_us: int
    rules: Sequence[FaultRule]
    outages: Sequence[tuple[int, int, Fault]]


class Conditions(FaultPlan):
    """The plan of every transaction of a simulation: one object for all, since they share the services.

    In this order a call meets: the circuit breaker, an outage, the rate limit, the declared faults, and
    the time limit, if the service (its queue included) takes longer than that. A call that has killed as
    many processes as its fault says kills no other one.
    """

    def __init__(self, simulation: Simulation, clock: Clock) -> None:
        super().__init__(rules_of(simulation))
        self.workload = simulation.workload
        self.timings = simulation.timings
        self.clock = clock
        self.start_us = simulation.start_us
        self.took_us = 0
        self._deaths: dict[str, int] = {}
        self._services: dict[str, _Service] = {}
        self._places: dict[tuple[str, Role], _Place] = {}

    def __bool__(self) -> bool:
        return True

    def strike(
        self, transaction: str, operation: Operation, role: Role, attempt: int, tape: Tape
    ) -> Fault | None:
        """What goes wrong with this call, if anything; ``took_us`` is then how long its answer takes."""
        place = self._places.get((operation.name, role)) or self._place(operation, role)
        now_us = self.clock.now_us
        service = place.service
        if service.breaker is not None and service.breaker.refuses(now_us):
            self.took_us = 0
            return _OPEN
        point = f"{transaction}/{place.name}@{attempt}"
        fault = self._before(place, now_us) if place.outages or service.bucket is not None else None
        if fault is None and place.rules:
            fault = self._declared(place, attempt, point, tape)
            if fault is not None and fault.outcome == "crash":
                self._deaths[point] = died = self._deaths.get(point, 0) + 1
                fault = fault if died <= fault.deaths else None
        self.took_us = took_us = self._took(place, fault, now_us, point, tape)
        if fault is None and took_us > place.time_limit_us:
            self.took_us, fault = place.time_limit_us, _TIMED_OUT
        if service.breaker is not None:
            due_us = now_us + min(self.took_us, place.time_limit_us)
            service.breaker.told(due_us, fault is not None and is_sick(fault))
        return fault

    def _before(self, place: _Place, now_us: int) -> Fault | None:
        """What strikes whatever is asked: an outage, or the rate limit."""
        for begins_us, ends_us, fault in place.outages:
            if begins_us <= now_us - self.start_us < ends_us:
                return fault
        bucket = place.service.bucket
        return _LIMITED if bucket is not None and not bucket.allows(now_us) else None

    def _declared(self, place: _Place, attempt: int, point: str, tape: Tape) -> Fault | None:
        """The first declared fault that happens; its point is that of a plan without conditions."""
        for rule in place.rules:
            if attempt < rule.attempt_first or (rule.attempt_last and attempt > rule.attempt_last):
                continue
            if tape.chance(f"{point}/{rule.fault.name}", rule.probability_ppm):
                return rule.fault
        return None

    def _took(self, place: _Place, fault: Fault | None, now_us: int, point: str, tape: Tape) -> int:
        """How long the answer takes: the work, and the wait for a server before it."""
        if fault is not None and not _arrives(fault):
            return place.time_limit_us if fault.slow else place.least_us
        work_us = place.latency(tape, f"{point}/latency")
        if fault is not None and fault.name == "slow":
            work_us *= tape.between(f"{point}/slowness", *_SLOW)
        servers = place.service.servers
        took_us = work_us if servers is None else servers.take(now_us, work_us)
        return place.time_limit_us if fault is not None and fault.slow else took_us

    def _place(self, operation: Operation, role: Role) -> _Place:
        names = [name for name in (*operation.names(role), operation.service) if name]
        made = _Place(
            name=operation.point(role),
            service=self._service(operation.service),
            latency=self._latency(operation, names),
            least_us=operation.latency_us[0],
            time_limit_us=operation.time_limit_us,
            rules=[rule for rule in self.rules if rule.covers(operation, role, rule.attempt_first)],
            outages=self._outages(names),
        )
        self._places[operation.name, role] = made
        return made

    def _latency(self, operation: Operation, names: Iterable[str]) -> Draw:
        """The distribution that is said for the nearest of the names, or the operation's own."""
        for name in names:
            if name in self.workload.latency:
                return latency_of(self.workload.latency[name], self.timings.get(name, ()))
        return uniform(*operation.latency_us)

    def _outages(self, names: Sequence[str]) -> list[tuple[int, int, Fault]]:
        return [
            (span_us(each.from_), span_us(each.to), FAULTS[each.fault])
            for each in self.workload.outages
            if each.service in names
        ]

    def _service(self, name: str) -> _Service:
        if name not in self._services:
            limit, made = self.workload.limits.get(name, Limit()), _Service()
            if name in self.workload.servers:
                made.servers = Servers(self.workload.servers[name])
            if limit.rate is not UNSET:
                burst = max(1, int(limit.rate)) if limit.burst is UNSET else limit.burst
                made.bucket = TokenBucket(limit.rate, burst)
            if limit.breaker is not UNSET:
                made.breaker = CircuitBreaker(limit.breaker)
            self._services[name] = made
        return self._services[name]


class SimulatedDriver(Driver):
    """A driver whose calls take as long as the conditions say; begin transactions with them as the plan."""

    def took_us(self, running: Running, want: Invoke, fault: Fault | None) -> int:
        """How long the answer to a call takes, in microseconds."""
        plan = running.plan
        return plan.took_us if type(plan) is Conditions else super().took_us(running, want, fault)
