"""The rules for a saga's shape: kinds, reverts and probes, and what stands before the pivot and behind it."""

from collections.abc import Iterator
from typing import Any

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.explore.reading import place_of
from marketsim.saga.definition import Handler, Operation, Policy, Saga

__all__ = [
    "ancestors_of",
    "can_be_asked",
    "can_be_reverted",
    "forward_past_the_pivot",
    "found",
    "irreversible_last",
    "pivot_of",
    "retriable_is_retried",
]


def found(
    rule: str, severity: str, operation: Operation, message: str, handler: Handler | None = None, **rest: Any
) -> Finding:
    """A finding against an operation; its place is that of ``handler``, or of the action."""
    place = place_of(handler or operation.action)
    return Finding(
        rule, severity, message, line=place.line, file=place.file, operation=operation.name, **rest
    )


def ancestors_of(saga: Saga, operation: Operation) -> set[str]:
    """The operations that are done before this one begins."""
    before, todo = set[str](), list(operation.after)
    while todo:
        name = todo.pop()
        if name not in before:
            before.add(name)
            todo += saga.operations[name].after
    return before


def pivot_of(saga: Saga) -> Operation | None:
    """The operation after which the only way is forward, if there is one."""
    return next((each for each in saga.operations.values() if each.kind == "pivot"), None)


def can_be_reverted(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """What is compensatable has a revert."""
    for operation in saga.operations.values():
        if operation.kind == "compensatable" and operation.revert is None:
            yield found(
                "can-be-reverted",
                ERROR,
                operation,
                f"{operation.name} is compensatable and has no revert: what it did stays done",
                expected=f"a handler under @{operation.family}.compensation",
                actual="none",
                remedy="declare its compensation, or its kind: read_only, pivot or retriable",
            )


def irreversible_last(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """What can only go forward waits for the pivot; where there is none, for all that may be reverted."""
    pivot = pivot_of(saga)
    awaited = [pivot] if pivot else [op for op in saga.operations.values() if op.kind == "compensatable"]
    for operation in saga.operations.values():
        before = ancestors_of(saga, operation)
        missing = [each.name for each in awaited if each.name not in before]
        if operation.kind == "retriable" and missing:
            yield found(
                "irreversible-last",
                ERROR,
                operation,
                f"{operation.name} cannot be called back, and is done before {missing[0]} is known to be",
                expected=f"after=[{', '.join(each.family for each in awaited)}]",
                actual=f"after=[{', '.join(operation.after)}]",
                remedy="move it behind, or let it be compensatable and declare its revert",
            )


def forward_past_the_pivot(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """What may fail is done before the pivot: behind it nothing can be reverted any more."""
    pivot = pivot_of(saga)
    before = ancestors_of(saga, pivot) if pivot else set()
    for operation in saga.operations.values() if pivot else ():
        if operation is not pivot and operation.kind != "retriable" and operation.name not in before:
            assert pivot is not None
            yield found(
                "forward-past-the-pivot",
                ERROR,
                operation,
                f"{operation.name} may fail when {pivot.name} is done, and then there is no way back",
                expected=f"{operation.name} before {pivot.name}, or retriable",
                actual=f"{operation.kind}, and {pivot.name} does not wait for it",
                remedy=f"let {pivot.name} wait for it, or repeat it until it works: kind='retriable'",
            )


def can_be_asked(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """Where no answer comes, somebody can say what came of it: what takes effect has a probe."""
    for operation in saga.operations.values():
        if operation.kind in ("read_only", "retriable") or operation.probe is not None:
            continue
        name = operation.name
        severity, cost = WARNING, f"{name} is reverted whenever its answer is lost, or asked for again"
        if operation.kind == "pivot" and operation.revert is None:
            severity = ERROR
            cost = f"the pivot {name} can neither be asked about nor reverted: a lost answer is a dead end"
        elif operation.one_shot:
            cost = f"{name} is never asked for twice, so it is reverted whenever its answer is lost"
        elif not policy.probe:
            continue
        yield found(
            "can-be-asked",
            severity,
            operation,
            cost,
            expected=f"a handler under @{operation.family}.status",
            actual="none",
            remedy="declare how its service is asked what stands of it, if it can be",
        )


def retriable_is_retried(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """What is retriable is tried again: once it may be left undone, nobody is told to do it."""
    for operation in saga.operations.values():
        once = operation.one_shot or operation.retry.attempts_max == 1
        if operation.kind == "retriable" and once:
            yield found(
                "retriable-is-retried",
                ERROR,
                operation,
                f"{operation.name} is retriable and is never tried again: where it fails, it is left undone",
                expected="several attempts",
                actual="one_shot=True" if operation.one_shot else "attempts_max=1",
                remedy="give it a Retry; or do it before the pivot, as what may fail",
            )
