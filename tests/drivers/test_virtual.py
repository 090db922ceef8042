"""The virtual driver: the order of events, the course of time, and many transactions on one clock."""

import itertools
from typing import Any

import pytest
from drivers.runs import OPENING, START_US, began, begin, errors, finished, purchased, shop
from hypothesis import given, settings
from hypothesis import strategies as st
from saga.strangers import Trip, types

from marketsim.audit.checks import examine
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock, parse_time
from marketsim.drivers.virtual import Driver, NoWorld
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.purchase import purchase
from marketsim.saga.definition import Call, Retry, Saga
from marketsim.saga.errors import MarketError
from marketsim.saga.events import (
    CompensationExpired,
    CompensationFailed,
    CompensationStarted,
    EffectEvent,
    Event,
    FaultInjected,
    LedgerPosted,
    OperationProbed,
    OperationRetryScheduled,
    OperationStarted,
    OperationSucceeded,
    TransactionBegan,
    TransactionCommitted,
    TransactionCompensated,
    TransactionStuck,
    encode,
)
from marketsim.saga.faults import places
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS

MINUTE_US = 60_000_000
# What lies about a revert is found by the checks, under a policy that believes it.
LIES = ("did_nothing", "wrong_amount", "not_idempotent")
QUIET = [
    f"{place}:{name}"
    for name, fault in FAULTS.items()
    if fault.outcome != "crash" and not fault.services and name not in LIES
    for place in places(fault, purchase)
]


def test_a_purchase_goes_its_way():
    assert purchased().types == [
        "transaction.began",
        "operation.started",
        "operation.succeeded",
        "operation.started",
        "ledger.posted",
        "operation.started",
        "operation.succeeded",
        "operation.succeeded",
        "operation.started",
        "ledger.posted",
        "operation.succeeded",
        "operation.started",
        "ledger.posted",
        "order.placed",
        "operation.succeeded",
        "operation.started",
        "notification.sent",
        "operation.succeeded",
        "transaction.committed",
    ]


ANSWERS = (".succeeded", ".failed", ".unknown", ".partial", ".aborted", ".expired")


def assert_intents_come_first(events: list[Event]) -> None:
    """Each call is begun once, acts while it is under way (or, struck so, late), and has one outcome."""
    under_way: set[tuple[str, str, int]] = set()
    begun: set[tuple[str, str, int]] = set()
    may_be_late: set[tuple[str, str, int]] = set()
    found_out = ""
    for event in events:
        operation, compensation = getattr(event, "operation", ""), getattr(event, "compensation", "")
        here = (getattr(event, "transaction", ""), compensation or operation, getattr(event, "attempt", 0))
        if isinstance(event, OperationStarted | CompensationStarted):
            assert here not in begun
            begun.add(here)
            under_way.add(here)
        elif isinstance(event, FaultInjected) and FAULTS[event.fault].landed == "late":
            may_be_late.add(here)
        elif isinstance(event, OperationProbed):
            found_out = operation if event.outcome == "landed" else ""
        elif isinstance(event, EffectEvent) and event.transaction and not event.unasked:
            assert here in under_way or (here in begun and here in may_be_late), event
        elif isinstance(event, OperationSucceeded) and found_out == operation:
            assert here in begun, event
            assert here not in under_way, event
            found_out = ""
        elif isinstance(event, CompensationExpired) and not event.attempt:
            assert here not in under_way, "nobody was asked"
        elif event.type.endswith(ANSWERS):
            under_way.remove(here)
    assert not under_way


@pytest.mark.parametrize(
    "faults",
    [
        (),
        ("place_order:error", "refund_payment:server_error_after@1"),
        ("place_order:timeout_after", "find_order:timeout_before", "refund_payment:server_error_after@1"),
    ],
)
def test_the_intent_is_written_first_then_the_effect_then_the_outcome(faults):
    assert_intents_come_first(purchased(*faults).log.events)


def test_an_event_is_kept_then_applied_then_shown():
    seen: list[str] = []

    class Witness:
        def append(self, event: Event) -> None:
            seen.append("log")

        def apply(self, event: Event) -> None:
            seen.append("world")

    witness = Witness()
    driver = Driver(witness, witness, Clock(0), watch=lambda event: seen.append("watch"))
    driver.record(began())
    assert seen == ["log", "world", "watch"]


def test_ten_retries_a_minute_apart_take_ten_minutes_of_the_stream():
    patient = Retry(attempts_max=11, delay_us=MINUTE_US, factor=1, jitter_percent=0)
    trip = Trip().book("flight", retry=patient, latency_us=(0, 0))
    events = trip.run("flight:error@1-10")
    assert types(events)[-1] == "committed"
    took = parse_time(events[-1].time) - parse_time(events[0].time)
    assert took == 10 * MINUTE_US
    assert sum(event.delay_us for event in events if isinstance(event, OperationRetryScheduled)) == took


def test_an_answer_that_does_not_come_costs_the_whole_time_limit():
    events = purchased("charge_payment:timeout_before@1").log.events
    at = {
        event.type: parse_time(event.time)
        for event in events
        if getattr(event, "operation", "") == "charge_payment"
    }
    assert at["operation.unknown"] - at["fault.injected"] == 10_000_000


def test_time_never_runs_back_in_a_stream():
    for faults in [(), ("payment:insufficient_funds",), ("charge_payment:crash_after_effect",)]:
        times = [event.time for event in purchased(*faults).log.events]
        assert times == sorted(times)
        assert all(time.endswith("Z") and len(time) == 27 for time in times)


def two(units: int, *, delay_us: int = 0, faults: tuple[str, ...] = ()) -> Any:
    market = shop(units)
    begin(market, began(*faults, number=1))
    begin(market, began(number=2, seed=5), delay_us=delay_us)
    return finished(market)


@given(st.integers(0, 600_000))
@settings(max_examples=60, deadline=None)
def test_the_last_item_is_sold_exactly_once_however_two_purchases_interleave(delay_us):
    market = two(1, delay_us=delay_us)
    ends = [
        event
        for event in market.log.events
        if isinstance(event, TransactionCommitted | TransactionCompensated)
    ]
    assert sorted(event.type for event in ends) == ["transaction.committed", "transaction.compensated"]
    assert market.world.available("laptop-1") == 0
    assert len(market.world.standing_orders()) == 1
    assert errors(market.log.events) == []


def test_two_purchases_really_interleave():
    owners = [getattr(event, "transaction", "") for event in two(2).log.events[OPENING:]]
    changes = sum(one != other for one, other in itertools.pairwise(owners))
    assert changes > 6


def test_a_transaction_begins_when_it_is_to_begin():
    market = two(2, delay_us=250_000)
    first = next(event for event in market.log.events if getattr(event, "transaction", "") == "tx-2")
    assert parse_time(first.time) == START_US + 250_000


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_the_same_seed_gives_the_same_stream_to_the_byte(seed):
    faults = ("payment:error%40", "place_order:timeout_after%30", "refund_payment:error%50")
    assert purchased(*faults, seed=seed).lines == purchased(*faults, seed=seed).lines


def test_another_seed_gives_another_stream():
    streams = {
        b"\n".join(purchased("payment:error%40", seed=seed).lines[OPENING + 1 :]) for seed in range(20)
    }
    assert len(streams) == 20


@given(
    st.lists(
        st.builds("{}%{}".format, st.sampled_from(QUIET), st.integers(0, 100)),
        max_size=5,
    ),
    st.integers(0, 1000),
    st.sampled_from(["default", "none", "temporal", "temporal-parallel"]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_strikes_the_checks_hold_under_a_policy_that_reverts(faults, seed, policy):
    market = purchased(*faults, seed=seed, policy=policy)
    assert_intents_come_first(market.log.events)
    if market.types[-1] in ("transaction.committed", "transaction.compensated"):
        assert errors(market.log.events) == []


def test_an_effect_that_is_lost_on_purpose_is_found_by_the_checks():
    assert {each.rule for each in errors(purchased("payment:card_declined", policy="none").log.events)} == {
        "stock-conserved"
    }
    believed = purchased("payment:card_declined", "release_stock:did_nothing", policy="temporal")
    assert believed.types[-1] == "transaction.compensated"
    rules = {each.rule for each in errors(believed.log.events)}
    assert rules == {"stock-conserved", "belief-is-truth", "reverted-once"}


def test_an_effect_that_is_lost_on_purpose_is_a_dead_letter_where_a_revert_is_verified():
    asked = purchased("payment:card_declined", "release_stock:did_nothing")
    end = asked.log.events[-1]
    assert isinstance(end, TransactionStuck)
    assert end.dead_letters == ["reserve_stock"]
    failed = [event for event in asked.log.events if isinstance(event, CompensationFailed)]
    assert [(event.code, event.retry) for event in failed] == [("not_reverted", "safe")] * 5
    assert {each.severity for each in examine(asked.log.events)} == {"warning"}
    assert errors(asked.log.events) == []
    cured = purchased("payment:card_declined", "release_stock:did_nothing@1-4")
    assert cured.types[-1] == "transaction.compensated"
    assert examine(cured.log.events) == []


def test_a_stream_that_refuses_an_event_is_no_answer_of_a_service():
    saga = Saga("trip")

    @saga.operation(service="desk")
    def book(call: Call) -> dict[str, object]:
        raise MarketError("the disk is full")

    market = shop()
    market.driver.begin(saga, POLICIES["default"], Tape(0), began())
    with pytest.raises(MarketError, match="the disk is full"):
        market.driver.run()


def test_an_event_of_no_transaction_is_recorded_as_well():
    market = shop(1)
    market.driver.record(LedgerPosted(postings=stock("laptop-1", 4, SUPPLIER, AVAILABLE), reason="restock"))
    assert market.world.available("laptop-1") == 5
    assert b'"reason":"restock"' in encode(market.log.events[-1])


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        ({"price": 99, "night": True}, "budget"),
        ({"price": 5, "night": True}, "no-night-trains"),
        ({"price": 5, "night": False}, ""),
    ],
)
def test_rules_that_are_data_are_asked_behind_the_guardrails(request_, rule):
    trip, log = Saga("trip"), MemoryLog()

    @trip.guardrail
    def budget(call: Call) -> str | None:
        return "too dear" if call.request["price"] > 9 else None

    @trip.declared
    def written_down(call: Call) -> tuple[str, str] | None:
        return ("no-night-trains", "it is late") if call.request["night"] else None

    driver = Driver(log, NoWorld(), Clock(START_US))
    wanted = TransactionBegan(transaction="tx-1", saga="trip", policy="default", request=request_, seed=0)
    driver.begin(trip, POLICIES["default"], Tape(0), wanted)
    driver.run()
    assert getattr(log.events[-1], "rule", "") == rule
