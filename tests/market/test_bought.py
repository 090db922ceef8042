"""What customers have bought: the same from the stream and from a snapshot."""

from typing import Any

import pytest
from drivers.runs import OPENING, purchased
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.segments import START
from marketsim.market.bookkeeping import caught_up, orders_of, snapshot_of, world_of
from marketsim.market.bought import Purchased, purchased_in, summed_up
from marketsim.market.catalog import Catalog
from marketsim.market.world import World
from marketsim.saga.errors import CatalogError, LogDamaged
from marketsim.saga.events import CatalogChanged, OrderCancelled, OrderPlaced, TransactionBegan

LINE = {"product": "laptop-1", "quantity": 2, "price_minor": 75_000}
BROUGHT: list[dict[str, Any]] = [
    {"id": "order-1", "customer": "user-1", "lines": "what a person brought"},
    {
        "id": "order-9",
        "customer": "user-1",
        "lines": [{"product": "laptop-1", "quantity": 7, "price": 1}],
        "currency": "USD",
        "transaction": "tx-9",
        "placed": "2020-01-01T00:00:00.000000Z",
    },
]


def snapshot_world(world: World, brought: list[dict[str, Any]]) -> World:
    """The world that is read back from what would be in catalog.json."""
    catalog = caught_up(Catalog([], [], orders_of(brought, world), {}), world)
    brought[:] = catalog.orders
    return world_of(catalog, snapshot_of(world, START, ""))[0]


def placed(number: int, customer: str, quantity: int, price_minor: int) -> OrderPlaced:
    line = {"product": "laptop-1", "quantity": quantity, "price_minor": price_minor}
    return OrderPlaced(
        transaction=f"tx-{number}",
        order=f"order-{number}",
        customer=customer,
        lines=[line],
        total_minor=quantity * price_minor,
        currency="USD",
    )


steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("place"), st.sampled_from(["user-1", "user-2"]), st.integers(1, 5), st.integers(0, 999)
        ),
        st.tuples(st.just("cancel"), st.integers(1, 12)),
        st.tuples(st.just("snapshot")),
        st.tuples(st.just("ask")),
    ),
    max_size=20,
)


@given(steps)
def test_a_snapshot_and_the_whole_fold_say_the_same_was_bought(steps):
    events = list(purchased().log.events[:OPENING])
    tail, brought = World.of(events), [dict(each) for each in BROUGHT]
    number = 0
    for kind, *said in steps:
        if kind == "snapshot":
            tail = snapshot_world(tail, brought)
        elif kind == "ask":
            tail.bought("user-1")
        else:
            number += kind == "place"
            event = placed(number, *said) if kind == "place" else OrderCancelled(order=f"order-{said[0]}")
            if kind == "cancel" and said[0] > number:
                continue
            events.append(event)
            tail.apply(event)
    whole = World.of(events)
    last = snapshot_world(tail, brought)
    for customer in ("user-1", "user-2"):
        assert whole.bought(customer) == tail.bought(customer) == last.bought(customer)
    own = [order.order for order in whole.standing_orders()]
    assert [record["id"] for record in brought] == ["order-1", "order-9", *own]


def test_an_order_counts_until_it_is_cancelled_and_is_cancelled_once():
    world = World()
    world.apply(placed(1, "user-1", 2, 5))
    world.apply(placed(2, "user-1", 3, 5))
    assert world.bought("user-1") == Purchased(2, {("laptop-1", 5): 5})
    for _ in range(2):
        world.apply(OrderCancelled(order="order-1"))
    assert world.bought("user-1") == Purchased(1, {("laptop-1", 5): 3})
    assert world.bought("user-2") == Purchased()


def test_an_order_that_nobody_placed_is_cancelled_without_a_trace():
    world = World()
    world.apply(OrderCancelled(order="order-7"))
    assert world.bought("user-1") == Purchased()


def test_what_was_bought_is_summed_up_and_read_back():
    bought = purchased_in([LINE, LINE])
    assert bought == Purchased(1, {("laptop-1", 75_000): 4})
    customer = {"id": "user-1", "name": "Ada", "bought": summed_up(bought)}
    world = World.of([CatalogChanged(source="excerpt", customers=[customer])])
    assert world.bought("user-1") == bought


def test_only_an_excerpt_sums_up_what_was_bought():
    customer = {"id": "user-1", "name": "Ada", "bought": summed_up(purchased_in([LINE]))}
    world = World.of([CatalogChanged(source="edit", customers=[customer])])
    assert world.bought("user-1") == Purchased()
    with pytest.raises(LogDamaged):
        World.of([CatalogChanged(source="excerpt", customers=[{**customer, "bought": {"orders": "1"}}])])


def test_an_order_that_was_edited_is_told_when_somebody_counts_on_it():
    world = World()
    world.stood_before(
        [{"id": "order-1", "customer": "user-1", "lines": [{"product": 5}], "currency": "USD"}]
    )
    assert world.orders_before
    with pytest.raises(CatalogError, match="an order was edited") as refused:
        world.bought("user-1")
    assert refused.value.todo == "put it back"


def test_a_transaction_that_is_open_has_bought_nothing_yet():
    events = purchased().log.events
    at = next(n for n, event in enumerate(events) if isinstance(event, OrderPlaced))
    assert isinstance(events[OPENING], TransactionBegan)
    assert World.of(events[:at]).bought("user-1") == Purchased()
    assert World.of(events).bought("user-1") == Purchased(1, {("laptop-1", 75_000): 1})
