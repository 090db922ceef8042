"""The world: a fold over the stream, and nothing else."""

from copy import deepcopy

import pytest
from drivers.runs import OPENING, began, begin, finished, opening, purchased, shop
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.market.catalog import Product
from marketsim.market.ledger import MERCHANT, RESERVED, SOLD
from marketsim.market.world import World, product_record
from marketsim.saga.events import CatalogChanged, LedgerPosted, OrderPlaced, decode, encode
from marketsim.saga.policies import POLICIES

FIELDS = ("origin", "currency", "products", "customers", "orders", "cancelled", "open", "transactions")


def seen(world: World) -> dict[str, object]:
    """All that a world says."""
    balances = {place: amount for place, amount in world.balances.items() if amount}
    return {name: getattr(world, name) for name in FIELDS} | {"balances": balances}


FAULTS = [
    "payment:error%50",
    "place_order:timeout_after%50",
    "find_order:timeout_before%80",
    "refund_payment:error%80",
    "reserve_stock:error%50",
]


@given(st.lists(st.sampled_from(FAULTS), max_size=4), st.integers(0, 99), st.sampled_from(sorted(POLICIES)))
@settings(max_examples=60, deadline=None)
def test_the_fold_of_the_stream_is_the_world_the_driver_had(faults, seed, policy):
    market = purchased(*faults, seed=seed, policy=policy)
    folded = World.of(decode(encode(event)) for event in market.log.events)
    assert seen(folded) == seen(market.world)


def test_a_purchase_moves_one_unit_and_its_price():
    world = purchased(quantity=2).world
    assert world.available("laptop-1") == 3
    assert world.balances[SOLD, "laptop-1"] == 2
    assert world.balances[RESERVED, "laptop-1"] == 0
    assert world.balances[MERCHANT, "USD"] == 150_000
    (order,) = world.standing_orders()
    assert (order.order, order.total_minor, order.customer) == ("order-1", 150_000, "user-1")


def test_an_order_that_was_cancelled_no_longer_stands():
    world = purchased("place_order:timeout_after", "find_order:timeout_before").world
    assert list(world.orders) == ["order-1"]
    assert world.standing_orders() == []


@pytest.mark.parametrize("faults", [(), ("notify_customer:cancel",), ("place_order:timeout_before",)])
def test_a_world_that_keeps_no_orders_lets_go_of_a_transaction_that_has_ended(faults):
    events, small = purchased(*faults).log.events, World(keeps_orders=False)
    empty = {name: set(getattr(small, name)) for name in ("orders", "cancelled", "open", "_own", "_effects")}
    for event in events[:-1]:
        small.apply(event)
    assert set(small.orders) == {event.order for event in events if isinstance(event, OrderPlaced)}
    small.apply(events[-1])
    assert {name: set(getattr(small, name)) for name in empty} == empty
    assert small.balances == World.of(events).balances


def test_transactions_are_counted_and_open_until_they_end():
    events = purchased("payment:card_declined").log.events
    before = World.of(events[:-1])
    assert (before.transactions, before.open) == (1, {"tx-1"})
    assert World.of(events).open == set()
    assert World.of(purchased(quantity=101).log.events).transactions == 1


def test_keys_of_what_was_abandoned_are_known_for_whoever_reverts_it_later():
    market = purchased("payment:card_declined", policy="none")
    assert market.world.effect(LedgerPosted, "tx-1:reserve_stock") is not None


@pytest.mark.parametrize("run", [{}, {"quantity": 101}])
def test_keys_are_forgotten_when_their_transaction_has_ended(run):
    market = purchased("payment:card_declined", **run)
    for event in market.log.events[OPENING:]:
        if isinstance(event, LedgerPosted | OrderPlaced):
            assert market.world.effect(type(event), event.key) is None


def test_keys_of_an_open_transaction_are_known():
    events = purchased().log.events
    at = next(n for n, each in enumerate(events) if isinstance(each, OrderPlaced))
    world = World.of(events[: at + 1])
    assert world.effect(OrderPlaced, "tx-1:place_order") == events[at]
    assert world.effect(LedgerPosted, "tx-1:place_order") == events[at - 1]
    assert world.effect(OrderPlaced, "tx-1:charge_payment") is None


def test_keys_of_a_stuck_transaction_are_kept_for_when_it_is_tried_again():
    world = purchased("place_order:timeout_after", "find_order:timeout_before", "refund_payment:error").world
    assert world.open == set()
    assert world.effect(LedgerPosted, "tx-1:charge_payment") is not None


def test_products_and_customers_come_change_and_go():
    world = World.of(opening())
    world.apply(
        CatalogChanged(
            source="edit",
            products=[
                {
                    "id": "laptop-1",
                    "name": "Laptop",
                    "price_minor": 5,
                    "category": "computers",
                    "condition": "new",
                },
                {"id": "desk-1", "name": "Desk", "price_minor": 9},
            ],
            customers=[{"id": "user-1", "name": "Ada L."}],
            removed_customers=["user-2", "nobody"],
        )
    )
    assert world.products["laptop-1"] == Product("laptop-1", "Laptop", 5, "computers", "new")
    assert list(world.products) == ["laptop-1", "desk-1"]
    assert {name: each.name for name, each in world.customers.items()} == {"user-1": "Ada L."}
    world.apply(CatalogChanged(source="edit", removed_products=["desk-1"]))
    assert list(world.products) == ["laptop-1"]


@pytest.mark.parametrize("product", [Product("a", "A", 0), Product("a", "A", 5, "goods", "new")])
def test_a_product_is_recorded_as_it_is_read(product):
    world = World()
    world.apply(CatalogChanged(source="init", products=[product_record(product)]))
    assert world.products == {"a": product}


def test_the_world_changes_by_events_alone():
    market = shop(2)
    before = deepcopy(seen(market.world))
    begin(market, began())
    assert seen(market.world) == before, "what is only planned has not happened"
    finished(market)
    assert seen(market.world) != before


def test_the_minor_unit_is_that_of_the_currency():
    world = World.of(opening())
    assert world.minor_units == 100
    world.currency = "JPY"
    assert world.minor_units == 1
