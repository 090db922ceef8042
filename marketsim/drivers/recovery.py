"""Recovery: bring an engine to where a dead process left it, and let it go on from there.

The engine is run again from its beginning and fed what the stream says came of each call; what it
wants recorded is compared with what was. When the record is used up the engine stands where it
stood, and the calls whose outcome was never recorded are made again under their own keys.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

from marketsim.drivers.clock import parse_time
from marketsim.drivers.virtual import Driver, Running
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.engine import Engine
from marketsim.saga.errors import Diverged
from marketsim.saga.events import (
    ENDS,
    CompensationExpired,
    CompensationFailed,
    CompensationPartial,
    CompensationStarted,
    CompensationSucceeded,
    Event,
    FaultInjected,
    OperationAborted,
    OperationFailed,
    OperationLate,
    OperationProbed,
    OperationProgress,
    OperationStarted,
    OperationSucceeded,
    OperationSuspended,
    OperationUnknown,
    ProcessRecovered,
    ServiceNoted,
    TransactionBegan,
    TransactionCancelRequested,
    TransactionRejected,
)
from marketsim.saga.faults import FaultPlan, FaultRule, explains, parse_fault
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS
from marketsim.saga.wants import Ask, Came, Invoke, Stop, Wait, Want, role_of

__all__ = [
    "CALLED_BACK",
    "by_engine",
    "fault_plan",
    "is_call_back",
    "open_transactions",
    "resume",
    "same",
    "try_again",
]

_BY_OTHERS = ("ledger.", "order.", "notification.", "service.", "fault.", "process.", "dead_letter.")
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


CALLED_BACK = Stop("cancelled", "recovered, and not wanted any more")
"""What a transaction is told that is recovered in order to be reverted, unless it is past its pivot."""


def fault_plan(began: TransactionBegan, saga: Saga, recorded: Iterable[Event] = ()) -> FaultPlan:
    """The faults a transaction began with, less those that kill a process and did so often enough.

    ``recorded`` is what is recorded of it so far: whoever dies so has recorded why.
    """
    struck = [event for event in recorded if isinstance(event, FaultInjected)]
    rules = [parse_fault(text, saga, where=began.transaction) for text in began.faults]
    return FaultPlan(rule for rule in rules if not _killed_enough(rule, struck, saga))


def _killed_enough(rule: FaultRule, struck: list[FaultInjected], saga: Saga) -> bool:
    if rule.fault.outcome != "crash":
        return False
    return sum(explains(rule, event, saga) for event in struck) >= rule.fault.deaths


def resume(
    driver: Driver,
    saga: Saga,
    policy: Policy,
    tape: Tape,
    recorded: Iterable[Event],
    plan: FaultPlan,
    *,
    back: bool = False,
) -> Running:
    """Go on with a transaction from its recorded events; the driver's ``run`` then finishes it.

    With ``back`` it is called back before anything new begins. Raises Diverged if the saga, run again,
    does not want what was recorded.
    """
    recorded = list(recorded)
    rerun = _Rerun(saga, policy, tape, recorded, plan, back)
    want, finished = rerun.through()
    running = rerun.running
    if finished:
        return running
    engine = running.engine
    _take_up(driver, rerun, recorded)
    _await_arrivals(driver, running, recorded, rerun.under_way)
    stops = {event.code for event in recorded if isinstance(event, TransactionCancelRequested)}
    driver.stop_in_time(running, parse_time(engine.began.time), stops)
    driver.pump(running, want)
    if engine.called_back is not None:
        # It was waiting for something, and is told so before that comes.
        engine.called_back = None
        driver.expect(running, Came(CALLED_BACK, "stopped"), 0)
    return running


def _take_up(driver: Driver, rerun: "_Rerun", recorded: list[Event]) -> None:
    """Record the recovery, wait again for what was waited for, and make again the calls that may be."""
    running, under_way, engine = rerun.running, rerun.under_way, rerun.running.engine
    # Whoever was waited for will answer, or not, without being asked again.
    waited = {(e.operation, "action", e.attempt) for e in recorded if isinstance(e, OperationSuspended)}
    left = [
        each
        for each in under_way
        if isinstance(each, Invoke) and (each.operation.name, each.role, each.attempt) not in waited
    ]
    keys = [each.intent.key for each in left if each.intent is not None and _may_repeat(each, engine.policy)]
    driver.record(ProcessRecovered(transaction=engine.transaction, asked_again=keys))
    engine.now_us = driver.clock.now_us
    for each in under_way:
        if isinstance(each, Wait):
            driver.expect(running, Came(each, "waited"), max(0, rerun.due_us[each] - engine.now_us))
        elif each not in left:
            continue
        elif _may_repeat(each, engine.policy):
            driver.invoke(running, each, again=True)
        else:
            _die_again(driver, running, each)
            reason = "the process died before its answer was recorded"
            driver.expect(running, Came(each, "unknown", code="interrupted", reason=reason), 0)


def _die_again(driver: Driver, running: Running, want: Invoke) -> None:
    """Die at a call that is not made again, if a fault has more than one process die there."""
    transaction, operation = running.engine.transaction, want.operation
    fault = running.plan.strike(transaction, operation, want.role, want.attempt, running.tape)
    if fault is not None and fault.outcome == "crash":
        driver.record(
            FaultInjected(
                transaction=transaction, operation=operation.name, attempt=want.attempt, fault=fault.name
            )
        )
        driver.die(fault.moment == "torn")


def _may_repeat(want: Invoke, policy: Policy) -> bool:
    """Whether a call whose answer was never recorded is made again, under the same key.

    Not if it must not be made twice, and not if the service can be asked what came of it.
    """
    if want.role != "action":
        return True
    return not want.operation.one_shot and not (policy.probe and want.operation.probe is not None)


def _await_arrivals(
    driver: Driver, running: Running, recorded: list[Event], under_way: list[Invoke | Wait]
) -> None:
    """What services still had to say when the process died, they will say to the next one."""
    operations, now_us = running.engine.saga.operations, driver.clock.now_us
    heard = {(each.operation, each.attempt) for each in recorded if isinstance(each, OperationLate)}
    pending = {(each.operation, each.attempt) for each in recorded if isinstance(each, ServiceNoted)}
    for event in recorded:
        fault = FAULTS.get(event.fault) if isinstance(event, FaultInjected) else None
        if not isinstance(event, FaultInjected) or fault is None or not fault.arrives:
            continue
        call = (event.operation, event.attempt)
        if call in heard or event.compensation or event.probe:
            continue
        if event.operation not in operations or (fault.arrives == "landing" and call not in pending):
            continue  # The process died before the request had reached the service.
        operation = operations[event.operation]
        waiting = [
            each
            for each in under_way
            if isinstance(each, Invoke)
            and (each.operation, each.role, each.attempt) == (operation, "action", event.attempt)
        ]
        want = next(iter(waiting), None) or Invoke(operation, event.attempt, _intent(recorded, event))
        passed_us = now_us - parse_time(event.time)
        driver.arrive(running, want, fault, operation.time_limit_us - passed_us)


def _intent(recorded: list[Event], struck: FaultInjected) -> OperationStarted | None:
    for event in recorded:
        if isinstance(event, OperationStarted) and (event.operation, event.attempt) == (
            struck.operation,
            struck.attempt,
        ):
            return event
    return None


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
    rerun = _Rerun(saga, policy, tape, events[: end + 1], plan)
    rerun.through()
    running = rerun.running
    running.run = running.engine.again(tried, reason)
    if any(saga.operations[name].revert is not None for name in tried):
        driver.expect(running, None, 0)
    return running


def is_call_back(event: Event) -> bool:
    """Whether the event tells that a process which recovered the transaction called it back."""
    return isinstance(event, TransactionCancelRequested) and event.reason == CALLED_BACK.reason


class _Rerun:
    """Feeds a new engine from the record of its transaction until the record is used up.

    ``under_way`` is then what the engine still waits for. It is called back where it was, and with
    ``back`` when the last of the record is matched.
    """

    def __init__(
        self,
        saga: Saga,
        policy: Policy,
        tape: Tape,
        recorded: Iterable[Event],
        plan: FaultPlan,
        back: bool = False,
    ) -> None:
        recorded = list(recorded)
        began = recorded[0]
        assert isinstance(began, TransactionBegan)
        engine = Engine(saga, policy, tape, began)
        self.running = Running(engine, engine.run(), plan, tape)
        self.run = self.running.run
        self.expected = deque(event for event in recorded if by_engine(event))
        recovered = [event for event in recorded if isinstance(event, ProcessRecovered)]
        self.again = {key for event in recovered for key in event.asked_again}
        self.back = back
        self.under_way: list[Invoke | Wait] = []
        self.due_us: dict[Wait, int] = {}

    def through(self) -> tuple[Want, bool]:
        """What the engine wants when the record ends, and whether it had ended already."""
        self.running.engine.now_us = parse_time(self.expected[0].time)
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
        if isinstance(want, Invoke) and want.intent is not None:
            self._match(want.intent)
        if want is not None:
            self.under_way.append(want)
            if isinstance(want, Wait):
                self.due_us[want] = self.running.engine.now_us + want.delay_us
            return self.run.send(None)
        came = self._next_came()
        # What the engine decided, it decided at the moment of what it then recorded.
        moment_us = parse_time(self.expected[0].time)
        waited = came.want if isinstance(came.want, Wait) else None
        self.running.engine.now_us = (
            min(moment_us, self.due_us.get(waited, moment_us)) if waited else moment_us
        )
        if came.want in self.under_way and came.outcome != "suspended":
            self.under_way.remove(came.want)
        return self.run.send(came)

    def _match(self, event: Event) -> None:
        found = self.expected.popleft()
        if is_call_back(self.expected[0]) if self.expected else self.back:
            self.running.engine.called_back = CALLED_BACK
        if not same(event, found):
            raise Diverged(
                f"the saga now wants {event.type} where the stream has {found.type}",
                where=f"seq {found.seq}",
                todo="recover with the version that began the transaction",
            )

    def _next_came(self) -> Came:
        event = self.expected[0]
        for want in self.under_way:
            # A question has no intent in the stream: that its pause is over shows in the time alone.
            if (
                isinstance(want, Wait)
                and want.role == "probe"
                and self.due_us[want] <= parse_time(event.time)
            ):
                return Came(want, "waited")
        unawaited = self._unawaited(event)
        if unawaited is not None:
            return unawaited
        for want in self.under_way:
            came = _came_of(want, event)
            if came is not None:
                key = want.intent.key if isinstance(want, Invoke) and want.intent is not None else ""
                came.again = key in self.again
                return came
        # A pause that ended after its transaction had failed leaves no trace: it is over.
        waits = [want for want in self.under_way if isinstance(want, Wait)]
        if waits:
            return Came(waits[0], "waited")
        raise Diverged(f"nothing was under way that leads to {event.type}", where=f"seq {event.seq}")

    def _unawaited(self, event: Event) -> Came | None:
        """What came without being waited for."""
        if isinstance(event, TransactionCancelRequested):
            self.running.engine.called_back = None
            return Came(Stop(event.code, event.reason), "stopped")
        if isinstance(event, OperationLate):
            want = Invoke(self.running.engine.saga.operations[event.operation], event.attempt, None)
            outcome: Any = event.outcome
            return Came(want, outcome, event.result, event.code, event.reason)
        return None


def _came_of(want: Invoke | Wait, event: Event) -> Came | None:
    """What came of ``want``, if ``event`` tells of it."""
    if getattr(event, "operation", "") != want.operation.name:
        return None
    if getattr(event, "attempt", 0) != want.attempt or role_of(event) != want.role:
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
        case OperationSuspended():
            return Came(want, "suspended", code=event.code, reason=event.reason, expires_us=event.expires_us)
        case OperationAborted():
            return Came(want, "aborted", event.payload, code="aborted", reason=event.reason)
        case OperationProbed():
            return _came_of_probe(want, event)
        case CompensationPartial():
            return Came(want, "partial", event.result, remains=event.remains)
        case CompensationExpired():
            return Came(want, "expired", reason=event.reason)
        case CompensationFailed():
            return Came(
                want,
                "unknown" if event.outcome == "unknown" else "failed",
                code=event.code,
                reason=event.reason,
                retry=event.retry,
            )
    return None


def _came_of_probe(want: Invoke, event: OperationProbed) -> Came:
    came = Came(want, "unknown", event.result, event.code, event.reason)
    if event.outcome == "landed":
        came.outcome = "succeeded"
    elif event.outcome == "not_landed":
        came.outcome = "failed"
    return came
