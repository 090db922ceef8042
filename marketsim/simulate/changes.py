"""What the shop does while customers come: units that arrive, and prices that change."""

from collections.abc import Iterator
from heapq import merge

import msgspec
from msgspec import UNSET, UnsetType

from marketsim.drivers.clock import span_us
from marketsim.market.bookkeeping import batches
from marketsim.market.catalog import Product, products_of
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.money import to_minor
from marketsim.market.world import product_record
from marketsim.saga.events import CatalogChanged, LedgerPosted
from marketsim.simulate.load import Simulation
from marketsim.simulate.model import EVERY_PRODUCT, PriceChange, Restock

__all__ = ["Change", "changes"]


class Change(msgspec.Struct, frozen=True):
    """Something that the shop does at a moment (microseconds since 1970): an event to be recorded."""

    moment_us: int
    event: LedgerPosted | CatalogChanged


def changes(simulation: Simulation) -> Iterator[Change]:
    """Restocks and price changes, lazily and in order of time; those that recur never end."""
    workload, currency = simulation.workload, simulation.currency
    products = products_of(simulation.catalog.products, currency)
    series = [_arriving(simulation.start_us, each, list(products)) for each in workload.restocks]
    prices = sorted(workload.prices, key=lambda each: span_us(each.at))
    series.append(_dearer(simulation.start_us, prices, products, currency))
    return merge(*series, key=lambda change: change.moment_us)


def _arriving(start_us: int, restock: Restock, products: list[str]) -> Iterator[Change]:
    names = products if restock.product == EVERY_PRODUCT else [restock.product]
    for after_us in _times_us(restock.at, restock.every):
        for batch in batches(names):
            pairs = (stock(name, restock.units, SUPPLIER, AVAILABLE) for name in batch)
            postings = [line for pair in pairs for line in pair]
            # An event is numbered where it is recorded: each time needs one of its own.
            yield Change(start_us + after_us, LedgerPosted(postings=postings, reason="restock"))


def _times_us(at: str | UnsetType, every: str | UnsetType) -> Iterator[int]:
    """Once, or at the first time and then again and again."""
    after_us = span_us(at) if at is not UNSET else 0
    if every is UNSET:
        yield after_us
        return
    step_us = span_us(every)
    after_us += 0 if at is not UNSET else step_us
    while True:
        yield after_us
        after_us += step_us


def _dearer(
    start_us: int, prices: list[PriceChange], products: dict[str, Product], currency: str
) -> Iterator[Change]:
    for each in prices:
        price_minor = to_minor(each.price, currency)
        record = product_record(msgspec.structs.replace(products[each.product], price_minor=price_minor))
        event = CatalogChanged(source="simulate", products=[record])
        yield Change(start_us + span_us(each.at), event)
