"""Events out of place, keys used twice, and beliefs that are not true are found, and nothing else is."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest

from marketsim.saga import events as e

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def answer_with_a_wrong_amount(s: "Stream") -> None:
    s.purchase().change(e.OperationSucceeded, "charge_payment", result={"amount_minor": 75_001})


def answer_with_a_wrong_quantity(s: "Stream") -> None:
    s.purchase().change(e.OperationSucceeded, "reserve_stock", result={"quantity": 2})


def success_that_did_nothing(s: "Stream") -> None:
    s.begin()
    s.start("charge_payment")
    s.succeed("charge_payment", amount_minor=75_000)
    s.commit()


def message_sent_though_it_failed(s: "Stream") -> None:
    s.purchase().drop(e.OperationSucceeded, "notify_customer")
    s.events.pop()
    s.fail("notify_customer")
    s.commit("tx-1", "notify_customer")


def charged_though_it_failed(s: "Stream") -> None:
    s.begin()
    s.start("charge_payment")
    s.effect("charge_payment")
    s.fail("charge_payment")
    s.turn_back("charge_payment")
    s.compensated()


def committed_without_knowing(s: "Stream") -> None:
    s.begin()
    s.start("reserve_stock")
    s.lose("reserve_stock")
    s.commit()


def left_though_not_retriable(s: "Stream") -> None:
    s.begin()
    s.start("reserve_stock")
    s.lose("reserve_stock")
    s.commit("tx-1", "reserve_stock")


def begun_twice(s: "Stream") -> None:
    s.purchase().repeat(e.TransactionBegan)


def never_begun(s: "Stream") -> None:
    s.purchase().drop(e.TransactionBegan)


def ended_twice(s: "Stream") -> None:
    s.purchase().commit()


def begun_again_after_the_end(s: "Stream") -> None:
    s.purchase().begin()


def effect_after_the_end(s: "Stream") -> None:
    s.reverted().effect("reserve_stock")


def outcome_without_intent(s: "Stream") -> None:
    s.purchase().drop(e.OperationStarted, "check_availability")


def revert_outcome_without_intent(s: "Stream") -> None:
    s.reverted()
    s.events.insert(-1, msgspec.structs.replace(s.events[s.at(e.CompensationSucceeded)], attempt=2))


def outcome_twice(s: "Stream") -> None:
    s.purchase().repeat(e.OperationSucceeded, "check_availability")


def effect_before_its_intent(s: "Stream") -> None:
    index = s.purchase().at(e.OperationStarted, "charge_payment")
    s.events[index : index + 2] = s.events[index : index + 2][::-1]


def revert_effect_of_another_attempt(s: "Stream") -> None:
    index = s.reverted().at(e.CompensationSucceeded, "charge_payment") - 1
    s.events[index] = msgspec.structs.replace(s.events[index], attempt=2)


def message_sent_twice_under_one_key(s: "Stream") -> None:
    s.purchase().repeat(e.NotificationSent)


def charged_twice_under_one_key(s: "Stream") -> None:
    s.purchase().repeat(e.LedgerPosted, "charge_payment")


def charged_though_it_failed_before_the_process_died(s: "Stream") -> None:
    s.begin()
    s.start("charge_payment")
    s.effect("charge_payment")
    s.fail("charge_payment")
    s.start("charge_payment", attempt=2)
    s.add(e.ProcessRecovered(transaction="tx-1"))
    s.fail("charge_payment", attempt=2)
    s.turn_back("charge_payment")
    s.compensated()


def fault_that_strikes_nothing(s: "Stream") -> None:
    s.purchase()
    fault = e.FaultInjected(transaction="tx-1", operation="charge_payment", attempt=9, fault="error")
    s.events.insert(-1, fault)


WRONG: list[tuple[Callable[["Stream"], None], set[str]]] = [
    (answer_with_a_wrong_amount, {"belief-is-truth"}),
    (answer_with_a_wrong_quantity, {"belief-is-truth"}),
    (success_that_did_nothing, {"belief-is-truth"}),
    (message_sent_though_it_failed, {"belief-is-truth"}),
    (charged_though_it_failed, {"belief-is-truth", "money-conserved", "reverted-once"}),
    (
        charged_though_it_failed_before_the_process_died,
        {"belief-is-truth", "money-conserved", "reverted-once"},
    ),
    (fault_that_strikes_nothing, {"lifecycle"}),
    (committed_without_knowing, {"belief-is-truth"}),
    (left_though_not_retriable, {"belief-is-truth"}),
    (begun_twice, {"lifecycle"}),
    (never_begun, {"lifecycle"}),
    (ended_twice, {"lifecycle"}),
    (begun_again_after_the_end, {"lifecycle"}),
    (effect_after_the_end, {"lifecycle"}),
    (outcome_without_intent, {"lifecycle"}),
    (revert_outcome_without_intent, {"lifecycle"}),
    (outcome_twice, {"lifecycle"}),
    (effect_before_its_intent, {"lifecycle"}),
    (revert_effect_of_another_attempt, {"lifecycle"}),
    (message_sent_twice_under_one_key, {"idempotency"}),
    (charged_twice_under_one_key, {"idempotency", "money-conserved", "belief-is-truth"}),
]


@pytest.mark.parametrize(("make_wrong", "rules"), WRONG, ids=[row[0].__name__ for row in WRONG])
def test_a_wrong_stream_breaks_these_rules_and_no_others(
    broken_rules: Callable[[Callable[["Stream"], None]], set[str]],
    make_wrong: Callable[["Stream"], None],
    rules: set[str],
) -> None:
    assert broken_rules(make_wrong) == rules
