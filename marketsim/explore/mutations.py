"""Mutation: a saga is changed on purpose, in every way that there is, and something must notice each time."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Protocol

import msgspec

from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.virtual import Driver
from marketsim.explore.lint import lint
from marketsim.explore.model import Bound, Case, Exploration
from marketsim.explore.operators import Mutant, Operator, mutant, places_of
from marketsim.explore.search import explore as search
from marketsim.explore.wrong_handlers import HANDLERS
from marketsim.explore.wrong_policies import POLICY_RULES
from marketsim.explore.wrong_shapes import SHAPES
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import ENDS, EffectEvent, Event, ServiceNoted, TransactionBegan
from marketsim.saga.tape import Tape

__all__ = ["OPERATORS", "Explore", "Verdict", "mutants_of", "mutation_score"]

OPERATORS: dict[str, Operator] = {each.name: each for each in (*SHAPES, *HANDLERS, *POLICY_RULES)}
"""Every operator by its name."""


class Explore(Protocol):
    """How a case is explored, as :func:`marketsim.explore.search.explore` does."""

    def __call__(self, case: Case, bound: Bound, *, wanted: int) -> Exploration:
        """Try everything within the bound until so many counterexamples are found (0: all)."""
        ...


class Verdict(msgspec.Struct, frozen=True):
    """What came of a mutant.

    ``killed_by`` says who noticed: ``lint``, ``guardrails``, ``explore`` (the checks, in a run with the
    ``faults`` of each customer), or ``calm run`` (with no fault at all it does something else); it is
    empty if nobody did. ``runs`` is how many were made.
    """

    mutant: Mutant
    killed_by: str = ""
    finding: Finding | None = None
    faults: tuple[tuple[str, ...], ...] = ()
    runs: int = 0


def mutants_of(case: Case, operators: Iterable[str] = ()) -> Iterator[Mutant]:
    """Every mutant of a case; of the operators named, or of all. Raises InputError for an unknown one."""
    for name in operators or OPERATORS:
        operator = OPERATORS.get(name)
        if operator is None:
            raise InputError(f"no operator is called {quoted(name)}", todo=nearest(name, OPERATORS))
        for place in places_of(operator, case):
            yield mutant(operator, case, place)


def mutation_score(
    case: Case,
    bounds: Sequence[Bound],
    explore: Explore = search,
    *,
    operators: Iterable[str] = (),
    refused: Sequence[Case] = (),
    progress: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Judge every mutant of a case, within each of the bounds until one shows it.

    What is found in the case itself does not count against a mutant. ``refused`` are cases whose request
    the guardrails must turn away. ``progress`` is told of each verdict.
    """

    @cache
    def found_before(bound: Bound) -> frozenset[object]:
        return frozenset(_shown(each) for each in explore(case, bound, wanted=0).counterexamples)

    verdicts = []
    for each in mutants_of(case, operators):
        verdict = _verdict(each, case, bounds, explore, found_before, refused)
        verdicts.append(verdict)
        if progress is not None:
            progress(verdict)
    return verdicts


def _verdict(
    made: Mutant,
    case: Case,
    bounds: Sequence[Bound],
    explore: Explore,
    found_before: Callable[[Bound], frozenset[object]],
    refused: Sequence[Case],
) -> Verdict:
    finding = _linted(made, case)
    if finding is not None:
        return Verdict(made, "lint", finding)
    if _lets_through(made, refused):
        return Verdict(made, "guardrails")
    runs = 0
    for bound in bounds:
        known = found_before(bound)
        exploration = explore(made.case, bound, wanted=len(known) + 1)
        runs += exploration.runs
        for each in exploration.counterexamples:
            if _shown(each) not in known:
                return Verdict(made, "explore", each.findings[0], each.faults, runs)
    calm = _calm_difference(made.case, case)
    return Verdict(made, "calm run" if calm else "", calm, runs=runs)


def _shown(counterexample: object) -> object:
    return (counterexample.faults, tuple(counterexample.turns.items()))  # type: ignore[attr-defined]


def _linted(made: Mutant, case: Case) -> Finding | None:
    """What the linter has against the mutant, and not against the case itself."""
    before = {(each.rule, each.operation) for each in lint(case.sagas[0], case.policy)}
    findings = lint(made.case.sagas[0], made.case.policy)
    return next((each for each in findings if (each.rule, each.operation) not in before), None)


def _lets_through(made: Mutant, refused: Sequence[Case]) -> bool:
    operator = OPERATORS[made.operator]
    places = [(case, places_of(operator, case)) for case in refused]
    wrong = [mutant(operator, case, made.place).case for case, names in places if made.place in names]
    return any(not _is_turned_away(each) for each in wrong)


def _is_turned_away(case: Case) -> bool:
    driver, running = _begun(case, [])
    try:
        return driver.ask(running) is not None
    except Exception:  # It broke where the guardrail would have kept it from going.
        return False


# The calm run.


def _begun(case: Case, heard: list[Event]):  # type: ignore[no-untyped-def]
    world, _ = case.opening()
    driver = Driver(MemoryLog(), world, Clock(), watch=heard.append)
    began = TransactionBegan(
        transaction="tx-1",
        saga=case.sagas[0].name,
        policy=case.policy.name,
        request=case.requests[0],
        seed=0,
        services=case.services,
    )
    return driver, driver.begin(case.sagas[0], case.policy, Tape(), began)


def _calm_difference(wrong: Case, right: Case) -> Finding | None:
    """What one customer gets if nothing goes wrong, and would not, or the other way round."""
    expected, actual = _done(right), _done(wrong)
    missing, more = expected - actual, actual - expected
    if not missing and not more:
        return None
    told = [", ".join(sorted(each)) or "nothing" for each in (missing, more)]
    message = "with no fault at all, it does something else"
    return Finding("calm-run", ERROR, message, expected=told[0], actual=told[1])


def _done(case: Case) -> Counter[str]:
    """How a run ends, and what takes effect in it."""
    heard: list[Event] = []
    driver, _ = _begun(case, heard)
    driver.run()
    return Counter(text for event in heard if (text := _told(event)))


def _told(event: Event) -> str:
    if isinstance(event, ENDS):
        return event.type
    if not isinstance(event, EffectEvent) or isinstance(event, ServiceNoted):
        return ""
    return f"{event.type} by {event.compensation or event.operation}"
