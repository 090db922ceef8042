"""Run a scenario: its purchases on a virtual clock, through every crash, and then the judgement."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import msgspec
from msgspec import UNSET

from marketsim.audit.checks import checks_of, examine
from marketsim.audit.findings import Finding
from marketsim.audit.log import LogReader, MemoryLog
from marketsim.drivers.clock import Clock, parse_time, span_us
from marketsim.drivers.recovery import fault_plan, open_transactions, resume
from marketsim.drivers.turns import TurnDriver, Turns
from marketsim.drivers.virtual import Driver, Log
from marketsim.market.directory import create_market, open_market, opening_events
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.sagas import saga_of
from marketsim.market.world import World
from marketsim.saga.definition import Policy
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import Event, FaultInjected, JSONObject, TransactionBegan
from marketsim.saga.faults import explains, parse_fault
from marketsim.saga.policies import policy_named, policy_with
from marketsim.saga.tape import MILLION, Tape
from marketsim.scenario.expect import Course, Unmet, judge
from marketsim.scenario.model import CheckExpectation, Find, Scenario

__all__ = ["START", "Result", "run_scenario"]

START = "2026-01-01T00:00:00.000000Z"
"""When every scenario begins, so that the same one gives the same stream."""


class Result(msgspec.Struct, frozen=True):
    """What came of a scenario.

    ``events`` is the whole stream, ``courses`` has one for each purchase, ``findings`` are those of
    every check, ``failures`` the expectations that are not met, and ``notes`` what a reader should
    know: faults that never struck.
    """

    scenario: Scenario
    policy: str
    events: list[Event]
    world: World
    courses: list[Course]
    findings: list[Finding]
    failures: list[Unmet]
    notes: list[str]

    @property
    def passed(self) -> bool:
        """Whether every expectation is met."""
        return not self.failures


def run_scenario(
    scenario: Scenario,
    *,
    policy: str | None = None,
    keep: Path | None = None,
    watch: Callable[[Event], None] | None = None,
) -> Result:
    """Run a scenario in a market of its own: in memory, or in a new market directory ``keep``.

    ``policy`` takes the place of the scenario's own. ``watch`` sees every event after the market's
    opening as it is recorded. Raises InputError for an unknown policy, and MarketError if ``keep``
    is no empty folder or cannot be written.
    """
    rules = {} if policy else scenario.rules
    used = policy_with(policy_named(policy or scenario.policy), rules)
    with _kept(scenario, keep) if keep else _in_memory(scenario) as (log, world):
        opening = len(log.events)
        _Runner(scenario, used, rules, log, world, watch).run()
    courses = _courses(scenario, log.events[opening:])
    findings = examine(log.events, _checks(scenario))
    failures = judge(scenario, courses, log.events, world, findings)
    notes = [note for course in courses for note in _unstruck(scenario, course)]
    return Result(scenario, used.name, log.events, world, courses, findings, failures, notes)


def _checks(scenario: Scenario) -> list[str]:
    """The checks that every command makes, and those that the scenario names."""
    named = [
        name
        for each in scenario.expect
        if isinstance(each, CheckExpectation) and isinstance(each.checks, Find)
        for name in each.checks.find
    ]
    return list(dict.fromkeys([*checks_of("basic"), *named]))


class _KeptLog(MemoryLog):
    """A log in memory that has its events on disk too."""

    __slots__ = ("_disk",)

    def __init__(self, disk: Log, events: list[Event]) -> None:
        super().__init__()
        self._disk = disk
        self.events.extend(events)

    def append(self, event: Event) -> None:
        self._disk.append(event)
        self.events.append(event)


@contextmanager
def _in_memory(scenario: Scenario) -> Iterator[tuple[MemoryLog, World]]:
    log, world = MemoryLog(), World()
    for event in opening_events(scenario.name, scenario.catalog, scenario.currency):
        event.time = START
        log.append(event)
        world.apply(event)
    yield log, world


@contextmanager
def _kept(scenario: Scenario, keep: Path) -> Iterator[tuple[MemoryLog, World]]:
    # A market changes the records of its catalog, and a scenario may be run again.
    create_market(keep, deepcopy(scenario.catalog), scenario.currency, START)
    with open_market(keep) as market:
        yield _KeptLog(market.log, list(LogReader(keep / "audit"))), market.world


class _Runner:
    """Drives the purchases of a scenario; a process that dies is followed by another one.

    ``rules`` are those of the policy that differ from the policy of its name.
    """

    def __init__(
        self,
        scenario: Scenario,
        policy: Policy,
        rules: JSONObject,
        log: MemoryLog,
        world: World,
        watch: Callable[[Event], None] | None,
    ) -> None:
        self.scenario = scenario
        self.policy = policy
        self.rules = rules
        self.log = log
        self.world = world
        self.watch = watch
        self.clock = Clock(parse_time(START))
        scripted = scenario.choices is not None
        self.tape = Tape(None, scenario.choices) if scripted else Tape(scenario.seed)
        self.turns = Turns(self.tape) if scripted else None

    def run(self) -> None:
        """All purchases: at their own times, or one after another."""
        numbers = range(1, len(self.scenario.purchases) + 1)
        if self.scenario.starts_us:
            self._together(list(numbers))
        else:
            for number in numbers:
                self._together([number])

    def _together(self, numbers: list[int]) -> None:
        """Run these purchases on one clock to their ends, in as many processes as it takes."""
        before = len(self.log.events)
        while True:
            driver = self._driver()
            try:
                self._begin(driver, numbers, self.log.events[before:])
                driver.run()
                return
            except ProcessCrashed:
                continue

    def _driver(self) -> Driver:
        if self.turns is None:
            return Driver(self.log, self.world, self.clock, watch=self.watch)
        driver = TurnDriver(self.log, self.world, self.clock, watch=self.watch)
        driver.turns = self.turns
        return driver

    def _begin(self, driver: Driver, numbers: list[int], events: list[Event]) -> None:
        """Take up what a dead process left open, and have begin what has not begun."""
        for recorded in open_transactions(events).values():
            began = recorded[0]
            assert isinstance(began, TransactionBegan)
            saga = saga_of(began)
            plan = fault_plan(began, saga, recorded)
            resume(driver, saga, self.policy, self.tape, recorded, plan)
        begun = {event.transaction for event in events if isinstance(event, TransactionBegan)}
        for number in numbers:
            began = self._began(number)
            if began.transaction not in begun:
                saga = saga_of(began)
                plan = fault_plan(began, saga)
                delay_us = self._delay_us(number)
                driver.begin(saga, self.policy, self.tape, began, plan, delay_us=delay_us)

    def _began(self, number: int) -> TransactionBegan:
        scenario = self.scenario
        purchase = scenario.purchases[number - 1]
        return TransactionBegan(
            transaction=f"tx-{number}",
            saga=scenario.saga,
            policy=self.policy.name,
            request=purchase.request(scenario.saga),
            seed=scenario.seed,
            faults=purchase.faults,
            rules=self.rules,
            services={} if scenario.gateway == DEFAULT_RULE else {"payment": scenario.gateway},
            deadline_us=span_us(purchase.deadline) if purchase.deadline is not UNSET else 0,
            cancel_us=span_us(purchase.cancel) if purchase.cancel is not UNSET else 0,
        )

    def _delay_us(self, number: int) -> int:
        if not self.scenario.starts_us:
            return 0
        due_us = parse_time(START) + self.scenario.starts_us[number - 1]
        return max(0, due_us - self.clock.now_us)


def _courses(scenario: Scenario, events: list[Event]) -> list[Course]:
    numbers = range(1, len(scenario.purchases) + 1)
    courses = {f"tx-{number}": Course(number, f"tx-{number}", []) for number in numbers}
    for event in events:
        courses[event.transaction].events.append(event)  # type: ignore[attr-defined]
    return list(courses.values())


def _unstruck(scenario: Scenario, course: Course) -> Iterator[str]:
    """A note for each fault of a purchase that never struck."""
    struck = [event for event in course.events if isinstance(event, FaultInjected)]
    saga = scenario.saga_of(course.purchase)
    for text in scenario.purchases[course.purchase - 1].faults:
        rule = parse_fault(text, saga)
        if not any(explains(rule, event, saga) for event in struck):
            chance = "" if rule.probability_ppm == MILLION else "by chance, or "
            yield f"purchase {course.purchase}: the fault {text} never struck: {chance}nothing reached it"
