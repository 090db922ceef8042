"""Shrinking: from a counterexample to one of which nothing can go without its finding going, too."""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.findings import Finding
from marketsim.explore.model import Case, Cost, Counterexample
from marketsim.explore.run import Judged, replayed
from marketsim.saga.definition import Saga
from marketsim.saga.errors import Diverged, InputError
from marketsim.saga.events import JSONObject
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultRule, parse_fault
from marketsim.saga.taxonomy import FAULTS

__all__ = ["RUNS_MAX", "Candidate", "SagaOf", "Shrunk", "fails_alike", "replay", "shrink", "simpler"]

RUNS_MAX = 2_000
"""How many runs a counterexample may cost to shrink."""

SagaOf: TypeAlias = Callable[[JSONObject], Saga]

_LANDED = ("no", "varies", "partly", "late", "yes")


class Candidate(msgspec.Struct, frozen=True):
    """What might fail alike: a case, and for each of its customers the faults; the turns of the schedule."""

    case: Case
    faults: tuple[tuple[str, ...], ...]
    turns: dict[str, int]


class Shrunk(msgspec.Struct, frozen=True):
    """A counterexample of which nothing can go, and its case, which may ask for less and by fewer customers.

    ``finding`` is what had to stay. ``minimal`` is False if it took more than the ``runs`` allowed, or
    if the counterexample, made again by its names, does not fail alike: then it is as it was.
    """

    case: Case
    counterexample: Counterexample
    finding: Finding
    runs: int
    minimal: bool


def shrink(
    case: Case,
    counterexample: Counterexample,
    *,
    rule: str = "",
    saga_of: SagaOf | None = None,
    runs_max: int = RUNS_MAX,
) -> Shrunk:
    """Take away whatever is not needed for the finding of this rule (else the first one).

    A smaller request is served by ``saga_of`` it, or by the saga that it had. The same counterexample
    always shrinks to the same one.
    """
    finding = next(
        (each for each in counterexample.findings if each.rule == rule), counterexample.findings[0]
    )
    here = Candidate(case, counterexample.faults, counterexample.turns)
    judged, runs, tried = replay(here), 1, {_key(here)}
    if judged is None or not fails_alike(judged, finding, counterexample.healed):
        return Shrunk(case, counterexample, finding, runs, False)
    healed, ways = judged.healed, simpler(here, saga_of)
    while (candidate := next(ways, None)) is not None and runs < runs_max:
        key = _key(candidate)
        if key in tried:
            continue
        tried.add(key)
        runs += 1
        shorter = replay(candidate)
        if shorter is not None and fails_alike(shorter, finding, healed):
            here, judged, healed, ways = candidate, shorter, shorter.healed, simpler(candidate, saga_of)
    return Shrunk(_trimmed(here), _counterexample(here, judged), finding, runs, candidate is None)


def replay(candidate: Candidate) -> Judged | None:
    """What comes of a candidate; None if it cannot be run."""
    try:
        return replayed(candidate.case, candidate.faults, candidate.turns)
    except (InputError, Diverged):
        return None


def fails_alike(judged: Judged, finding: Finding, healed: bool = True) -> bool:
    """Whether the same rule is broken at the same operation, and not only later than it was."""
    alike = any(each.rule == finding.rule and each.operation == finding.operation for each in judged.findings)
    return alike and (healed or not judged.healed)


def simpler(candidate: Candidate, saga_of: SagaOf | None = None) -> Iterator[Candidate]:
    """Everything that is one step simpler, what takes away most first."""
    return chain(
        _fewer_customers(candidate),
        _fewer_faults(candidate),
        _calmer_turns(candidate),
        _smaller_requests(candidate, saga_of),
        _plainer_faults(candidate),
    )


# The steps.


def _fewer_customers(of: Candidate) -> Iterator[Candidate]:
    for gone in range(len(of.faults) if len(of.faults) > 1 else 0):
        case = msgspec.structs.replace(
            of.case, sagas=_without(of.case.sagas, gone), requests=_without(of.case.requests, gone)
        )
        turns = {name: value for point, value in of.turns.items() if (name := _renamed(point, gone + 1))}
        yield Candidate(case, _without(of.faults, gone), turns)


def _renamed(point: str, gone: int) -> str:
    """The name of a choice when the transaction of this number is gone; empty if it is gone with it."""
    transaction, slash, rest = point.partition("/")
    number = int(transaction.rpartition("-")[2])
    return "" if number == gone else f"tx-{number - (number > gone)}{slash}{rest}"


def _fewer_faults(of: Candidate) -> Iterator[Candidate]:
    for customer, texts in enumerate(of.faults):
        for at in range(len(texts)):
            yield _with_faults(of, customer, _without(texts, at))


def _calmer_turns(of: Candidate) -> Iterator[Candidate]:
    for point, value in of.turns.items():
        for less in range(value):
            turns = of.turns | {point: less}
            yield msgspec.structs.replace(of, turns={name: each for name, each in turns.items() if each})


def _smaller_requests(of: Candidate, saga_of: SagaOf | None) -> Iterator[Candidate]:
    for customer in range(len(of.faults)):
        for request in _smaller(of.case.requests[customer]):
            saga = saga_of(request) if saga_of is not None else of.case.sagas[customer]
            case = msgspec.structs.replace(
                of.case,
                sagas=_with(of.case.sagas, customer, saga),
                requests=_with(of.case.requests, customer, request),
            )
            yield msgspec.structs.replace(of, case=case)


def _smaller(value: Any) -> Iterator[Any]:
    """The same with one list shorter or one number lower; nothing gets empty, and no number less than 1."""
    if isinstance(value, list):
        yield from (value[:at] + value[at + 1 :] for at in range(len(value) if len(value) > 1 else 0))
        for at, each in enumerate(value):
            yield from ([*value[:at], less, *value[at + 1 :]] for less in _smaller(each))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (value | {key: less} for less in _smaller(each))
    elif isinstance(value, int) and value > 1:
        yield from dict.fromkeys((1, value // 2, value - 1))


def _plainer_faults(of: Candidate) -> Iterator[Candidate]:
    for customer, texts in enumerate(of.faults):
        for at, text in enumerate(texts):
            for plainer in _plainer(parse_fault(text, of.case.sagas[customer])):
                if str(plainer) not in texts:
                    yield _with_faults(of, customer, _with(texts, at, str(plainer)))


def _plainer(rule: FaultRule) -> Iterator[FaultRule]:
    """The same fault at fewer attempts or an earlier one, then a plainer fault of its group."""
    first, last = rule.attempt_first, rule.attempt_last
    for attempt in dict.fromkeys((1, first)):
        if (attempt, attempt) != (first, last):
            yield msgspec.structs.replace(rule, attempt_first=attempt, attempt_last=attempt)
    alike = sorted((each for each in FAULTS.values() if each.group == rule.fault.group), key=_trouble)
    for fault in alike[: alike.index(rule.fault)]:
        yield msgspec.structs.replace(rule, fault=fault)


def _trouble(fault: Fault) -> tuple[int, int, bool, bool]:
    """By what one fault is plainer than another; those that are alike stand as they are listed."""
    return fault.deaths, _LANDED.index(fault.landed), bool(fault.arrives), fault.slow


def _with_faults(of: Candidate, customer: int, texts: tuple[str, ...]) -> Candidate:
    return msgspec.structs.replace(of, faults=_with(of.faults, customer, texts))


def _without(items: tuple[Any, ...], at: int) -> tuple[Any, ...]:
    return items[:at] + items[at + 1 :]


def _with(items: tuple[Any, ...], at: int, item: object) -> tuple[Any, ...]:
    return (*items[:at], item, *items[at + 1 :])


# What came of it.


def _key(of: Candidate) -> object:
    """What makes a candidate the same as another."""
    requests = msgspec.json.encode(of.case.requests[: len(of.faults)])
    return requests, of.faults, tuple(sorted(of.turns.items()))


def _trimmed(of: Candidate) -> Case:
    customers = len(of.faults)
    case = of.case
    return msgspec.structs.replace(case, sagas=case.sagas[:customers], requests=case.requests[:customers])


def _counterexample(of: Candidate, judged: Judged) -> Counterexample:
    spent = _spent(of.faults, of.turns)
    return Counterexample(judged.findings, judged.healed, of.faults, of.turns, spent, tuple(judged.events))


def _spent(faults: tuple[tuple[str, ...], ...], turns: Mapping[str, int]) -> Cost:
    names = [text.partition(":")[2].partition("@")[0] for texts in faults for text in texts]
    crashes = sum(FAULTS[name].outcome == "crash" for name in names)
    return Cost(len(names) - crashes, crashes, len(turns))
