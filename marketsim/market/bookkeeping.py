"""Between the stream and `catalog.json`: what a snapshot holds, and what an edit of it means in the books."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from marketsim.audit.log import Position
from marketsim.market.catalog import Catalog, customer, product
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.money import to_major
from marketsim.market.world import World, product_record
from marketsim.saga.errors import CatalogError
from marketsim.saga.events import CatalogChanged, Event, LedgerPosted, OrderPlaced

__all__ = [
    "BATCH_RECORDS",
    "Edit",
    "batches",
    "edit_of",
    "orders_of",
    "rebuilt_catalog",
    "snapshot_of",
    "world_of",
]


BATCH_RECORDS = 100
"""How many products or customers share one event, so that no line grows with the catalog."""


def batches(records: list[Any]) -> Iterator[list[Any]]:
    """The records in runs of BATCH_RECORDS."""
    for start in range(0, len(records), BATCH_RECORDS):
        yield records[start : start + BATCH_RECORDS]


class Edit(msgspec.Struct, frozen=True):
    """A person's edit of the catalog: the events that book it, and what it was, in words."""

    events: list[Event]
    summary: str


def snapshot_of(world: World, position: Position, digest: str) -> dict[str, Any]:
    """What `catalog.json` says beside the catalog: up to where it is true, and the other balances."""
    return {
        "origin": world.origin,
        "currency": world.currency,
        "position": msgspec.to_builtins(position),
        "digest": digest,
        "transactions": world.transactions,
        "open": sorted(world.open),
        "balances": [
            [account, unit, amount]
            for (account, unit), amount in world.balances.items()
            if amount and account != AVAILABLE
        ],
    }


def world_of(catalog: Catalog, snapshot: dict[str, Any]) -> tuple[World, Position]:
    """The world that a snapshot describes, and the position in the stream up to which it is true.

    Raises CatalogError if the bookkeeping in it was damaged.
    """
    world = World()
    try:
        world.origin, world.currency = snapshot["origin"], snapshot["currency"]
        world.transactions = snapshot["transactions"]
        world.open.update(snapshot["open"])
        position = msgspec.convert(snapshot["position"], Position)
        for account, unit, amount in snapshot["balances"]:
            world.balances[account, unit] = amount
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogError(
            f"the table 'market' was damaged ({type(error).__name__}: {error})",
            where="catalog.json",
            todo="move catalog.json away and rebuild it with: marketsim recover",
        ) from None
    for record in catalog.products:
        world.products[record["id"]] = product(record, world.currency)
        world.balances[AVAILABLE, record["id"]] = record["inStock"]
    for record in catalog.users:
        world.customers[record["id"]] = customer(record)
    return world, position


def orders_of(kept: list[dict[str, Any]], world: World) -> list[dict[str, Any]]:
    """The orders that stand: those kept from before, less the cancelled, and the new ones."""
    orders = {record.get("id", f"#{number}"): record for number, record in enumerate(kept)}
    for name, order in world.orders.items():
        orders[name] = _order_record(order)
    return [record for name, record in orders.items() if name not in world.cancelled]


def edit_of(catalog: Catalog, world: World, place: Path) -> Edit:
    """What must be booked for the world to become what the edited catalog says.

    Raises CatalogError if an order was edited: an order is a record of what happened.
    """
    _check_orders(catalog, world, place)
    products = {record["id"]: product(record, world.currency) for record in catalog.products}
    customers = {record["id"]: customer(record) for record in catalog.users}
    removed = [name for name in world.products if name not in products]
    wanted = {record["id"]: record["inStock"] for record in catalog.products} | dict.fromkeys(removed, 0)
    moves = {
        name: much - world.available(name) for name, much in wanted.items() if much != world.available(name)
    }
    records = [product_record(new) for name, new in products.items() if world.products.get(name) != new]
    people = [
        {"id": name, "name": new.name} for name, new in customers.items() if world.customers.get(name) != new
    ]
    gone = [name for name in world.customers if name not in customers]
    words = _words(records, people, removed + gone, moves, world)
    events: list[Event] = [
        *(CatalogChanged(source="edit", products=batch) for batch in batches(records)),
        *(CatalogChanged(source="edit", customers=batch) for batch in batches(people)),
        *(CatalogChanged(source="edit", removed_products=batch) for batch in batches(removed)),
        *(CatalogChanged(source="edit", removed_customers=batch) for batch in batches(gone)),
        *(_restock(batch) for batch in batches(list(moves.items()))),
    ]
    if not events:
        events.append(CatalogChanged(source="edit", fields=words))
    shown = ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
    return Edit(events, shown)


def _restock(moves: list[tuple[str, int]]) -> LedgerPosted:
    lines = [stock(name, units, SUPPLIER, AVAILABLE) for name, units in moves]
    return LedgerPosted(postings=[line for pair in lines for line in pair], reason="edit of catalog.json")


def rebuilt_catalog(world: World) -> Catalog:
    """A catalog from the stream alone; keys that were only in the lost file are lost with it."""
    products = [
        {
            "id": each.id,
            "name": each.name,
            "price": to_major(each.price_minor, world.currency),
            "inStock": world.available(each.id),
            **{key: value for key, value in product_record(each).items() if key in ("category", "condition")},
        }
        for each in world.products.values()
    ]
    users = [{"id": each.id, "name": each.name} for each in world.customers.values()]
    return Catalog(products, users, orders_of([], world), {})


def _order_record(order: OrderPlaced) -> dict[str, Any]:
    lines = [
        {
            "product": line["product"],
            "quantity": line["quantity"],
            "price": to_major(line["price_minor"], order.currency),
        }
        for line in order.lines
    ]
    return {
        "id": order.order,
        "customer": order.customer,
        "lines": lines,
        "total": to_major(order.total_minor, order.currency),
        "currency": order.currency,
        "transaction": order.transaction,
        "placed": order.time,
    }


def _check_orders(catalog: Catalog, world: World, place: Path) -> None:
    found = {record.get("id"): record for record in catalog.orders}
    for order in world.standing_orders():
        if found.get(order.order) != _order_record(order):
            raise CatalogError(
                f"{order.order} was edited or removed, and an order is a record of what happened",
                where=str(place),
                todo="put it back, or move the file away and rebuild it with: marketsim recover",
            )


def _words(
    products: list[dict[str, Any]],
    customers: list[dict[str, Any]],
    removed: list[str],
    moves: dict[str, int],
    world: World,
) -> list[str]:
    """What was edited: ``laptop-1: price_minor``, ``laptop-1: inStock +2``, ``user-9: added``."""
    words: list[str] = []
    for record in products:
        old = world.products.get(record["id"])
        before = product_record(old) if old else {}
        fields = sorted(key for key in record.keys() | before.keys() if record.get(key) != before.get(key))
        words.append(f"{record['id']}: {', '.join(fields) if old else 'added'}")
    for record in customers:
        words.append(f"{record['id']}: {'name' if record['id'] in world.customers else 'added'}")
    words += [f"{name}: removed" for name in removed]
    words += [f"{name}: inStock {units:+d}" for name, units in moves.items()]
    return words or ["keys that the books do not use"]
