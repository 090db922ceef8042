"""The engine: forward, back, and every way in which a transaction can end, in a saga of a stranger."""

import msgspec
import pytest
from saga.strangers import ONCE, Trip, types

from marketsim.saga.definition import SECOND_US, Call, Policy, Retry
from marketsim.saga.errors import Aborted, Failed, Partial, Unknown
from marketsim.saga.events import (
    CompensationFailed,
    CompensationPartial,
    CompensationRetryScheduled,
    CompensationSkipped,
    OperationAborted,
    OperationFailed,
    OperationRetryScheduled,
    OperationStarted,
    OperationUnknown,
    TransactionAbandoned,
    TransactionCommitted,
    TransactionRejected,
    TransactionStuck,
)
from marketsim.saga.policies import POLICIES

SOFT = Failed("busy", retry="safe")
HARD = Failed("sold_out", "The flight is full.")
THRICE = Retry(attempts_max=3, jitter_percent=0)
IMPATIENT = Policy("impatient", "Tries each revert once.", retry=ONCE)


def of_type(events, kind):
    return [event for event in events if isinstance(event, kind)]


def reverts(trip):
    return [call.split("@")[0] for call in trip.calls if call.startswith("cancel_")]


def test_a_strangers_saga_runs_forward_to_its_commit():
    trip = Trip(flight={"seat": "12A"}).book("flight").book("hotel")
    events = trip.run()
    assert types(events) == [
        "began",
        "started flight",
        "succeeded flight",
        "started hotel",
        "succeeded hotel",
        "committed",
    ]
    assert trip.given["hotel"].results["flight"] == {"seat": "12A"}
    assert trip.given["hotel"].request == {"to": "Oslo"}
    assert not {"stock", "money", "product"} & set("".join(types(events)).split())


def test_what_failed_for_good_is_followed_by_the_reverts_newest_first():
    trip = Trip(car=HARD, flight={"seat": "12A"}).book("flight").book("hotel").book("car")
    events = trip.run()
    assert types(events)[-7:] == [
        "failed car",
        "compensating car",
        "started hotel",
        "succeeded hotel",
        "started flight",
        "succeeded flight",
        "compensated",
    ]
    given = trip.given["cancel_flight"]
    assert (given.result, given.reason, given.compensation) == ({"seat": "12A"}, "sold_out", "cancel_flight")
    assert (given.key, given.action_key) == ("tx-1:flight:cancel_flight", "tx-1:flight")


def test_a_broken_guardrail_rejects_before_anything_starts():
    trip = Trip().book("flight")

    @trip.saga.guardrail
    def passport(call: Call) -> str | None:
        return "it has expired"

    @trip.saga.guardrail
    def budget(call: Call) -> str | None:
        raise AssertionError("only the first broken rule is told")

    events = trip.run()
    assert types(events) == ["began", "rejected"]
    assert (events[-1].rule, events[-1].reason) == ("passport", "it has expired")
    assert isinstance(events[-1], TransactionRejected)
    assert trip.calls == []


def parallel(**answers: object) -> Trip:
    trip = Trip(**answers).book("look", kind="read_only")
    trip.book("flight", after=["look"], latency_us=(9000, 9000))
    trip.book("hotel", after=["look"], latency_us=(5000, 5000))
    return trip.book("car", after=["flight", "hotel"])


def test_branches_start_together_and_join():
    assert types(parallel().run())[3:] == [
        "started flight",
        "started hotel",
        "succeeded hotel",
        "succeeded flight",
        "started car",
        "succeeded car",
        "committed",
    ]


def test_branches_are_reverted_in_the_reverse_order_of_their_start():
    trip = parallel(car=HARD)
    trip.run()
    assert reverts(trip) == ["cancel_hotel", "cancel_flight"]


def test_a_branch_that_is_still_under_way_is_waited_for_and_reverted():
    trip = parallel(hotel=HARD)
    assert types(trip.run())[4:] == [
        "started hotel",
        "failed hotel",
        "succeeded flight",
        "compensating hotel",
        "started flight",
        "succeeded flight",
        "compensated",
    ]


def test_a_branch_in_a_pause_does_not_try_again_once_another_has_failed():
    trip = Trip(flight=SOFT, hotel=HARD).book("look", kind="read_only")
    trip.book("flight", after=["look"], retry=THRICE, latency_us=(1, 1))
    trip.book("hotel", after=["look"], latency_us=(5000, 5000))
    trip.run()
    assert trip.calls == ["look@1", "flight@1", "hotel@1"]


def test_a_hard_failure_is_never_retried():
    trip = Trip(flight=HARD).book("flight", retry=THRICE)
    failed = of_type(trip.run(), OperationFailed)
    assert [(each.code, each.reason, each.retry) for each in failed] == [
        ("sold_out", "The flight is full.", "never")
    ]


def test_a_safe_failure_is_retried_until_the_attempts_are_used_up():
    trip = Trip(flight=SOFT).book("flight", retry=THRICE)
    events = trip.run()
    assert trip.calls == ["flight@1", "flight@2", "flight@3"]
    pauses = of_type(events, OperationRetryScheduled)
    assert [(each.attempt, each.delay_us) for each in pauses] == [(2, SECOND_US), (3, 2 * SECOND_US)]
    assert types(events)[-2:] == ["compensating flight", "compensated"]


def test_a_safe_failure_that_passes_is_forgotten():
    trip = Trip(flight=[SOFT, {"seat": "1C"}]).book("flight", retry=THRICE)
    assert types(trip.run())[-1] == "committed"


def test_what_is_unknown_is_asked_again_under_the_same_key():
    trip = Trip(flight=[Unknown("timeout"), {}]).book("flight", retry=THRICE)
    assert types(trip.run())[-1] == "committed"
    assert trip.calls == ["flight@1", "flight@2"]
    assert trip.keys == {"flight": {"tx-1:flight"}}


def test_what_stays_unknown_is_reverted_as_if_it_had_landed():
    trip = Trip(flight=Unknown("timeout")).book("flight")
    assert types(trip.run())[-1] == "compensated"
    assert reverts(trip) == ["cancel_flight"]
    assert trip.given["cancel_flight"].result is None


def test_a_policy_may_leave_what_stayed_unknown():
    trip = Trip(flight=Unknown("timeout")).book("flight")
    trip.run(policy=msgspec.structs.replace(IMPATIENT, revert_unknown=False))
    assert reverts(trip) == []


def test_a_failure_for_certain_does_not_make_an_unknown_attempt_before_it_unsaid():
    trip = Trip(flight=[Unknown("timeout"), HARD]).book("flight", retry=THRICE)
    assert types(trip.run())[-1] == "compensated"
    assert reverts(trip) == ["cancel_flight"]


def test_a_policy_that_reverts_nothing_abandons_what_stands():
    trip = Trip(hotel=HARD).book("flight").book("hotel")
    end = trip.run(policy=POLICIES["none"])[-1]
    assert isinstance(end, TransactionAbandoned)
    assert (end.operation, end.reason) == ("hotel", "sold_out")
    assert reverts(trip) == []


def test_a_policy_that_reverts_nothing_has_nothing_to_abandon_where_nothing_stands():
    trip = Trip(flight=HARD).book("flight")
    assert types(trip.run(policy=POLICIES["none"]))[-1] == "compensated"


def test_a_revert_is_retried_after_its_pauses_under_one_key():
    trip = Trip(hotel=HARD, cancel_flight=[SOFT, Unknown("lost"), {}]).book("flight").book("hotel")
    events = trip.run()
    assert reverts(trip) == ["cancel_flight"] * 3
    assert trip.keys["cancel_flight"] == {"tx-1:flight:cancel_flight"}
    assert [each.attempt for each in of_type(events, CompensationRetryScheduled)] == [2, 3]
    assert types(events)[-1] == "compensated"


def test_a_revert_that_must_not_be_repeated_is_stuck_at_once():
    trip = Trip(hotel=HARD, cancel_flight=Failed("closed")).book("flight").book("hotel")
    end = trip.run()[-1]
    assert isinstance(end, TransactionStuck)
    assert end.dead_letters == ["flight"]
    assert reverts(trip) == ["cancel_flight"]


def test_a_stuck_revert_does_not_keep_the_others_from_being_done():
    trip = Trip(car=HARD, cancel_hotel=SOFT).book("flight").book("hotel").book("car")
    end = trip.run()[-1]
    assert isinstance(end, TransactionStuck)
    assert end.dead_letters == ["hotel"]
    assert reverts(trip) == ["cancel_hotel"] * 5 + ["cancel_flight"]


def test_a_policy_may_halt_at_a_stuck_revert_and_says_what_it_skipped():
    trip = Trip(car=HARD, cancel_hotel=SOFT).book("flight").book("hotel").book("car")
    events = trip.run(policy=msgspec.structs.replace(IMPATIENT, halt_on_stuck=True))
    skipped = of_type(events, CompensationSkipped)
    assert [(each.operation, each.compensation) for each in skipped] == [("flight", "cancel_flight")]
    assert isinstance(events[-1], TransactionStuck)
    assert events[-1].dead_letters == ["hotel", "flight"]
    assert reverts(trip) == ["cancel_hotel"]


def test_a_retriable_step_that_runs_out_of_attempts_is_left_and_the_transaction_commits():
    trip = Trip(card=SOFT).book("flight").book("card", kind="retriable", retry=THRICE)
    end = trip.run()[-1]
    assert isinstance(end, TransactionCommitted)
    assert end.left == ["card"]
    assert trip.calls == ["flight@1", "card@1", "card@2", "card@3"]


def test_a_failure_after_the_pivot_is_stuck_since_there_is_no_way_back():
    trip = Trip(hotel=HARD).book("car").book("flight", kind="pivot", revert=False).book("hotel")
    end = trip.run()[-1]
    assert isinstance(end, TransactionStuck)
    assert end.dead_letters == ["hotel", "car"]
    assert reverts(trip) == []


def test_a_failure_after_the_pivot_is_stuck_even_if_nothing_else_could_be_reverted():
    trip = Trip(hotel=HARD).book("flight", kind="pivot", revert=False).book("hotel")
    assert types(trip.run())[-1] == "stuck"


def test_a_pivot_that_may_have_been_done_and_has_no_revert_leaves_no_way_back():
    trip = Trip(flight=Unknown("timeout")).book("car").book("flight", kind="pivot", revert=False)
    end = trip.run()[-1]
    assert isinstance(end, TransactionStuck)
    assert end.dead_letters == ["flight", "car"]
    assert reverts(trip) == []


def test_a_pivot_that_failed_for_certain_has_not_been_passed():
    trip = Trip(flight=HARD).book("car").book("flight", kind="pivot", revert=False)
    assert types(trip.run())[-1] == "compensated"
    assert reverts(trip) == ["cancel_car"]


def test_an_operation_may_abort_the_whole_with_a_payload():
    trip = Trip(hotel=Aborted("strike", {"until": "May"})).book("flight").book("hotel", retry=THRICE)
    events = trip.run()
    aborted = of_type(events, OperationAborted)
    assert [(each.reason, each.payload) for each in aborted] == [("strike", {"until": "May"})]
    assert types(events)[-1] == "compensated"
    # Whether it did something before it said so nobody can tell, and its revert is told what it said.
    assert reverts(trip) == ["cancel_hotel", "cancel_flight"]
    assert trip.calls.count("hotel@1") == 1, "it is not tried again"
    for name in ("cancel_hotel", "cancel_flight"):
        assert (trip.given[name].payload, trip.given[name].reason) == ({"until": "May"}, "aborted")


def test_a_partial_revert_is_stuck_and_says_what_remains():
    partial = Partial({"refunded": 80}, {"refunded": 20})
    trip = Trip(hotel=HARD, cancel_flight=partial).book("flight").book("hotel")
    events = trip.run()
    (told,) = of_type(events, CompensationPartial)
    assert (told.result, told.remains) == ({"refunded": 80}, {"refunded": 20})
    assert isinstance(events[-1], TransactionStuck)
    assert events[-1].dead_letters == ["flight"]
    assert reverts(trip) == ["cancel_flight"]


ODD = [
    ValueError("odd"),
    KeyError("odd"),
    AssertionError(),
    RecursionError("deep"),
    Partial({}, {}),
    {"price": 1.5},
    {"seats": [1, {"at": 2.5}]},
    {"seats": {1, 2}},
    ["not a dict"],
    None,
    Aborted("strike", {"share": 0.5}),
]


@pytest.mark.parametrize("answer", ODD, ids=repr)
def test_whatever_else_an_action_does_counts_as_unknown(answer):
    trip = Trip(flight=answer).book("flight")
    events = trip.run()
    assert len(of_type(events, OperationUnknown)) == 1
    assert types(events)[-1] == "compensated"
    assert reverts(trip) == ["cancel_flight"]


@pytest.mark.parametrize(
    "answer", [ValueError("odd"), Aborted("no"), {"a": 0.5}, Partial({"a": 0.5}, {})], ids=repr
)
def test_whatever_else_a_revert_does_counts_as_unknown_and_is_tried_again(answer):
    trip = Trip(hotel=HARD, cancel_flight=[answer, {}]).book("flight").book("hotel")
    events = trip.run()
    assert [each.outcome for each in of_type(events, CompensationFailed)] == ["unknown"]
    assert types(events)[-1] == "compensated"


def test_a_long_reason_is_cut():
    trip = Trip(flight=ValueError("x" * 5000)).book("flight")
    (told,) = of_type(trip.run(), OperationUnknown)
    assert (told.code, len(told.reason)) == ("ValueError", 200)


def test_intents_carry_the_kind_the_service_and_the_key():
    started = of_type(Trip().book("flight").run(), OperationStarted)
    assert [(each.kind, each.service, each.key) for each in started] == [
        ("compensatable", "flight desk", "tx-1:flight")
    ]


def test_a_saga_of_nothing_commits():
    assert types(Trip().run()) == ["began", "committed"]


def test_the_names_of_a_stranger_can_be_targets_of_faults():
    trip = Trip().book("flight").book("hotel", retry=THRICE)
    events = trip.run("hotel desk:error", "cancel_flight:timeout_after@1")
    assert types(events)[-1] == "compensated"
    assert [each.outcome for each in of_type(events, CompensationFailed)] == ["unknown"]
    assert trip.calls == ["flight@1", "cancel_flight@1", "cancel_flight@2"]
