"""The replay driver: run a recorded transaction again, and compare it with the record event by event.

The services really run again, on the world as it was; only the faults, and what other
transactions did meanwhile, are taken from the record. So an answer that was altered afterwards
does not come again, and is found.
"""

from collections.abc import Callable, Sequence

import msgspec

from marketsim.drivers.clock import Clock, parse_time
from marketsim.drivers.recovery import is_call_back, resume, same
from marketsim.drivers.virtual import Driver, World
from marketsim.saga.definition import Operation, Policy, Role, Saga
from marketsim.saga.errors import Diverged, InputError, ProcessCrashed, quoted
from marketsim.saga.events import (
    ENDS,
    CompensationEvent,
    CompensationStarted,
    DeadLetterIgnored,
    DeadLetterResolved,
    EffectEvent,
    Event,
    FaultInjected,
    OperationStarted,
    ProcessRecovered,
    TransactionAbandoned,
    TransactionBegan,
    TransactionStuck,
)
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultPlan
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS

__all__ = ["Difference", "Replay", "replay"]

_AFTER_STUCK = (
    CompensationEvent,
    DeadLetterIgnored,
    DeadLetterResolved,
    EffectEvent,
    FaultInjected,
    ProcessRecovered,
)


class Difference(msgspec.Struct, frozen=True):
    """The first event that differs: what was recorded and what came instead (None: nothing)."""

    seq: int
    recorded: Event | None
    replayed: Event | None


class Replay(msgspec.Struct, frozen=True):
    """How a replay went: what was compared and found the same, and the first difference.

    ``complete`` is False when the record stops before the transaction's end.
    """

    compared: list[Event]
    difference: Difference | None
    complete: bool


class _RecordEnded(BaseException):
    """The record is used up while the transaction would go on."""


class _Differs(BaseException):
    """What came is not what was recorded."""

    def __init__(self, difference: Difference) -> None:
        self.difference = difference


def replay(
    recorded: Sequence[Event],
    transaction: str,
    saga: Saga,
    policy: Policy,
    world: World,
    watch: Callable[[Event], None] | None = None,
) -> Replay:
    """Run ``transaction`` again on ``world``, which must be as it was when it began.

    ``recorded`` are the events from its beginning on: its own, and those of others in between.
    Raises InputError if its beginning is not among them.
    """
    own = [event for event in recorded if getattr(event, "transaction", "") == transaction]
    began = own[0] if own else None
    if not isinstance(began, TransactionBegan):
        raise InputError(f"the record has no beginning of {quoted(transaction)}")
    log = _ComparingLog(recorded, transaction, world)
    clock = Clock(parse_time(began.time))
    driver = Driver(log, world, clock, watch=watch)
    plan = _RecordedPlan(own, log.compared)
    difference, complete = None, True
    try:
        driver.begin(saga, policy, Tape(began.seed), _fresh(began), plan)

        def again() -> None:
            back = _called_back(own[len(log.compared) :])
            resume(driver, saga, policy, Tape(began.seed), log.compared, plan, back=back)

        _run(driver, log, again)
        log.finish()
    except _RecordEnded:
        # What services say when all is over may have come when nobody was there any more.
        complete = any(isinstance(event, ENDS) for event in log.compared)
    except _Differs as found:
        difference = found.difference
    except Diverged:
        difference = log.here(None)
    return Replay(log.compared, difference, complete)


def _run(driver: Driver, log: "_ComparingLog", again: Callable[[], object]) -> None:
    """Run to the end, and through every crash that was recorded."""
    start: Callable[[], object] = driver.run
    while True:
        try:
            start()
            driver.run()
            return
        except ProcessCrashed:
            if (next_us := log.next_us()) is None:
                raise _RecordEnded from None
            driver.forget()
            # What the dead process lived through and did not record is no time for the next one.
            driver.clock.now_us = next_us
            start = again


def _called_back(rest: Sequence[Event]) -> bool:
    """Whether the process that recovers now was told to call the transaction back."""
    for event in rest[1:]:
        if is_call_back(event):
            return True
        if isinstance(event, ProcessRecovered):
            return False
    return False


def _fresh(began: TransactionBegan) -> TransactionBegan:
    return msgspec.structs.replace(began, seq=0, time="", prev="")


class _RecordedPlan(FaultPlan):
    """The faults that struck, each at the very call that it struck: behind its intent, or instead."""

    def __init__(self, own: Sequence[Event], compared: Sequence[Event]) -> None:
        super().__init__()
        self._own = own
        self._compared = compared

    def __bool__(self) -> bool:
        return True

    def strike(
        self, transaction: str, operation: Operation, role: Role, attempt: int, tape: Tape
    ) -> Fault | None:
        due = iter(self._own[len(self._compared) : len(self._compared) + 2])
        event = next(due, None)
        if isinstance(event, OperationStarted | CompensationStarted):
            event = next(due, None)
        here = (operation.name, operation.point(role), attempt)
        if not isinstance(event, FaultInjected):
            return None
        there = (event.operation, event.compensation or event.probe or event.operation, event.attempt)
        return FAULTS.get(event.fault) if there == here else None


class _ComparingLog:
    """A log that keeps nothing: it holds each event against the record."""

    def __init__(self, recorded: Sequence[Event], transaction: str, world: World) -> None:
        self.compared: list[Event] = []
        self._recorded = recorded
        self._transaction = transaction
        self._world = world
        self._next = 0

    def append(self, event: Event) -> None:
        """Compare with the record; a crash that was recorded here happens again."""
        due = self._due()
        if due is None:
            raise _RecordEnded
        if isinstance(due, ProcessRecovered) and not isinstance(event, ProcessRecovered):
            raise ProcessCrashed
        if not same(due, event):
            raise _Differs(Difference(due.seq, due, event))
        event.seq, event.time, event.prev = due.seq, due.time, due.prev
        self.compared.append(event)
        self._next += 1

    def next_us(self) -> int | None:
        """The time of the event that is due, or None if the record is used up."""
        due = self._due()
        return parse_time(due.time) if due is not None else None

    def here(self, replayed: Event | None) -> Difference:
        """The difference at the event that is due."""
        due = self._due()
        return Difference(due.seq if due else 0, due, replayed)

    def finish(self) -> None:
        """The transaction has ended: nothing more of it may stand in the record.

        What became of dead letters was for a person to decide, and is not run again.
        """
        left = bool(self.compared) and isinstance(self.compared[-1], TransactionStuck | TransactionAbandoned)
        while (due := self._due()) is not None:
            if not (left and isinstance(due, _AFTER_STUCK)):
                raise _Differs(Difference(due.seq, due, None))
            self._next += 1

    def _due(self) -> Event | None:
        """The next recorded event of this transaction; what others did before it takes effect."""
        while self._next < len(self._recorded):
            event = self._recorded[self._next]
            if getattr(event, "transaction", "") == self._transaction:
                return event
            self._world.apply(event)
            self._next += 1
        return None
