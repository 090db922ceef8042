"""An excerpt: the smallest history after which one transaction can be run again, or judged by itself."""

from collections.abc import Iterator, Mapping
from typing import Any

from marketsim.market.bookkeeping import rules_changed
from marketsim.market.bought import summed_up
from marketsim.market.ledger import (
    AUTHORIZED,
    AVAILABLE,
    MERCHANT,
    RESERVED,
    SHIPPED,
    SOLD,
    SUPPLIER,
    money,
    stock,
)
from marketsim.market.requests import is_request, lines_of
from marketsim.market.world import World, product_record
from marketsim.saga.events import CatalogChanged, Event, LedgerPosted, MarketCreated

__all__ = ["history_before"]


def history_before(world: World, request: Mapping[str, Any]) -> list[Event]:
    """Events whose fold is ``world``, as far as a transaction with this request can see it."""
    names = dict.fromkeys(line.product for line in lines_of(request)) if is_request(request) else {}
    return list(_history(world, list(names), str(request.get("customer", ""))))


def _history(world: World, names: list[str], customer: str) -> Iterator[Event]:
    yield MarketCreated(origin=world.origin, currency=world.currency)
    products = [product_record(world.products[name]) for name in names if name in world.products]
    customers: list[dict[str, Any]] = (
        [{"id": customer, "name": world.customers[customer].name}] if customer in world.customers else []
    )
    if customers and _counts_customers(world):
        purchased = world.bought(customer)
        customers[0]["bought"] = summed_up(purchased)
        known = set(names) | {name for name, _ in purchased.units}
        products = [product_record(world.products[name]) for name in sorted(known) if name in world.products]
    yield CatalogChanged(source="excerpt", products=products, customers=customers)
    if world.guardrails:
        yield rules_changed("excerpt", world.guardrails)
    postings = []
    for product in names:
        for account in (AVAILABLE, RESERVED, SOLD, SHIPPED):
            units = world.balances.get((account, product), 0)
            postings += stock(product, units, SUPPLIER, account) if units else []
    for account in (MERCHANT, AUTHORIZED):
        held_minor = world.balances.get((account, world.currency), 0)
        postings += money(held_minor, world.currency, "money:before", account) if held_minor else []
    if postings:
        yield LedgerPosted(postings=postings, reason="the balances before")


def _counts_customers(world: World) -> bool:
    if not world.guardrails:
        return False
    from marketsim.market.rules import counts_customers  # most markets declare none

    return counts_customers(world.guardrails)
