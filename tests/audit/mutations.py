"""The table of mutations: a log of a real run, what is made wrong in it, and the findings that follow."""

from collections.abc import Callable
from functools import cache

import msgspec
from audit.wrong import Change, again, all_of, at, change, drop, halved, insert, line, move, scale, settled
from drivers.runs import Shop, began, begin, checked_out, finished, purchased, shop

from marketsim.audit.checks import CHECKS, checks_of, examine
from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.market.ledger import (
    AVAILABLE,
    MERCHANT,
    SOLD,
    SUPPLIER,
    customer_account,
    money,
    stock,
)
from marketsim.saga import events as e

__all__ = ["BASES", "ROWS", "Row", "base", "findings", "page"]

STRICT = checks_of("strict")
PRICE_MINOR = 150_000
CUSTOMER = customer_account("user-1")


# The logs that are right.


def _resolved() -> Shop:
    market = purchased("place_order:error", "refund_payment:error", quantity=2)
    told = {"operation": "charge_payment", "reason": "refunded by hand"}
    market.driver.record(e.DeadLetterResolved(transaction="tx-1", **told))
    return market


def _two(*faults: str, second: int, delay_us: int) -> Shop:
    market = shop()
    begin(market, began(*faults, quantity=2))
    begin(market, began(number=2, quantity=second), delay_us=delay_us)
    return finished(market)


BASES: dict[str, tuple[str, Callable[[], Shop]]] = {
    "bought": ("two laptops, and all goes well", lambda: purchased(quantity=2)),
    "declined": (
        "the card is declined, and the stock is released",
        lambda: purchased("charge_payment:card_declined", quantity=2),
    ),
    "reverted": (
        "the order fails three times; the payment and the stock are given back",
        lambda: purchased("place_order:error", quantity=2),
    ),
    "cancelled": (
        "cancelled while the customer is told; everything is reverted, the order too",
        lambda: purchased("notify_customer:cancel", quantity=2),
    ),
    "retried": (
        "as *reverted*, and the refund succeeds at its third attempt",
        lambda: purchased("place_order:error", "refund_payment:error@1-2", quantity=2),
    ),
    "resolved": ("as *reverted*, but the refund fails for good; a person deals with it", _resolved),
    "asked": (
        "the answer of the charge is lost, and a probe finds that it landed",
        lambda: purchased("charge_payment:timeout_after@1", quantity=2),
    ),
    "checkout": ("a cart of a laptop and two mice is bought", checked_out),
    "unwound": (
        "the capture is declined, and the whole checkout is reverted",
        lambda: checked_out("capture_payment:card_declined"),
    ),
    "both": (
        "two purchases, the second begun while the first was under way",
        lambda: _two(second=2, delay_us=100_000),
    ),
    "turned away": (
        "one is turned away who wanted more than there was at all, while another, reverted later, holds two",
        lambda: _two("place_order:error", second=6, delay_us=1_000_000),
    ),
}


@cache
def base(name: str) -> tuple[e.Event, ...]:
    """The events of a log that is right."""
    return tuple(BASES[name][1]().log.events)


class Row(msgspec.Struct, frozen=True):
    """One mutation of a log: the rule that is to say so, and those that must follow, with the reason."""

    rule: str
    name: str
    base: str
    change: Change
    follows: dict[str, str] = {}
    severity: str = ERROR

    @property
    def expected(self) -> set[tuple[str, str]]:
        """The rules that fire, and how bad each says it is."""
        return {(rule, self.severity) for rule in (self.rule, *self.follows)}


def findings(row: Row) -> list[Finding]:
    """What all the checks have against the log of a row."""
    return examine(settled(row.change(list(base(row.base)))), STRICT)


# What is put into them.

_CHARGE = {"transaction": "tx-1", "operation": "charge_payment", "attempt": 1}
_REFUND = _CHARGE | {"compensation": "refund_payment"}
_NOTIFY = {"transaction": "tx-1", "operation": "notify_customer", "attempt": 1}
_PAYING = e.LedgerPosted(**_CHARGE, key="tx-1/other", postings=money(PRICE_MINOR, "USD", CUSTOMER, MERCHANT))
_REFUND_STARTED = e.CompensationStarted(**_REFUND, key="tx-1/refund", service="payment")
_ORDER = {"customer": "user-1", "lines": [], "currency": "USD"}


def _posted(place: str, **fields: object) -> Change:
    return change(at(e.LedgerPosted, place), **fields)


def _unowned(event: e.Event) -> Change:
    return insert(event, before=at(e.OperationStarted, "reserve_stock"))


def _overwritten(reason: str) -> Change:
    """What the release gave back, the service had taken back by itself."""
    return _posted("release_stock", compensation="", unasked=True, reason=reason)


_LEFT = "the engine believes that it is reverted"
_NOT_WHOLE = "the reverts do not undo what was done"
_ANSWERED = "the answer tells of another amount"
_UNPAID = "the order is not paid for"
_KEPT = "what was taken stays where it is"

ROWS: list[Row] = [
    # Each posting is balanced.
    Row(
        "postings-balance",
        "a posting that does not sum to zero: one minor unit less from the customer than to the merchant",
        "bought",
        _posted("charge_payment", postings=line(0, amount_minor=1 - PRICE_MINOR)),
    ),
    Row(
        "postings-balance",
        "units from nowhere: five arrive, and the supplier gives four",
        "bought",
        change(at(e.LedgerPosted, reason="opening stock"), postings=line(0, quantity=-4)),
    ),
    Row(
        "postings-balance",
        "a line that counts money and a product at once",
        "bought",
        _posted("charge_payment", postings=line(0, product="laptop-1", quantity=-2)),
    ),
    # Effects have a cause.
    Row(
        "effects-have-a-cause",
        "money that moves for no transaction",
        "bought",
        _unowned(e.LedgerPosted(postings=money(500, "USD", CUSTOMER, MERCHANT))),
    ),
    Row(
        "effects-have-a-cause",
        "stock that is sold to nobody",
        "bought",
        _unowned(e.LedgerPosted(postings=stock("laptop-1", 1, AVAILABLE, SOLD))),
    ),
    Row(
        "effects-have-a-cause",
        "an order that no transaction placed",
        "bought",
        _unowned(e.OrderPlaced(order="order-9", total_minor=0, **_ORDER)),
    ),
    # Stock is conserved.
    Row(
        "stock-conserved",
        "drop the release of the stock",
        "reverted",
        drop(at(e.LedgerPosted, "release_stock")),
        {"reverted-once": _NOT_WHOLE, "belief-is-truth": _LEFT},
    ),
    Row(
        "stock-conserved",
        "stock below zero: the supplier takes four back before two are reserved",
        "bought",
        _unowned(e.LedgerPosted(postings=stock("laptop-1", 4, AVAILABLE, SUPPLIER))),
    ),
    Row(
        "stock-conserved",
        "one of two reserved units is sold",
        "bought",
        _posted("place_order", postings=halved),
        {"belief-is-truth": _ANSWERED},
    ),
    Row(
        "stock-conserved",
        "half of the stock is released",
        "declined",
        _posted("release_stock", postings=halved),
        {"reverted-once": _NOT_WHOLE, "belief-is-truth": _LEFT},
    ),
    # Money is conserved.
    Row(
        "money-conserved",
        "charge half, and answer so",
        "bought",
        all_of(
            _posted("charge_payment", postings=halved),
            change(
                at(e.OperationSucceeded, "charge_payment"),
                result={"amount_minor": PRICE_MINOR // 2, "currency": "USD"},
            ),
        ),
    ),
    Row(
        "money-conserved",
        "an order over twice of what was paid",
        "bought",
        change(at(e.OrderPlaced), total_minor=2 * PRICE_MINOR),
    ),
    Row(
        "money-conserved",
        "drop the refund",
        "reverted",
        drop(at(e.LedgerPosted, "refund_payment")),
        {"reverted-once": _NOT_WHOLE, "belief-is-truth": _LEFT},
    ),
    Row(
        "money-conserved",
        "authorized money left after the commit: a second authorization, which nobody captures",
        "checkout",
        again(at(e.LedgerPosted, "authorize_payment"), key="tx-1/other"),
        {"belief-is-truth": _ANSWERED},
    ),
    Row(
        "money-conserved",
        "the authorized money of a checkout that was reverted is not let go",
        "unwound",
        drop(at(e.LedgerPosted, "void_authorization")),
        {"reverted-once": _NOT_WHOLE, "belief-is-truth": _LEFT},
    ),
    # What is reverted is undone once.
    Row(
        "reverted-once",
        "double the refund",
        "reverted",
        _posted("refund_payment", postings=scale(2)),
        {"money-conserved": "more went to the customer than came, and the merchant had no more"},
    ),
    Row(
        "reverted-once",
        "the refund is made twice, each time under a key of its own",
        "reverted",
        again(at(e.LedgerPosted, "refund_payment"), key="tx-1/other"),
        {"money-conserved": "more went to the customer than came, and the merchant had no more"},
    ),
    Row(
        "reverted-once",
        "refund half",
        "reverted",
        _posted("refund_payment", postings=halved),
        {"money-conserved": _KEPT, "belief-is-truth": _LEFT},
    ),
    Row(
        "reverted-once",
        "the refund goes to another customer",
        "reverted",
        _posted("refund_payment", postings=line(0, account=customer_account("user-2"))),
        {"money-conserved": "one customer lost what the other one got", "belief-is-truth": _LEFT},
    ),
    Row(
        "reverted-once",
        "the order is never cancelled",
        "cancelled",
        drop(at(e.OrderCancelled)),
        {"one-order": "it stands, though nothing was committed", "belief-is-truth": _LEFT},
    ),
    Row(
        "reverted-once",
        "the order is cancelled twice",
        "cancelled",
        again(at(e.OrderCancelled), key="tx-1/other"),
    ),
    # Reverts come in the reverse order.
    Row(
        "reverts-in-order",
        "swap two reverts: the stock is released before the payment is refunded",
        "reverted",
        move(
            at(e.CompensationStarted, "release_stock"),
            at(e.CompensationSucceeded, "release_stock"),
            before=at(e.CompensationStarted, "refund_payment"),
        ),
    ),
    Row(
        "reverts-in-order",
        "the authorization is voided before the order is cancelled",
        "unwound",
        move(
            at(e.CompensationStarted, "void_authorization"),
            at(e.CompensationSucceeded, "void_authorization"),
            before=at(e.CompensationStarted, "cancel_order"),
        ),
    ),
    # Reverts have a cause.
    Row(
        "revert-without-cause",
        "a revert of what never happened: the charge was declined, and is refunded",
        "declined",
        all_of(
            insert(e.CompensationSucceeded(**_REFUND), after=at(e.TransactionCompensating)),
            insert(_REFUND_STARTED, after=at(e.TransactionCompensating)),
        ),
    ),
    Row(
        "revert-without-cause",
        "reverts without a word that the transaction turned back",
        "reverted",
        drop(at(e.TransactionCompensating)),
    ),
    Row(
        "revert-without-cause",
        "a revert of a committed purchase",
        "bought",
        insert(_REFUND_STARTED),
        {"lifecycle": "nothing may follow the end"},
    ),
    Row(
        "revert-without-cause",
        "the payment of a purchase that commits is refunded before, without any effect",
        "bought",
        all_of(
            insert(_REFUND_STARTED, before=at(e.TransactionCommitted)),
            insert(
                e.CompensationFailed(**_REFUND, code="error", reason="", outcome="failed", retry="never"),
                before=at(e.TransactionCommitted),
            ),
        ),
    ),
    # There is one order.
    Row(
        "one-order",
        "two orders, the second one for nothing",
        "bought",
        again(at(e.OrderPlaced), key="tx-1/other", order="order-9", total_minor=0),
    ),
    Row(
        "one-order",
        "a commit without an order, where another purchase has one",
        "both",
        drop(at(e.OrderPlaced, transaction="tx-2")),
    ),
    Row(
        "one-order",
        "a commit after the order was cancelled: the end of all the reverts is called a commit",
        "cancelled",
        lambda events: [*events[:-1], e.TransactionCommitted(transaction="tx-1", time=events[-1].time)],
        {"revert-without-cause": "what commits reverts nothing"},
    ),
    # Belief is truth.
    Row(
        "belief-is-truth",
        "success answered without effect: nothing was charged",
        "bought",
        drop(at(e.LedgerPosted, "charge_payment")),
        {"money-conserved": _UNPAID},
    ),
    Row(
        "belief-is-truth",
        "an answer that tells of one unit where two were reserved",
        "bought",
        change(at(e.OperationSucceeded, "reserve_stock"), result={"product": "laptop-1", "quantity": 1}),
    ),
    Row(
        "belief-is-truth",
        "failure with effect: the declined card was charged",
        "declined",
        insert(_PAYING, before=at(e.OperationFailed, "charge_payment")),
        {"money-conserved": _KEPT, "reverted-once": _NOT_WHOLE},
    ),
    Row(
        "belief-is-truth",
        "failure with effect: a message left, and its answer says that none did",
        "bought",
        lambda events: [
            e.OperationFailed(**_NOTIFY, code="error", reason="no", retry="never", time=event.time)
            if isinstance(event, e.OperationSucceeded) and event.operation == "notify_customer"
            else event
            for event in events
        ],
    ),
    Row(
        "belief-is-truth",
        "a commit while nobody knows whether the payment was made: the probe and its news are gone",
        "asked",
        all_of(drop(at(e.OperationProbed)), drop(at(e.OperationSucceeded, "charge_payment"))),
    ),
    # The lifecycle.
    Row(
        "lifecycle",
        "an effect before its intent",
        "bought",
        move(
            at(e.LedgerPosted, "reserve_stock"),
            at(e.LedgerPosted, "reserve_stock"),
            before=at(e.OperationStarted, "reserve_stock"),
        ),
    ),
    Row("lifecycle", "an outcome twice", "bought", again(at(e.OperationSucceeded, "charge_payment"))),
    Row(
        "lifecycle",
        "an intent is gone, and its outcome is there",
        "bought",
        drop(at(e.OperationStarted, "estimate_delivery")),
    ),
    Row("lifecycle", "an event after the end", "bought", insert(e.OperationProgress(**_NOTIFY))),
    Row("lifecycle", "money moves after the end", "bought", insert(_PAYING)),
    Row("lifecycle", "begin twice", "bought", again(at(e.TransactionBegan))),
    Row("lifecycle", "a transaction that never began", "bought", drop(at(e.TransactionBegan))),
    Row("lifecycle", "the market is created twice", "bought", again(at(e.MarketCreated))),
    Row(
        "lifecycle",
        "a probe about a known outcome",
        "asked",
        insert(
            e.OperationProbed(**_CHARGE, probe="find_payment", outcome="landed"),
            after=at(e.OperationSucceeded, "charge_payment"),
        ),
    ),
    Row(
        "lifecycle",
        "suspended without an intent",
        "bought",
        insert(
            e.OperationSuspended(**_CHARGE, code="authentication_required", reason="", expires_us=1),
            before=at(e.OperationStarted, "charge_payment"),
        ),
    ),
    Row(
        "lifecycle",
        "a late truth without an intent",
        "bought",
        insert(
            e.OperationLate(**_CHARGE, outcome="succeeded"), before=at(e.OperationStarted, "charge_payment")
        ),
    ),
    Row(
        "lifecycle",
        "unasked without an effect: what was reserved later is taken back by its service now",
        "declined",
        all_of(
            _overwritten("expired"),
            move(
                at(e.LedgerPosted, reason="expired"),
                at(e.LedgerPosted, reason="expired"),
                before=at(e.OperationStarted, "reserve_stock"),
            ),
        ),
        {"stock-conserved": "nothing was reserved yet that could go"},
    ),
    Row(
        "lifecycle",
        "an operation begun after turning back",
        "declined",
        insert(
            e.OperationStarted(**_NOTIFY, key="tx-1/notify", kind="retriable", service="notifications"),
            after=at(e.TransactionCompensating),
        ),
    ),
    Row(
        "lifecycle",
        "a fault strikes an attempt that was never started",
        "declined",
        again(at(e.FaultInjected), attempt=2),
    ),
    Row(
        "lifecycle",
        "a dead letter resolved that was none",
        "resolved",
        again(at(e.DeadLetterResolved), operation="reserve_stock"),
    ),
    Row(
        "lifecycle",
        "a revert succeeds that was never started",
        "reverted",
        again(at(e.CompensationSucceeded, "release_stock"), attempt=2),
    ),
    Row(
        "lifecycle",
        "an intent twice: the same attempt is started twice",
        "bought",
        again(at(e.OperationStarted, "charge_payment")),
    ),
    Row(
        "lifecycle",
        "the intent of a revert twice",
        "reverted",
        again(at(e.CompensationStarted, "refund_payment")),
    ),
    Row("lifecycle", "turned back twice", "reverted", again(at(e.TransactionCompensating))),
    Row(
        "lifecycle",
        "a commit though nobody was told what came of the charge",
        "bought",
        drop(at(e.OperationSucceeded, "charge_payment")),
    ),
    Row(
        "lifecycle",
        "reverted though nobody was told what came of the last attempt at the order",
        "reverted",
        drop(at(e.OperationFailed, "place_order", attempt=3)),
    ),
    # Idempotency.
    Row(
        "idempotency",
        "a second posting under one key",
        "bought",
        again(at(e.LedgerPosted, "charge_payment")),
        {"money-conserved": "the customer paid twice", "belief-is-truth": _ANSWERED},
    ),
    Row("idempotency", "a message sent twice under one key", "bought", again(at(e.NotificationSent))),
    Row(
        "idempotency",
        "two operations move the same product under one key",
        "bought",
        lambda events: _posted("place_order", key=events[at(e.LedgerPosted, "reserve_stock")(events)].key)(
            events
        ),
    ),
    Row(
        "money-conserved",
        "an order, and what was paid for it, of half of what its lines cost",
        "bought",
        all_of(
            change(at(e.OrderPlaced), total_minor=PRICE_MINOR // 2),
            _posted("charge_payment", postings=halved),
            change(
                at(e.OperationSucceeded, "charge_payment"),
                result={"amount_minor": PRICE_MINOR // 2, "currency": "USD"},
            ),
        ),
    ),
    Row("idempotency", "a posting without a key", "bought", _posted("charge_payment", key="")),
    Row("idempotency", "a release without a key", "declined", _posted("release_stock", key="")),
    # Messages.
    Row(
        "messages-called-back",
        "the correction was never sent",
        "cancelled",
        drop(at(e.NotificationSent, "send_correction")),
    ),
    # Dead letters.
    Row(
        "dead-letters",
        "nobody resolved the dead letter",
        "resolved",
        drop(at(e.DeadLetterResolved)),
        {"money-conserved": "what the dead letter tells of is still there"},
        WARNING,
    ),
    Row(
        "dead-letters",
        "a dead letter more, about what was reverted",
        "resolved",
        change(at(e.TransactionStuck), dead_letters=["charge_payment", "reserve_stock"]),
        severity=WARNING,
    ),
    # Time.
    Row(
        "time-runs-forward",
        "a time before the one before it",
        "bought",
        change(at(e.OperationSucceeded, "charge_payment"), time="2023-11-14T22:13:19.000000Z"),
    ),
    Row(
        "time-runs-forward",
        "a clock that was wrong by a year when the market began",
        "bought",
        change(at(e.MarketCreated), time="2024-11-14T22:13:20.000000Z"),
    ),
    # Retries.
    Row(
        "retries-as-declared",
        "an attempt never scheduled",
        "reverted",
        drop(at(e.OperationRetryScheduled, "place_order", attempt=2)),
    ),
    Row(
        "retries-as-declared",
        "an attempt too early: the pause was to be a minute",
        "reverted",
        change(at(e.OperationRetryScheduled, "place_order", attempt=2), delay_us=60_000_000),
    ),
    Row(
        "retries-as-declared",
        "a hard decline repeated",
        "reverted",
        change(at(e.OperationFailed, "place_order", attempt=1), code="card_declined", retry="never"),
    ),
    Row(
        "retries-as-declared",
        "a revert tried more often than the policy says: it says twice",
        "retried",
        change(at(e.TransactionBegan), rules={"retry": {"attempts_max": 2}}),
    ),
    Row(
        "retries-as-declared",
        "a pause that is not the policy's: a microsecond",
        "retried",
        change(at(e.CompensationRetryScheduled, "refund_payment", attempt=2), delay_us=1),
    ),
    Row(
        "retries-as-declared",
        "an attempt at a revert that was never scheduled",
        "retried",
        drop(at(e.CompensationRetryScheduled, "refund_payment", attempt=3)),
    ),
    # Isolation.
    Row(
        "isolation",
        "turned away for units that were given back: five were wanted, three were there, two were held",
        "turned away",
        change(
            at(e.TransactionBegan, transaction="tx-2"),
            request={"product": "laptop-1", "customer": "user-1", "quantity": 5},
        ),
        severity=WARNING,
    ),
    Row(
        "isolation",
        "told more than there was",
        "bought",
        change(
            at(e.OperationSucceeded, "check_availability"),
            result={"available": 6, "price_minor": 75_000, "currency": "USD"},
        ),
        severity=WARNING,
    ),
    Row(
        "isolation",
        "told what another one holds",
        "both",
        change(at(e.OperationSucceeded, "check_availability", transaction="tx-2"), result={"available": 5}),
        severity=WARNING,
    ),
    Row(
        "isolation",
        "a reservation overwritten, and nothing left to release",
        "declined",
        _overwritten("overwritten"),
        severity=WARNING,
    ),
    # Faults.
    Row(
        "faults-reached",
        "a fault that was never reached: it was to strike a refund, and none was needed",
        "bought",
        change(at(e.TransactionBegan), faults=["refund_payment:error"]),
        severity=WARNING,
    ),
    Row(
        "faults-reached",
        "the card was declined, and not by the fault",
        "declined",
        drop(at(e.FaultInjected)),
        severity=WARNING,
    ),
]
"""Every mutation, by the rule that it breaks."""


# The page.

_OPENING = """\
# What each check finds

Each line is a log of a real run in which one thing was made wrong, and all {checks} checks were made of it.
{rows} mutations, and nothing but the findings named here. Written by
`REGENERATE=1 python -m pytest tests/audit/test_mutations.py`; the same test holds that it is so.

The logs, each of which has no findings before:

{bases}

Where a second rule must follow from the first, it is named with the reason. What is marked ⚠ is a
warning; everything else is an error. The message is that of the first finding of the rule.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _line(row: Row) -> str:
    message = next(each.message for each in findings(row) if each.rule == row.rule)
    mark = " ⚠" if row.severity == WARNING else ""
    rules = [f"`{row.rule}`{mark}", *(f"`{rule}`{mark} ({why})" for rule, why in row.follows.items())]
    return f"| {_cell(row.name)} | *{row.base}* | {_cell('; '.join(rules))} | {_cell(message)} |"


def page() -> str:
    """docs/mutations.md, made of what the checks really say."""
    bases = "\n".join(f"- *{name}*: {sentence}" for name, (sentence, _) in BASES.items())
    parts = [_OPENING.format(checks=len(CHECKS), rows=len(ROWS), bases=bases)]
    for check in CHECKS.values():
        lines = [_line(row) for row in ROWS if row.rule == check.name]
        head = f"## {check.name}\n\n{check.sentence}\n\n| mutation | log | findings | message |"
        parts.append("\n".join([head, "| --- | --- | --- | --- |", *lines, ""]))
    return "\n".join(parts)
