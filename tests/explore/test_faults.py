"""What is tried at a call: each class of faults once, and what breaks its word beside plain failures only."""

from functools import partial

import pytest
from explore.small import PROBED, RIGHT, give, small_case, take

from marketsim.explore.budget import BROKEN, CLEAN, CRASH, DOUBT, TURN, allows, covers, kind_of, left_of
from marketsim.explore.faults import menus_of
from marketsim.explore.marketplace import market_case
from marketsim.explore.model import Bound
from marketsim.explore.reading import names_in
from marketsim.market.purchase import purchase
from marketsim.saga.definition import Call
from marketsim.saga.taxonomy import FAULTS

CHARGE = purchase.operations["charge_payment"]
TABLE = {"a": "did_nothing", "b": ("lost_release", ["cancel"])}


def names(case, call: str, **bound) -> list[str]:
    """The faults that are tried at a call."""
    menus = menus_of(case, Bound(**bound))
    (found,) = [menu for (_, place), menu in menus.items() if place == call]
    return [fault.name for fault in found.faults if fault is not None]


def test_faults_that_differ_in_their_names_alone_are_one():
    found = names(market_case("purchase"), "charge_payment")
    assert len({"card_declined", "do_not_honor", "stolen_card", "expired_card"} & set(found)) == 1
    assert len({"insufficient_funds", "gateway_down", "rate_limited", "error"} & set(found)) == 1
    assert {"timeout_before", "timeout_after", "late_success", "server_error_after", "hanging"} <= set(found)


def test_without_reduction_each_is_tried_by_itself():
    found = names(market_case("purchase"), "charge_payment", reduction=False)
    assert {"card_declined", "do_not_honor", "stolen_card", "expired_card", "torn_record"} <= set(found)


def test_what_no_handler_looks_at_and_changes_nothing_is_not_tried():
    case = small_case(RIGHT)
    assert {"key_replayed", "slow", "stale_read"}.isdisjoint(names(case, "take_1"))

    def clumsy(call: Call) -> dict:
        return take(call) if call.fault != "key_replayed" else {}

    assert "key_replayed" in names(small_case({"action": clumsy, "revert": give}), "take_1")


def test_names_and_targets_say_what_is_tried_and_where():
    case = small_case(PROBED, RIGHT)
    only = {"names": ("error", "timeout_after"), "targets": ("service-2",)}
    assert names(case, "take_2", **only) == ["error", "timeout_after"]
    assert names(case, "take_1", **only) == names(case, "give_2", **only) == []


def outside(call: Call) -> str:
    return f"{call.fault == 'sent_twice'} {TABLE['a']} {call.reason}"


def test_what_a_handler_looks_at_is_found_in_all_that_it_can_reach_by_name():
    inner = "torn_record"

    def handler(call: Call) -> dict:
        return {"said": [outside(call) for _ in inner if call.fault in ("hanging", "abort")]}

    found = names_in(handler)
    assert {"sent_twice", "did_nothing", "lost_release", "cancel", "hanging", "abort", inner} <= found
    assert "reason" in found
    assert names_in(partial(outside)) >= {"sent_twice"}
    assert "wrong_amount" not in found


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("card_declined", CLEAN),
        ("abort", CLEAN),
        ("cancel", CLEAN),
        ("timeout_before", DOUBT),
        ("late_success", DOUBT),
        ("reservation_expired", DOUBT),
        ("not_idempotent", BROKEN),
        ("did_nothing", BROKEN),
        ("crash_after_effect", CRASH),
    ],
)
def test_a_fault_leaves_no_doubt_or_some_or_breaks_its_word_or_kills(fault, kind):
    assert kind_of(FAULTS[fault], CHARGE, "action", Bound()) == kind


def test_what_is_retriable_breaks_its_word_when_it_fails_for_good():
    notify = purchase.operations["notify_customer"]
    found = [kind_of(FAULTS[name], notify, "action", Bound()) for name in ("bounced", "abort", "unreachable")]
    assert found == [BROKEN, BROKEN, CLEAN]


def test_what_breaks_its_word_is_tried_beside_plain_failures_only():
    bound = Bound(faults=2, crashes=1)
    for taken, allowed in (
        ([], {CLEAN, DOUBT, BROKEN, CRASH, TURN}),
        ([CLEAN], {CLEAN, DOUBT, BROKEN, CRASH, TURN}),
        ([DOUBT], {CLEAN, DOUBT, CRASH, TURN}),
        ([BROKEN], {CLEAN, TURN}),
        ([CRASH], {CLEAN, DOUBT, TURN}),
        ([CLEAN, DOUBT], {CRASH, TURN}),
        ([CLEAN, BROKEN, TURN], set()),
    ):
        left = left_of(bound, bytes(taken))
        assert {kind for kind in (CLEAN, DOUBT, BROKEN, CRASH, TURN) if allows(left, kind)} == allowed


def test_whoever_names_the_faults_has_them_in_every_combination():
    bound = Bound(names=("not_idempotent", "reservation_expired"))
    assert kind_of(FAULTS["not_idempotent"], CHARGE, "revert", bound) == DOUBT


def test_more_left_covers_less():
    bound = Bound()
    assert covers(left_of(bound, b""), left_of(bound, bytes([DOUBT])))
    assert not covers(left_of(bound, bytes([DOUBT])), left_of(bound, bytes([CLEAN])))


def test_a_saga_that_asks_for_reasons_tells_more_apart():
    def ask(call: Call) -> dict:
        return give(call) | {"because": call.reason}

    assert len(names(small_case({"action": take, "revert": ask}), "take_1")) > len(
        names(small_case(RIGHT), "take_1")
    )
