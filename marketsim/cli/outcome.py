"""What a transaction came to: how it ended, what it changed, and what the checks say of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from marketsim.audit.checks import CHECKS, examine
from marketsim.audit.findings import Finding
from marketsim.cli.exits import exit_of_end
from marketsim.saga.events import (
    ENDS,
    CompensationSucceeded,
    DeadLetterIgnored,
    DeadLetterResolved,
    Event,
    FaultInjected,
    LedgerPosted,
    NotificationSent,
    OrderCancelled,
    OrderPlaced,
    TransactionAbandoned,
    TransactionBegan,
    TransactionCommitted,
    TransactionCompensating,
    TransactionRejected,
    TransactionStuck,
)

__all__ = ["Change", "Outcome", "outcome_of"]


class Change(msgspec.Struct, frozen=True):
    """How much an account gained, in units of a product or minor units of a currency."""

    account: str
    unit: str
    amount: int


class Outcome(msgspec.Struct, frozen=True):
    """The end of a transaction in facts; ``exit`` is the command's exit code."""

    transaction: str
    outcome: str
    reason: str
    exit: int
    request: dict[str, Any]
    policy: str
    seed: int
    faults: list[str]
    never_reached: list[str]
    reverts: list[str]
    dead_letters: list[str]
    left: list[str]
    changes: list[Change]
    orders: list[str]
    notifications: int
    findings: list[Finding]
    checks: int
    events: int


def outcome_of(before: Sequence[Event], events: Sequence[Event]) -> Outcome:
    """The outcome of the one transaction whose events these are; ``before`` is the history it began in."""
    began = events[0]
    assert isinstance(began, TransactionBegan)
    end = next((event for event in events if isinstance(event, ENDS)), None)
    findings = examine(events, before=before)
    placed = [event.order for event in events if isinstance(event, OrderPlaced)]
    cancelled = {event.order for event in events if isinstance(event, OrderCancelled)}
    return Outcome(
        transaction=began.transaction,
        outcome=end.type.removeprefix("transaction.") if end is not None else "open",
        reason=_reason(events),
        exit=exit_of_end(end, findings),
        request=began.request,
        policy=began.policy,
        seed=began.seed,
        faults=began.faults,
        never_reached=_never_reached(began, events),
        reverts=[event.compensation for event in events if isinstance(event, CompensationSucceeded)],
        dead_letters=_waiting(end, events),
        left=end.left if isinstance(end, TransactionCommitted) else [],
        changes=_changes(events),
        orders=[order for order in placed if order not in cancelled],
        notifications=sum(isinstance(event, NotificationSent) for event in events),
        findings=findings,
        checks=len(CHECKS),
        events=len(events),
    )


def _waiting(end: Event | None, events: Sequence[Event]) -> list[str]:
    """The operations whose revert still waits for a person."""
    closed = {
        event.operation for event in events if isinstance(event, DeadLetterResolved | DeadLetterIgnored)
    }
    letters = end.dead_letters if isinstance(end, TransactionStuck) else []
    return [name for name in letters if name not in closed]


def _reason(events: Sequence[Event]) -> str:
    for event in reversed(events):
        match event:
            case TransactionRejected():
                return f"{event.rule}: {event.reason}"
            case TransactionCompensating() | TransactionAbandoned():
                return f"{event.operation} failed: {event.reason}"
            case _:
                continue
    return ""


def _never_reached(began: TransactionBegan, events: Sequence[Event]) -> list[str]:
    """The faults that were to be injected and never struck."""
    struck = [event for event in events if isinstance(event, FaultInjected)]
    missing = []
    for text in began.faults:
        target, _, rest = text.partition(":")
        name = rest.split("@")[0].split("%")[0]
        # A rule may name an operation, a revert or its service; the fault's name decides.
        if not any(each.fault == name and _names(target, each, events) for each in struck):
            missing.append(text)
    return missing


def _names(target: str, struck: FaultInjected, events: Sequence[Event]) -> bool:
    if target in (struck.operation, struck.compensation):
        return True
    return any(
        getattr(event, "service", "") == target and getattr(event, "operation", "") == struck.operation
        for event in events
    )


def _changes(events: Sequence[Event]) -> list[Change]:
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        if isinstance(event, LedgerPosted):
            for line in event.postings:
                totals[line.account, line.unit] += line.amount
    return [Change(account, unit, amount) for (account, unit), amount in totals.items()]
