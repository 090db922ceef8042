"""Operators of mutation that change a definition: its order, reverts, kinds, times and retries."""

from collections.abc import Callable
from typing import Any

from marketsim.explore.lint.shape import ancestors_of, pivot_of
from marketsim.explore.mutation.operators import Operator, operations_where
from marketsim.explore.mutation.rebuild import altered, rewired, without_guardrail
from marketsim.saga.definition import Operation, Retry, Saga

__all__ = ["SHAPES"]

_NO_END = Retry(attempts_max=1000, delay_us=600_000_000, factor=1, delay_max_us=600_000_000)


def _fields(
    name: str, sentence: str, words: str, holds: Callable[[Operation], object], **fields: Any
) -> Operator:
    """An operator that sets fields of an operation."""
    return Operator(
        name, sentence, words, operations_where(holds), lambda saga, place: altered(saga, place, **fields)
    )


# The order.


def _waits_of(saga: Saga) -> dict[str, list[str]]:
    return {each.name: list(each.after) for each in saga.operations.values()}


def _swapped(saga: Saga, place: str) -> Saga:
    """An operation changes places with the one that it waits for."""
    before, waits = saga.operations[place].after[-1], _waits_of(saga)
    other = {place: before, before: place}
    renamed = {name: [other.get(each, each) for each in after] for name, after in waits.items()}
    renamed[place], renamed[before] = renamed[before], renamed[place]
    order = [other.get(name, name) for name in saga.operations]
    return rewired(saga, {name: renamed[name] for name in order})


def _beside(saga: Saga, place: str) -> Saga:
    """An operation no longer waits for the one before it, but for what that one waits for."""
    waits, before = _waits_of(saga), saga.operations[place].after[-1]
    waits[place] = [*saga.operations[before].after, *(each for each in waits[place] if each != before)]
    return rewired(saga, waits)


def _dropped(saga: Saga, place: str) -> Saga:
    """Whoever waits for the operation waits for what it waited for."""
    waits = _waits_of(saga)
    gone = waits.pop(place)
    for name, after in waits.items():
        waits[name] = [one for each in after for one in (gone if each == place else [each])]
    return rewired(saga, waits)


def _too_early(saga: Saga, place: str) -> Saga:
    """An operation that cannot be called back comes right before the pivot, or the last that may fail."""
    waits = _waits_of(_dropped(saga, place))
    pivot = pivot_of(saga) or _last_that_fails(saga, place)
    moved: dict[str, list[str]] = {}
    for name, after in waits.items():
        if name == pivot.name:
            moved[place], after = after, [place]
        moved[name] = after
    return rewired(saga, moved)


def _last_that_fails(saga: Saga, place: str) -> Operation:
    before = ancestors_of(saga, saga.operations[place])
    return [each for each in saga.operations.values() if each.name in before][-1]


SHAPES: tuple[Operator, ...] = (
    _fields(
        "drop-revert",
        "A compensatable operation loses its revert.",
        "{operation}: has no revert, {revert} is never called",
        lambda each: each.revert is not None,
        revert=None,
        revert_name="",
        revert_family="",
    ),
    _fields(
        "drop-probe",
        "An operation loses its probe: nobody is asked what came of a call.",
        "{operation}: has no probe, {probe} is never asked",
        lambda each: each.probe is not None,
        probe=None,
        probe_name="",
        probe_family="",
    ),
    Operator(
        "swap-order",
        "An operation changes places with the one that it waits for.",
        "{operation}: runs before the operation that it waited for",
        operations_where(lambda each: each.after),
        _swapped,
    ),
    Operator(
        "run-beside",
        "An operation runs beside the one that it waited for.",
        "{operation}: runs beside the operation that it waited for",
        operations_where(lambda each: each.after),
        _beside,
    ),
    Operator(
        "too-early",
        "What cannot be called back is done before the pivot, or before the last that may fail.",
        "{operation}: is done before it is known that nothing fails any more",
        operations_where(lambda each: each.kind == "retriable"),
        _too_early,
    ),
    Operator(
        "drop-operation",
        "An operation is left out.",
        "{operation}: is left out",
        operations_where(lambda each: True),
        _dropped,
    ),
    _fields(
        "kind-read-only",
        "What takes effect is declared to read only.",
        "{operation}: is read_only",
        lambda each: each.kind not in ("read_only", "retriable"),
        kind="read_only",
    ),
    _fields(
        "kind-retriable",
        "What may fail is declared to succeed at last.",
        "{operation}: is retriable, so the saga goes on without it",
        lambda each: each.kind in ("compensatable", "pivot"),
        kind="retriable",
    ),
    _fields(
        "kind-compensatable",
        "The pivot, or what comes behind it, is declared to be revertible.",
        "{operation}: is compensatable",
        lambda each: each.kind in ("pivot", "retriable"),
        kind="compensatable",
    ),
    Operator(
        "kind-pivot",
        "What may be reverted is declared to be the pivot.",
        "{operation}: is the pivot, there is no way back from it",
        lambda saga: [] if pivot_of(saga) else operations_where(lambda each: each.revert)(saga),
        lambda saga, place: altered(saga, place, kind="pivot"),
    ),
    _fields(
        "one-shot",
        "What may be asked for again is declared to be asked for once only.",
        "{operation}: is one-shot, so it is never tried again",
        lambda each: not each.one_shot and each.kind != "read_only",
        one_shot=True,
    ),
    _fields(
        "no-retry",
        "An operation is tried once only.",
        "{operation}: is tried once",
        lambda each: each.retry.attempts_max > 1,
        retry=Retry(attempts_max=1),
    ),
    _fields(
        "retry-without-end",
        "An operation is tried again and again, whatever the time.",
        "{operation}: is tried a thousand times, ten minutes apart",
        lambda each: True,
        retry=_NO_END,
    ),
    _fields(
        "ttl-too-short",
        "A revert is possible for a moment only.",
        "{operation}: can be reverted for one microsecond",
        lambda each: each.revert is not None and each.kind != "retriable",
        revert_ttl_us=1,
    ),
    _fields(
        "ttl-without-end",
        "A revert that is possible for a time only is tried whatever the time.",
        "{operation}: has no time-to-live",
        lambda each: each.revert_ttl_us,
        revert_ttl_us=0,
    ),
    _fields(
        "no-time-to-answer",
        "A call is given up before it can be answered.",
        "{operation}: is waited for 1 ms",
        lambda each: True,
        time_limit_us=1_000,
    ),
    Operator(
        "drop-guardrail",
        "A rule that a request must keep is not asked.",
        "the guardrail {place}: is not asked",
        lambda saga: list(saga.guardrails),
        without_guardrail,
    ),
)
"""The operators, in the order in which they are told."""
