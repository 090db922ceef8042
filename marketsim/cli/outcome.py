"""What a transaction came to: how it ended, what it changed, and what the checks say of it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from marketsim.audit.checks import checks_of, examine
from marketsim.audit.findings import Finding
from marketsim.cli.exits import exit_of_end
from marketsim.market.requests import is_request, lines_of
from marketsim.market.sagas import saga_of
from marketsim.market.world import World
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
from marketsim.saga.faults import explains, parse_fault
from marketsim.saga.taxonomy import FAULTS

__all__ = ["Change", "Outcome", "outcome_of", "stock_now"]


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
    customer_told: str
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
        customer_told=_customer_told(events),
        changes=_changes(events),
        orders=[order for order in placed if order not in cancelled],
        notifications=sum(isinstance(event, NotificationSent) for event in events),
        findings=findings,
        checks=len(checks_of("basic")),
        events=len(events),
    )


def stock_now(outcome: Outcome, world: World) -> dict[str, int]:
    """How much of each product that was asked for is on sale now."""
    if not is_request(outcome.request):
        return {}
    return {line.product: world.available(line.product) for line in lines_of(outcome.request)}


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
                return f"{event.operation} failed: {event.reason}" if event.operation else event.reason
            case _:
                continue
    return ""


_FAULT_OF = {"suspension_expired": "authentication_abandoned"}
"""The fault that leads to a reason which is called otherwise."""


def _customer_told(events: Sequence[Event]) -> str:
    """What a customer may be told of why it failed: of a fraud no more than of any other decline."""
    for event in events:
        if isinstance(event, TransactionCompensating | TransactionAbandoned):
            fault = FAULTS.get(_FAULT_OF.get(event.reason, event.reason))
            return fault.customer if fault is not None else ""
    return ""


def _never_reached(began: TransactionBegan, events: Sequence[Event]) -> list[str]:
    """The faults that were to be injected and never struck."""
    struck = [event for event in events if isinstance(event, FaultInjected)]
    saga = saga_of(began)
    rules = {text: parse_fault(text, saga) for text in began.faults}
    return [text for text, rule in rules.items() if not any(explains(rule, event, saga) for event in struck)]


def _changes(events: Sequence[Event]) -> list[Change]:
    totals: dict[tuple[str, str], int] = defaultdict(int)
    for event in events:
        if isinstance(event, LedgerPosted):
            for line in event.postings:
                totals[line.account, line.unit] += line.amount
    return [Change(account, unit, amount) for (account, unit), amount in totals.items()]
