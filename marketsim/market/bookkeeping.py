"""Between the stream and `catalog.json`: what a snapshot holds, and what an edit of it means in the books."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from marketsim.audit.log import Position
from marketsim.market.catalog import Catalog, Product, customer, product, products_of
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.money import to_major
from marketsim.market.world import World, product_record
from marketsim.saga.errors import CatalogError
from marketsim.saga.events import CatalogChanged, Event, LedgerPosted, OrderPlaced

if TYPE_CHECKING:
    from marketsim.market.rules import Rule

__all__ = [
    "BATCH_RECORDS",
    "Edit",
    "batches",
    "caught_up",
    "check_stock",
    "edit_of",
    "orders_of",
    "rules_changed",
    "rules_in",
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


class _Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table 'market' of `catalog.json`; ``seal`` is the hash of all the rest of it.

    The last ``orders`` of the orders are this market's own; those before them were brought.
    """

    origin: str
    currency: str
    position: Position
    digest: str
    transactions: int
    open: list[str]
    balances: list[tuple[str, str, int]]
    orders: int
    seal: str = ""

    def sealed(self) -> "_Snapshot":
        """The same, with the seal that belongs to it."""
        bare = msgspec.structs.replace(self, seal="")
        return msgspec.structs.replace(bare, seal=sha256(msgspec.json.encode(bare)).hexdigest())


def snapshot_of(world: World, position: Position, digest: str) -> dict[str, Any]:
    """What `catalog.json` says beside the catalog: up to where it is true, and the other balances."""
    balances = [
        (account, unit, amount)
        for (account, unit), amount in world.balances.items()
        if amount and (account != AVAILABLE or unit not in world.products)
    ]
    snapshot = _Snapshot(
        world.origin,
        world.currency,
        position,
        digest,
        world.transactions,
        sorted(world.open),
        balances,
        len(world.orders_before) + len(world.standing_orders()),
    )
    kept: dict[str, Any] = msgspec.to_builtins(snapshot.sealed())
    return kept


def world_of(catalog: Catalog, snapshot: dict[str, Any]) -> tuple[World, Position]:
    """The world that a snapshot describes, and the position in the stream up to which it is true.

    Raises CatalogError if the bookkeeping in it was damaged.
    """
    try:
        kept = msgspec.convert(snapshot, _Snapshot)
    except msgspec.ValidationError as error:
        raise _damaged(str(error)) from None
    if kept != kept.sealed():
        raise _damaged("it is not what was written")
    world = World()
    world.origin, world.currency = kept.origin, kept.currency
    world.transactions = kept.transactions
    world.open.update(kept.open)
    for account, unit, amount in kept.balances:
        world.balances[account, unit] = amount
    world.products = products_of(catalog.products, world.currency)
    for record in catalog.products:
        world.balances[AVAILABLE, record["id"]] = record["inStock"]
    for record in catalog.users:
        world.customers[record["id"]] = customer(record)
    world.guardrails = rules_in(catalog, world.currency)
    world.stood_before(catalog.orders[max(0, len(catalog.orders) - kept.orders) :])
    return world, kept.position


def _damaged(why: str) -> CatalogError:
    return CatalogError(
        f"the table 'market' was damaged: {why}",
        where="catalog.json",
        todo="move catalog.json away and rebuild it with: marketsim recover",
    )


def orders_of(kept: list[dict[str, Any]], world: World) -> list[dict[str, Any]]:
    """The orders that stand: those kept from before, less the cancelled, and the new ones."""
    known = {_identity(_order_record(order)) for order in world.orders.values()}
    known |= {_identity(record) for record in world.orders_gone}
    before = [record for record in kept if _identity(record) not in known]
    return before + [_order_record(order) for order in world.standing_orders()]


def _identity(record: dict[str, Any]) -> tuple[str, ...]:
    # An order that a person brought may have any id, that of one of ours too.
    return tuple(str(record.get(key)) for key in ("id", "transaction", "placed"))


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
    rules = rules_in(catalog, world.currency)
    words = _words(records, people, removed + gone, moves, world) + _rule_words(world.guardrails, rules)
    events: list[Event] = [
        *(CatalogChanged(source="edit", products=batch) for batch in batches(records)),
        *(CatalogChanged(source="edit", customers=batch) for batch in batches(people)),
        *(CatalogChanged(source="edit", removed_products=batch) for batch in batches(removed)),
        *(CatalogChanged(source="edit", removed_customers=batch) for batch in batches(gone)),
        *(_restock(batch) for batch in batches(list(moves.items()))),
    ]
    if rules != world.guardrails:
        events.append(rules_changed("edit", rules))
    if not events:
        words = ["keys that the books do not use"]
        events.append(CatalogChanged(source="edit", fields=words))
    shown = ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
    return Edit(events, shown)


def rules_in(catalog: Catalog, currency: str) -> "list[Rule]":
    """The guardrails that a catalog declares, which are in order; money in minor units."""
    if not catalog.guardrails:
        return []
    from marketsim.market.rules import rules_of  # most markets declare none, and need not wait for it

    return rules_of(catalog.guardrails, currency)


def rules_changed(source: str, rules: "list[Rule]") -> CatalogChanged:
    """What says in the stream which guardrails are in force from here on."""
    return CatalogChanged(source=source, guardrails=msgspec.to_builtins(rules))


def _restock(moves: list[tuple[str, int]]) -> LedgerPosted:
    lines = [stock(name, units, SUPPLIER, AVAILABLE) for name, units in moves]
    return LedgerPosted(postings=[line for pair in lines for line in pair], reason="edit of catalog.json")


def check_stock(edit: Edit, world: World, place: Path) -> None:
    """Raise CatalogError if an edit takes away stock that was sold after the file had been written."""
    lines = [line for event in edit.events if isinstance(event, LedgerPosted) for line in event.postings]
    for line in lines:
        if line.account == AVAILABLE and world.available(line.product) + line.quantity < 0:
            raise CatalogError(
                f"{line.product}: inStock was lowered by {-line.quantity}, and only "
                f"{world.available(line.product)} are left of what the file was written with",
                where=str(place),
                todo="write what inStock was before, and edit it after the next command",
            )


def caught_up(catalog: Catalog, world: World) -> Catalog:
    """The catalog with the products and users that the world has; their other keys are kept.

    From an empty one that is all that the stream knows: other keys were in the lost file alone.
    """
    products = {record["id"]: record for record in catalog.products}
    users = {record["id"]: record for record in catalog.users}
    return Catalog(
        [products.get(name, {}) | _record_of(each, world) for name, each in world.products.items()],
        [users.get(name, {}) | {"id": name, "name": each.name} for name, each in world.customers.items()],
        catalog.orders,
        catalog.extra,
        _rules_caught_up(catalog, world),
    )


def _rules_caught_up(catalog: Catalog, world: World) -> list[dict[str, Any]]:
    """The guardrails that are in force: as a person wrote them, where nobody changed them since."""
    if rules_in(catalog, world.currency) == world.guardrails:
        return catalog.guardrails
    from marketsim.market.rules import declared

    return [declared(rule, world.currency) for rule in world.guardrails]


def _record_of(each: Product, world: World) -> dict[str, Any]:
    return {
        "id": each.id,
        "name": each.name,
        "price": to_major(each.price_minor, world.currency),
        "inStock": world.available(each.id),
        **{key: value for key, value in product_record(each).items() if key in ("category", "condition")},
    }


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
    found = {_identity(record): record for record in catalog.orders}
    for order in world.standing_orders():
        record = _order_record(order)
        if found.get(_identity(record)) != record:
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
    return words


def _rule_words(old: "list[Rule]", new: "list[Rule]") -> list[str]:
    """What was edited in the guardrails: ``two-laptops-each: changed``."""
    before, after = ({rule.name: rule for rule in rules} for rules in (old, new))
    words = [f"{name}: guardrail added" for name in after if name not in before]
    words += [f"{name}: guardrail changed" for name in after if before.get(name, after[name]) != after[name]]
    words += [f"{name}: guardrail removed" for name in before if name not in after]
    return words or (["the order of the guardrails"] if old != new else [])
