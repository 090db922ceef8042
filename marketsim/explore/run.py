"""One run of a case: through every fault and crash, then healed, and judged at both ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from marketsim.audit.checks import Examination, examine
from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.letters import dead_letters
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import fault_plan, open_transactions, resume, try_again
from marketsim.drivers.turns import TurnDriver, Turns
from marketsim.explore.model import Case
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import Event, TransactionAbandoned, TransactionBegan, TransactionStuck
from marketsim.saga.faults import FaultPlan
from marketsim.saga.tape import Tape

__all__ = ["HEALED", "START_US", "Judged", "PlanOf", "Runner", "errors_in", "replayed"]

START_US = 1_767_225_600_000_000
"""When every run begins, in microseconds since 1970: 2026-01-01."""

HEALED = "the faults are over"
"""Why a revert is tried again when the faults have stopped."""

PlanOf: TypeAlias = Callable[[int, list[Event]], FaultPlan]

PROCESSES_MAX = 50
"""How many processes may die in one run."""


class Judged(msgspec.Struct, frozen=True):
    """What came of a run: the errors that the checks find, and whether they show only when it is healed.

    ``events`` is the whole stream, with what came before the case's transactions.
    """

    findings: tuple[Finding, ...]
    healed: bool
    events: list[Event]

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that are broken, by name."""
        return tuple(sorted({finding.rule for finding in self.findings}))


def replayed(case: Case, faults: Sequence[Sequence[str]], turns: Mapping[str, int] | None = None) -> Judged:
    """One run with the faults of each customer, as a scenario has them, and the turns of a counterexample.

    There are as many customers as lists of faults. Raises InputError for what is no fault of the saga.
    """

    def plan_of(number: int, recorded: list[Event]) -> FaultPlan:
        struck = TransactionBegan(
            transaction=f"tx-{number + 1}", saga="", policy="", request={}, seed=0, faults=[*faults[number]]
        )
        return fault_plan(struck, case.sagas[number], recorded)

    return Runner(case, len(faults), plan_of, Tape(None, turns)).run()


class Runner:
    """Runs a case once, for so many customers.

    ``plan_of`` gives the faults of each of them (numbered from 0), told what is recorded of it so far;
    what else there is to choose is drawn from the tape.
    """

    def __init__(self, case: Case, customers: int, plan_of: PlanOf, tape: Tape) -> None:
        self.case = case
        self.customers = customers
        self.plan_of = plan_of
        self.tape = tape
        self.turns = Turns(tape)
        self.world, opening = case.opening()
        self.log = MemoryLog()
        self.clock = Clock(START_US)
        self.examination = Examination()
        for event in opening:
            event.time = self.clock.stamp()
            self.log.append(event)
            self.examination.see_soon(event)
        self.opening = len(self.log.events)

    def run(self) -> Judged:
        """From the beginning to the healed end."""
        self.through_faults()
        findings = errors_in(self.examination)
        if findings:
            return Judged(findings, False, self.log.events)
        return Judged(self._heal(), True, self.log.events)

    def through_faults(self) -> None:
        """Run all transactions to their ends, in as many processes as it takes."""
        for _ in range(PROCESSES_MAX):
            driver = self.driver(self.examination.see_soon)
            try:
                self._begin(driver)
                driver.run()
                return
            except ProcessCrashed:
                continue

    def driver(self, watch: Callable[[Event], None] | None) -> TurnDriver:
        """The driver of a process that has just begun."""
        driver = TurnDriver(self.log, self.world, self.clock, watch=watch)
        driver.turns = self.turns
        return driver

    def _begin(self, driver: TurnDriver) -> None:
        """Take up what a dead process left open, and have begin what has not begun."""
        events = self.log.events[self.opening :]
        for recorded in open_transactions(events).values():
            number = int(recorded[0].transaction.rpartition("-")[2]) - 1  # type: ignore[attr-defined]
            saga, plan = self.case.sagas[number], self.plan_of(number, recorded)
            resume(driver, saga, self.case.policy, self.tape, recorded, plan)
        begun = {event.transaction for event in events if isinstance(event, TransactionBegan)}
        for number in range(self.customers):
            began = self._began(number)
            if began.transaction not in begun:
                plan = self.plan_of(number, [])
                driver.begin(self.case.sagas[number], self.case.policy, self.tape, began, plan)

    def _began(self, number: int) -> TransactionBegan:
        case = self.case
        return TransactionBegan(
            transaction=f"tx-{number + 1}",
            saga=case.sagas[number].name,
            policy=case.policy.name,
            request=case.requests[number],
            seed=0,
            rules=case.rules,
            services=case.services,
        )

    def _heal(self) -> tuple[Finding, ...]:
        """Try again what is stuck, with nothing in the way; what is wrong then."""
        own: dict[str, list[Event]] = {}
        for event in self.log.events[self.opening :]:
            own.setdefault(event.transaction, []).append(event)  # type: ignore[attr-defined]
        ends = (TransactionStuck, TransactionAbandoned)
        left = [events for events in own.values() if any(isinstance(each, ends) for each in events)]
        if left:
            driver = self.driver(None)
            for events in left:
                self._try_again(driver, events)
            driver.run()
        else:
            return _still_open(own)
        return _errors(examine(self.log.events)) + _still_open(own) + _still_waiting(self.log.events)

    def _try_again(self, driver: TurnDriver, events: list[Event]) -> None:
        names = [letter.operation for letter in dead_letters(events) if letter.state == "open"]
        number = int(events[0].transaction.rpartition("-")[2]) - 1  # type: ignore[attr-defined]
        saga, policy = self.case.sagas[number], self.case.policy
        try_again(driver, saga, policy, Tape(), events, names, HEALED, FaultPlan())


def errors_in(examination: Examination) -> tuple[Finding, ...]:
    """The errors among the findings of an examination, which ends with it."""
    return _errors(examination.finish())


def _errors(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(finding for finding in findings if finding.severity == ERROR)


def _still_open(own: Mapping[str, list[Event]]) -> tuple[Finding, ...]:
    """A finding for each transaction that has begun and has no end."""
    return tuple(
        Finding("quiescence", ERROR, "it never ended", transaction=name, expected="an end", actual="open")
        for name in open_transactions([event for events in own.values() for event in events])
    )


def _still_waiting(events: list[Event]) -> tuple[Finding, ...]:
    """A finding for each revert that still waits for a person, though nothing is in its way any more."""
    return tuple(
        Finding(
            "quiescence",
            ERROR,
            f"{letter.operation} still cannot be reverted when nothing is in the way",
            seq=letter.seq,
            transaction=letter.transaction,
            operation=letter.operation,
            expected="nothing waits for a person",
            actual=letter.code,
        )
        for letter in dead_letters(events)
        if letter.state == "open"
    )
