"""The checks of a transaction's course: the order of its events, its keys, and belief against truth."""

from collections.abc import Iterator

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.audit.story import Deed, Key, Story, found, moved, standing_text
from marketsim.saga.events import (
    CompensationSucceeded,
    EffectEvent,
    Event,
    FaultInjected,
    LedgerPosted,
    NotificationSent,
    OperationFailed,
    OperationSucceeded,
    OperationUnknown,
    OrderPlaced,
    TransactionCommitted,
    TransactionCompensated,
    TransactionStuck,
)
from marketsim.saga.taxonomy import FAULTS

__all__ = ["after_the_end", "belief_is_truth", "faults_reached", "idempotency", "lifecycle"]


def belief_is_truth(story: Story) -> Iterator[Finding]:
    """What the engine was told is what the ledger shows."""
    orders = story.orders_standing()
    for name, deed in story.deeds.items():
        last = deed.outcomes[-1] if deed.outcomes else None
        if isinstance(last, OperationSucceeded):
            if last.result and deed.kind not in ("", "read_only"):
                yield from _result_is_posted(deed, last)
        elif isinstance(last, OperationFailed):
            yield from _failed_did_nothing(deed, orders.get(name, []))
        elif isinstance(last, OperationUnknown) and isinstance(story.end, TransactionCommitted):
            yield from _committed_knows(deed, last, story.end)
        if deed.verdicts:
            yield from _reverted_left_nothing(deed, orders.get(name, []))


def _result_is_posted(deed: Deed, answer: OperationSucceeded) -> Iterator[Finding]:
    money = f"{answer.result.get('currency', 'money')} in minor units"
    for field, what in (("amount_minor", money), ("quantity", "of stock")):
        told = answer.result.get(field)
        if isinstance(told, bool) or not isinstance(told, int):
            continue
        posted = _gained(deed, money=field == "amount_minor")
        if posted != told:
            yield found(
                "belief-is-truth",
                ERROR,
                f"{deed.operation} was answered with {told} {what}, and the ledger shows {posted} {what}",
                answer,
                expected=f"{field} {told}",
                actual=f"{field} {posted}",
            )


def _gained(deed: Deed, *, money: bool) -> int:
    """What the operation's own postings moved: the sum of their positive lines of money, or of stock."""
    lines = (line for event in deed.effects if isinstance(event, LedgerPosted) for line in event.postings)
    return sum(line.amount for line in lines if bool(line.currency) == money and line.amount > 0)


def _failed_did_nothing(deed: Deed, orders: list[OrderPlaced]) -> Iterator[Finding]:
    # An attempt without an outcome yet may have landed, and so may one that a dead process had begun:
    # nobody was told otherwise.
    if (
        deed.suspended
        or all(event.attempt in deed.asked_again for event in deed.effects)
        or len(deed.outcomes) < deed.attempts
        or any(type(one) is not OperationFailed for one in deed.outcomes)
    ):
        return
    left = standing_text(_left_of(deed), orders)
    if any(isinstance(event, NotificationSent) for event in deed.effects):
        left = f"{left}, a message" if left else "a message"
    if left:
        yield found(
            "belief-is-truth",
            ERROR,
            f"{deed.operation} is believed to have failed, and it took effect: {left}",
            deed.effects[-1],
            expected="no effect",
            actual=left,
        )


def _reverted_left_nothing(deed: Deed, orders: list[OrderPlaced]) -> Iterator[Finding]:
    # What was reverted may have landed late, and be reverted again: the last word counts.
    last = deed.verdicts[-1]
    if type(last) is not CompensationSucceeded:
        return
    left = _left_of(deed)
    if left or orders:
        shown = standing_text(left, orders)
        yield found(
            "belief-is-truth",
            ERROR,
            f"{deed.operation} is believed to be reverted, and {shown} is left of it",
            last,
            expected="nothing is left",
            actual=shown,
        )


def _left_of(deed: Deed) -> dict[Key, int]:
    """What stands of the operation; that a revert undid too much is the business of another check."""
    done, undone = moved(deed.effects), moved(deed.returns)
    left = {key: amount + undone.get(key, 0) for key, amount in done.items()}
    return {key: amount for key, amount in left.items() if amount * done[key] > 0}


def _committed_knows(deed: Deed, last: OperationUnknown, end: TransactionCommitted) -> Iterator[Finding]:
    succeeded = any(type(outcome) is OperationSucceeded for outcome in deed.outcomes)
    if not succeeded and not (deed.kind == "retriable" and deed.operation in end.left):
        yield found(
            "belief-is-truth",
            ERROR,
            f"it committed, and whether {deed.operation} was done is unknown",
            last,
            expected="a success, or a retriable operation named in what was left",
            actual=f"unknown: {last.code}",
        )


def lifecycle(story: Story) -> Iterator[Finding]:
    """It begins once; an outcome has its intent, and one attempt one outcome; effects have their intent.

    Nor does it end while an operation has no outcome, unless it was abandoned.
    """
    for event, why in story.slips:
        yield _slip_finding(event, why)
    for fault in story.struck if story.end is not None else ():
        call = (fault.operation, fault.compensation, fault.attempt)
        # A probe has no intent: it changes nothing.
        if call not in story.intents and not fault.probe and not _forestalls(fault):
            yield _slip_finding(fault, "it strikes an attempt that was never started")
    if isinstance(story.end, TransactionCommitted | TransactionCompensated | TransactionStuck):
        yield from _unanswered(story, story.end)


def _unanswered(story: Story, end: Event) -> Iterator[Finding]:
    # Only of the last attempt: an earlier one may have died with its process, and was asked again.
    for deed in story.deeds.values():
        for start in deed.starts[-1:]:
            if (start.operation, "", start.attempt) not in story.answers:
                yield _slip_finding(end, f"attempt {start.attempt} of {start.operation} has no outcome yet")


def _forestalls(event: FaultInjected) -> bool:
    """Whether the process died before the intent; the next one may have taken another way."""
    fault = FAULTS.get(event.fault)
    return fault is not None and fault.moment == "intent"


def after_the_end(event: Event) -> Finding:
    """The finding against an event of a transaction that had ended."""
    what = "the transaction had ended"
    if isinstance(event, LedgerPosted):
        what += f", and it moved {standing_text(moved([event])) or 'nothing'}"
    return _slip_finding(event, what)


def _slip_finding(event: Event, why: str) -> Finding:
    return found(
        "lifecycle",
        ERROR,
        f"{event.type} stands where it cannot: {why}",
        event,
        expected="begin, intent, effect, outcome, end",
        actual=event.type,
    )


def faults_reached(story: Story) -> Iterator[Finding]:
    """Every fault that was to be injected struck; what was left to chance may not have."""
    for text in story.began.faults if story.began is not None and story.end is not None else ():
        target, _, rest = text.partition(":")
        name = rest.partition("@")[0].partition("%")[0]
        if "%" not in rest and not any(
            each.fault == name and _hits(target, each, story) for each in story.struck
        ):
            yield found(
                "faults-reached",
                WARNING,
                f"the fault {text} was never reached",
                story.began,
                expected="it strikes",
                actual="nothing was injected there",
            )


def _hits(target: str, struck: FaultInjected, story: Story) -> bool:
    place = struck.compensation or struck.probe or struck.operation
    deed = story.deeds.get(struck.operation)
    services = {start.service for start in deed.starts} if deed is not None else set()
    return target in (place, place.partition(".")[0], *services)


def idempotency(story: Story) -> Iterator[Finding]:
    """One key, one effect: no type of effect happens twice to the same unit under the same key.

    What an operation, or its revert, does has a key: without one, nobody could tell that it was done.
    """
    seen: dict[tuple[str, type[Event], str], EffectEvent] = {}
    for deed in story.deeds.values():
        for event in (*deed.effects, *deed.returns):
            if not event.key:
                yield _keyless(event)
            for unit in _units(event) if event.key else ():
                first = seen.setdefault((event.key, type(event), unit), event)
                if first is not event:
                    yield _key_finding(first, event, unit)


def _units(event: EffectEvent) -> set[str]:
    return {line.unit for line in event.postings} if isinstance(event, LedgerPosted) else {""}


def _keyless(event: EffectEvent) -> Finding:
    return found(
        "idempotency",
        ERROR,
        f"{event.type} has no key: asked again, its service could not tell that it was done",
        event,
        expected="the key of the call",
        actual="no key",
    )


def _key_finding(first: EffectEvent, event: EffectEvent, unit: str) -> Finding:
    again = f" of {unit}" if unit else ""
    return found(
        "idempotency",
        ERROR,
        f"the key '{event.key}' had its effect at event {first.seq}, and had it again: {event.type}{again}",
        event,
        expected=f"one {event.type}{again} under this key",
        actual="a second one",
    )
