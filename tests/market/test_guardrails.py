"""Declared guardrails: at the limit a request passes, one above it does not, and the rule is named."""

from typing import Any

import msgspec
import pytest
from drivers.runs import OPENING, Shop, began, begin, errors, finished, replayed, shop
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.market.catalog import Product
from marketsim.market.excerpt import history_before
from marketsim.market.guardrails import described, wanted_of, why_broken
from marketsim.market.purchase import purchase
from marketsim.market.requests import Line, lines_of
from marketsim.market.rules import Rule, rules_of
from marketsim.market.world import World
from marketsim.saga.errors import LogDamaged
from marketsim.saga.events import (
    CatalogChanged,
    Event,
    OrderPlaced,
    TransactionBegan,
    TransactionRejected,
    decode,
    encode,
)
from marketsim.saga.faults import FaultPlan, parse_fault
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape

THURSDAY = "2026-01-01T12:00:00.000000Z"
COMPUTER = [{"field": "category", "is": "computer"}]


def rule(**said: Any) -> Rule:
    """A rule as a person declares it, in USD."""
    return rules_of([{"name": "x", **said}], "USD")[0]


def world_with(*orders: tuple[str, str, int]) -> World:
    """A market of three products, where these customers have bought these products so often."""
    world = World()
    world.currency = "USD"
    for product in (
        Product("laptop-1", "Laptop", 75_000, "computer", "used"),
        Product("laptop-2", "Laptop", 95_000, "computer", "new"),
        Product("mug-1", "Mug", 1_250),
    ):
        world.products[product.id] = product
    for number, (customer, product, quantity) in enumerate(orders, 1):
        line = {
            "product": product,
            "quantity": quantity,
            "price_minor": world.products[product].price_minor,
        }
        world.apply(placed(f"order-{number}", customer, [line]))
    return world


def placed(order: str, customer: str, lines: list[dict[str, Any]]) -> OrderPlaced:
    total = sum(line["quantity"] * line["price_minor"] for line in lines)
    return OrderPlaced(order=order, customer=customer, lines=lines, total_minor=total, currency="USD")


def why(
    wanted: dict[str, int],
    *orders: tuple[str, str, int],
    at: str = THURSDAY,
    customer: str = "user-1",
    **said: Any,
) -> str:
    """Why a cart of these products breaks a rule."""
    cart = [{"product": product, "quantity": quantity} for product, quantity in wanted.items()]
    world = world_with(*orders)
    return why_broken(rule(**said), wanted_of({"customer": customer, "cart": cart}, at, world))


# Limits.


@given(st.integers(0, 50), st.lists(st.integers(1, 20), max_size=5), st.integers(1, 99))
def test_a_quantity_at_the_limit_passes_and_one_more_does_not(limit, before, wanted):
    orders = [("user-1", "laptop-1", units) for units in before]
    within = sum(before) + wanted <= limit
    said = {"at_most": limit, "of": "quantity", "per": "customer"}
    assert (why({"laptop-1": wanted}, *orders, **said) == "") is within
    assert (why({"laptop-1": wanted}, *orders, **said | {"per": "order"}) == "") is (wanted <= limit)


@given(st.integers(0, 10**7), st.integers(1, 9), st.integers(1, 9))
def test_a_total_at_the_limit_passes_and_a_cent_more_does_not(limit_minor, laptops, mugs):
    total_minor = laptops * 75_000 + mugs * 1_250
    told = why({"laptop-1": laptops, "mug-1": mugs}, at_most=limit_minor / 100, of="total")
    assert (told == "") is (total_minor <= limit_minor)


@pytest.mark.parametrize(
    ("wanted", "said", "reason"),
    [
        ({"laptop-1": 2}, {"at_most": 2, "of": "quantity"}, ""),
        (
            {"laptop-1": 3},
            {"at_most": 2, "of": "quantity"},
            "3 units wanted; at most 2 units in an order",
        ),
        ({"laptop-1": 1}, {"at_most": 750, "of": "total"}, ""),
        (
            {"laptop-1": 1},
            {"at_most": 749.99, "of": "total"},
            "USD 750.00 wanted; at most USD 749.99 in an order",
        ),
        ({"laptop-2": 1, "mug-1": 1}, {"at_most": 950, "of": "price"}, ""),
        (
            {"mug-1": 1, "laptop-2": 1},
            {"at_most": 900, "of": "price"},
            "laptop-2 costs USD 950.00; at most USD 900.00 for one unit",
        ),
        # A rule counts what meets its conditions, and nothing else.
        ({"laptop-1": 2, "mug-1": 9}, {"at_most": 2, "of": "quantity", "where": COMPUTER}, ""),
        ({"mug-1": 9}, {"at_most": 0, "of": "quantity", "where": COMPUTER}, ""),
        (
            {"laptop-1": 1, "laptop-2": 2},
            {"at_most": 2, "of": "quantity", "where": COMPUTER},
            "3 units wanted; at most 2 units in an order",
        ),
        # Each category, each product by itself; what has no category is one of its own.
        ({"laptop-1": 2, "mug-1": 2}, {"at_most": 2, "of": "quantity", "per": "category"}, ""),
        (
            {"laptop-1": 2, "laptop-2": 1},
            {"at_most": 2, "of": "quantity", "per": "category"},
            "3 units wanted; at most 2 units of category computer in an order",
        ),
        (
            {"mug-1": 3},
            {"at_most": 2, "of": "quantity", "per": "category"},
            "3 units wanted; at most 2 units without a category in an order",
        ),
        ({"laptop-1": 2, "laptop-2": 2}, {"at_most": 2, "of": "quantity", "per": "product"}, ""),
        (
            {"laptop-1": 2, "laptop-2": 3},
            {"at_most": 2, "of": "quantity", "per": "product"},
            "3 units wanted; at most 2 units of product laptop-2 in an order",
        ),
    ],
)
def test_a_limit_on_an_order_says_what_was_wanted_and_what_is_allowed(wanted, said, reason):
    assert why(wanted, **said) == reason


BEFORE = [("user-1", "laptop-1", 1), ("user-1", "mug-1", 4), ("user-2", "laptop-1", 9)]


@pytest.mark.parametrize(
    ("wanted", "said", "reason"),
    [
        ({"laptop-2": 1}, {"at_most": 2, "of": "quantity", "per": "customer", "where": COMPUTER}, ""),
        (
            {"laptop-2": 2},
            {"at_most": 2, "of": "quantity", "per": "customer", "where": COMPUTER},
            "2 units wanted and 1 unit bought before; at most 2 units for a customer",
        ),
        (
            {"laptop-1": 1},
            {"at_most": 1549.99, "of": "total", "per": "customer"},
            "USD 750.00 wanted and USD 800.00 bought before; at most USD 1,549.99 for a customer",
        ),
        ({"laptop-1": 1}, {"at_most": 1550, "of": "total", "per": "customer"}, ""),
        ({"laptop-2": 1}, {"at_most": 1, "of": "quantity", "per": ["customer", "product"]}, ""),
        (
            {"laptop-2": 1},
            {"at_most": 1, "of": "quantity", "per": ["customer", "category"]},
            "1 unit wanted and 1 unit bought before; at most 1 unit of category computer for a customer",
        ),
        # What was too much before the rule was made forbids nothing else.
        ({"laptop-1": 1}, {"at_most": 2, "of": "quantity", "per": ["customer", "product"]}, ""),
        ({"laptop-1": 1}, {"at_most": 3, "of": "orders"}, ""),
        (
            {"laptop-1": 1},
            {"at_most": 2, "of": "orders", "per": "customer"},
            "2 orders before this one; at most 2 for a customer",
        ),
        (
            {"laptop-1": 1},
            {"at_most": 2, "of": "orders", "where": [{"field": "customer", "is": "user-2"}]},
            "",
        ),
    ],
)
def test_a_limit_on_a_customer_counts_what_that_customer_bought_before(wanted, said, reason):
    assert why(wanted, *BEFORE, **said) == reason


def test_what_was_bought_of_a_product_that_is_gone_has_no_category_any_more():
    world = world_with(("user-1", "laptop-1", 2))
    del world.products["laptop-1"]
    wanted = wanted_of({"customer": "user-1", "product": "laptop-2", "quantity": 2}, THURSDAY, world)
    computers = rule(at_most=2, of="quantity", per="customer", where=COMPUTER)
    everything = rule(at_most=3, of="quantity", per="customer")
    assert why_broken(computers, wanted) == ""
    assert "2 units bought before" in why_broken(everything, wanted)


def test_what_was_bought_before_counts_at_the_price_that_was_paid():
    world = world_with(("user-1", "mug-1", 1))
    world.products["mug-1"] = Product("mug-1", "Mug", 9_999)
    wanted = wanted_of({"customer": "user-1", "product": "mug-1", "quantity": 1}, THURSDAY, world)
    assert "and USD 12.50 bought before" in why_broken(rule(at_most=100, of="total", per="customer"), wanted)


def test_a_request_is_for_one_product_or_for_a_cart():
    assert lines_of({"product": "a", "customer": "u", "quantity": 2}) == [Line("a", 2)]
    cart = [{"product": "a", "quantity": 2}, {"product": "b", "quantity": 1}]
    assert lines_of({"customer": "u", "cart": cart}) == [Line("a", 2), Line("b", 1)]


# Conditions.


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"field": "product", "is": "laptop-1"}, True),
        ({"field": "product", "is": "laptop"}, False),
        ({"field": "product", "is_not": "laptop-1"}, False),
        ({"field": "name", "is": "Laptop"}, True),
        ({"field": "name", "not_in": ["Mug", "Desk"]}, True),
        ({"field": "category", "in": ["phone", "computer"]}, True),
        ({"field": "category", "is": ""}, False),
        ({"field": "condition", "is": "used"}, True),
        ({"field": "price", "is": 750}, True),
        ({"field": "price", "above": 750}, False),
        ({"field": "price", "above": 749.99}, True),
        ({"field": "price", "below": 750}, False),
        ({"field": "price", "below": 750.01}, True),
        ({"field": "price", "in": [1, 750]}, True),
        ({"field": "customer", "is": "user-1"}, True),
        ({"field": "customer", "is_not": "user-1"}, False),
        ({"field": "customer", "in": ["user-2"]}, False),
    ],
)
def test_a_condition_holds_or_does_not(condition, holds):
    assert bool(why({"laptop-1": 1}, reject=True, where=[condition])) is holds


def test_all_conditions_must_hold_and_for_the_same_product():
    where = [*COMPUTER, {"field": "price", "below": 100}]
    assert why({"laptop-1": 1, "mug-1": 1}, reject=True, where=where) == ""
    assert (
        why({"laptop-1": 1, "mug-1": 1}, reject=True, where=where[:1]) == "category is computer of laptop-1"
    )
    assert why({"mug-1": 1}, reject=True, where=where[1:]) == "price is USD 12.50 of mug-1"
    assert (
        why({"mug-1": 1}, reject=True, where=[{"field": "category", "is": ""}])
        == "category is empty of mug-1"
    )


def test_the_sentence_of_a_rule_comes_before_the_facts():
    told = why({"mug-1": 1}, reject=True, where=[{"field": "customer", "is": "user-1"}], sentence="Owes us.")
    assert told == "Owes us: customer is user-1"
    assert why({"mug-1": 1}, at_most=2, of="quantity", sentence="No.") == ""


# Hours.


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 1439))
def test_hours_are_from_the_first_minute_until_before_the_last_over_midnight_too(start, end, now):
    def clock(minute: int) -> str:
        return f"{minute // 60:02}:{minute % 60:02}"

    if start == end:
        return
    within = {(start + step) % 1440 for step in range((end - start) % 1440)}
    told = why({"mug-1": 1}, at=f"2026-01-01T{clock(now)}:59.999999Z", hours=f"{clock(start)}-{clock(end)}")
    assert (told == "") is (now in within)


@pytest.mark.parametrize(
    ("at", "said", "allowed"),
    [
        ("2026-01-02T23:00", {"hours": "22:00-06:00", "days": ["fri"]}, True),
        ("2026-01-03T05:59", {"hours": "22:00-06:00", "days": ["fri"]}, True),
        ("2026-01-03T22:00", {"hours": "22:00-06:00", "days": ["fri"]}, False),
        ("2026-01-02T05:59", {"hours": "22:00-06:00", "days": ["fri"]}, False),
        ("2026-01-05T00:30", {"hours": "22:00-06:00", "days": ["sun"]}, True),
        ("2026-01-02T23:59", {"hours": "18:00-24:00"}, True),
        ("2026-01-02T00:00", {"hours": "18:00-24:00"}, False),
        ("2026-01-01T00:00", {"days": ["thu"]}, True),
        ("2026-01-02T00:00", {"days": ["thu"]}, False),
        ("2026-01-01T18:00", {"hours": "08:00-18:00", "where": COMPUTER}, True),
    ],
)
def test_a_day_is_the_one_on_which_the_hours_begin(at, said, allowed):
    assert (why({"mug-1": 1}, at=f"{at}:00.000000Z", **said) == "") is allowed


def test_outside_the_hours_it_is_said_when_it_is_and_when_it_is_allowed():
    told = why({"mug-1": 1}, at=THURSDAY, hours="18:00-06:00", days=["mon", "tue"])
    assert told == "it is thu 12:00 UTC; allowed is 18:00-06:00 UTC on mon, tue"


# In a market.


def market_with(*rules: dict[str, Any]) -> Shop:
    market = shop(50)
    records = msgspec.to_builtins(rules_of(({"name": "x", **each} for each in rules), "USD"))
    market.driver.record(CatalogChanged(source="edit", guardrails=records))
    return market


def buy(market: Shop, number: int, *faults: str, quantity: int = 1) -> Event:
    wanted = began(*faults, number=number, quantity=quantity)
    plan = FaultPlan(parse_fault(text, purchase) for text in faults)
    market.driver.begin(purchase, POLICIES["default"], Tape(0), wanted, plan)
    finished(market)
    return market.log.events[-1]


TWO_EACH = {"name": "two-each", "at_most": 2, "of": "quantity", "per": "customer"}


def test_the_rule_that_is_broken_is_named_in_the_rejection_and_nothing_starts():
    market = market_with(TWO_EACH)
    assert buy(market, 1, quantity=2).type == "transaction.committed"
    end = buy(market, 2)
    assert isinstance(end, TransactionRejected)
    assert (end.rule, end.reason) == (
        "two-each",
        "1 unit wanted and 2 units bought before; at most 2 units for a customer",
    )
    assert market.types[-2:] == ["transaction.began", "transaction.rejected"]
    assert errors(market.log.events) == []


def test_the_first_rule_in_the_order_of_declaration_is_named_and_the_built_in_ones_come_first():
    none = {"name": "none", "at_most": 0, "of": "quantity"}
    first = market_with(none, TWO_EACH)
    assert buy(first, 1, quantity=3).rule == "none"  # type: ignore[attr-defined]
    other = market_with(TWO_EACH, none)
    assert buy(other, 1, quantity=3).rule == "two-each"  # type: ignore[attr-defined]
    assert buy(other, 2, quantity=101).rule == "quantity_limit"  # type: ignore[attr-defined]


def test_an_order_that_was_cancelled_no_longer_counts():
    market = market_with(TWO_EACH)
    unknown = "place_order:timeout_after", "find_order:timeout_before"
    assert buy(market, 1, *unknown, quantity=2).type == "transaction.compensated"
    assert market.world.orders
    assert market.world.bought("user-1").orders == 0
    assert buy(market, 2, quantity=2).type == "transaction.committed"


def test_a_list_of_rules_replaces_all_and_none_leaves_them():
    market = market_with(TWO_EACH)
    market.driver.record(CatalogChanged(source="edit", customers=[{"id": "user-9", "name": "Zoe"}]))
    assert [each.name for each in market.world.guardrails] == ["two-each"]
    market.driver.record(CatalogChanged(source="edit", guardrails=[]))
    assert market.world.guardrails == []
    assert buy(market, 1, quantity=3).type == "transaction.committed"


def test_the_hours_are_those_of_the_transactions_own_beginning():
    market = market_with({"name": "day", "hours": "08:00-18:00"})
    assert market.driver.clock.stamp()[11:13] == "22"
    assert buy(market, 1).type == "transaction.rejected"
    market.driver.clock.advance(market.driver.clock.now_us + 12 * 3_600_000_000)
    assert buy(market, 2).type == "transaction.committed"


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["", "place_order:timeout_after"])), max_size=5),
    st.sampled_from(["quantity", "total", "orders"]),
)
@settings(max_examples=40, deadline=None)
def test_a_transaction_is_decided_alike_on_the_excerpt_of_its_history(purchases, of):
    limits = {"quantity": 4, "total": 2000, "orders": 2}
    market = market_with({"name": "limit", "at_most": limits[of], "of": of, "per": "customer"})
    for number, (quantity, fault) in enumerate(purchases, 1):
        buy(market, number, *([fault] if fault else []), quantity=quantity)
    world = World()
    for event in market.log.events:
        if isinstance(event, TransactionBegan):
            before = [decode(encode(each)) for each in history_before(world, event.request)]
            own = World.of(before)
            assert own.guardrails == world.guardrails
            assert own.bought("user-1") == world.bought("user-1")
        world.apply(event)
    for number in range(1, len(purchases) + 1):
        again = replayed(market.log.events, f"tx-{number}")
        assert (again.difference, again.complete) == (None, True)


@pytest.mark.parametrize(("quantity", "end"), [(2, "committed"), (3, "rejected")])
def test_who_recovers_before_the_rules_were_asked_asks_them(quantity, end):
    """The process dies right behind the beginning, and another one decides as it would have."""
    market = shop(50, deaths=[(OPENING + 2, "after")])
    records = msgspec.to_builtins(rules_of([TWO_EACH], "USD"))
    market.driver.record(CatalogChanged(source="edit", guardrails=records))
    begin(market, began(quantity=quantity))
    market = finished(market)
    assert "process.recovered" in market.types
    assert market.types[-1] == f"transaction.{end}"
    assert replayed(market.log.events).difference is None


def test_a_stream_whose_rule_is_none_is_damaged():
    for record in (
        {"name": "x"},
        {"name": "x", "hours": "late"},
        {"name": "x", "at_most": 1.5, "of": "total"},
    ):
        with pytest.raises(LogDamaged, match=r"catalog\.changed does not say what it should"):
            World.of([CatalogChanged(source="edit", guardrails=[record])])


# What a rule says.


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"at_most": 2, "of": "quantity"}, "at most 2 units in an order"),
        ({"at_most": 1, "of": "orders"}, "at most 1 order for a customer"),
        ({"at_most": 5, "of": "total", "per": "category"}, "at most USD 5.00 of each category in an order"),
        (
            {"at_most": 5, "of": "price", "where": [{"field": "price", "above": 3}]},
            "at most USD 5.00 for one unit, where price is above USD 3.00",
        ),
        ({"hours": "08:00-18:00", "days": ["mon"]}, "only 08:00-18:00 UTC on mon"),
        ({"days": ["mon", "tue"]}, "only on mon, tue"),
        (
            {"reject": True, "where": [*COMPUTER, {"field": "name", "not_in": list("abcdefg")}]},
            "rejects, where category is computer and name is none of a, b, c, d, e and 2 more",
        ),
    ],
)
def test_a_rule_is_told_in_a_few_words(said, told):
    assert described(rule(**said), world_with()) == told
