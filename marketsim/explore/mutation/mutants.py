"""Mutation: a saga is changed on purpose, in every way that there is, and something must notice each time."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from marketsim.audit.checks import examine
from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.virtual import Driver, Running
from marketsim.explore.lint.rules import lint
from marketsim.explore.model import Bound, Case, Exploration
from marketsim.explore.mutation.accepted import Accepted, accepted
from marketsim.explore.mutation.handlers import HANDLERS
from marketsim.explore.mutation.operators import Mutant, Operator, mutant, places_of
from marketsim.explore.mutation.policies import POLICY_RULES
from marketsim.explore.mutation.shapes import SHAPES
from marketsim.explore.run import START_US, replayed
from marketsim.explore.search import explore as search
from marketsim.saga.definition import ROLES, Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import ENDS, EffectEvent, Event, OperationSucceeded, ServiceNoted, TransactionBegan
from marketsim.saga.faults import places
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS

__all__ = ["BOUNDS", "OPERATORS", "Explore", "Verdict", "calm_difference", "mutants_of", "mutation_score"]

OPERATORS: dict[str, Operator] = {each.name: each for each in (*SHAPES, *HANDLERS, *POLICY_RULES)}
"""Every operator by its name."""


BOUNDS: tuple[Bound, ...] = (
    Bound(faults=1, crashes=0, preemptions=0, customers=1),
    Bound(faults=0, crashes=1, preemptions=0, customers=1),
    Bound(faults=0, crashes=0, preemptions=3, customers=2),
    Bound(faults=2, crashes=0, preemptions=0, customers=1),
    Bound(faults=1, crashes=1, preemptions=0, customers=1),
)
"""Within which mutants are looked at by default: one thing that goes wrong, and then two."""

_STRICT = ["messages-called-back"]
"""The strict checks that an exploration does not make: of what must hold in a run with one fault."""


class Explore(Protocol):
    """How a case is explored, as :func:`marketsim.explore.search.explore` does."""

    def __call__(self, case: Case, bound: Bound, *, wanted: int) -> Exploration:
        """Try everything within the bound until so many counterexamples are found (0: all)."""
        ...


class Verdict(msgspec.Struct, frozen=True):
    """What came of a mutant.

    ``killed_by`` says who noticed: ``lint``; ``guardrails`` (one let through what it must turn away);
    ``explore`` (the checks, in a run with the ``faults`` of each customer, who take turns as ``turns``
    has it); ``strict`` (a strict check, in a run with one fault); or ``calm run`` (with no fault at all it
    does something else). It is empty if nobody did, and ``accepted`` may say why that is right. ``runs``
    is how many were made.
    """

    mutant: Mutant
    killed_by: str = ""
    finding: Finding | None = None
    faults: tuple[tuple[str, ...], ...] = ()
    turns: dict[str, int] = {}
    runs: int = 0
    accepted: Accepted | None = None

    @property
    def survived(self) -> bool:
        """Whether nobody noticed, and there is no reason why."""
        return not self.killed_by and self.accepted is None


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
    bounds: Sequence[Bound] = BOUNDS,
    explore: Explore = search,
    *,
    operators: Iterable[str] = (),
    refused: Sequence[Case] = (),
    progress: Callable[[Verdict], None] | None = None,
) -> list[Verdict]:
    """Judge every mutant of a case, within each of the bounds until one shows it.

    Where something is found in the case itself, no mutant is struck: it would hide what is wrong with that.
    ``refused`` are cases whose request
    the guardrails must turn away. ``progress`` is told of each verdict.
    """

    cleared = [_cleared(case, bound, explore) for bound in bounds]
    verdicts = []
    for each in mutants_of(case, operators):
        verdict = _verdict(each, case, cleared, explore, refused)
        verdicts.append(verdict)
        if progress is not None:
            progress(verdict)
    return verdicts


def _verdict(
    made: Mutant,
    case: Case,
    bounds: Sequence[Bound],
    explore: Explore,
    refused: Sequence[Case],
) -> Verdict:
    finding = _linted(made, case)
    if finding is not None:
        return Verdict(made, "lint", finding)
    if _lets_through(made, refused):
        return Verdict(made, "guardrails")
    runs = 0
    for bound in bounds:
        exploration = explore(made.case, bound, wanted=1)
        runs += exploration.runs
        for each in exploration.counterexamples:
            return Verdict(made, "explore", each.findings[0], each.faults, each.turns, runs)
    found = _strictly(made, case)
    if found is not None:
        return Verdict(made, "strict", found[0], ((found[1],),), runs=runs)
    calm = calm_difference(made.case, case, max((bound.customers for bound in bounds), default=1))
    if calm is not None:
        return Verdict(made, "calm run", calm, runs=runs)
    return Verdict(made, runs=runs, accepted=accepted(made, case))


def _cleared(case: Case, bound: Bound, explore: Explore) -> Bound:
    """The bound without the places at which it takes faults to find something in the case itself."""
    while found := explore(case, bound, wanted=0).counterexamples:
        struck = {fault.partition(":")[0] for each in found for faults in each.faults for fault in faults}
        if not struck:
            raise InputError("the saga breaks the checks without any fault", where=case.name)
        known = bound.targets or tuple(dict.fromkeys(name for saga in case.sagas for name in _points(saga)))
        bound = msgspec.structs.replace(bound, targets=tuple(name for name in known if name not in struck))
        if not bound.targets:
            break
    return bound


def _points(saga: Saga) -> list[str]:
    every = saga.operations.values()
    return [point for each in every for role in ROLES if (point := each.point(role))]


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
    driver, (running,) = _begun(case, 1, [])
    try:
        return driver.ask(running) is not None
    except Exception:  # It broke where the guardrail would have kept it from going.
        return False


# One fault, and the strict checks.


def _strictly(made: Mutant, case: Case) -> tuple[Finding, str] | None:
    """What a strict check finds in a run with one fault, and not in the case's own; and the fault."""
    for fault in (
        f"{place}:{each.name}" for each in FAULTS.values() for place in places(each, case.sagas[0])
    ):
        target = fault.partition(":")[0]
        if target not in made.case.sagas[0].targets():
            continue
        finding = next(iter(_strict_findings(made.case, fault)), None)
        if finding is not None and not _strict_findings(case, fault):
            return finding, fault
    return None


def _strict_findings(case: Case, fault: str) -> list[Finding]:
    return examine(replayed(case, [[fault]]).events, _STRICT)


# The calm run.


def _begun(case: Case, customers: int, heard: list[Event]) -> tuple[Driver, list[Running]]:
    world, _ = case.opening()
    driver = Driver(MemoryLog(), world, Clock(START_US), watch=heard.append)
    running = []
    for number in range(min(customers, len(case.requests))):
        saga = case.sagas[number]
        began = TransactionBegan(
            transaction=f"tx-{number + 1}",
            saga=saga.name,
            policy=case.policy.name,
            request=case.requests[number],
            seed=0,
            services=case.services,
        )
        running.append(driver.begin(saga, case.policy, Tape(), began))
    return driver, running


def calm_difference(wrong: Case, right: Case, customers: int) -> Finding | None:
    """What customers get who come at once if nothing goes wrong, and did not get before, or the reverse."""
    expected, actual = _done(right, customers), _done(wrong, customers)
    missing, more = expected - actual, actual - expected
    if not missing and not more:
        return None
    told = [", ".join(sorted(each)) or "nothing" for each in (missing, more)]
    message = "with no fault at all, it does something else"
    return Finding("calm-run", ERROR, message, expected=told[0], actual=told[1])


def _done(case: Case, customers: int) -> Counter[str]:
    """What is answered and takes effect in a run, and how it ends."""
    heard: list[Event] = []
    driver, _ = _begun(case, customers, heard)
    driver.run()
    return Counter(text for event in heard if (text := _told(event)))


def _told(event: Event) -> str:
    if isinstance(event, OperationSucceeded):
        return f"{event.operation} answers {event.result}"
    if isinstance(event, ENDS):
        return event.type
    if not isinstance(event, EffectEvent) or isinstance(event, ServiceNoted):
        return ""
    return f"{event.type} by {event.compensation or event.operation}"
