"""The purchase: each guardrail, and what a customer gets."""

import msgspec
import pytest
from drivers.runs import OPENING, Shop, began, errors, finished, purchased, replayed, shop

from marketsim.drivers.virtual import Driver
from marketsim.market.limits import QUANTITY_MAX, TOTAL_MAX_MAJOR
from marketsim.market.purchase import purchase
from marketsim.market.rules import BUILT_IN
from marketsim.market.sagas import SAGAS, saga_named
from marketsim.saga.errors import InputError
from marketsim.saga.events import (
    CatalogChanged,
    NotificationSent,
    OperationFailed,
    OperationSucceeded,
    OrderPlaced,
    TransactionRejected,
)
from marketsim.saga.faults import FaultPlan
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape


def asked(price_minor: int = 75_000, **request: object) -> Shop:
    market = shop(500)
    record = {"id": "laptop-1", "name": "Laptop", "price_minor": price_minor}
    market.driver.record(CatalogChanged(source="edit", products=[record]))
    wanted = began()
    wanted = msgspec.structs.replace(wanted, request=wanted.request | request)
    market.driver.begin(purchase, POLICIES["default"], Tape(0), wanted, FaultPlan())
    return finished(market)


@pytest.mark.parametrize(
    ("request_", "rule", "reason"),
    [
        ({"product": "laptop-9"}, "known_product", "there is no product laptop-9"),
        ({"customer": "user-9"}, "known_customer", "there is no customer user-9"),
        ({"quantity": 0}, "quantity_limit", "0 wanted; a purchase is of 1 to 100 units"),
        ({"quantity": -1}, "quantity_limit", "-1 wanted; a purchase is of 1 to 100 units"),
        ({"quantity": QUANTITY_MAX + 1}, "quantity_limit", "101 wanted; a purchase is of 1 to 100 units"),
        ({"price_minor": 10**8, "quantity": 2}, "price_limit", "the total is above 1,000,000 USD"),
        ({"product": "laptop-9", "quantity": 0}, "known_product", "there is no product laptop-9"),
    ],
)
def test_a_broken_guardrail_rejects_with_its_name_and_starts_nothing(request_, rule, reason):
    market = asked(**request_)
    end = market.log.events[-1]
    assert isinstance(end, TransactionRejected)
    assert (end.rule, end.reason) == (rule, reason)
    assert market.types[-2:] == ["transaction.began", "transaction.rejected"]
    assert errors(market.log.events) == []


@pytest.mark.parametrize(
    "limit", [{"quantity": QUANTITY_MAX}, {"price_minor": TOTAL_MAX_MAJOR * 100}, {"price_minor": 0}]
)
def test_at_the_very_limit_it_is_sold(limit):
    assert asked(**limit).types[-1] == "transaction.committed"


def test_every_guardrail_says_what_it_is_about():
    assert list(purchase.guardrails) == [
        "known_product",
        "known_customer",
        "cart_size",
        "quantity_limit",
        "price_limit",
    ]
    for each in [*purchase.guardrails.values(), *purchase.operations.values()]:
        assert (getattr(each, "sentence", "") or each.__doc__).endswith(".")


def test_the_sentence_of_a_limit_names_the_limit():
    sentences = {name: rule.__doc__ for name, rule in purchase.guardrails.items()}
    assert f" {QUANTITY_MAX} " in sentences["quantity_limit"]
    assert f" {TOTAL_MAX_MAJOR:,}," in sentences["price_limit"]


def test_the_operations_are_those_of_the_contract():
    assert {
        name: (each.service, each.kind, each.revert_name) for name, each in purchase.operations.items()
    } == {
        "check_availability": ("inventory", "read_only", ""),
        "reserve_stock": ("inventory", "compensatable", "release_stock"),
        "estimate_delivery": ("delivery", "read_only", ""),
        "charge_payment": ("payment", "compensatable", "refund_payment"),
        "place_order": ("orders", "compensatable", "cancel_order"),
        "notify_customer": ("notifications", "retriable", "send_correction"),
    }


def test_the_customer_pays_gets_an_order_and_a_message():
    events = purchased(quantity=3).log.events
    (order,) = [event for event in events if isinstance(event, OrderPlaced)]
    assert (order.order, order.customer, order.total_minor, order.currency) == (
        "order-1",
        "user-1",
        225_000,
        "USD",
    )
    assert order.lines == [{"product": "laptop-1", "quantity": 3, "price_minor": 75_000}]
    (message,) = [event for event in events if isinstance(event, NotificationSent)]
    assert (message.customer, message.message) == ("user-1", "order-1 is confirmed")


def repriced_after(operation: str) -> Shop:
    """A purchase during which the price becomes one cent, once that operation has answered."""
    market = shop()

    def watch(event: object) -> None:
        if isinstance(event, OperationSucceeded) and event.operation == operation:
            record = {"id": "laptop-1", "name": "Laptop", "price_minor": 1}
            driver.record(CatalogChanged(source="edit", products=[record]))

    driver = Driver(market.log, market.world, market.driver.clock, watch=watch)
    driver.begin(purchase, POLICIES["default"], Tape(0), began(), FaultPlan())
    driver.run()
    (told,) = [
        event
        for event in market.log.events
        if isinstance(event, OperationSucceeded) and event.operation == "check_availability"
    ]
    assert told.result["price_minor"] == 75_000
    assert market.world.products["laptop-1"].price_minor == 1
    assert errors(market.log.events) == []
    assert replayed(market.log.events).difference is None
    return market


def test_the_price_that_was_told_is_the_price_that_is_charged():
    market = repriced_after("reserve_stock")
    assert market.world.standing_orders()[0].total_minor == 75_000
    assert market.world.balances["money:merchant", "USD"] == 75_000


def test_a_price_that_changes_before_the_reservation_is_told_and_nothing_is_bought():
    market = repriced_after("check_availability")
    (failed,) = [event for event in market.log.events if isinstance(event, OperationFailed)]
    assert (failed.operation, failed.code, failed.retry) == ("reserve_stock", "price_changed", "never")
    assert market.types[-1] == "transaction.compensated"
    assert market.world.standing_orders() == []
    assert market.world.available("laptop-1") == 5


def test_what_is_sold_out_is_neither_charged_nor_ordered():
    market = purchased(units=0)
    assert market.types[-2:] == ["transaction.compensating", "transaction.compensated"]
    assert len(market.types) == 5
    assert len(market.log.events) == OPENING + 5


def test_a_saga_is_found_by_its_name():
    assert saga_named("purchase") is SAGAS["purchase"] is purchase
    with pytest.raises(InputError, match=r"no saga is called 'purchas' \(did you mean 'purchase'\?\)"):
        saga_named("purchas")


def test_a_declared_rule_can_take_the_name_of_no_built_in_one():
    assert all(list(saga.guardrails) == list(BUILT_IN) for saga in SAGAS.values())
