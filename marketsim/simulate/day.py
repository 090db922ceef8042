"""The day: customers come and come back, the shop restocks, processes die, all on one clock."""

from collections.abc import Callable, Iterator
from heapq import heapify
from itertools import count

from marketsim.drivers.calls import Running
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import resume
from marketsim.drivers.virtual import Log, World
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.sagas import saga_for
from marketsim.saga.definition import Saga
from marketsim.saga.engine import Engine
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.policies import policy_named, policy_with
from marketsim.saga.tape import Tape
from marketsim.simulate.changes import Change, changes
from marketsim.simulate.conditions import Conditions, SimulatedDriver
from marketsim.simulate.load import Simulation
from marketsim.simulate.workload import Arrival, Crowd

__all__ = ["Day"]

_OUTCOMES = {
    "TransactionCommitted": "committed",
    "TransactionRejected": "rejected",
    "TransactionCompensated": "compensated",
    "TransactionStuck": "stuck",
    "TransactionAbandoned": "abandoned",
}


def _nothing() -> None:
    """Nobody wants to know who came."""


class Day(SimulatedDriver):
    """Begins a transaction for each customer who comes, and goes on until nobody is left.

    Customers and the shop's own doings are no part of the process: they go on when it dies. Whoever
    takes over then resumes every transaction that is ``left_open``, of which it is told the events.
    ``begun`` counts purchases, and ``came`` is called after each of them.
    """

    def __init__(
        self,
        simulation: Simulation,
        log: Log,
        world: World,
        clock: Clock,
        *,
        watch: Callable[[Event], None] | None = None,
        left_open: Callable[[], list[list[Event]]] = list,
        came: Callable[[], None] = _nothing,
    ) -> None:
        super().__init__(log, world, clock, watch=watch)
        self.simulation = simulation
        self.begun = 0
        self.tape = Tape(simulation.seed)
        self.conditions = Conditions(simulation, clock)
        self._policy = policy_with(policy_named(simulation.policy), simulation.rules)
        self._services = {} if simulation.gateway == DEFAULT_RULE else {"payment": simulation.gateway}
        self._crowd = Crowd(simulation, self.tape)
        self._inside: dict[str, Arrival] = {}
        self._expected = 0
        self._numbers = count(1)
        self._left_open = left_open
        self._came = came

    def go(self) -> None:
        """The whole day, through every death of the process. Stops when all is quiet."""
        self._await_customer(self._crowd.arrivals())
        self._await_change(changes(self.simulation))
        dead = False
        while True:
            try:
                if dead:
                    self._take_over()
                self.run()
                return
            except ProcessCrashed:
                dead = True

    def pump(self, running: Running, want: object) -> None:
        """Carry out what the engine wants; a customer whose purchase has ended decides what to do next."""
        super().pump(running, want)  # type: ignore[arg-type]
        if running.last is not None:
            self._ended(running, running.last)

    def _await_customer(self, coming: Iterator[Arrival]) -> None:
        """Have the next of those who come of their own begin when it is time."""
        arrival = next(coming, None)
        if arrival is None:
            return

        def comes() -> None:
            self._begin(arrival)
            self._await_customer(coming)

        self._expect_customer(arrival, comes)

    def _expect_customer(self, arrival: Arrival, comes: Callable[[], None]) -> None:
        self._expected += 1
        self.at(arrival.moment_us, comes)

    def _await_change(self, coming: Iterator[Change]) -> None:
        """Have the shop do the next thing that it does, while anybody is there or still to come."""
        change = next(coming, None)
        if change is None:
            return

        def happens() -> None:
            if self._expected or self._inside:
                self.record(change.event)
                self._await_change(coming)

        self.at(change.moment_us, happens)

    def _begin(self, arrival: Arrival) -> None:
        self._expected -= 1
        self.begun += 1
        simulation = self.simulation
        request = arrival.request(simulation.saga)
        began = TransactionBegan(
            transaction=f"tx-{next(self._numbers)}",
            saga=simulation.saga,
            policy=simulation.policy,
            request=request,
            seed=simulation.seed,
            rules=simulation.rules,
            services=self._services,
            deadline_us=arrival.deadline_us,
            cancel_us=arrival.cancel_us,
        )
        self._inside[began.transaction] = arrival
        running = self._running(began)
        self.stop_in_time(running, self.clock.now_us)
        running.engine.now_us = self.clock.now_us
        self.pump(running, next(running.run))
        self._came()

    def _running(self, began: TransactionBegan) -> Running:
        engine = Engine(self._saga(began), self._policy, self.tape, began)
        return Running(engine, engine.run(), self.conditions, self.tape)

    def _saga(self, began: TransactionBegan) -> Saga:
        return saga_for(began.saga, began.request)

    def _ended(self, running: Running, last: Event) -> None:
        arrival = self._inside.pop(running.engine.transaction, None)
        if arrival is None:
            return
        outcome, failure = _OUTCOMES[type(last).__name__], running.engine.failure
        back = self._crowd.after(arrival, outcome, failure[1] if failure else "", self.clock.now_us)
        if back is not None:
            self._expect_customer(back, lambda: self._begin(back))

    def _take_over(self) -> None:
        """Another process takes over where one has died: it resumes every transaction that is open."""
        self._coming = [entry for entry in self._coming if entry[2] is None]
        heapify(self._coming)
        for recorded in self._left_open():
            began = recorded[0]
            assert isinstance(began, TransactionBegan)
            resume(self, self._saga(began), self._policy, self.tape, recorded, self.conditions)
