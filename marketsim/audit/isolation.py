"""The check of what transactions do to each other: reads of what did not last, and updates that were lost."""

from collections.abc import Iterable, Iterator

import msgspec

from marketsim.audit.findings import WARNING, Finding
from marketsim.audit.story import STOCK_AVAILABLE, STOCK_RESERVED, Story, found
from marketsim.audit.watches import Watch
from marketsim.saga.events import (
    Event,
    JSONObject,
    LedgerPosted,
    OperationFailed,
    OperationSucceeded,
    TransactionBegan,
    TransactionCompensated,
)

__all__ = ["IsolationWatch"]

_RULE = "isolation"
_TURNED_AWAY_MAX = 10_000


class _TurnedAway(msgspec.Struct, frozen=True):
    """A transaction that was told there is not enough, and those that held some of it then."""

    event: OperationFailed
    product: str
    holders: dict[str, int]


class IsolationWatch(Watch):
    """Names the anomalies between transactions, each with its witnesses.

    - *a value that was later reverted*: somebody was turned away for want of units that another
      transaction held, and gave back;
    - *a read of what was not there*: more was told as available than there was;
    - *a lost update*: a reservation was overwritten by another writer.

    They are warnings: no transaction did wrong by itself. Of those turned away the latest 10,000 are kept.
    """

    def __init__(self) -> None:
        self._wanted: dict[str, dict[str, int]] = {}
        self._available: dict[str, int] = {}
        self._held: dict[str, dict[str, int]] = {}
        self._turned_away: list[_TurnedAway] = []

    def saw(self, event: Event) -> Iterable[Finding]:
        """What is wrong at this event."""
        if isinstance(event, TransactionBegan):
            self._wanted[event.transaction] = _wanted(event.request)
        elif isinstance(event, LedgerPosted):
            yield from self._moved(event)
        elif isinstance(event, OperationFailed) and event.code == "out_of_stock":
            self._note(event)
        elif isinstance(event, OperationSucceeded) and "available" in event.result:
            yield from self._told(event)

    def ended(self, story: Story) -> None:
        """Forget what a transaction wanted that has ended."""
        self._wanted.pop(story.transaction, None)
        if not any(self._held.get(story.transaction, {}).values()):
            self._held.pop(story.transaction, None)

    def closed(self, end: Event) -> Iterator[Finding]:
        """The readers who saw what this end took back."""
        if not isinstance(end, TransactionCompensated):
            return
        left = []
        for each in self._turned_away:
            units = each.holders.get(end.transaction, 0)
            if units:
                yield _phantom(each, end, units)
            else:
                left.append(each)
        self._turned_away = left

    def _moved(self, event: LedgerPosted) -> Iterator[Finding]:
        held = self._held.setdefault(event.transaction, {})
        for line in event.postings:
            if line.account == STOCK_AVAILABLE:
                self._available[line.product] = self._available.get(line.product, 0) + line.quantity
            elif line.account == STOCK_RESERVED:
                held[line.product] = held.get(line.product, 0) + line.quantity
        if event.unasked and event.reason == "overwritten":
            what = f"the reservation of {event.transaction} was overwritten by another writer: a lost update"
            yield found(_RULE, WARNING, what, event, expected="a reservation that lasts", actual="it is gone")

    def _note(self, event: OperationFailed) -> None:
        for product, wanted in self._wanted.get(event.transaction, {}).items():
            holders = {
                name: units
                for name, held in self._held.items()
                if name != event.transaction and (units := held.get(product, 0)) > 0
            }
            available = self._available.get(product, 0)
            if holders and available < wanted <= available + sum(holders.values()):
                self._turned_away.append(_TurnedAway(event, product, holders))
        del self._turned_away[:-_TURNED_AWAY_MAX]

    def _told(self, event: OperationSucceeded) -> Iterator[Finding]:
        told, wanted = event.result["available"], self._wanted.get(event.transaction, {})
        product = next(iter(wanted), "")
        there = self._available.get(product, 0)
        if len(wanted) == 1 and isinstance(told, int) and told > there:
            holders = [name for name, held in self._held.items() if held.get(product, 0) > 0]
            by = f"; held by {', '.join(sorted(holders)[:5])}" if holders else ""
            yield found(
                _RULE,
                WARNING,
                f"{event.transaction} was told of {told} {product}, and {there} were available{by}",
                event,
                expected=f"{there} {product}",
                actual=f"{told} {product}",
                difference=f"{told - there} {product}",
            )


def _wanted(request: JSONObject) -> dict[str, int]:
    """How many units of which product a request asks for; nothing, for one that cannot be read."""
    lines = request.get("cart", [request])
    if not isinstance(lines, list):
        return {}
    return {
        str(line["product"]): line["quantity"]
        for line in lines
        if isinstance(line, dict) and isinstance(line.get("quantity"), int) and "product" in line
    }


def _phantom(each: _TurnedAway, end: TransactionCompensated, units: int) -> Finding:
    return found(
        _RULE,
        WARNING,
        f"{each.event.transaction} was told that {each.product} is out of stock while {end.transaction} held "
        f"{units}, and gave it back at event {end.seq}: a value that was later reverted",
        each.event,
        expected=f"{units} more {each.product}",
        actual="turned away",
    )
