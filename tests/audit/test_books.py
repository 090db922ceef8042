"""Stock, money and orders that a transaction leaves behind are found, and nothing else is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest

from marketsim.saga import events as e

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def stock_lost_by_an_abandoned_transaction(s: "Stream") -> None:
    s.declined()


def reserved_and_never_sold(s: "Stream") -> None:
    s.begin()
    s.do("reserve_stock")
    s.commit()


def charged_too_much(s: "Stream") -> None:
    lines = s.paid(80_000, "money:customer:user-1", "money:merchant")
    s.purchase().change(e.LedgerPosted, "charge_payment", postings=lines)
    s.change(e.OperationSucceeded, "charge_payment", result={"amount_minor": 80_000})


def order_for_free(s: "Stream") -> None:
    s.begin()
    s.do("reserve_stock", "place_order")
    s.commit()


def charged_in_another_currency(s: "Stream") -> None:
    s.purchase().change(e.OrderPlaced, currency="EUR")


def money_lost_by_an_abandoned_transaction(s: "Stream") -> None:
    s.begin()
    s.do("charge_payment")
    s.refuse("place_order")
    s.abandon("place_order")


def two_orders(s: "Stream") -> None:
    index = s.purchase().at(e.OrderPlaced)
    s.events.insert(index, msgspec.structs.replace(s.events[index], order="order-9", key="9", total_minor=0))


def order_standing_in_an_abandoned_transaction(s: "Stream") -> None:
    s.begin()
    s.start("place_order")
    at = {"transaction": "tx-1", "operation": "place_order", "attempt": 1, "key": "k"}
    s.add(e.OrderPlaced(**at, order="order-1", customer="user-1", lines=[], total_minor=0, currency="USD"))
    s.lose("place_order")
    s.abandon("place_order")


def authorized_and_never_captured(s: "Stream") -> None:
    """The order is paid, and as much again is still held."""
    index = s.purchase().at(e.OperationSucceeded, "charge_payment")
    held = s.paid(75_000, "money:customer:user-1", "money:authorized")
    s.effect("charge_payment", key="another")
    extra = msgspec.structs.replace(s.events.pop(), postings=held)
    s.events.insert(index, extra)
    s.change(e.OperationSucceeded, "charge_payment", result={})


def captured_what_was_never_authorized(s: "Stream") -> None:
    lines = s.paid(75_000, "money:authorized", "money:merchant")
    s.purchase().change(e.LedgerPosted, "charge_payment", postings=lines)


def shipped_what_was_never_sold(s: "Stream") -> None:
    s.begin()
    s.do("reserve_stock")
    s.effect("reserve_stock", key="another")
    moved = one_moved("stock:sold", "stock:shipped")
    s.events.append(msgspec.structs.replace(s.events.pop(), postings=moved))
    s.turn_back("place_order")
    s.revert("reserve_stock")
    s.stuck("reserve_stock")
    s.resolve("reserve_stock")


def one_moved(source: str, target: str) -> list[e.Posting]:
    return [
        e.Posting(source, product="laptop-1", quantity=-1),
        e.Posting(target, product="laptop-1", quantity=1),
    ]


WRONG: list[tuple[Callable[["Stream"], None], set[str]]] = [
    (stock_lost_by_an_abandoned_transaction, {"stock-conserved"}),
    (reserved_and_never_sold, {"stock-conserved"}),
    (charged_too_much, {"money-conserved"}),
    (order_for_free, {"money-conserved"}),
    (charged_in_another_currency, {"money-conserved"}),
    (money_lost_by_an_abandoned_transaction, {"money-conserved"}),
    (authorized_and_never_captured, {"money-conserved"}),
    (captured_what_was_never_authorized, {"money-conserved"}),
    (shipped_what_was_never_sold, {"stock-conserved", "belief-is-truth"}),
    (two_orders, {"one-order"}),
    (order_standing_in_an_abandoned_transaction, {"one-order"}),
]


@pytest.mark.parametrize(("make_wrong", "rules"), WRONG, ids=[row[0].__name__ for row in WRONG])
def test_a_wrong_stream_breaks_these_rules_and_no_others(
    broken_rules: Callable[[Callable[["Stream"], None]], set[str]],
    make_wrong: Callable[["Stream"], None],
    rules: set[str],
) -> None:
    assert broken_rules(make_wrong) == rules
