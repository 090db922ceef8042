"""The engine: forward, back, and every way in which a transaction can end, in a saga of a stranger."""

import msgspec
import pytest
from saga.strangers import DEFAULT, ONCE, Trip, types

from marketsim.drivers.clock import parse_time
from marketsim.drivers.memory import run_in_memory
from marketsim.saga.definition import SECOND_US, Call, Policy, Retry
from marketsim.saga.errors import NOTHING_STANDS, RETURNED_TOO_MUCH, Aborted, Failed, Partial, Unknown
from marketsim.saga.events import (
    CompensationExpired,
    CompensationFailed,
    CompensationPartial,
    CompensationRetryScheduled,
    CompensationSkipped,
    OperationAborted,
    OperationFailed,
    OperationLate,
    OperationProbed,
    OperationRetryScheduled,
    OperationStarted,
    OperationSuspended,
    OperationUnknown,
    TransactionAbandoned,
    TransactionCancelRequested,
    TransactionCommitted,
    TransactionCompensating,
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


# Asking what came of a call.

LOST = Unknown("timeout")
NOTHING = Failed(NOTHING_STANDS)
MINUTE_US = 60 * SECOND_US


def actions(trip):
    return [call for call in trip.calls if not call.startswith(("cancel_", "find_"))]


def test_what_the_probe_finds_is_the_answer_and_nothing_is_asked_for_again():
    trip = Trip(flight=LOST, find_flight={"seat": "3A"}).book("flight", probe=True, retry=THRICE)
    events = trip.book("hotel").run()
    assert types(events) == [
        "began",
        "started flight",
        "unknown flight",
        "probed flight",
        "succeeded flight",
        "started hotel",
        "succeeded hotel",
        "committed",
    ]
    (probed,) = of_type(events, OperationProbed)
    assert (probed.probe, probed.outcome, probed.attempt) == ("find_flight", "landed", 1)
    assert probed.result == {"seat": "3A"}
    assert trip.given["hotel"].results["flight"] == {"seat": "3A"}
    assert trip.calls == ["flight@1", "find_flight@1", "hotel@1"]
    asked = trip.given["find_flight"]
    assert (asked.key, asked.action_key, asked.compensation) == ("", "tx-1:flight", "")


def test_what_the_probe_found_is_reverted_with_what_it_found():
    trip = Trip(flight=LOST, find_flight=[{"seat": "3A"}, NOTHING], hotel=HARD).book("flight", probe=True)
    assert types(trip.book("hotel").run())[-1] == "compensated"
    assert trip.given["cancel_flight"].result == {"seat": "3A"}


def test_what_the_probe_does_not_find_is_asked_for_again_under_the_same_key():
    trip = Trip(flight=[LOST, {}], find_flight=NOTHING).book("flight", probe=True, retry=THRICE)
    events = trip.run()
    assert trip.calls == ["flight@1", "find_flight@1", "flight@2"]
    assert trip.keys["flight"] == {"tx-1:flight"}
    assert [(each.outcome, each.code) for each in of_type(events, OperationProbed)] == [
        ("not_landed", NOTHING_STANDS)
    ]
    (pause,) = of_type(events, OperationRetryScheduled)
    assert (pause.attempt, pause.delay_us, pause.probe) == (2, SECOND_US, "")
    assert types(events)[-1] == "committed"


def test_what_the_probe_does_not_find_is_reverted_all_the_same_when_there_is_no_other_attempt():
    trip = Trip(flight=LOST, find_flight=NOTHING).book("flight", probe=True)
    assert types(trip.run())[-1] == "compensated"
    assert actions(trip) == ["flight@1"]
    assert reverts(trip) == ["cancel_flight"], "it may still be on its way"


def test_a_probe_that_cannot_tell_is_asked_as_often_as_the_operation_then_it_is_reverted():
    trip = Trip(flight=LOST, find_flight=[LOST, LOST, LOST, NOTHING]).book("flight", probe=True, retry=THRICE)
    events = trip.run()
    probed = of_type(events, OperationProbed)
    assert [(each.attempt, each.outcome, each.code) for each in probed] == [
        (1, "unknown", "timeout"),
        (2, "unknown", "timeout"),
        (3, "unknown", "timeout"),
    ]
    pauses = of_type(events, OperationRetryScheduled)
    assert [(each.probe, each.attempt, each.delay_us) for each in pauses] == [
        ("find_flight", 2, SECOND_US),
        ("find_flight", 3, 2 * SECOND_US),
    ]
    assert actions(trip) == ["flight@1"], "nobody knows whether the key is still known"
    assert reverts(trip) == ["cancel_flight"]
    assert trip.given["cancel_flight"].result is None
    assert types(events)[-1] == "compensated"


def test_a_probe_that_says_later_is_asked_later():
    later = Failed("later", retry="safe")
    trip = Trip(flight=LOST, find_flight=[later, {"seat": "3A"}]).book("flight", probe=True, retry=THRICE)
    events = trip.run()
    assert [each.outcome for each in of_type(events, OperationProbed)] == ["unknown", "landed"]
    assert types(events)[-1] == "committed"


def test_each_attempt_that_is_lost_is_asked_about_anew():
    answers = [LOST, NOTHING, LOST, LOST, LOST]
    trip = Trip(flight=LOST, find_flight=[*answers, NOTHING]).book("flight", probe=True, retry=THRICE)
    events = trip.run()
    assert [each.attempt for each in of_type(events, OperationProbed)] == [1, 2, 3, 4, 5]
    assert actions(trip) == ["flight@1", "flight@2"]
    assert types(events)[-1] == "compensated"


def test_only_a_policy_that_asks_asks():
    trip = Trip(flight=[LOST, {}], find_flight={"seat": "3A"}).book("flight", probe=True, retry=THRICE)
    trip.run(policy=POLICIES["temporal"])
    assert trip.calls == ["flight@1", "flight@2"]


def test_what_failed_for_certain_is_no_question():
    trip = Trip(flight=SOFT, find_flight={}).book("flight", probe=True, retry=THRICE)
    trip.run()
    assert actions(trip) == ["flight@1", "flight@2", "flight@3"]
    assert "find_flight@1" not in trip.calls


def test_a_retriable_step_that_cannot_be_asked_about_is_repeated_and_left_at_last():
    trip = Trip(card=LOST, find_card=LOST).book("card", kind="retriable", probe=True, retry=THRICE)
    end = trip.run()[-1]
    assert isinstance(end, TransactionCommitted)
    assert end.left == ["card"]
    assert actions(trip) == ["card@1", "card@2", "card@3"]


def test_a_revert_is_believed_once_the_probe_finds_nothing():
    stands = {"seat": "3A"}
    trip = Trip(hotel=HARD, find_flight=[stands, NOTHING]).book("flight", probe=True).book("hotel")
    events = trip.run()
    assert [(each.code, each.retry) for each in of_type(events, CompensationFailed)] == [
        ("not_reverted", "safe")
    ]
    assert reverts(trip) == ["cancel_flight", "cancel_flight"]
    assert types(events)[-1] == "compensated"


def test_a_revert_that_never_does_anything_is_stuck():
    trip = Trip(hotel=HARD, find_flight={}).book("flight", probe=True).book("hotel")
    events = trip.run()
    assert [each.code for each in of_type(events, CompensationFailed)] == ["not_reverted"] * 5
    assert isinstance(events[-1], TransactionStuck)
    assert events[-1].dead_letters == ["flight"]


def test_a_revert_that_gave_back_too_much_is_not_tried_again():
    trip = Trip(hotel=HARD, find_flight=Failed(RETURNED_TOO_MUCH)).book("flight", probe=True).book("hotel")
    events = trip.run()
    assert [(each.code, each.retry) for each in of_type(events, CompensationFailed)] == [
        (RETURNED_TOO_MUCH, "never")
    ]
    assert isinstance(events[-1], TransactionStuck)
    assert reverts(trip) == ["cancel_flight"]


def test_a_revert_whose_answer_was_lost_is_confirmed_by_the_probe():
    trip = Trip(hotel=HARD, cancel_flight=LOST, find_flight=NOTHING).book("flight", probe=True).book("hotel")
    assert types(trip.run())[-1] == "compensated"
    assert reverts(trip) == ["cancel_flight"]


# Times: how long attempts go on, and until when a revert is possible.


def test_no_attempt_begins_later_than_the_longest_time_after_the_first():
    hasty = Retry(
        attempts_max=10, delay_us=10 * SECOND_US, factor=1, jitter_percent=0, elapsed_max_us=25 * SECOND_US
    )
    trip = Trip(flight=SOFT).book("flight", retry=hasty, latency_us=(0, 0))
    events = trip.run()
    starts = [parse_time(event.time) for event in of_type(events, OperationStarted)]
    assert [start - starts[0] for start in starts] == [0, 10 * SECOND_US, 20 * SECOND_US]
    assert types(events)[-2:] == ["compensating flight", "compensated"]


def test_the_longest_time_holds_for_reverts_as_well():
    hasty = Retry(
        attempts_max=10, delay_us=10 * SECOND_US, factor=1, jitter_percent=0, elapsed_max_us=25 * SECOND_US
    )
    trip = Trip(hotel=HARD, cancel_flight=SOFT).book("flight", latency_us=(0, 0)).book("hotel")
    events = trip.run(policy=msgspec.structs.replace(DEFAULT, retry=hasty))
    assert reverts(trip) == ["cancel_flight"] * 3
    assert isinstance(events[-1], TransactionStuck)


@pytest.mark.parametrize(
    ("expiry", "ttl_us", "end"),
    [
        ("from_success", 999, "stuck"),
        ("from_success", 1000, "compensated"),
        ("from_attempt", 1, "compensated"),
        ("from_success", 0, "compensated"),
    ],
)
def test_the_time_to_revert_counts_from_the_success(expiry, ttl_us, end):
    trip = Trip(hotel=HARD).book("flight", revert_ttl_us=ttl_us, latency_us=(50_000, 50_000))
    trip.book("hotel", latency_us=(1000, 1000))
    events = trip.run(policy=msgspec.structs.replace(DEFAULT, expiry=expiry))
    assert types(events)[-1] == end
    expired = of_type(events, CompensationExpired)
    if end == "compensated":
        assert expired == []
        return
    assert reverts(trip) == [], "nobody is asked in vain"
    assert [(each.operation, each.compensation, each.attempt) for each in expired] == [
        ("flight", "cancel_flight", 0)
    ]
    assert expired[0].reason == "the time in which it could be reverted has passed"
    assert events[-1].dead_letters == ["flight"]


@pytest.mark.parametrize(("expiry", "tries"), [("from_success", 2), ("from_attempt", 5)])
def test_a_revert_that_is_tried_again_may_expire_meanwhile(expiry, tries):
    trip = Trip(hotel=HARD, cancel_flight=SOFT).book("flight", revert_ttl_us=4 * SECOND_US).book("hotel")
    events = trip.run(policy=msgspec.structs.replace(DEFAULT, expiry=expiry))
    assert reverts(trip) == ["cancel_flight"] * tries
    assert isinstance(events[-1], TransactionStuck)
    assert len(of_type(events, CompensationExpired)) == (expiry == "from_success")


# Calls that must not be made twice.


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
@pytest.mark.parametrize("find", [None, LOST, NOTHING], ids=["no probe", "lost", "nothing"])
def test_a_call_that_must_not_be_made_twice_is_not_and_is_reverted_wherever_anything_is(policy, find):
    trip = Trip(flight=LOST, find_flight=find)
    trip.book("flight", one_shot=True, retry=THRICE, probe=find is not None)
    events = trip.run(policy=policy)
    assert actions(trip) == ["flight@1"]
    if policy.compensate:
        assert "cancel_flight" in reverts(trip)
    else:
        assert isinstance(events[-1], TransactionAbandoned)


def test_a_call_that_must_not_be_made_twice_is_tried_again_where_it_failed_for_certain():
    trip = Trip(flight=[SOFT, {}]).book("flight", one_shot=True, retry=THRICE)
    assert types(trip.run())[-1] == "committed"


@pytest.mark.parametrize("crash", ["crash_after_intent", "crash_after_effect", "torn_record"])
@pytest.mark.parametrize("policy", ["default", "orra", "temporal"])
def test_a_call_that_must_not_be_made_twice_is_not_made_again_after_a_crash(policy, crash):
    trip = Trip().book("flight", one_shot=True, retry=THRICE)
    events = run_in_memory(trip.saga, {"to": "Oslo"}, faults=[f"flight:{crash}"], policy=policy)
    assert len(actions(trip)) == (crash != "crash_after_intent")
    assert [each.code for each in of_type(events, OperationUnknown)] == ["interrupted"]
    assert reverts(trip) == ["cancel_flight"]
    assert types(events)[-1] == "compensated"


def test_any_other_call_is_made_again_after_a_crash():
    trip = Trip().book("flight", retry=THRICE)
    events = run_in_memory(trip.saga, {"to": "Oslo"}, faults=["flight:crash_after_effect"])
    assert actions(trip) == ["flight@1", "flight@1"]
    assert types(events)[-1] == "committed"


# Somebody wants it to end.


@pytest.mark.parametrize(
    ("asked", "code"), [({"cancel_us": 1500}, "cancelled"), ({"deadline_us": 1500}, "deadline_exceeded")]
)
def test_what_is_cancelled_on_its_way_waits_for_what_is_under_way_and_is_reverted(asked, code):
    trip = Trip().book("flight").book("hotel").book("car")
    events = trip.run(**asked)
    assert types(events)[3:] == [
        "started hotel",
        "cancel_requested",
        "succeeded hotel",
        "compensating",
        "started hotel",
        "succeeded hotel",
        "started flight",
        "succeeded flight",
        "compensated",
    ]
    (stop,) = of_type(events, TransactionCancelRequested)
    assert (stop.code, stop.shielded) == (code, False)
    (back,) = of_type(events, TransactionCompensating)
    assert (back.operation, back.reason) == ("", code)
    assert actions(trip) == ["flight@1", "hotel@1"]


def test_what_waits_for_another_attempt_when_it_is_cancelled_makes_none():
    trip = Trip(hotel=SOFT).book("flight").book("hotel", retry=THRICE)
    trip.run(cancel_us=500_000)
    assert actions(trip) == ["flight@1", "hotel@1"]
    assert reverts(trip) == ["cancel_flight"]


def test_a_cancellation_during_the_reverts_changes_nothing():
    def trip() -> Trip:
        return Trip(hotel=HARD, cancel_flight=[SOFT, {}]).book("flight").book("hotel")

    undisturbed, disturbed = trip(), trip()
    before, events = undisturbed.run(), disturbed.run(cancel_us=SECOND_US)
    (stop,) = of_type(events, TransactionCancelRequested)
    assert stop.shielded
    assert types(event for event in events if event is not stop) == types(before)
    assert disturbed.calls == undisturbed.calls


@pytest.mark.parametrize("cancel_us", [1500, SECOND_US], ids=["during the pivot", "past the pivot"])
def test_a_cancellation_past_the_pivot_changes_nothing(cancel_us):
    trip = Trip().book("car").book("flight", kind="pivot")
    trip.book("hotel", kind="retriable", latency_us=(5 * SECOND_US, 5 * SECOND_US))
    events = trip.run(cancel_us=cancel_us)
    (stop,) = of_type(events, TransactionCancelRequested)
    assert stop.shielded
    assert types(events)[-1] == "committed"
    assert reverts(trip) == []


def test_a_cancellation_when_all_is_over_is_not_heard():
    assert of_type(Trip().book("flight").run(cancel_us=MINUTE_US), TransactionCancelRequested) == []


def test_a_policy_without_a_shield_abandons_what_is_cancelled_on_its_way():
    bare = msgspec.structs.replace(DEFAULT, shielded=False)
    trip = Trip().book("flight").book("hotel")
    events = trip.run(policy=bare, cancel_us=1500)
    assert isinstance(events[-1], TransactionAbandoned)
    assert (events[-1].operation, events[-1].reason) == ("", "cancelled")
    assert reverts(trip) == []


def test_a_policy_without_a_shield_abandons_what_is_cancelled_during_its_reverts():
    bare = msgspec.structs.replace(DEFAULT, shielded=False)
    trip = Trip(car=HARD, cancel_hotel=[SOFT, {}]).book("flight").book("hotel").book("car")
    events = trip.run(policy=bare, cancel_us=SECOND_US)
    (stop,) = of_type(events, TransactionCancelRequested)
    assert not stop.shielded
    assert isinstance(events[-1], TransactionAbandoned)
    assert "cancel_flight" not in reverts(trip), "what was still to be reverted is left"
    assert types(trip.run(policy=bare))[-1] == "compensated"


# Waiting for somebody, and what comes late.


def test_a_suspended_call_is_answered_later_and_goes_on():
    trip = Trip(flight={"seat": "3A"}).book("flight", retry=THRICE).book("hotel")
    events = trip.run("flight:authentication_required")
    assert [kind for kind in types(events) if "flight" in kind] == [
        "started flight",
        "injected flight",
        "suspended flight",
        "succeeded flight",
    ]
    (waits,) = of_type(events, OperationSuspended)
    assert (waits.code, waits.expires_us) == ("authentication_required", 5 * MINUTE_US)
    assert types(events)[-1] == "committed"
    assert actions(trip) == ["flight@1", "hotel@1"], "what landed is what came late"
    assert trip.given["hotel"].results["flight"] == {"seat": "3A"}


@pytest.mark.parametrize(
    ("fault", "code", "least_us", "most_us"),
    [
        ("authentication_failed", "authentication_failed", 10 * SECOND_US, 95 * SECOND_US),
        ("authentication_abandoned", "suspension_expired", 5 * MINUTE_US, 5 * MINUTE_US + SECOND_US),
    ],
)
def test_a_suspended_call_that_is_refused_or_never_answered_fails(fault, code, least_us, most_us):
    trip = Trip().book("flight").book("hotel", retry=THRICE)
    events = trip.run(f"hotel:{fault}")
    (failed,) = of_type(events, OperationFailed)
    assert (failed.operation, failed.code, failed.retry) == ("hotel", code, "never")
    (waits,) = of_type(events, OperationSuspended)
    assert least_us <= parse_time(failed.time) - parse_time(waits.time) <= most_us
    assert actions(trip) == ["flight@1"]
    assert types(events)[-1] == "compensated"
    assert reverts(trip)[-1] == "cancel_flight"


def test_a_suspended_call_is_given_up_when_another_branch_fails_and_what_lands_late_is_reverted():
    trip = Trip(hotel=HARD, cancel_flight={"awaits_us": 10 * MINUTE_US}).book("look", kind="read_only")
    trip.book("flight", after=["look"]).book("hotel", after=["look"], latency_us=(SECOND_US, SECOND_US))
    events = trip.run("flight:authentication_required")
    told = [(each.operation, each.code) for each in of_type(events, OperationFailed)]
    assert told == [("hotel", "sold_out"), ("flight", "given_up")]
    (late,) = of_type(events, OperationLate)
    assert (late.operation, late.outcome) == ("flight", "succeeded")
    assert reverts(trip) == ["cancel_flight", "cancel_flight"]
    assert types(events)[-1] == "compensated"


def test_a_cancelled_transaction_waits_for_nobody():
    trip = Trip().book("flight").book("hotel")
    events = trip.run("hotel:authentication_abandoned", cancel_us=MINUTE_US)
    assert [each.code for each in of_type(events, OperationFailed)] == ["given_up"]
    assert types(events)[-1] == "compensated"
    assert parse_time(events[-1].time) - parse_time(events[0].time) < 2 * MINUTE_US


def test_what_succeeds_after_its_revert_is_reverted_again():
    trip = Trip(flight={"seat": "3A"}, cancel_flight={"awaits_us": 20 * MINUTE_US}).book("flight")
    events = trip.run("flight:hanging")
    assert trip.calls == ["cancel_flight@1", "flight@1", "cancel_flight@2"]
    (late,) = of_type(events, OperationLate)
    assert (late.outcome, late.result) == ("succeeded", {"seat": "3A"})
    assert trip.given["cancel_flight"].result == {"seat": "3A"}
    assert types(events)[-1] == "compensated"


def test_a_late_success_that_comes_while_its_revert_is_under_way_is_reverted_again():
    trip = Trip(cancel_flight=[SOFT] * 9, cancel_car={}).book("car").book("flight")
    patient = msgspec.structs.replace(DEFAULT, retry=Retry(attempts_max=9, delay_us=MINUTE_US, factor=1))
    events = trip.run("flight:hanging", policy=patient)
    after = [n for n, call in enumerate(trip.calls) if call == "flight@1"]
    assert len(after) == 1
    assert of_type(events, OperationLate)[0].outcome == "succeeded"
    assert trip.calls[after[0] + 1 :].count("cancel_car@1") == 1
    assert "cancel_flight" in {call.split("@")[0] for call in trip.calls[after[0] + 1 :]}


def test_a_policy_that_does_not_wait_ends_before_the_late_success():
    trip = Trip(cancel_flight={"awaits_us": 20 * MINUTE_US}).book("flight")
    events = trip.run("flight:hanging", policy=POLICIES["temporal"])
    assert types(events)[-2:] == ["compensated", "late flight"]
    assert reverts(trip) == ["cancel_flight"]


def test_no_late_result_is_waited_for_longer_than_was_said():
    trip = Trip(cancel_flight={"awaits_us": SECOND_US}).book("flight")
    events = trip.run("flight:hanging")
    assert types(events)[-2:] == ["compensated", "late flight"]
    succeeded = next(event for event in events if event.type == "compensation.succeeded")
    end = next(event for event in events if event.type == "transaction.compensated")
    assert parse_time(end.time) - parse_time(succeeded.time) == SECOND_US


@pytest.mark.parametrize(
    ("fault", "outcome"), [("webhook_duplicate", "succeeded"), ("webhook_reordered", "failed")]
)
@pytest.mark.parametrize("hotel", [{}, HARD], ids=["forward", "back"])
def test_what_is_told_twice_or_in_the_wrong_order_changes_nothing(fault, outcome, hotel):
    def trip() -> Trip:
        made = Trip(hotel=hotel).book("flight")
        return made.book("hotel", latency_us=(8 * SECOND_US, 8 * SECOND_US))

    undisturbed, disturbed = trip(), trip()
    before, events = undisturbed.run(), disturbed.run(f"flight:{fault}")
    (late,) = of_type(events, OperationLate)
    assert (late.operation, late.outcome) == ("flight", outcome)
    rest = [event for event in events if event is not late and event.type != "fault.injected"]
    assert types(rest) == types(before)
    assert disturbed.calls == undisturbed.calls
