"""Recovery: whatever kills the process and whenever, another one finishes what it left, once."""

import msgspec
import pytest
from drivers.runs import (
    OPENING,
    began,
    begin,
    checked_out,
    checkout_began,
    errors,
    finished,
    kill_points,
    next_process,
    purchased,
    recovered,
    replayed,
    shop,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from saga.strangers import Trip

from marketsim.audit.checks import examine
from marketsim.audit.letters import dead_letters
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import fault_plan, open_transactions, resume, same, try_again
from marketsim.drivers.virtual import Driver, NoWorld
from marketsim.market.purchase import purchase
from marketsim.market.sagas import saga_of
from marketsim.saga.definition import Retry, Saga
from marketsim.saga.errors import Diverged, Failed, ProcessCrashed
from marketsim.saga.events import (
    ENDS,
    EffectEvent,
    FaultInjected,
    OperationLate,
    OperationProbed,
    OperationStarted,
    ProcessRecovered,
    TransactionRejected,
    TransactionStuck,
)
from marketsim.saga.faults import FAULTS, FaultPlan, places
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape

RUNS = {
    "all is well": (),
    "declined": ("payment:card_declined",),
    "declined once": ("payment:insufficient_funds@1",),
    "the answer is lost": ("payment:timeout_after",),
    "the request is lost once": ("charge_payment:timeout_before@1",),
    "the order fails": ("place_order:error", "refund_payment:timeout_after@1-2"),
    "the order lands unseen": (
        "place_order:timeout_after",
        "find_order:timeout_before",
        "cancel_order:error@1",
    ),
    "it is asked about": ("payment:timeout_after", "find_payment:timeout_before@1"),
    "the customer authenticates": ("payment:authentication_required",),
    "the customer never comes back": ("payment:authentication_abandoned",),
    "the payment settles late": ("payment:late_success",),
    "it is cancelled at last": ("notify_customer:cancel",),
    "a revert fails": ("place_order:timeout_after", "find_order:timeout_before", "refund_payment:error"),
    "a branch fails": ("estimate_delivery:error@1-2", "reserve_stock:connection_reset@1"),
    "nobody answers": ("notifications:unreachable",),
}
CRASHES = [name for name, fault in FAULTS.items() if fault.outcome == "crash"]
OPERATIONS = list(purchase.operations)
REVERTS = [each.revert_name for each in purchase.operations.values() if each.revert_name]


def assert_nothing_is_doubled(events):
    effects = [
        (type(event), event.key, getattr(event, "note", ""))
        for event in events
        if isinstance(event, EffectEvent) and event.key
    ]
    assert len(effects) == len(set(effects))


def ends_of(events):
    return [event.type for event in events if isinstance(event, ENDS)]


def left_in(world):
    """Where everything is when all is over: what is not nowhere, and the orders that stand."""
    orders = [order.order for order in world.standing_orders()]
    return {place: amount for place, amount in world.balances.items() if amount}, orders


def assert_replay_agrees(events, told):
    again = replayed(events)
    assert (again.difference, again.complete) == (None, True), told
    own = [event for event in events[OPENING:] if event.type != "dead_letter.resolved"]
    assert len(again.compared) == len(own), told


@pytest.mark.parametrize("faults", RUNS.values(), ids=RUNS)
def test_a_process_killed_at_any_event_leaves_a_run_that_another_one_finishes(faults):
    whole = purchased(*faults)
    assert errors(whole.log.events) == []
    for death in kill_points(whole.log.events):
        market = purchased(*faults, deaths=[death])
        assert errors(market.log.events) == [], death
        assert ends_of(market.log.events) == ends_of(whole.log.events), death
        assert left_in(market.world) == left_in(whole.world), death
        assert_nothing_is_doubled(market.log.events)
        assert_replay_agrees(market.log.events, death)


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "default"])
@pytest.mark.parametrize("faults", [RUNS["the order lands unseen"], RUNS["a revert fails"]])
def test_a_process_killed_at_any_event_changes_nothing_about_what_a_policy_does(policy, faults):
    whole = purchased(*faults, policy=policy)
    for death in kill_points(whole.log.events):
        market = purchased(*faults, policy=policy, deaths=[death])
        # Where reverts are begun at once, which comes first is a matter of time, and a crash takes time.
        if not POLICIES[policy].at_once:
            assert market.types[-1] == whole.types[-1], death
            assert left_in(market.world) == left_in(whole.world), death
        assert_nothing_is_doubled(market.log.events)
        assert_replay_agrees(market.log.events, death)


@pytest.mark.parametrize("faults", [RUNS["declined once"], RUNS["the order lands unseen"]])
def test_a_process_killed_while_it_recovers_leaves_a_run_that_a_third_one_finishes(faults):
    whole = purchased(*faults)
    tried = 0
    for death in list(kill_points(whole.log.events))[::3]:
        once = purchased(*faults, deaths=[death])
        for second in kill_points(once.log.events):
            if second[0] <= death[0]:
                continue
            market = purchased(*faults, deaths=[death, second])
            assert errors(market.log.events) == [], (death, second)
            assert left_in(market.world) == left_in(whole.world), (death, second)
            assert_nothing_is_doubled(market.log.events)
            assert_replay_agrees(market.log.events, (death, second))
            tried += 1
    assert tried > 200


def test_a_process_may_die_at_one_event_again_and_again():
    market = purchased(deaths=[(9, "before")] * 5 + [(9, "after")])
    assert market.types[-1] == "transaction.committed"
    assert market.types.count("process.recovered") == 2, "who died before saying so has left no trace"
    assert_replay_agrees(market.log.events, "again")


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("target", OPERATIONS)
def test_a_crash_at_an_operation_is_recovered_from(target, crash):
    market = purchased(f"{target}:{crash}@1")
    assert market.types[-1] == "transaction.committed"
    asked = purchase.operations[target].probe is not None
    assert market.types.count("process.recovered") == FAULTS[crash].deaths
    # What never began, and what had its outcome recorded, is no question.
    questions = [
        event
        for event in market.log.events
        if isinstance(event, OperationProbed) and event.operation == target
    ]
    assert bool(questions) == (asked and FAULTS[crash].moment not in ("intent", "record"))
    assert market.world.available("laptop-1") == 4
    assert len(market.world.standing_orders()) == 1
    assert errors(market.log.events) == []
    assert_nothing_is_doubled(market.log.events)
    assert_replay_agrees(market.log.events, crash)


def going_back(revert: str) -> tuple[str, ...]:
    """Faults that have everything reverted: by an order that lands unseen, or a late cancellation."""
    if revert == "send_correction":
        return ("notify_customer:cancel",)
    return ("place_order:timeout_after", "find_order:timeout_before")


@pytest.mark.parametrize("crash", CRASHES)
@pytest.mark.parametrize("target", REVERTS)
def test_a_crash_at_a_revert_is_recovered_from(target, crash):
    market = purchased(*going_back(target), f"{target}:{crash}@1")
    assert market.types[-1] == "transaction.compensated"
    assert market.types.count("process.recovered") == FAULTS[crash].deaths
    assert market.world.available("laptop-1") == 5
    assert market.world.standing_orders() == []
    assert errors(market.log.events) == []
    assert_nothing_is_doubled(market.log.events)
    assert_replay_agrees(market.log.events, crash)


@pytest.mark.parametrize(
    ("policy", "faults"),
    [("default", ("find_payment:timeout_before",)), ("temporal", ("payment:card_declined",))],
)
def test_a_call_that_may_have_landed_before_the_crash_is_reverted_though_it_fails_now(policy, faults):
    market = shop()
    begin(market, began("charge_payment:crash_after_effect@1", policy=policy))
    with pytest.raises(ProcessCrashed):
        market.driver.run()
    market = next_process(market.log)
    (left,) = open_transactions(market.log.events).values()
    plan = fault_plan(began(*faults, policy=policy), purchase)
    resume(market.driver, purchase, POLICIES[policy], Tape(0), left, plan)
    market.driver.run()
    assert "operation.failed" in market.types or "operation.unknown" in market.types
    assert market.types[-1] == "transaction.compensated"
    assert errors(market.log.events) == []
    assert market.world.balances["money:merchant", "USD"] == 0


def test_a_call_that_may_have_landed_before_the_crash_is_asked_about_and_not_made_again():
    market = purchased("charge_payment:crash_after_effect@1", "payment:card_declined@2-")
    assert market.types[-1] == "transaction.committed"
    (probed,) = [event for event in market.log.events if isinstance(event, OperationProbed)]
    assert (probed.operation, probed.outcome, probed.attempt) == ("charge_payment", "landed", 1)
    starts = [event for event in market.log.events if isinstance(event, OperationStarted)]
    assert [event.operation for event in starts].count("charge_payment") == 1
    assert errors(market.log.events) == []


def test_several_open_transactions_are_recovered_side_by_side():
    market = shop(deaths=[(20, "after"), (31, "before")])
    for number in range(1, 4):
        begin(market, began(number=number, seed=number))
    market = finished(market)
    assert market.types.count("transaction.committed") == 3
    assert market.types.count("process.recovered") > 3
    assert errors(market.log.events) == []
    for number in range(1, 4):
        again = replayed(market.log.events, f"tx-{number}")
        assert (again.difference, again.complete) == (None, True)


@pytest.mark.parametrize(
    ("target", "crash", "policy", "again"),
    [
        ("charge_payment", "crash_after_intent", "temporal", ["tx-1:charge_payment"]),
        ("charge_payment", "crash_after_intent", "default", []),
        ("charge_payment", "crash_after_outcome", "temporal", []),
        ("charge_payment", "crash_after_outcome", "default", []),
        ("notify_customer", "crash_after_intent", "default", ["tx-1:notify_customer"]),
    ],
)
def test_a_recovered_process_says_which_calls_it_makes_again(target, crash, policy, again):
    events = purchased(f"{target}:{crash}@1", policy=policy).log.events
    (told,) = [event for event in events if isinstance(event, ProcessRecovered)]
    assert told.asked_again == again


def test_the_faults_of_a_transaction_go_on_striking_but_kill_no_second_time():
    market = purchased("charge_payment:crash_after_intent", "payment:card_declined")
    assert market.types.count("process.recovered") == 1
    assert market.types[-1] == "transaction.compensated"


def test_a_pause_that_the_crash_cut_short_is_waited_for_again():
    whole = purchased("payment:insufficient_funds@1")
    at = 1 + next(n for n, each in enumerate(whole.log.events) if each.type == "operation.retry_scheduled")
    market = purchased("payment:insufficient_funds@1", deaths=[(at, "after")])
    assert market.types.count("operation.retry_scheduled") == 1
    assert market.types[-1] == "transaction.committed"


def test_what_is_rejected_or_finished_is_not_open():
    market = purchased(quantity=101)
    assert isinstance(market.log.events[-1], TransactionRejected)
    assert open_transactions(market.log.events) == {}
    assert list(open_transactions(market.log.events[:-1])) == ["tx-1"]


def test_a_rejection_that_the_crash_prevented_is_made_up_for():
    market = purchased(quantity=101, deaths=[(OPENING + 1, "after")])
    assert market.types == ["transaction.began", "process.recovered", "transaction.rejected"]


def test_resuming_what_has_ended_does_nothing():
    market = purchased()
    before = len(market.log.events)
    resume(market.driver, purchase, POLICIES["default"], Tape(0), market.log.events[OPENING:], FaultPlan())
    market.driver.run()
    assert len(market.log.events) == before


def test_recovering_where_nothing_is_open_does_nothing():
    market = purchased()
    before = len(market.log.events)
    recovered(market)
    assert len(market.log.events) == before


def of_a_stranger(saga: Saga, events, policy=POLICIES["default"], seed=None):
    log = MemoryLog()
    log.events.extend(events)
    driver = Driver(log, NoWorld(), Clock(0))
    resume(driver, saga, policy, Tape(seed), events, FaultPlan())
    driver.run()
    return log.events


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (Trip().book("flight").book("train"), "seq 4"),
        (Trip().book("hotel").book("flight"), "seq 2"),
        (Trip().book("flight", kind="pivot").book("hotel"), "seq 2"),
        (Trip().book("hotel", after=[]).book("flight", after=[]), "seq 2"),
        (Trip(), "seq 2"),
    ],
)
def test_a_saga_that_has_changed_since_is_not_resumed(other, place):
    events = Trip().book("flight").book("hotel").run()[:-1]
    with pytest.raises(Diverged) as refused:
        of_a_stranger(other.saga, events)
    assert refused.value.where == place
    assert "version that began" in refused.value.todo or "nothing was under way" in refused.value.what


def test_a_seed_that_has_changed_since_is_not_resumed():
    trip = Trip().book("flight", retry=Retry(attempts_max=3))
    events = trip.run("flight:error@1", seed=1)[:-1]
    with pytest.raises(Diverged, match=r"operation\.retry_scheduled"):
        of_a_stranger(trip.saga, events, seed=2)


def test_a_policy_that_has_changed_since_is_not_resumed():
    trip = Trip().book("flight").book("hotel")
    events = trip.run("hotel:timeout_after")[:-1]
    with pytest.raises(Diverged):
        of_a_stranger(trip.saga, events, policy=POLICIES["none"])


def test_an_answer_to_what_was_never_asked_is_not_resumed():
    events = purchased().log.events[OPENING:]
    lost = [event for event in events[:-1] if getattr(event, "operation", "") != "reserve_stock"]
    with pytest.raises(Diverged):
        resume(shop().driver, purchase, POLICIES["default"], Tape(0), lost, FaultPlan())


def test_two_events_are_the_same_whatever_their_number_time_and_hash():
    event = purchased().log.events[-1]
    assert same(event, msgspec.structs.replace(event, seq=99, time="", prev="x"))
    assert not same(event, msgspec.structs.replace(event, left=["notify_customer"]))
    assert not same(event, began())


@pytest.mark.parametrize("refund", ["error", "gateway_down", "timeout_before", "timeout_after"])
@pytest.mark.parametrize("decline", ["card_declined", "gateway_down", "timeout_before", "error@2-9"])
@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_then_a_decline_then_a_stuck_refund_leave_no_error(crash, decline, refund):
    faults = (f"charge_payment:{crash}@1", f"charge_payment:{decline}", f"refund_payment:{refund}")
    assert errors(purchased(*faults).log.events) == []


# A checkout: a cart of two, a pivot, and what is answered later or comes late.

CHECKOUTS = {
    "all is well": ((), "committed"),
    "the pivot is lost": (("capture_payment:timeout_after@1",), "committed"),
    "the pivot stays unknown": (
        ("capture_payment:timeout_after", "find_capture:timeout_before"),
        "compensated",
    ),
    "the order fails": (("place_order:error", "void_authorization:timeout_after@1-2"), "compensated"),
    "one of two is gone": (("reserve_stock.mouse-1:out_of_stock",), "compensated"),
    "the customer authenticates": (("authorize_payment:authentication_required",), "committed"),
    "the customer fails to": (("authorize_payment:authentication_failed",), "compensated"),
    "the customer never comes back": (("authorize_payment:authentication_abandoned",), "compensated"),
    "the payment settles late": (("authorize_payment:late_success",), "compensated"),
    "the order arrives late": (("place_order:hanging", "find_order:timeout_before"), "compensated"),
    "it is told twice": (("authorize_payment:webhook_duplicate",), "committed"),
    "an old answer comes late": (("authorize_payment:webhook_reordered",), "committed"),
    "it fails late": (("authorize_payment:late_failure", "find_authorization:timeout_before"), "compensated"),
}


def lates(events):
    """What came late, each once and by the attempt it belongs to."""
    return sorted((event.operation, event.attempt) for event in events if isinstance(event, OperationLate))


@pytest.mark.parametrize(("faults", "end"), CHECKOUTS.values(), ids=CHECKOUTS)
def test_a_checkout_killed_at_any_event_is_finished_by_another_process(faults, end):
    whole = checked_out(*faults)
    assert ends_of(whole.log.events) == [f"transaction.{end}"]
    assert examine(whole.log.events) == []
    for death in kill_points(whole.log.events):
        market = checked_out(*faults, deaths=[death])
        events = market.log.events
        assert errors(events) == [], death
        assert len(ends_of(events)) == 1, death
        balanced(market)
        asked = {(each.operation, each.attempt) for each in events if isinstance(each, FaultInjected)}
        assert set(lates(events)) <= asked, (death, "what was never struck has nothing to say late")
        assert len(lates(events)) == len(set(lates(events))), death
        assert_nothing_is_doubled(events)
        assert_replay_agrees(events, death)


def balanced(market):
    """Nothing is held when all is over; what was not bought is all there, and what was is paid for."""
    left, orders = left_in(market.world)
    (end,) = [event for event in market.log.events if isinstance(event, ENDS)]
    places = {account for account, _ in left}
    assert not places & {"stock:reserved", "money:authorized"}
    if end.type == "transaction.committed":
        (order,) = market.world.standing_orders()
        assert left["money:merchant", "USD"] == order.total_minor
        assert left["money:customer:user-1", "USD"] == -order.total_minor
        sold = {line["product"]: line["quantity"] for line in order.lines}
        out = {
            product: sum(left.get((account, product), 0) for account in ("stock:sold", "stock:shipped"))
            for product in sold
        }
        assert out == sold
    else:
        assert end.type in ("transaction.compensated", "transaction.rejected")
        assert orders == []
        assert places == {"stock:supplier", "stock:available"}


@pytest.mark.parametrize("authentication", ["authentication_required", "authentication_failed"])
def test_a_customer_who_has_answered_does_not_answer_to_the_next_process_again(authentication):
    market = purchased(
        f"charge_payment:{authentication}@1", "release_stock:crash_after_effect", "place_order:abort"
    )
    assert "process.recovered" in market.types
    assert "operation.late" not in market.types
    assert errors(market.log.events) == []


def test_what_has_no_revert_is_not_tried_again():
    trip = (
        Trip(shuttle=Failed("full")).book("flight", kind="pivot", revert=False).book("shuttle", revert=False)
    )
    events, log = trip.run(), MemoryLog()
    (letter,) = dead_letters(events)
    driver = Driver(log, NoWorld(), Clock(0))
    policy, again = POLICIES["default"], [letter.operation]
    try_again(driver, trip.saga, policy, Tape(), events, again, "why not", FaultPlan())
    driver.run()
    assert log.events == []


def test_a_request_that_hung_arrives_for_the_next_process_as_what_it_was():
    faults = ("charge_payment:hanging@1", "charge_payment:card_declined@2", "refund_payment:error@1")
    whole = purchased(*faults)
    assert lates(whole.log.events) == [("charge_payment", 1)]
    at = next(n for n, event in enumerate(whole.log.events, 1) if event.type == "compensation.started")
    market = purchased(*faults, deaths=[(at, "after")])
    (late,) = [event for event in market.log.events if isinstance(event, OperationLate)]
    assert (late.operation, late.attempt, late.outcome, late.code) == (
        "charge_payment",
        1,
        "failed",
        "fenced",
    )
    assert errors(market.log.events) == []
    assert_replay_agrees(market.log.events, at)


# Whatever is put in the way, up to three faults at once.

# That too much was given back, or paid twice under another key, no engine undoes: the checks tell it.
BEYOND_REMEDY = ("not_idempotent", "new_key", "key_expired")
# A revert that never arrived fences nothing, so that what hung is not refused when it arrives at last.
NEVER_ARRIVED = ("did_nothing", "lost_release")
HANGS = ("hanging", "late_success")


def faults_of(saga):
    """Up to three faults of a saga, anywhere, on some attempts, perhaps by chance."""
    pool = [
        f"{place}:{name}"
        for name, fault in FAULTS.items()
        if name not in BEYOND_REMEDY
        for place in places(fault, saga)
    ]
    when = st.sampled_from(["", "@1", "@2", "@1-2", "%60"])
    return st.lists(st.builds("{}{}".format, st.sampled_from(pool), when), max_size=3).filter(
        lambda faults: not (names_in(faults, NEVER_ARRIVED) and names_in(faults, HANGS))
    )


def names_in(faults, names):
    return any(name in text for text in faults for name in names)


deaths_ = st.lists(
    st.tuples(st.integers(2, 45).map(lambda at: at + OPENING), st.sampled_from(["before", "after"])),
    max_size=2,
).map(sorted)


@pytest.mark.parametrize("run", [purchased, checked_out])
@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_any_three_faults_and_two_deaths_end_balanced_or_with_a_dead_letter(run, data):
    saga = purchase if run is purchased else saga_of(checkout_began())
    faults = data.draw(faults_of(saga), "faults")
    deaths = data.draw(deaths_, "deaths")
    market = run(*faults, deaths=deaths, seed=data.draw(st.integers(0, 99), "seed"))
    events = market.log.events
    assert errors(events) == []
    (end,) = [event for event in events if isinstance(event, ENDS)]
    if isinstance(end, TransactionStuck):
        letters = [letter.operation for letter in dead_letters(events) if letter.state == "open"]
        assert letters == list(dict.fromkeys(end.dead_letters))
        assert letters
    else:
        balanced(market)
        assert examine(events) == []
    assert_nothing_is_doubled(events)
    assert_replay_agrees(events, faults)


@pytest.mark.parametrize(
    ("faults", "rules"),
    [
        (("charge_payment:hanging@1", "charge_payment:new_key@2"), {"lifecycle"}),
        (("reserve_stock:reservation_expired", "release_stock:not_idempotent"), {"stock-conserved"}),
    ],
)
def test_what_no_engine_can_mend_is_found_by_the_checks(faults, rules):
    assert {found.rule for found in errors(purchased(*faults).log.events)} == rules


@pytest.mark.parametrize(
    "faults",
    [
        ("reserve_stock:hanging", "release_stock:lost_release"),
        ("charge_payment:hanging", "refund_payment:did_nothing"),
    ],
)
def test_a_revert_that_never_reached_its_service_is_not_believed_while_its_operation_may_arrive(faults):
    events = purchased(*faults).log.events
    assert errors(events) == []
    assert [event.type for event in events if isinstance(event, ENDS)] == ["transaction.stuck"]


def test_a_revert_that_comes_twice_where_nothing_was_done_fences_what_hung():
    market = purchased("reserve_stock:hanging", "release_stock:not_idempotent")
    assert errors(market.log.events) == []
    assert left_in(market.world)[0] == {
        ("stock:supplier", "laptop-1"): -5,
        ("stock:available", "laptop-1"): 5,
    }


def test_an_order_that_was_half_written_when_the_process_died_is_written_whole():
    whole = purchased()
    at = next(n for n, event in enumerate(whole.log.events, 1) if event.type == "order.placed")
    market = purchased(deaths=[(at, "before")])
    assert [event.outcome for event in market.log.events if isinstance(event, OperationProbed)] == [
        "not_landed"
    ]
    assert left_in(market.world) == left_in(whole.world)
    assert len(market.world.standing_orders()) == 1
    assert errors(market.log.events) == []
