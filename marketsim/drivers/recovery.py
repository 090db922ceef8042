"""Recovery: bring an engine to where a dead process left it, and let it go on from there.

The engine is run again from its beginning and fed what the stream says came of each call; what it
wants recorded is compared with what was. When the record is used up the engine stands where it
stood, and the calls whose outcome was never recorded are made again under their own keys.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from marketsim.drivers.virtual import Driver, Running
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.engine import Ask, Came, Engine, Invoke, Wait, Want
from marketsim.saga.errors import Diverged
from marketsim.saga.events import (
    ENDS,
    CompensationFailed,
    CompensationPartial,
    CompensationStarted,
    CompensationSucceeded,
    Event,
    OperationAborted,
    OperationFailed,
    OperationProgress,
    OperationStarted,
    OperationSucceeded,
    OperationUnknown,
    ProcessRecovered,
    TransactionBegan,
    TransactionRejected,
)
from marketsim.saga.faults import FAULTS, FaultPlan, parse_fault
from marketsim.saga.tape import Tape

__all__ = ["by_engine", "fault_plan", "open_transactions", "resume", "same", "try_again"]

_BY_OTHERS = ("ledger.", "order.", "notification.", "fault.", "process.", "dead_letter.")
_STARTS = (OperationStarted, CompensationStarted)


def by_engine(event: Event) -> bool:
    """Whether an event was written by the engine, and not by a service, a fault or a driver."""
    return not event.type.startswith(_BY_OTHERS) and not isinstance(event, OperationProgress)


def same(one: Event, other: Event) -> bool:
    """Whether two events say the same, whatever their number, time and hash."""
    return type(one) is type(other) and _bare(one) == _bare(other)


def _bare(event: Event) -> dict[str, object]:
    fields = msgspec.structs.asdict(event)
    for name in ("seq", "time", "prev"):
        del fields[name]
    return fields


def open_transactions(events: Iterable[Event]) -> dict[str, list[Event]]:
    """The transactions that began and did not end, each with its events, in order of beginning."""
    found: dict[str, list[Event]] = {}
    for event in events:
        name = getattr(event, "transaction", "")
        if isinstance(event, TransactionBegan):
            found[name] = [event]
        elif isinstance(event, ENDS):
            found.pop(name, None)
        elif name in found:
            found[name].append(event)
    return found


def fault_plan(began: TransactionBegan, saga: Saga, *, crashes: bool = True) -> FaultPlan:
    """The faults a transaction began with; without ``crashes`` those that kill the process are left out."""
    rules = [parse_fault(text, saga, where=began.transaction) for text in began.faults]
    return FaultPlan(rule for rule in rules if crashes or FAULTS[rule.fault.name].outcome != "crash")


def resume(
    driver: Driver,
    saga: Saga,
    policy: Policy,
    tape: Tape,
    recorded: Iterable[Event],
    plan: FaultPlan,
) -> Running:
    """Go on with a transaction from its recorded events; the driver's ``run`` then finishes it.

    Raises Diverged if the saga, run again, does not want what was recorded.
    """
    recorded = list(recorded)
    events = [event for event in recorded if by_engine(event)]
    began = events[0]
    assert isinstance(began, TransactionBegan)
    engine = Engine(saga, policy, tape, began)
    running = Running(engine, engine.run(), plan, tape)
    rerun = _Rerun(running, deque(events), _asked_again(recorded))
    want, finished = rerun.through()
    if finished:
        return running
    asked = [each for each in rerun.under_way if isinstance(each, Invoke)]
    driver.record(
        ProcessRecovered(transaction=began.transaction, asked_again=[each.intent.key for each in asked])
    )
    for each in rerun.under_way:
        if isinstance(each, Invoke):
            driver.invoke(running, each, again=True)
        else:
            driver.expect(running, Came(each, "waited"), each.delay_us)
    driver.pump(running, want)
    return running


def try_again(
    driver: Driver,
    saga: Saga,
    policy: Policy,
    tape: Tape,
    recorded: Iterable[Event],
    operations: Iterable[str],
    reason: str,
    plan: FaultPlan,
) -> Running:
    """Try the reverts of a stuck or abandoned transaction (again); the driver's ``run`` does it.

    ``recorded`` are all events of the transaction. Raises Diverged if the saga, run again, does not
    want what was recorded.
    """
    events = list(recorded)
    end = next(index for index, event in enumerate(events) if isinstance(event, ENDS))
    tried = dict.fromkeys(operations, 0)
    for event in events:
        if isinstance(event, CompensationStarted) and event.operation in tried:
            tried[event.operation] = event.attempt
    began = events[0]
    assert isinstance(began, TransactionBegan)
    engine = Engine(saga, policy, tape, began)
    running = Running(engine, engine.run(), plan, tape)
    stopped = [event for event in events[: end + 1] if by_engine(event)]
    _Rerun(running, deque(stopped), _asked_again(events)).through()
    running.run = engine.again(tried, reason)
    driver.expect(running, None, 0)
    return running


def _asked_again(events: Iterable[Event]) -> set[str]:
    return {key for event in events if isinstance(event, ProcessRecovered) for key in event.asked_again}


class _Rerun:
    """Feeds an engine from the record until the record is used up."""

    def __init__(self, running: Running, expected: deque[Event], again: set[str]) -> None:
        self.run = running.run
        self.expected = expected
        self.again = again
        self.under_way: list[Invoke | Wait] = []

    def through(self) -> tuple[Want, bool]:
        """What the engine wants when the record ends, and whether it had ended already."""
        try:
            want: Want = next(self.run)
            while self.expected:
                want = self._serve(want)
            return want, False
        except StopIteration:
            return None, True

    def _serve(self, want: Want) -> Want:
        if isinstance(want, Event):
            self._match(want)
            return self.run.send(None)
        if isinstance(want, Ask):
            broken = self.expected[0]
            told = (broken.rule, broken.reason) if isinstance(broken, TransactionRejected) else None
            return self.run.send(told)
        if isinstance(want, Invoke):
            self._match(want.intent)
        if want is not None:
            self.under_way.append(want)
            return self.run.send(None)
        came = self._next_came()
        self.under_way.remove(came.want)
        return self.run.send(came)

    def _match(self, event: Event) -> None:
        found = self.expected.popleft()
        if not same(event, found):
            raise Diverged(
                f"the saga now wants {event.type} where the stream has {found.type}",
                where=f"seq {found.seq}",
                todo="recover with the version that began the transaction",
            )

    def _next_came(self) -> Came:
        event = self.expected[0]
        for want in self.under_way:
            came = _came_of(want, event)
            if came is not None:
                came.again = isinstance(want, Invoke) and want.intent.key in self.again
                return came
        # A pause that ended after its transaction had failed leaves no trace: it is over.
        waits = [want for want in self.under_way if isinstance(want, Wait)]
        if waits:
            return Came(waits[0], "waited")
        raise Diverged(f"nothing was under way that leads to {event.type}", where=f"seq {event.seq}")


def _came_of(want: Invoke | Wait, event: Event) -> Came | None:
    """What came of ``want``, if ``event`` tells of it."""
    if getattr(event, "operation", "") != want.operation.name:
        return None
    if (
        getattr(event, "attempt", 0) != want.attempt
        or bool(getattr(event, "compensation", "")) != want.revert
    ):
        return None
    if isinstance(want, Wait):
        return Came(want, "waited") if isinstance(event, _STARTS) else None
    match event:
        case OperationSucceeded() | CompensationSucceeded():
            return Came(want, "succeeded", event.result)
        case OperationFailed():
            return Came(want, "failed", code=event.code, reason=event.reason, retry=event.retry)
        case OperationUnknown():
            return Came(want, "unknown", code=event.code, reason=event.reason)
        case OperationAborted():
            return Came(want, "aborted", event.payload, code="aborted", reason=event.reason)
        case CompensationPartial():
            return Came(want, "partial", event.result, remains=event.remains)
        case CompensationFailed():
            return Came(
                want,
                "unknown" if event.outcome == "unknown" else "failed",
                code=event.code,
                reason=event.reason,
                retry=event.retry,
            )
    return None
