"""Dead letters: what could not be reverted or was abandoned, what is left, and what became of it."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from marketsim.audit.story import RECORD, Deed, Story, holdings, left_of
from marketsim.saga import events as e

__all__ = ["DeadLetter", "Left", "dead_letters"]


class Left(msgspec.Struct, frozen=True):
    """What the ledger still shows of the operation: units of a product, or minor units of a currency."""

    account: str
    amount: int
    unit: str
    money: bool


class DeadLetter(msgspec.Struct, frozen=True):
    """A revert that waits for a person, or did: it failed for good, or the policy never tried it.

    ``attempts`` counts the tries at the revert, ``code`` and ``why`` tell of the last. ``closed_by`` is
    what a person gave as the reason, or how a later try went.
    """

    transaction: str
    operation: str
    compensation: str
    state: Literal["open", "resolved", "ignored"]
    since: str
    seq: int
    attempts: int
    code: str
    why: str
    left: list[Left]
    orders: list[str]
    request: e.JSONObject
    closed_by: str = ""


def dead_letters(events: Iterable[e.Event]) -> list[DeadLetter]:
    """Every dead letter of a stream, in the order in which they came to be."""
    stories: dict[str, Story] = {}
    closing: dict[tuple[str, str], e.DeadLetterResolved | e.DeadLetterIgnored] = {}
    for event in events:
        record, name = RECORD.get(type(event)), getattr(event, "transaction", "")
        if record is None or not name:
            continue
        story = stories.setdefault(name, Story(name))
        record(story, event)
        if isinstance(event, e.DeadLetterResolved | e.DeadLetterIgnored):
            if event.operation in story.closed:
                closing[name, event.operation] = event
        elif isinstance(event, _SETTLED):
            del stories[name]
    return [
        _letter(story, name, closing.get((story.transaction, name)))
        for story in stories.values()
        for name in dict.fromkeys(story.letters)
    ]


_SETTLED = (
    e.TransactionRejected,
    e.TransactionCommitted,
    e.TransactionCompensated,
)


def _letter(
    story: Story, operation: str, closed: e.DeadLetterResolved | e.DeadLetterIgnored | None
) -> DeadLetter:
    deed = story.deeds.get(operation, Deed(operation))
    last = deed.verdicts[-1] if deed.verdicts else None
    state: Literal["open", "resolved", "ignored"] = "open"
    if closed is not None:
        state = "ignored" if isinstance(closed, e.DeadLetterIgnored) else "resolved"
    assert story.end is not None
    return DeadLetter(
        transaction=story.transaction,
        operation=operation,
        compensation=last.compensation if last is not None else "",
        state=state,
        since=story.end.time,
        seq=story.end.seq,
        attempts=len(deed.reverts),
        code=str(getattr(last, "code", "")) or (last or story.end).type.partition(".")[2],
        why=str(getattr(last, "reason", "")),
        left=_left(story, deed),
        orders=[order.order for order in story.orders_standing().get(operation, [])],
        request=story.began.request if story.began is not None else {},
        closed_by=closed.reason if closed is not None else "",
    )


def _left(story: Story, deed: Deed) -> list[Left]:
    held = holdings(left_of(story, deed))
    return [
        Left(account, amount, currency or product, bool(currency))
        for (account, currency, product), amount in sorted(held.items())
    ]
