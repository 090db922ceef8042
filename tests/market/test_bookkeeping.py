"""Bookkeeping: what a snapshot must say, and what an edit of the catalog means in the books."""

from pathlib import Path
from typing import Any

import pytest
from drivers.runs import next_process, opening, purchased

from marketsim.audit.segments import Position
from marketsim.market.bookkeeping import (
    BATCH_RECORDS,
    batches,
    caught_up,
    check_stock,
    edit_of,
    orders_of,
    snapshot_of,
    world_of,
)
from marketsim.market.catalog import Catalog
from marketsim.market.ledger import AVAILABLE, RESERVED, SUPPLIER, stock
from marketsim.market.world import World
from marketsim.saga.errors import CatalogError
from marketsim.saga.events import CatalogChanged, LedgerPosted

FILE = Path("market/catalog.json")
POSITION = Position(7, "ab" * 32, [], 1, 99, "2026-01-01T00:00:00.000000Z")


def catalog_of(world: World) -> Catalog:
    return caught_up(Catalog([], [], orders_of([], world), {}), world)


def snapshot(world: World) -> dict[str, Any]:
    return snapshot_of(world, POSITION, "digest")


@pytest.mark.parametrize(
    "market",
    [
        purchased(),
        purchased("payment:card_declined"),
        purchased("payment:card_declined", policy="none"),
        purchased("place_order:timeout_after", "refund_payment:error"),
    ],
)
def test_a_snapshot_says_all_that_the_world_is(market):
    world, position = world_of(catalog_of(market.world), snapshot(market.world))
    assert position == POSITION
    assert {key: each for key, each in world.balances.items() if each} == {
        key: each for key, each in market.world.balances.items() if each
    }
    for name in ("origin", "currency", "products", "customers", "open", "transactions"):
        assert getattr(world, name) == getattr(market.world, name)


def test_an_open_transaction_is_open_in_the_snapshot_too():
    market = purchased()
    log = type(market.log)(market.log.events[:-1])
    world = next_process(log).world
    assert world_of(catalog_of(world), snapshot(world))[0].open == {"tx-1"}


def test_stock_of_what_is_no_longer_in_the_catalog_is_kept():
    world = World.of(opening(5))
    world.apply(LedgerPosted(postings=stock("laptop-1", 2, AVAILABLE, RESERVED)))
    world.apply(CatalogChanged(source="edit", removed_products=["laptop-1"]))
    kept, _ = world_of(catalog_of(world), snapshot(world))
    assert kept.available("laptop-1") == 3
    assert kept.balances == world.balances


def without(key: str) -> Any:
    return lambda kept: {name: each for name, each in kept.items() if name != key}


def but(**changes: object) -> Any:
    return lambda kept: kept | changes


@pytest.mark.parametrize(
    "damage",
    [
        *(
            without(key)
            for key in ("origin", "position", "digest", "transactions", "open", "balances", "seal")
        ),
        but(transactions="5"),
        but(transactions=0),
        but(open="tx-1"),
        but(balances=[["a", "b"]]),
        but(balances=[["stock:sold", "laptop-1", "x"]]),
        but(balances=[["stock:sold", "laptop-1", 1.5]]),
        but(balances=[]),
        but(position={"size": -1}),
        but(position=None),
        but(digest=""),
        but(seal="0" * 64),
        but(stranger=1),
        lambda kept: {},
    ],
)
def test_bookkeeping_that_was_touched_is_one_clear_error(damage):
    world = purchased().world
    with pytest.raises(CatalogError, match="the table 'market' was damaged") as refused:
        world_of(catalog_of(world), damage(snapshot(world)))
    assert refused.value.where == "catalog.json"
    assert "marketsim recover" in refused.value.todo


def edited(change: Any, world: World | None = None) -> tuple[World, Any]:
    """The world after an edit was booked, and the edit."""
    world = world or World.of(opening(5))
    catalog = catalog_of(world)
    change(catalog)
    edit = edit_of(catalog, world, FILE)
    check_stock(edit, world, FILE)
    for event in edit.events:
        world.apply(event)
    assert edit_of(catalog, world, FILE).events == [CatalogChanged(source="edit", fields=NOTHING)]
    return world, edit


NOTHING = ["keys that the books do not use"]


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        (lambda made: made.products[0].update(price=800), "laptop-1: price_minor"),
        (lambda made: made.products[0].update(name="Lap", category="pc"), "laptop-1: category, name"),
        (lambda made: made.products[0].update(inStock=9), "laptop-1: inStock +4"),
        (lambda made: made.products[0].update(inStock=0), "laptop-1: inStock -5"),
        (lambda made: made.users[0].update(name="Ada L."), "user-1: name"),
        (lambda made: made.users.append({"id": "user-9", "name": "Zoe"}), "user-9: added"),
        (lambda made: made.users.pop(), "user-2: removed"),
        (lambda made: made.products[0].update(colour="red"), NOTHING[0]),
    ],
)
def test_an_edit_is_told_in_words_and_booked(change, summary):
    assert edited(change)[1].summary == summary


def test_a_new_product_comes_with_its_stock():
    new = {"id": "desk-1", "name": "Desk", "price": 9.5, "inStock": 3}
    world, edit = edited(lambda made: made.products.append(new))
    assert edit.summary == "desk-1: added, desk-1: inStock +3"
    assert world.available("desk-1") == 3
    assert world.products["desk-1"].price_minor == 950
    assert world.balances[SUPPLIER, "desk-1"] == -3


def test_a_removed_product_takes_its_stock_with_it():
    new = {"id": "desk-1", "name": "Desk", "price": 9, "inStock": 3}

    def swap(made: Catalog) -> None:
        made.products[:] = [new]

    world, edit = edited(swap)
    assert edit.summary == "desk-1: added, laptop-1: removed, desk-1: inStock +3, laptop-1: inStock -5"
    assert list(world.products) == ["desk-1"]
    assert world.available("laptop-1") == 0


def test_a_large_edit_is_booked_in_batches_and_told_in_short():
    many = [{"id": f"p-{n}", "name": "P", "price": 1, "inStock": 1} for n in range(BATCH_RECORDS + 1)]
    _, edit = edited(lambda made: made.products.extend(many))
    assert [len(each) for each in batches(many)] == [BATCH_RECORDS, 1]
    assert len(edit.events) == 4
    assert edit.summary.endswith(f"p-4: added and {2 * len(many) - 5} more")


@pytest.mark.parametrize(
    "change",
    [
        lambda orders: orders[0].update(total=1),
        lambda orders: orders[0].update(id="order-7"),
        lambda orders: orders[0].update(placed="2026-01-01T00:00:00Z"),
        lambda orders: orders[0].update(note="gift"),
        lambda orders: orders.clear(),
    ],
)
def test_an_order_cannot_be_edited(change):
    world = purchased().world
    with pytest.raises(CatalogError, match="order-1 was edited or removed"):
        edited(lambda made: change(made.orders), world)


def test_what_was_sold_after_the_file_was_written_cannot_be_taken_away():
    before, world = World.of(opening(5)), purchased(quantity=3).world
    catalog = catalog_of(before)
    catalog.products[0]["inStock"] = 1
    edit = edit_of(catalog, before, FILE)
    with pytest.raises(CatalogError, match="laptop-1: inStock was lowered by 4, and only 2 are left"):
        check_stock(edit, world, FILE)


def test_orders_that_a_person_brought_are_kept_whatever_they_say():
    brought: list[dict[str, Any]] = [
        {},
        {"id": "order-1"},
        {"id": "order-1"},
        {"id": ["odd"]},
        {"id": "order-1", "transaction": "tx-1", "placed": "2020-01-01T00:00:00Z"},
    ]
    world = purchased().world
    orders = orders_of(brought, world)
    assert orders[:-1] == brought
    assert orders[-1]["transaction"] == "tx-1"
    assert orders_of(orders, world) == orders, "a second time adds nothing"


def test_a_cancelled_order_leaves_the_catalog():
    events = purchased("place_order:timeout_after", "find_order:timeout_before").log.events
    at = next(n for n, event in enumerate(events) if event.type == "order.placed")
    before = orders_of([], World.of(events[: at + 1]))
    assert [each["id"] for each in before] == ["order-1"]
    assert orders_of(before, World.of(events)) == []


def test_an_order_says_what_was_bought_in_major_units():
    (order,) = orders_of([], purchased(quantity=2).world)
    placed = order.pop("placed")
    assert placed.endswith("Z")
    assert order == {
        "id": "order-1",
        "customer": "user-1",
        "lines": [{"product": "laptop-1", "quantity": 2, "price": 750}],
        "total": 1500,
        "currency": "USD",
        "transaction": "tx-1",
    }


def test_a_catalog_that_was_left_behind_catches_up_and_keeps_its_own_keys():
    world = World.of(opening(5))
    catalog = catalog_of(world)
    catalog.products[0]["colour"] = "red"
    catalog.users[0]["email"] = "ada@example.com"
    changed = [
        {"id": "laptop-1", "name": "Lap", "price_minor": 5},
        {"id": "desk-1", "name": "Desk", "price_minor": 9},
    ]
    world.apply(CatalogChanged(source="edit", products=changed, removed_customers=["user-2"]))
    after = caught_up(catalog, world)
    assert after.products == [
        {"id": "laptop-1", "name": "Lap", "price": 0.05, "inStock": 5, "colour": "red"},
        {"id": "desk-1", "name": "Desk", "price": 0.09, "inStock": 0},
    ]
    assert after.users == [{"id": "user-1", "name": "Ada", "email": "ada@example.com"}]
