"""An excerpt: the smallest history after which one transaction can be run again, or judged by itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from marketsim.market.ledger import AVAILABLE, MERCHANT, RESERVED, SOLD, SUPPLIER, money, stock
from marketsim.market.world import World, product_record
from marketsim.saga.events import CatalogChanged, Event, LedgerPosted, MarketCreated

__all__ = ["history_before"]


def history_before(world: World, request: Mapping[str, Any]) -> list[Event]:
    """Events whose fold is ``world``, as far as a transaction with this request can see it."""
    return list(_history(world, str(request.get("product", "")), str(request.get("customer", ""))))


def _history(world: World, product: str, customer: str) -> Iterator[Event]:
    yield MarketCreated(origin=world.origin, currency=world.currency)
    products = [product_record(world.products[product])] if product in world.products else []
    customers = (
        [{"id": customer, "name": world.customers[customer].name}] if customer in world.customers else []
    )
    yield CatalogChanged(source="excerpt", products=products, customers=customers)
    postings = []
    for account in (AVAILABLE, RESERVED, SOLD):
        units = world.balances.get((account, product), 0)
        postings += stock(product, units, SUPPLIER, account) if units else []
    held_minor = world.balances.get((MERCHANT, world.currency), 0)
    postings += money(held_minor, world.currency, "money:before", MERCHANT) if held_minor else []
    if postings:
        yield LedgerPosted(postings=postings, reason="the balances before")
