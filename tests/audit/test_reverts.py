"""Reverts that are missing, double, wrong, out of order or without cause are found, and nothing else is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest

from marketsim.audit.checks import examine
from marketsim.audit.story import FOREIGN
from marketsim.saga import events as e

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def refund_forgotten(s: "Stream") -> None:
    s.begin()
    s.do("charge_payment")
    s.refuse("place_order")
    s.turn_back("place_order")
    s.compensated()


def refund_that_did_nothing(s: "Stream") -> None:
    index = [
        i
        for i, event in enumerate(s.reverted().events)
        if getattr(event, "compensation", "") == "refund_payment"
    ]
    del s.events[index[1]]


def refund_twice(s: "Stream") -> None:
    s.purchase("tx-0").reverted()
    index = s.at(e.CompensationSucceeded, "charge_payment")
    s.events.insert(index, msgspec.structs.replace(s.events[index - 1], key="another"))


def refund_in_part(s: "Stream") -> None:
    index = s.reverted().at(e.CompensationSucceeded, "charge_payment") - 1
    lines = s.paid(70_000, "money:merchant", "money:customer:user-1")
    s.events[index] = msgspec.structs.replace(s.events[index], postings=lines)


def refund_to_somebody_else(s: "Stream") -> None:
    index = s.reverted().at(e.CompensationSucceeded, "charge_payment") - 1
    lines = s.paid(75_000, "money:merchant", "money:customer:user-2")
    s.events[index] = msgspec.structs.replace(s.events[index], postings=lines)


def charged_twice_and_refunded_once(s: "Stream") -> None:
    index = s.reverted().at(e.LedgerPosted, "charge_payment")
    s.events.insert(index, msgspec.structs.replace(s.events[index], key="another"))
    s.change(e.OperationSucceeded, "charge_payment", result={})


def order_reverted(s: "Stream") -> "Stream":
    s.begin()
    s.do("reserve_stock", "charge_payment", "place_order")
    s.refuse("notify_customer")
    s.turn_back("notify_customer")
    s.revert("place_order", "charge_payment", "reserve_stock")
    s.compensated()
    return s


def order_never_cancelled(s: "Stream") -> None:
    order_reverted(s).drop(e.OrderCancelled)
    s.drop(e.CompensationSucceeded, "place_order")


def order_cancelled_twice(s: "Stream") -> None:
    order_reverted(s)
    s.change(e.OrderCancelled, key="another")
    index = s.at(e.OrderCancelled)
    s.events.insert(index, msgspec.structs.replace(s.events[index], key="yet another"))


def reverts_oldest_first(s: "Stream") -> None:
    s.begin()
    s.do("reserve_stock", "charge_payment")
    s.refuse("place_order")
    s.turn_back("place_order")
    s.revert("reserve_stock", "charge_payment")
    s.compensated()


def revert_of_what_failed(s: "Stream") -> None:
    s.begin()
    s.refuse("charge_payment")
    s.turn_back("charge_payment")
    s.start_revert("charge_payment")
    s.end_revert("charge_payment")
    s.compensated()


def revert_before_turning_back(s: "Stream") -> None:
    s.reverted().drop(e.TransactionCompensating)


def revert_and_commit(s: "Stream") -> None:
    s.begin()
    s.do("charge_payment", "reserve_stock")
    s.turn_back("place_order")
    s.revert("reserve_stock", "charge_payment")
    s.commit()


def revert_after_the_commit(s: "Stream") -> None:
    s.purchase().start_revert("charge_payment")


def stuck_with_something_else_left(s: "Stream") -> None:
    s.begin()
    s.do("reserve_stock", "charge_payment")
    s.turn_back("place_order")
    s.start_revert("charge_payment")
    s.end_revert("charge_payment", failed=True)
    s.stuck("charge_payment")
    s.resolve("charge_payment")


WRONG: list[tuple[Callable[["Stream"], None], set[str]]] = [
    (refund_forgotten, {"money-conserved", "reverted-once"}),
    (refund_that_did_nothing, {"money-conserved", "reverted-once", "belief-is-truth"}),
    (refund_twice, {"money-conserved", "reverted-once"}),
    (refund_in_part, {"money-conserved", "reverted-once", "belief-is-truth"}),
    (refund_to_somebody_else, {"money-conserved", "reverted-once", "belief-is-truth"}),
    (charged_twice_and_refunded_once, {"money-conserved", "reverted-once", "belief-is-truth"}),
    (order_never_cancelled, {"reverted-once", "one-order"}),
    (order_cancelled_twice, {"reverted-once"}),
    (reverts_oldest_first, {"reverts-in-order"}),
    (revert_of_what_failed, {"revert-without-cause"}),
    (revert_before_turning_back, {"revert-without-cause"}),
    (revert_and_commit, {"revert-without-cause"}),
    (revert_after_the_commit, {"revert-without-cause", "lifecycle"}),
    (stuck_with_something_else_left, {"stock-conserved", "reverted-once"}),
]


@pytest.mark.parametrize(("make_wrong", "rules"), WRONG, ids=[row[0].__name__ for row in WRONG])
def test_a_wrong_stream_breaks_these_rules_and_no_others(
    broken_rules: Callable[[Callable[["Stream"], None]], set[str]],
    make_wrong: Callable[["Stream"], None],
    rules: set[str],
) -> None:
    assert broken_rules(make_wrong) == rules


# Where another engine ran it, answers are all there is.


def answers_only(s: "Stream", *reverts: str, end: str = "compensated") -> None:
    """A foreign transaction, without effects, that reverted these after the order could not be placed."""
    s.begin()
    s.change(e.TransactionBegan, policy=FOREIGN)
    for name in ("reserve_stock", "charge_payment"):
        s.start(name)
        s.succeed(name)
    s.refuse("place_order")
    s.turn_back("place_order")
    for number, name in enumerate(reverts):
        attempt = 1 + reverts[:number].count(name)
        s.start_revert(name, attempt=attempt)
        s.end_revert(name, attempt=attempt)
    if end == "compensated":
        s.compensated()
    elif end:
        s.stuck(end)


FOREIGN_ONES: list[tuple[tuple[str, ...], str, list[str]]] = [
    (("charge_payment", "reserve_stock"), "compensated", []),
    (("charge_payment",), "compensated", ["reserve_stock succeeded and was never reverted"]),
    ((), "compensated", ["reserve_stock succeeded", "charge_payment succeeded"]),
    (
        ("charge_payment", "charge_payment", "reserve_stock"),
        "compensated",
        ["charge_payment was reverted 2 times"],
    ),
    (
        ("reserve_stock", "charge_payment"),
        "compensated",
        ["reserve_stock was reverted before charge_payment"],
    ),
    (("charge_payment",), "reserve_stock", ["reserve_stock waits for a person"]),
    (("charge_payment",), "", []),
    (("charge_payment", "charge_payment"), "", ["charge_payment was reverted 2 times"]),
]


@pytest.mark.parametrize(("reverts", "end", "told"), FOREIGN_ONES)
def test_of_a_foreign_transaction_the_answers_tell_what_was_reverted(
    new_stream: type["Stream"], reverts: tuple[str, ...], end: str, told: list[str]
) -> None:
    stream = new_stream(stock=0)
    answers_only(stream, *reverts, end=end)
    findings = examine(stream.numbered())
    assert len(findings) == len(told)
    for finding, message in zip(findings, told, strict=True):
        assert finding.message.startswith(message)
        assert finding.seq


@pytest.mark.parametrize("kind", ["read_only", "pivot", "retriable"])
def test_what_leaves_nothing_or_cannot_go_back_needs_no_revert(new_stream: type["Stream"], kind: str) -> None:
    stream = new_stream(stock=0)
    answers_only(stream, "charge_payment")
    index = stream.at(e.OperationStarted, "reserve_stock")
    stream.events[index] = msgspec.structs.replace(stream.events[index], kind=kind)
    assert examine(stream.numbered()) == []


def test_of_our_own_transactions_the_ledger_speaks_and_not_the_answers(new_stream: type["Stream"]) -> None:
    stream = new_stream(stock=0)
    answers_only(stream, "charge_payment", "charge_payment")
    stream.change(e.TransactionBegan, policy="default")
    assert "reverted-once" not in {each.rule for each in examine(stream.numbered())}
