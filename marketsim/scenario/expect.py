"""Judge a run by what its scenario expects: pure functions from what happened to what is not met."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec
from msgspec import UNSET

from marketsim.audit.findings import ERROR, Finding
from marketsim.market.ledger import AVAILABLE, RESERVED, SOLD
from marketsim.market.money import format_minor, to_minor
from marketsim.market.world import World
from marketsim.saga.events import (
    ENDS,
    CompensationStarted,
    CompensationSucceeded,
    Event,
    NotificationSent,
    OperationStarted,
    ProcessRecovered,
    TransactionAbandoned,
    TransactionCommitted,
    TransactionCompensating,
    TransactionRejected,
    TransactionStuck,
)
from marketsim.scenario.model import (
    CheckExpectation,
    MarketExpectation,
    PurchaseExpectation,
    Scenario,
)

__all__ = ["PLACES_MAX", "Course", "Unmet", "judge"]

PLACES_MAX = 20
"""How many unmet expectations are told with their line: to find one, the file is read again."""


class Course(msgspec.Struct, frozen=True):
    """The course of one purchase: its number from 1, its transaction, all its events in their order."""

    purchase: int
    transaction: str
    events: list[Event]

    @property
    def end(self) -> Event:
        """The event that ended it; services may have had something to say after that."""
        return next(event for event in reversed(self.events) if isinstance(event, ENDS))

    @property
    def outcome(self) -> str:
        """How it ended: committed, rejected, compensated, stuck or abandoned."""
        return self.end.type.removeprefix("transaction.")


class Unmet(msgspec.Struct, frozen=True):
    """An expectation that is not met.

    ``index`` is its place in ``expect``, from 0; ``where`` is "file:line", or the file alone after
    PLACES_MAX of them.
    """

    index: int
    where: str
    what: str
    expected: str
    actual: str


_Told: TypeAlias = tuple[str, str, str]
"""What, expected and actual of something that is not met."""


def judge(
    scenario: Scenario,
    courses: Sequence[Course],
    events: Iterable[Event],
    world: World,
    findings: list[Finding],
) -> list[Unmet]:
    """What the scenario expects and did not come: of its purchases, its market, and the checks."""
    unmet: list[Unmet] = []
    counts = _counts(events, world)
    for index, expectation in enumerate(scenario.expect):
        match expectation:
            case PurchaseExpectation():
                told = purchase_unmet(expectation, courses[expectation.purchase - 1])
            case MarketExpectation():
                told = market_unmet(expectation, world, counts)
            case CheckExpectation():
                told = checks_unmet(expectation, findings)
        for what, expected, actual in told:
            near = len(unmet) < PLACES_MAX
            where = scenario.document.place(("expect", index)) if near else scenario.document.name
            unmet.append(Unmet(index, where, what, expected, actual))
    return unmet


# A purchase.


def purchase_unmet(expectation: PurchaseExpectation, course: Course) -> Iterator[_Told]:
    """What did not become of a purchase as expected."""
    for fact, actual_of in _FACTS.items():
        expected = getattr(expectation, fact)
        if expected is not UNSET and expected != (actual := actual_of(course)):
            yield f"{fact} of purchase {course.purchase}", _shown(expected), _shown(actual)
    for name, number in (expectation.attempts or {}).items():
        if number != (made := _attempts(course, name)):
            yield f"attempts at {name} in purchase {course.purchase}", str(number), str(made)


def _reverts(course: Course) -> list[str]:
    return [event.compensation for event in course.events if isinstance(event, CompensationSucceeded)]


def _rule(course: Course) -> str:
    return course.end.rule if isinstance(course.end, TransactionRejected) else ""


def _failed(course: Course) -> str:
    for event in course.events:
        if isinstance(event, TransactionCompensating | TransactionAbandoned):
            return event.operation
    # Behind the pivot nothing is reverted, and what failed is itself the dead letter.
    return course.end.dead_letters[0] if isinstance(course.end, TransactionStuck) else ""


def _left(course: Course) -> list[str]:
    return course.end.left if isinstance(course.end, TransactionCommitted) else []


def _recovered(course: Course) -> bool:
    return any(isinstance(event, ProcessRecovered) for event in course.events)


_FACTS: dict[str, Callable[[Course], object]] = {
    "outcome": lambda course: course.outcome,
    "reverts": _reverts,
    "rule": _rule,
    "failed": _failed,
    "left": _left,
    "recovered": _recovered,
}


def _attempts(course: Course, name: str) -> int:
    made = 0
    for event in course.events:
        if isinstance(event, OperationStarted):
            made += event.operation == name
        elif isinstance(event, CompensationStarted):
            made += event.compensation == name
    return made


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) or "none"


# The market.


def market_unmet(expectation: MarketExpectation, world: World, counts: dict[str, int]) -> Iterator[_Told]:
    """What is not in the market as expected; ``counts`` has orders, notifications and dead letters."""
    for key, account in (("stock", AVAILABLE), ("reserved", RESERVED), ("sold", SOLD)):
        for product, units in (getattr(expectation, key) or {}).items():
            if units != (actual := world.balances.get((account, product), 0)):
                yield f"{key} of {product}", str(units), str(actual)
    for name, amount in (expectation.money or {}).items():
        yield from _money_unmet(name, amount, world)
    for key, actual in counts.items():
        expected = getattr(expectation, key)
        if expected is not UNSET and expected != actual:
            yield key.replace("_", " "), str(expected), str(actual)


def _money_unmet(name: str, amount: int | float, world: World) -> Iterator[_Told]:
    expected_minor = to_minor(abs(amount), world.currency) * (-1 if amount < 0 else 1)
    actual_minor = world.balances.get((f"money:{name}", world.currency), 0)
    if expected_minor != actual_minor:
        expected, actual = (format_minor(each, world.currency) for each in (expected_minor, actual_minor))
        yield f"money of {name}", expected, actual


def _counts(events: Iterable[Event], world: World) -> dict[str, int]:
    counts = {"orders": len(world.standing_orders()), "notifications": 0, "dead_letters": 0}
    for event in events:
        if isinstance(event, NotificationSent):
            counts["notifications"] += 1
        elif isinstance(event, TransactionStuck):
            counts["dead_letters"] += len(event.dead_letters)
    return counts


# The checks.


def checks_unmet(expectation: CheckExpectation, findings: Iterable[Finding]) -> Iterator[_Told]:
    """Which checks found errors that they should not, or none where they should."""
    messages: dict[str, list[str]] = {}
    for finding in findings:
        if finding.severity == ERROR:
            messages.setdefault(finding.rule, []).append(finding.message)
    expected = [] if expectation.checks == "all" else list(dict.fromkeys(expectation.checks.find))
    for rule in expected:
        if rule not in messages:
            yield f"check {rule}", "errors found", "nothing found"
    for rule, found in messages.items():
        if rule not in expected:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            yield f"check {rule}", "nothing found", found[0] + more
