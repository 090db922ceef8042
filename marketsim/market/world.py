"""The world: what the services really did, as a fold over the stream."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from marketsim.market.bought import Bought, Purchased, purchased_in
from marketsim.market.catalog import Customer, Product
from marketsim.market.ledger import AVAILABLE
from marketsim.market.money import currency_digits
from marketsim.saga.errors import LogDamaged
from marketsim.saga.events import (
    CatalogChanged,
    EffectEvent,
    Event,
    FaultInjected,
    LedgerPosted,
    MarketCreated,
    NotificationSent,
    OrderCancelled,
    OrderPlaced,
    Posting,
    ServiceNoted,
    TransactionAbandoned,
    TransactionBegan,
    TransactionCommitted,
    TransactionCompensated,
    TransactionRejected,
    TransactionStuck,
)
from marketsim.saga.taxonomy import FAULTS

if TYPE_CHECKING:
    from marketsim.market.rules import Rule

__all__ = ["World", "product_record"]

EffectT = TypeVar("EffectT", bound=EffectEvent)


class _Own(msgspec.Struct, gc=False):
    """What one transaction did: its keys, what it holds, its postings and notes by operation.

    ``lasting`` says that a service still has to say something about it when it has ended.
    """

    keys: list[tuple[type[Event], str]] = []
    held: dict[tuple[str, str], int] = {}
    posted: dict[str, list[LedgerPosted]] = {}
    notes: set[tuple[str, str]] = set()
    lasting: bool = False


class World:
    """Products, customers, guardrails, balances and orders; the effects under each idempotency key.

    It changes by :meth:`apply` alone. Keys are kept until their transaction has ended: nobody asks
    for them again. Orders are kept for the snapshot of a market; one that is only simulated needs none,
    and stays as small as it is without them (``keeps_orders``): they are let go with their transaction.
    """

    def __init__(self, *, keeps_orders: bool = True) -> None:
        self._keeps_orders = keeps_orders
        self.origin = ""
        self.currency = ""
        self.products: dict[str, Product] = {}
        self.customers: dict[str, Customer] = {}
        self.balances: dict[tuple[str, str], int] = defaultdict(int)
        self.guardrails: list[Rule] = []
        self.orders: dict[str, OrderPlaced] = {}
        self.cancelled: set[str] = set()
        self.open: set[str] = set()
        self.transactions = 0
        self._bought = Bought()
        self._effects: dict[tuple[type[Event], str], EffectEvent] = {}
        self._own: dict[str, _Own] = {}
        self._folds: dict[type[Event], Callable[[Any], None]] = {
            MarketCreated: self._created,
            CatalogChanged: self._changed,
            LedgerPosted: self._posted,
            OrderPlaced: self._placed,
            OrderCancelled: self._order_cancelled,
            NotificationSent: self._keep,
            ServiceNoted: self._noted,
            FaultInjected: self._struck,
            TransactionBegan: self._began,
            TransactionRejected: self._ended,
            TransactionCommitted: self._ended,
            TransactionCompensated: self._ended,
            TransactionStuck: self._left,
            TransactionAbandoned: self._left,
        }

    @classmethod
    def of(cls, events: Iterable[Event]) -> "World":
        """The world after these events."""
        world = cls()
        for event in events:
            world.apply(event)
        return world

    def apply(self, event: Event) -> None:
        """Let a recorded event take effect. Raises LogDamaged if it does not say what it should."""
        fold = self._folds.get(type(event))
        if fold is None:
            return
        try:
            fold(event)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            what = f"{event.type} does not say what it should ({type(error).__name__}: {error})"
            raise LogDamaged(what, where=f"event {event.seq}", todo="see: marketsim audit verify") from error

    @property
    def minor_units(self) -> int:
        """How many minor units make one unit of the market's currency."""
        return int(10 ** currency_digits(self.currency))

    def available(self, product: str) -> int:
        """Units of a product that can be reserved."""
        return self.balances.get((AVAILABLE, product), 0)

    def effect(self, kind: type[EffectT], key: str) -> EffectT | None:
        """What was done under an idempotency key, if anything was, in a transaction that is still open."""
        return self._effects.get((kind, key))  # type: ignore[return-value]

    def held(self, transaction: str, account: str, unit: str) -> int:
        """How much of an account an open transaction has put there itself."""
        own = self._own.get(transaction)
        return own.held.get((account, unit), 0) if own is not None else 0

    def standing(self, transaction: str, operation: str) -> list[Posting]:
        """What an operation moved, less what was given back: lines that are not zero."""
        return _net(self._posted_by(transaction, operation))

    def done(self, transaction: str, operation: str) -> list[Posting]:
        """What an operation moved, whatever was given back."""
        posted = self._posted_by(transaction, operation)
        return _net([event for event in posted if not event.compensation and not event.unasked])

    def parts(self, transaction: str, operation: str, compensation: str) -> int:
        """In how many postings an operation, or its revert, was done so far."""
        posted = self._posted_by(transaction, operation)
        return sum(event.compensation == compensation and not event.unasked for event in posted)

    def fenced(self, transaction: str, operation: str) -> bool:
        """Whether the revert of an operation was here before it."""
        return self.noted(transaction, operation, "fenced")

    def noted(self, transaction: str, operation: str, note: str) -> bool:
        """Whether a service keeps this in mind about an operation."""
        own = self._own.get(transaction)
        return own is not None and (operation, note) in own.notes

    def _posted_by(self, transaction: str, operation: str) -> list[LedgerPosted]:
        own = self._own.get(transaction)
        return own.posted.get(operation, []) if own is not None else []

    def standing_orders(self) -> list[OrderPlaced]:
        """The orders that were placed and not cancelled."""
        return [order for name, order in self.orders.items() if name not in self.cancelled]

    def bought(self, customer: str) -> Purchased:
        """What a customer has bought, in the orders that stand. Not to be changed."""
        return self._bought.of(customer)

    def stood_before(self, records: list[dict[str, Any]]) -> None:
        """Take in the orders of this market that stood when its snapshot was taken, as it has them."""
        self._bought.before = records

    @property
    def orders_before(self) -> list[dict[str, Any]]:
        """What is left of them: those that were not cancelled since."""
        return self._bought.before

    @property
    def orders_gone(self) -> list[dict[str, Any]]:
        """Those that were cancelled since."""
        return self._bought.gone

    def _created(self, event: MarketCreated) -> None:
        self.origin, self.currency = event.origin, event.currency

    def _changed(self, event: CatalogChanged) -> None:
        for record in event.products:
            self.products[record["id"]] = msgspec.convert(record, Product)
        for record in event.customers:
            self.customers[record["id"]] = msgspec.convert(record, Customer)
            if event.source == "excerpt" and "bought" in record:
                self._bought.sum_up(record["id"], record["bought"])
        if event.guardrails is not None:
            from marketsim.market._rules import recorded_rules  # most markets declare none

            self.guardrails = recorded_rules(event.guardrails)
        for name in event.removed_products:
            self.products.pop(name, None)
        for name in event.removed_customers:
            self.customers.pop(name, None)

    def _posted(self, event: LedgerPosted) -> None:
        balances, own = self.balances, self._own.get(event.transaction)
        if own is None:
            for line in event.postings:
                balances[line.account, line.currency or line.product] += line.amount_minor or line.quantity
            return
        held = own.held
        for line in event.postings:
            place = line.account, line.currency or line.product
            amount = line.amount_minor or line.quantity
            balances[place] += amount
            held[place] = held.get(place, 0) + amount
        own.posted.setdefault(event.operation, []).append(event)
        self._keep(event)

    def _placed(self, event: OrderPlaced) -> None:
        self._bought.count(event.customer, purchased_in(event.lines))
        self.orders[event.order] = event
        self._keep(event)

    def _order_cancelled(self, event: OrderCancelled) -> None:
        if event.order not in self.cancelled:
            self._bought.cancel(event.order, self.orders.get(event.order))
        self.cancelled.add(event.order)
        self._keep(event)

    def _keep(self, event: EffectEvent) -> None:
        own = self._own.get(event.transaction)
        if own is not None:
            place = (type(event), event.key)
            self._effects[place] = event
            own.keys.append(place)

    def _noted(self, event: ServiceNoted) -> None:
        own = self._own.get(event.transaction)
        if own is not None:
            own.notes.add((event.operation, event.note))
            if event.note == "settled":
                own.notes.discard((event.operation, "pending"))
        self._keep(event)

    def _struck(self, event: FaultInjected) -> None:
        fault, own = FAULTS.get(event.fault), self._own.get(event.transaction)
        if own is not None and fault is not None and fault.arrives:
            own.lasting = True

    def _began(self, event: TransactionBegan) -> None:
        self.transactions += 1
        self.open.add(event.transaction)
        self._own[event.transaction] = _Own()

    def _left(self, event: TransactionStuck | TransactionAbandoned) -> None:
        # What stands under its keys is needed again when its reverts are tried again.
        self.open.discard(event.transaction)

    def _ended(self, event: Any) -> None:
        self.open.discard(event.transaction)
        own = self._own.get(event.transaction)
        if own is None or own.lasting:
            return
        del self._own[event.transaction]
        for place in own.keys:
            effect = self._effects.pop(place, None)
            if not self._keeps_orders and isinstance(effect, OrderPlaced):
                self.orders.pop(effect.order, None)
                self.cancelled.discard(effect.order)


def _net(events: Iterable[LedgerPosted]) -> list[Posting]:
    """The sum of postings, account by account; what comes to zero is left out."""
    sums: dict[tuple[str, str, str], int] = {}
    for event in events:
        for line in event.postings:
            key = (line.account, line.currency, line.product)
            sums[key] = sums.get(key, 0) + (line.amount_minor if line.currency else line.quantity)
    return [
        Posting(account, amount_minor=amount, currency=currency)
        if currency
        else Posting(account, product=product, quantity=amount)
        for (account, currency, product), amount in sums.items()
        if amount
    ]


def product_record(product: Product) -> dict[str, Any]:
    """A product as it stands in ``catalog.changed``."""
    record = {
        "id": product.id,
        "name": product.name,
        "price_minor": product.price_minor,
        "category": product.category,
        "condition": product.condition,
    }
    return {key: value for key, value in record.items() if value != ""}
