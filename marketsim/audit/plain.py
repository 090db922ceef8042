"""The plain course: what went straight to its commit, so that no check has anything against it."""

from collections.abc import Iterable

import msgspec

from marketsim.audit.story import MONEY_AUTHORIZED, MONEY_MERCHANT, STOCK_RESERVED, Key, Story, price_of
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
    Posting,
    TransactionBegan,
    TransactionCommitted,
)

__all__ = ["tell_plainly"]

_EFFECTS = frozenset({LedgerPosted, OrderPlaced, NotificationSent})
_NOTHING = (0, 0)
_UNSETTLED = (STOCK_RESERVED, MONEY_AUTHORIZED, MONEY_MERCHANT)


def tell_plainly(story: Story) -> bool:
    """Tell a story that has come to its end, if nothing in it needs a closer look; whether that was so.

    Most transactions are plain, and one pass is all that they cost: of them no more is told than how
    they began, what was ordered, and how they ended. What is in doubt is not plain, be it wrong or not.
    """
    began, end = story.heard[0], story.heard[-1]
    if type(began) is not TransactionBegan or type(end) is not TransactionCommitted:
        return False
    for fault in began.faults:
        if "%" not in fault:
            return False  # What was not left to chance was to strike.
    books = _Books()
    if not _goes_straight(story.heard[1:-1], books) or not _is_settled(books):
        return False
    story.began, story.placed, story.end = began, books.placed, end
    return True


class _Books(msgspec.Struct, gc=False):
    """What a transaction moved in each account, and what it ordered."""

    net: dict[Key, int] = {}
    placed: list[OrderPlaced] = []

    def post(self, lines: Iterable[Posting]) -> tuple[int, int]:
        """Enter the lines of a posting; how much money somebody gained by it, and how many units."""
        money = units = 0
        for line in lines:
            if line.currency:
                amount = line.amount_minor
                money += amount if amount > 0 else 0
            else:
                amount = line.quantity
                units += amount if amount > 0 else 0
            key = (line.account, line.currency, line.product)
            self.net[key] = self.net.get(key, 0) + amount
        return money, units


def _goes_straight(course: Iterable[Event], books: _Books) -> bool:
    """Whether each operation started once, then took effect, and then returned what it did."""
    started: set[str] = set()
    gained: dict[str, tuple[int, int]] = {}
    done: set[tuple[type[Event], str]] = set()
    for event in course:
        if type(event) is OperationStarted:
            name = event.operation
            if name in started or event.attempt != 1:
                return False
            started.add(name)
            gained[name] = _NOTHING
        elif type(event) is OperationSucceeded:
            posted = gained.pop(event.operation, None)
            if posted is None or event.attempt != 1 or not _as_posted(event.result, posted):
                return False
        elif isinstance(event, EffectEvent) and type(event) in _EFFECTS:
            name, key = event.operation, (type(event), event.key)
            if name not in gained or key in done or not event.key:
                return False
            if event.attempt != 1 or event.compensation or event.unasked:
                return False
            done.add(key)
            if type(event) is LedgerPosted:
                if gained[name] != _NOTHING:
                    return False
                gained[name] = books.post(event.postings)
            elif type(event) is OrderPlaced:
                books.placed.append(event)
        elif type(event) is not OperationProgress:
            return False
    return not gained


def _as_posted(result: JSONObject, posted: tuple[int, int]) -> bool:
    """Whether an answer tells the amounts that were posted, as far as it tells amounts."""
    money, units = posted
    return bool(result.get("amount_minor", money) == money and result.get("quantity", units) == units)


def _is_settled(books: _Books) -> bool:
    """Whether nothing is held any more, and what was paid is the price of the one order, if any."""
    for order in books.placed:
        if price_of(order) not in (order.total_minor, None):
            return False
        key = (MONEY_MERCHANT, order.currency, "")
        books.net[key] = books.net.get(key, 0) - order.total_minor
    for (account, _, _), amount in books.net.items():
        if amount and account.startswith(_UNSETTLED):
            return False
    return len(books.placed) <= 1
