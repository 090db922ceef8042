"""What one transaction did, told once for all checks: intents, outcomes, reverts, effects, and its end."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.findings import Finding
from marketsim.saga import events as e

__all__ = [
    "FOREIGN",
    "MONEY",
    "MONEY_AUTHORIZED",
    "MONEY_MERCHANT",
    "RECORD",
    "STOCK",
    "STOCK_AVAILABLE",
    "STOCK_RESERVED",
    "STOCK_SHIPPED",
    "STOCK_SOLD",
    "STOCK_SUPPLIER",
    "Deed",
    "Key",
    "Story",
    "amount_text",
    "found",
    "holdings",
    "left_of",
    "moved",
    "moves_text",
    "price_of",
    "printable",
    "standing_text",
]

FOREIGN = "foreign"
"""The policy of a transaction that another engine ran: its rules are unknown, and so is what took effect."""

STOCK = "stock:"
STOCK_AVAILABLE = "stock:available"
STOCK_SUPPLIER = "stock:supplier"
STOCK_RESERVED = "stock:reserved"
STOCK_SOLD = "stock:sold"
STOCK_SHIPPED = "stock:shipped"
MONEY = "money:"
MONEY_MERCHANT = "money:merchant"
MONEY_AUTHORIZED = "money:authorized"

TEXT_LENGTH_MAX = 600

Key: TypeAlias = tuple[str, str, str]
"""Where something is counted: an account, and a currency or a product (the other is empty)."""


class Deed(msgspec.Struct):
    """One operation: what was intended, what the engine was told, and what the services really did.

    ``place`` is 1 for what started first, 0 for what never did; ``asked_again`` are attempts that a dead
    process had begun; ``probed`` says that a probe has told the outcome, ``suspended`` that the service
    waited for somebody, who may answer when nobody waits any more. ``effects`` are the operation's own,
    ``returns`` those of its reverts and what its service took back by itself.
    """

    operation: str
    kind: str = ""
    place: int = 0
    attempts: int = 0
    may_have_landed: bool = False
    asked_again: set[int] = set()
    probed: bool = False
    suspended: bool = False
    starts: list[e.OperationStarted] = []
    outcomes: list[e.OperationEvent] = []
    reverts: list[e.CompensationStarted] = []
    verdicts: list[e.CompensationEvent] = []
    effects: list[e.EffectEvent] = []
    returns: list[e.EffectEvent] = []


class Story(msgspec.Struct):
    """One transaction, as far as the stream has told it; what was only ``heard`` is not told yet.

    ``net`` is what it moved so far in each account; ``turns`` the first revert of each operation, in
    order; ``slips`` and ``causeless`` are events out of place, and why. ``letters`` are the operations
    that the end left for a person: those of which a revert is stuck, or that were abandoned.
    """

    transaction: str
    heard: list[e.TransactionEvent] = []
    began: e.TransactionBegan | None = None
    compensating: e.TransactionCompensating | None = None
    end: e.TransactionEvent | None = None
    deeds: dict[str, Deed] = {}
    started: int = 0
    intents: set[tuple[str, str, int]] = set()
    answers: set[tuple[str, str, int]] = set()
    pauses: dict[tuple[str, str, int], e.OperationRetryScheduled | e.CompensationRetryScheduled] = {}
    net: dict[Key, int] = {}
    postings: list[e.LedgerPosted] = []
    placed: list[e.OrderPlaced] = []
    cancelled: list[e.OrderCancelled] = []
    turns: list[e.CompensationStarted] = []
    struck: list[e.FaultInjected] = []
    slips: list[tuple[e.Event, str]] = []
    causeless: list[tuple[e.CompensationStarted, str]] = []
    closed: set[str] = set()
    letters: list[str] = []

    @property
    def undone_by_right(self) -> bool:
        """Whether the end says that what was done was undone (but for the dead letters)."""
        return isinstance(self.end, e.TransactionCompensated | e.TransactionStuck)

    @property
    def foreign(self) -> bool:
        """Whether answers are all that is known of it: another engine ran it, and no effects are told."""
        return self.began is not None and self.began.policy == FOREIGN

    def tell(self) -> None:
        """Take in all that was heard."""
        for event in self.heard:
            RECORD[type(event)](self, event)
        self.heard.clear()

    def deed(self, operation: str) -> Deed:
        """The operation of this name, new if nothing was heard of it before."""
        deed = self.deeds.get(operation)
        if deed is None:
            deed = self.deeds[operation] = Deed(operation)
        return deed

    def orders_standing(self) -> dict[str, list[e.OrderPlaced]]:
        """The orders placed and not cancelled, by operation; one that was placed twice stands twice."""
        standing: dict[str, list[e.OrderPlaced]] = {}
        if not self.placed:
            return standing
        cancelled = Counter([event.order for event in self.cancelled]) if self.cancelled else {}
        for event in self.placed:
            if cancelled.get(event.order, 0) > 0:
                cancelled[event.order] -= 1
            else:
                standing.setdefault(event.operation, []).append(event)
        return standing


def _began(story: Story, event: e.TransactionBegan) -> None:
    if story.began is None:
        story.began = event
    else:
        story.slips.append((event, "the transaction had begun already"))


def _compensating(story: Story, event: e.TransactionCompensating) -> None:
    if story.compensating is None:
        story.compensating = event
    else:
        story.slips.append((event, "the transaction had turned back already"))


def _ended(story: Story, event: e.TransactionEvent) -> None:
    story.end = event
    if isinstance(event, e.TransactionStuck):
        story.letters = event.dead_letters
    elif isinstance(event, e.TransactionAbandoned):
        orders = story.orders_standing()
        deeds = sorted(story.deeds.values(), key=lambda deed: -deed.place)
        story.letters = [
            deed.operation
            for deed in deeds
            if moved([*deed.effects, *deed.returns]) or deed.operation in orders
        ]


def _intend(story: Story, event: e.Event, call: tuple[str, str, int]) -> None:
    if call in story.intents:
        story.slips.append((event, "this attempt has been started already"))
    story.intents.add(call)


def _started(story: Story, event: e.OperationStarted) -> None:
    deed = story.deed(event.operation)
    _intend(story, event, (event.operation, "", event.attempt))
    deed.attempts += 1
    deed.starts.append(event)
    if story.compensating is not None:
        story.slips.append((event, "the transaction had turned back"))
    if not deed.place:
        story.started += 1
        deed.place, deed.kind = story.started, event.kind


_MAY_HAVE_LANDED = (e.OperationSucceeded, e.OperationUnknown, e.OperationAborted)


def _outcome(story: Story, event: e.OperationEvent) -> None:
    _answer(story, event, (event.operation, "", event.attempt))
    deed = story.deed(event.operation)
    deed.outcomes.append(event)
    if type(event) in _MAY_HAVE_LANDED:
        deed.may_have_landed = True


def _answer(story: Story, event: e.Event, call: tuple[str, str, int]) -> None:
    if call not in story.intents:
        story.slips.append((event, "it answers an attempt that was never started"))
    elif call in story.answers and not _found_out(story, event):
        story.slips.append((event, "this attempt has had its outcome already"))
    story.answers.add(call)


def _found_out(story: Story, event: e.Event) -> bool:
    """Whether a probe has just told that the attempt had succeeded, which was unknown until then."""
    deed = story.deeds.get(getattr(event, "operation", ""))
    if deed is None or not deed.probed or type(event) is not e.OperationSucceeded:
        return False
    deed.probed = False
    return True


def _probed(story: Story, event: e.OperationProbed) -> None:
    deed = story.deed(event.operation)
    unknown = bool(deed.outcomes) and type(deed.outcomes[-1]) is e.OperationUnknown
    if not unknown:
        story.slips.append((event, "it asks about an attempt whose outcome was known"))
    deed.probed = unknown and event.outcome == "landed"


def _suspended(story: Story, event: e.OperationSuspended) -> None:
    if (event.operation, "", event.attempt) not in story.intents:
        story.slips.append((event, "it suspends an attempt that was never started"))
    deed = story.deed(event.operation)
    deed.may_have_landed = deed.suspended = True


def _late(story: Story, event: e.OperationLate) -> None:
    if (event.operation, "", event.attempt) not in story.intents:
        story.slips.append((event, "it answers an attempt that was never started"))
    if event.outcome == "succeeded":
        story.deed(event.operation).may_have_landed = True


def _revert_started(story: Story, event: e.CompensationStarted) -> None:
    deed = story.deed(event.operation)
    _intend(story, event, (event.operation, event.compensation, event.attempt))
    if not deed.reverts:
        if story.end is None:
            story.turns.append(event)
        if not deed.may_have_landed:
            story.causeless.append(
                (event, f"{event.operation} neither succeeded nor was its outcome unknown")
            )
        elif story.compensating is None and story.end is None:
            story.causeless.append(
                (event, "the transaction had not turned back: no transaction.compensating")
            )
    deed.reverts.append(event)


def _reverted(story: Story, event: e.CompensationEvent) -> None:
    _answer(story, event, (event.operation, event.compensation, event.attempt))
    story.deed(event.operation).verdicts.append(event)
    if story.end is not None and type(event) is e.CompensationSucceeded:
        story.closed.add(event.operation)


def _not_tried(story: Story, event: e.CompensationEvent) -> None:
    # Neither answers a call: a revert expires or is skipped without being asked (again).
    story.deed(event.operation).verdicts.append(event)


def _recovered(story: Story, event: e.ProcessRecovered) -> None:
    # Whatever was asked and not answered when the process died may have landed.
    for operation, compensation, attempt in story.intents - story.answers:
        if not compensation:
            deed = story.deed(operation)
            deed.may_have_landed = True
            deed.asked_again.add(attempt)


def _effect(story: Story, event: e.EffectEvent) -> None:
    deed = story.deed(event.operation)
    if event.unasked:
        if not deed.effects:
            story.slips.append((event, "it takes back what was never done"))
    elif (event.operation, event.compensation, event.attempt) not in story.intents:
        story.slips.append((event, "it took effect before its intent was written"))
    (deed.returns if event.compensation or event.unasked else deed.effects).append(event)


def _service_noted(story: Story, event: e.ServiceNoted) -> None:
    if (event.operation, event.compensation, event.attempt) not in story.intents:
        story.slips.append((event, "it was noted before its intent was written"))


def _posted(story: Story, event: e.LedgerPosted) -> None:
    _effect(story, event)
    story.postings.append(event)
    net = story.net
    for line in event.postings:
        key = (line.account, line.currency, line.product)
        net[key] = net.get(key, 0) + (line.amount_minor if line.currency else line.quantity)


def _placed(story: Story, event: e.OrderPlaced) -> None:
    _effect(story, event)
    story.placed.append(event)


def _cancelled(story: Story, event: e.OrderCancelled) -> None:
    _effect(story, event)
    story.cancelled.append(event)


def _letter_closed(story: Story, event: e.DeadLetterResolved | e.DeadLetterIgnored) -> None:
    if story.end is not None and event.operation in story.letters:
        story.closed.add(event.operation)
    else:
        story.slips.append((event, f"{event.operation} was no dead letter"))


def _struck(story: Story, event: e.FaultInjected) -> None:
    # It may come before the intent, so whether it strikes anything is known at the end.
    story.struck.append(event)


def _paused(story: Story, event: e.OperationRetryScheduled | e.CompensationRetryScheduled) -> None:
    which = event.compensation if isinstance(event, e.CompensationRetryScheduled) else event.probe
    story.pauses[event.operation, which, event.attempt] = event


def _passing(story: Story, event: e.TransactionEvent) -> None:
    """Only its place counts: before the beginning and after the end nothing may be said."""


RECORD: dict[type[e.Event], Callable[[Story, Any], None]] = {
    e.TransactionBegan: _began,
    e.TransactionCompensating: _compensating,
    **dict.fromkeys(e.ENDS, _ended),
    e.OperationStarted: _started,
    e.OperationSucceeded: _outcome,
    e.OperationFailed: _outcome,
    e.OperationUnknown: _outcome,
    e.OperationAborted: _outcome,
    e.OperationProbed: _probed,
    e.OperationSuspended: _suspended,
    e.OperationLate: _late,
    e.TransactionCancelRequested: _passing,
    e.OperationRetryScheduled: _paused,
    e.OperationProgress: _passing,
    e.CompensationStarted: _revert_started,
    e.CompensationSucceeded: _reverted,
    e.CompensationPartial: _reverted,
    e.CompensationFailed: _reverted,
    e.CompensationExpired: _not_tried,
    e.CompensationSkipped: _not_tried,
    e.CompensationRetryScheduled: _paused,
    e.LedgerPosted: _posted,
    e.OrderPlaced: _placed,
    e.OrderCancelled: _cancelled,
    e.NotificationSent: _effect,
    e.ServiceNoted: _service_noted,
    e.FaultInjected: _struck,
    e.ProcessRecovered: _recovered,
    e.DeadLetterResolved: _letter_closed,
    e.DeadLetterIgnored: _letter_closed,
}
"""How each type of event is taken into the story of its transaction."""


def moved(effects: Iterable[e.EffectEvent]) -> dict[Key, int]:
    """What the ledger postings among ``effects`` moved, account by account; what nets to zero is left out."""
    net: dict[Key, int] = {}
    for event in effects:
        if isinstance(event, e.LedgerPosted):
            for line in event.postings:
                key = (line.account, line.currency, line.product)
                net[key] = net.get(key, 0) + line.amount
    return {key: amount for key, amount in net.items() if amount}


def price_of(order: e.OrderPlaced) -> int | None:
    """What the lines of an order cost; None if they do not say so."""
    price = 0
    for line in order.lines:
        price_minor, quantity = line.get("price_minor"), line.get("quantity")
        if not isinstance(price_minor, int) or not isinstance(quantity, int):
            return None
        price += price_minor * quantity
    return price if order.lines else None


def left_of(story: Story, deed: Deed) -> dict[Key, int]:
    """What is left of an operation: what it moved and its reverts did not, and nothing else moved on."""
    left = moved([*deed.effects, *deed.returns])
    kept = {key: amount for key, amount in left.items() if story.net.get(key)}
    moved_on = any(amount > 0 for amount in left.values()) and not any(a > 0 for a in kept.values())
    return {} if moved_on else kept


def holdings(net: dict[Key, int]) -> dict[Key, int]:
    """Where things are: the accounts that gained, or (of an unbalanced move) those that only lost."""
    gained = {key: amount for key, amount in net.items() if amount > 0}
    return gained or {key: amount for key, amount in net.items() if amount}


def amount_text(key: Key, amount: int) -> str:
    """An amount and its unit: ``2 laptop-1``, ``75000 USD in minor units``."""
    return f"{amount} {key[1]} in minor units" if key[1] else f"{amount} {key[2]}"


def moves_text(net: dict[Key, int]) -> str:
    """A net movement in words, in a fixed order: ``-1 laptop-1 in stock:available, +1 …``."""
    shown = (f"{'+' if net[key] > 0 else ''}{amount_text(key, net[key])} in {key[0]}" for key in sorted(net))
    return ", ".join(shown) or "nothing"


def standing_text(left: dict[Key, int], orders: Iterable[e.OrderPlaced] = ()) -> str:
    """What is left of an operation by the ledger and the orders, in words; empty for nothing."""
    held = holdings(left)
    parts = [f"{amount_text(key, held[key])} in {key[0]}" for key in sorted(held)]
    return ", ".join([*parts, *(f"order {event.order}" for event in orders)])


def printable(text: str) -> str:
    """A text that may quote a stranger's log, made safe for a terminal: no control characters, bounded."""
    text = text if len(text) <= TEXT_LENGTH_MAX else text[: TEXT_LENGTH_MAX - 1] + "…"
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def found(
    rule: str,
    severity: str,
    message: str,
    event: e.Event | None,
    *,
    transaction: str = "",
    operation: str = "",
    expected: str = "",
    actual: str = "",
    difference: str = "",
    remedy: str = "",
) -> Finding:
    """A finding about ``event``, in its transaction and operation unless others are named.

    Without a remedy of its own it points to the transaction's record.
    """
    transaction = transaction or getattr(event, "transaction", "")
    return Finding(
        rule,
        severity,
        printable(message),
        seq=event.seq if event else 0,
        transaction=transaction,
        operation=operation or getattr(event, "operation", ""),
        expected=printable(expected),
        actual=printable(actual),
        difference=printable(difference),
        remedy=printable(remedy or (f"see: marketsim audit show {transaction}" if transaction else "")),
    )
