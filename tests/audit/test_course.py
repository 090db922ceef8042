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


def probed_though_it_was_known(s: "Stream") -> None:
    index = s.purchase().at(e.OperationSucceeded, "charge_payment") + 1
    s.probe("charge_payment", "landed")
    s.events.insert(index, s.events.pop())


def probed_before_it_was_asked(s: "Stream") -> None:
    index = s.purchase().at(e.OperationStarted, "charge_payment")
    s.probe("charge_payment", "not_landed")
    s.events.insert(index, s.events.pop())


def succeeded_though_the_probe_found_nothing(s: "Stream") -> None:
    lost_and_found(s, "not_landed")


def succeeded_twice_by_one_probe(s: "Stream") -> None:
    lost_and_found(s, "landed")
    s.repeat(e.OperationSucceeded, "charge_payment")


def lost_and_found(s: "Stream", outcome: str) -> "Stream":
    s.begin()
    s.do("reserve_stock")
    s.start("charge_payment")
    s.effect("charge_payment")
    s.lose("charge_payment")
    s.probe("charge_payment", outcome, amount_minor=75_000)
    s.succeed("charge_payment", amount_minor=75_000)
    s.do("place_order")
    s.commit()
    return s


def suspended_without_intent(s: "Stream") -> None:
    s.purchase()
    s.suspend("charge_payment", attempt=2)
    s.events.insert(-1, s.events.pop())


def late_without_intent(s: "Stream") -> None:
    s.purchase()
    s.late("charge_payment", attempt=2)
    s.events.insert(-1, s.events.pop())


def suspended_after_the_end(s: "Stream") -> None:
    s.purchase().suspend("charge_payment")


def cancelled_after_the_end(s: "Stream") -> None:
    s.purchase().add(e.TransactionCancelRequested(transaction="tx-1", code="cancelled"))


def taken_back_and_never_done(s: "Stream") -> None:
    index = s.reverted().at(e.OperationStarted, "charge_payment")
    s.take_back("place_order", amount=0)
    s.events.insert(index, s.events.pop())


def noted_without_intent(s: "Stream") -> None:
    s.purchase()
    s.note("charge_payment", "answered_500", attempt=2)
    s.events.insert(-1, s.events.pop())


def fenced_without_intent(s: "Stream") -> None:
    s.purchase()
    s.note("charge_payment", "fenced", back=True)
    s.events.insert(-1, s.events.pop())


def late_effect_after_the_end(s: "Stream") -> None:
    s.reverted().effect("charge_payment", key="another")
    s.late("charge_payment")


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
    (probed_though_it_was_known, {"lifecycle"}),
    (probed_before_it_was_asked, {"lifecycle"}),
    (succeeded_though_the_probe_found_nothing, {"lifecycle"}),
    (succeeded_twice_by_one_probe, {"lifecycle"}),
    (suspended_without_intent, {"lifecycle"}),
    (late_without_intent, {"lifecycle"}),
    (suspended_after_the_end, {"lifecycle"}),
    (cancelled_after_the_end, {"lifecycle"}),
    (taken_back_and_never_done, {"lifecycle"}),
    (noted_without_intent, {"lifecycle"}),
    (fenced_without_intent, {"lifecycle"}),
    (late_effect_after_the_end, {"lifecycle"}),
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
