"""What is wrong with a stream as a whole is found at the event, or at its end."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from marketsim.saga import events as e

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def unbalanced_charge(s: "Stream") -> None:
    lines = [*s.paid(75_000, "money:customer:user-1", "money:merchant"), e.Posting("money:fees", -1, "USD")]
    s.purchase().change(e.LedgerPosted, "charge_payment", postings=lines)


def unbalanced_stock_without_a_transaction(s: "Stream") -> None:
    s.add(e.LedgerPosted(postings=[e.Posting("stock:available", product="laptop-1", quantity=3)]))


def two_units_in_one_line(s: "Stream") -> None:
    s.add(e.LedgerPosted(postings=[e.Posting("stock:available", currency="USD", product="laptop-1")]))


def no_unit_in_a_line(s: "Stream") -> None:
    s.add(
        e.LedgerPosted(
            postings=[e.Posting("stock:available", quantity=1), e.Posting("stock:available", quantity=-1)]
        )
    )


def more_sold_than_there_is(s: "Stream") -> None:
    for number in range(6):
        s.purchase(f"tx-{number}")


def restock_that_takes_away(s: "Stream") -> None:
    lines = [
        e.Posting("stock:available", product="laptop-1", quantity=-6),
        e.Posting("stock:supplier", product="laptop-1", quantity=6),
    ]
    s.add(e.LedgerPosted(postings=lines))


def refund_of_money_that_never_came(s: "Stream") -> None:
    s.add(e.LedgerPosted(postings=s.paid(1, "money:merchant", "money:customer:user-1")))


def committed_without_an_order(s: "Stream") -> None:
    s.purchase()
    s.begin("tx-2")
    s.commit("tx-2")


def stock_sold_to_nobody(s: "Stream") -> None:
    lines = [
        e.Posting("stock:available", product="laptop-1", quantity=-1),
        e.Posting("stock:sold", product="laptop-1", quantity=1),
    ]
    s.add(e.LedgerPosted(postings=lines))


def money_from_nobody(s: "Stream") -> None:
    s.add(e.LedgerPosted(postings=s.paid(1, "money:customer:user-1", "money:merchant")))


def an_order_of_nobody(s: "Stream") -> None:
    s.add(e.OrderPlaced(order="order-9", customer="user-1", lines=[], total_minor=1, currency="USD"))


def a_cancellation_by_nobody(s: "Stream") -> None:
    s.purchase()
    s.add(e.OrderCancelled(order="order-1"))


def a_second_market(s: "Stream") -> None:
    s.add(e.MarketCreated(origin="test", currency="EUR"))


WRONG: list[tuple[Callable[["Stream"], None], set[str]]] = [
    (unbalanced_charge, {"postings-balance"}),
    (unbalanced_stock_without_a_transaction, {"postings-balance"}),
    (two_units_in_one_line, {"postings-balance"}),
    (no_unit_in_a_line, {"postings-balance"}),
    (more_sold_than_there_is, {"stock-conserved"}),
    (restock_that_takes_away, {"stock-conserved"}),
    (refund_of_money_that_never_came, {"money-conserved", "effects-have-a-cause"}),
    (stock_sold_to_nobody, {"effects-have-a-cause"}),
    (money_from_nobody, {"effects-have-a-cause"}),
    (an_order_of_nobody, {"effects-have-a-cause"}),
    (a_cancellation_by_nobody, {"effects-have-a-cause"}),
    (a_second_market, {"lifecycle"}),
    (committed_without_an_order, {"one-order"}),
]


@pytest.mark.parametrize(("make_wrong", "rules"), WRONG, ids=[row[0].__name__ for row in WRONG])
def test_a_wrong_stream_breaks_these_rules_and_no_others(
    broken_rules: Callable[[Callable[["Stream"], None]], set[str]],
    make_wrong: Callable[["Stream"], None],
    rules: set[str],
) -> None:
    assert broken_rules(make_wrong) == rules
