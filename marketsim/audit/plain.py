"""The plain course: what went straight to its commit, so that no check has anything against it."""

from collections.abc import Iterable

from marketsim.audit.story import MONEY_AUTHORIZED, MONEY_MERCHANT, STOCK_RESERVED, Key, Story
from marketsim.saga.events import (
    EffectEvent,
    Event,
    JSONObject,
    LedgerPosted,
    NotificationSent,
    OperationProgress,
    OperationStarted,
    OperationSucceeded,
    OrderPlaced,
    TransactionBegan,
    TransactionCommitted,
)

__all__ = ["tell_plainly"]

_EFFECTS = frozenset({LedgerPosted, OrderPlaced, NotificationSent})
_UNSETTLED = (STOCK_RESERVED, MONEY_AUTHORIZED, MONEY_MERCHANT)


def tell_plainly(story: Story) -> bool:
    """Tell a story that has come to its end, if nothing in it needs a closer look; whether that was so.

    Most transactions are plain, and one pass is all that they cost: of them no more is told than how
    they began, what was ordered, and how they ended. What is in doubt is not plain, be it wrong or not.
    """
    began, end = story.heard[0], story.heard[-1]
    if type(began) is not TransactionBegan or type(end) is not TransactionCommitted:
        return False
    if any("%" not in fault for fault in began.faults):
        return False  # What was not left to chance was to strike.
    effects = _straight(story.heard[1:-1])
    if effects is None:
        return False
    placed = [event for event in effects if type(event) is OrderPlaced]
    if not _is_settled(placed, effects):
        return False
    story.began, story.placed, story.end = began, list(placed), end
    return True


def _straight(course: Iterable[Event]) -> list[EffectEvent] | None:
    """The effects, if each operation started once, then took effect, and then returned what it did."""
    kinds: dict[str, str] = {}
    under_way: dict[str, LedgerPosted | None] = {}
    effects: dict[tuple[type[Event], str], EffectEvent] = {}
    for event in course:
        if type(event) is OperationStarted:
            if event.attempt != 1 or event.operation in kinds:
                return None
            kinds[event.operation], under_way[event.operation] = event.kind, None
        elif type(event) is OperationSucceeded:
            if event.attempt != 1 or event.operation not in under_way:
                return None
            posted = under_way.pop(event.operation)
            if kinds[event.operation] not in ("", "read_only") and not _as_posted(event.result, posted):
                return None
        elif isinstance(event, EffectEvent) and type(event) in _EFFECTS:
            key = (type(event), event.key)
            if event.operation not in under_way or event.attempt != 1 or key in effects:
                return None
            if event.compensation or event.unasked:
                return None
            effects[key] = event
            if type(event) is LedgerPosted:
                if under_way[event.operation] is not None:
                    return None
                under_way[event.operation] = event
        elif type(event) is not OperationProgress:
            return None
    return None if under_way else list(effects.values())


def _as_posted(result: JSONObject, posted: LedgerPosted | None) -> bool:
    """Whether an answer tells the amounts that were posted, as far as it tells amounts."""
    money = stock = 0
    for line in posted.postings if posted is not None else ():
        if line.currency:
            money += max(line.amount_minor, 0)
        else:
            stock += max(line.quantity, 0)
    return bool(result.get("amount_minor", money) == money and result.get("quantity", stock) == stock)


def _is_settled(placed: list[OrderPlaced], effects: list[EffectEvent]) -> bool:
    """Whether nothing is held any more, and what was paid is the price of the one order, if any."""
    net: dict[Key, int] = {}
    for event in effects:
        if type(event) is LedgerPosted:
            for line in event.postings:
                key = (line.account, line.currency, line.product)
                net[key] = net.get(key, 0) + (line.amount_minor if line.currency else line.quantity)
    for order in placed:
        key = (MONEY_MERCHANT, order.currency, "")
        net[key] = net.get(key, 0) - order.total_minor
    return len(placed) <= 1 and not any(
        amount and account.startswith(_UNSETTLED) for (account, *_), amount in net.items()
    )
