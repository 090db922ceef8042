"""The checks of reverts: once, exactly, in order, with a cause; and what waits for a person."""

from collections.abc import Iterator
from itertools import pairwise

from marketsim.audit.books import severity
from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.audit.story import Deed, Story, found, left_of, moved, moves_text, standing_text
from marketsim.saga.events import (
    CompensationStarted,
    CompensationSucceeded,
    OperationSucceeded,
    OrderCancelled,
    OrderPlaced,
    TransactionCommitted,
    TransactionStuck,
)

__all__ = ["causeless", "dead_letters", "reverted_once", "reverts_in_order", "reverts_with_cause"]

_TO_BE_REVERTED = ("compensatable", "")
"""The kinds of operations that leave something: where another engine does not tell, it is assumed."""

_UNTOLD = "if nothing is left of it to revert, say so: --read-only with its name"


def reverted_once(story: Story) -> Iterator[Finding]:
    """What was reverted was undone exactly, all of it, once; and never more than was done."""
    for deed in story.deeds.values():
        if deed.returns or (story.undone_by_right and deed.effects):
            yield from _postings_reverted(story, deed)
    if story.cancelled or (story.undone_by_right and story.placed):
        yield from _orders_cancelled(story)
    if story.foreign:
        yield from _answers_reverted(story)


def _answers_reverted(story: Story) -> Iterator[Finding]:
    """What can be said where no effects are told: by the answers, one success has one revert."""
    for name, deed in story.deeds.items():
        undone = [event for event in deed.verdicts if type(event) is CompensationSucceeded]
        done = [event for event in deed.outcomes if type(event) is OperationSucceeded]
        missing = story.undone_by_right and done and not undone and deed.kind in _TO_BE_REVERTED
        if len(undone) > 1:
            problem = f"{name} was reverted {len(undone)} times: by the answers, each revert took effect"
        elif missing and name not in story.letters:
            problem = f"{name} succeeded and was never reverted"
        else:
            continue
        yield found(
            "reverted-once",
            ERROR,
            problem,
            undone[1] if len(undone) > 1 else done[-1],
            operation=name,
            expected="1 revert that succeeded",
            actual=f"{len(undone)} that succeeded",
            remedy=_UNTOLD if missing and not deed.kind else "",
        )


def _postings_reverted(story: Story, deed: Deed) -> Iterator[Finding]:
    done, undone = moved(deed.effects), moved(deed.returns)
    left = {key: done.get(key, 0) + undone.get(key, 0) for key in {*done, *undone}}
    if not any(left.values()):
        return
    name = deed.operation
    how_bad = ERROR
    if any(_is_too_much(done.get(key, 0), amount) for key, amount in undone.items()):
        # That it is too much was told, and a person asked, where it is a dead letter.
        how_bad = severity(story, name)
        problem = f"the reverts of {name} undid something else or more than it did"
    elif not story.undone_by_right or name in story.letters:
        return
    else:
        problem = f"{name} was reverted in part only" if undone else f"{name} was never reverted"
    if not how_bad:
        return
    yield found(
        "reverted-once",
        how_bad,
        problem,
        (deed.returns or deed.effects)[-1],
        operation=name,
        expected=moves_text({key: -amount for key, amount in done.items()}),
        actual=moves_text(undone),
    )


def _is_too_much(done: int, undone: int) -> bool:
    """Whether ``undone`` goes the same way as ``done``, or back by more."""
    return done * undone >= 0 or abs(undone) > abs(done)


def _orders_cancelled(story: Story) -> Iterator[Finding]:
    counts: dict[str, list[int]] = {}
    last: dict[str, OrderPlaced | OrderCancelled] = {}
    events: list[OrderPlaced | OrderCancelled] = [*story.placed, *story.cancelled]
    for event in events:
        counts.setdefault(event.order, [0, 0])[isinstance(event, OrderCancelled)] += 1
        last[event.order] = event
    for order, (placed, cancelled) in counts.items():
        operation = last[order].operation
        excused = not story.undone_by_right or operation in story.letters
        if cancelled > placed or (cancelled < placed and not excused):
            yield found(
                "reverted-once",
                ERROR,
                f"order {order} was "
                + ("cancelled more often than placed" if cancelled > placed else "never cancelled"),
                last[order],
                operation=operation,
                expected=f"cancelled {placed} times",
                actual=f"cancelled {cancelled} times",
            )


def reverts_in_order(story: Story) -> Iterator[Finding]:
    """What started last is reverted first."""
    turns = [event for event in story.turns if story.deeds[event.operation].place]
    for before, event in pairwise(turns):
        if story.deeds[before.operation].place < story.deeds[event.operation].place:
            newest_first = sorted(turns, key=lambda turn: -story.deeds[turn.operation].place)
            yield found(
                "reverts-in-order",
                ERROR,
                f"{before.operation} was reverted before {event.operation}, which had started after it",
                event,
                expected=", ".join(turn.operation for turn in newest_first),
                actual=", ".join(turn.operation for turn in turns),
            )
            return  # The two orders say it all: one finding is enough.


def reverts_with_cause(story: Story) -> Iterator[Finding]:
    """Only what was done, or may have been, is reverted, and only on the way back."""
    for event, why in story.causeless:
        yield causeless(event, why)
    if isinstance(story.end, TransactionCommitted):
        for event in story.turns:
            yield causeless(event, "the transaction went on and committed")


def causeless(event: CompensationStarted, why: str) -> Finding:
    """The finding against a revert that should not have started."""
    return found(
        "revert-without-cause",
        ERROR,
        f"{event.compensation} reverts {event.operation} without cause: {why}",
        event,
        expected="no revert",
        actual=f"{event.compensation} was started",
    )


def dead_letters(story: Story) -> Iterator[Finding]:
    """What a revert could not undo waits for a person, until it is resolved or ignored."""
    waiting = [name for name in dict.fromkeys(story.letters) if name not in story.closed]
    if not waiting or not isinstance(story.end, TransactionStuck):
        return
    orders = story.orders_standing()
    for name in waiting:
        deed = story.deeds.get(name, Deed(name))
        left = standing_text(left_of(story, deed), orders.get(name, []))
        yield found(
            "dead-letters",
            WARNING,
            f"{name} waits for a person: {left or 'by the ledger nothing'} is left of it",
            story.end,
            operation=name,
            expected="resolved or ignored",
            actual=left or "nothing is left",
            remedy=f"see: marketsim failures show {story.transaction}",
        )
