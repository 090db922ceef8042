"""The numbers of a stream: what is counted, what is timed, and why transactions turned back."""

from typing import TYPE_CHECKING

import pytest

from marketsim.audit import stats
from marketsim.audit.stats import OTHERS, Numbers, Stats
from marketsim.saga import events as e

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def numbers_of(stream: "Stream") -> Numbers:
    seen = Stats()
    for event in stream.numbered():
        seen.see(event)
    return seen.told()


def test_types_and_outcomes_are_counted(new_stream):
    stream = new_stream().purchase("tx-1").reverted("tx-2").refund_refused("tx-3").rejected("tx-4")
    stream.begin("tx-5")
    told = numbers_of(stream)
    assert told.events == len(stream.events)
    assert sum(told.types.values()) == told.events
    assert told.types["transaction.began"] == 5
    assert told.outcomes == {"committed": 1, "compensated": 1, "stuck": 1, "rejected": 1}
    assert told.open == 1
    assert told.reverted_ppm == 500_000


def test_a_cause_is_the_failure_that_turned_a_transaction_back_and_how_those_ended(new_stream):
    stream = new_stream().purchase("tx-1").reverted("tx-2").refund_refused("tx-3").declined("tx-4")
    told = {(each.operation, each.code): each for each in numbers_of(stream).causes}
    assert told.keys() == {("place_order", "error"), ("charge_payment", "error")}
    order = told["place_order", "error"]
    assert (order.count, order.compensated, order.stuck, order.abandoned) == (2, 1, 1, 0)
    assert order.rate_ppm == 500_000
    assert told["charge_payment", "error"].abandoned == 1


def test_a_duration_is_from_the_intent_to_the_answer_of_the_same_attempt():
    told = Stats()
    place = {"transaction": "tx-1", "operation": "charge"}
    asked = {"key": "k", "kind": "compensatable", "service": "payment"}
    failed = {"code": "error", "reason": "no", "retry": "safe"}
    events = [
        (0, e.TransactionBegan(transaction="tx-1", saga="s", policy="default", request={}, seed=1)),
        (1, e.OperationStarted(**place, attempt=1, **asked)),
        (3, e.OperationFailed(**place, attempt=1, **failed)),
        (10, e.OperationStarted(**place, attempt=2, **asked)),
        (15, e.OperationSucceeded(**place, attempt=2)),
        (20, e.TransactionCommitted(transaction="tx-1")),
    ]
    for second, event in events:
        event.time = f"2025-01-01T00:00:{second:02}Z"
        told.see(event)
    (charge,) = told.told().operations
    assert (charge.name, charge.count, charge.failed) == ("charge", 2, 1)
    assert charge.p50_us == pytest.approx(2_000_000, rel=0.004)
    assert charge.max_us == 5_000_000
    assert told.told().transactions.max_us == 20_000_000


def test_an_intent_that_is_not_counted_still_times_the_answer_that_is(new_stream):
    seen = Stats()
    for event in new_stream().purchase().numbered():
        seen.see(event, counted=event.type == "operation.succeeded")
    told = seen.told()
    assert told.types == {"operation.succeeded": 5}
    assert all(each.count == 1 for each in told.operations)
    assert told.outcomes == {}


def test_reverts_are_timed_by_their_own_names(new_stream):
    told = numbers_of(new_stream().refund_refused())
    assert {each.name: (each.count, each.failed) for each in told.reverts} == {
        "refund_payment": (1, 1),
        "release_stock": (1, 0),
    }


def test_hostile_names_and_open_transactions_do_not_fill_the_memory(monkeypatch, new_stream):
    monkeypatch.setattr(stats, "NAMES_MAX", 2)
    monkeypatch.setattr(stats, "OPEN_MAX", 3)
    stream = new_stream().purchase("tx-1")
    for number in range(2, 7):
        stream.begin(f"tx-{number}")
    told = numbers_of(stream)
    assert {each.name for each in told.operations} == {"check_availability", "reserve_stock", OTHERS}
    assert told.open == 3
    assert told.untracked == 2


def test_of_an_empty_stream_everything_is_0():
    told = Stats().told()
    assert (told.events, told.open, told.reverted_ppm, told.first) == (0, 0, 0, "")
    assert told.transactions.p99_us == 0


def test_a_time_that_is_none_is_no_error():
    seen = Stats()
    seen.see(e.TransactionBegan(transaction="tx-1", saga="s", policy="p", request={}, seed=1, time="soon"))
    seen.see(e.TransactionCommitted(transaction="tx-1", time="later"))
    assert seen.told().outcomes == {"committed": 1}


def test_transactions_are_timed_by_how_they_ended(new_stream):
    stream = new_stream().purchase("tx-1").reverted("tx-2").refund_refused("tx-3").purchase("tx-4")
    told = numbers_of(stream)
    assert {each.name: each.count for each in told.ends} == {"committed": 2, "compensated": 1, "stuck": 1}
    assert told.transactions.count == sum(each.count for each in told.ends)
    assert told.transactions.max_us == max(each.max_us for each in told.ends)


def test_an_answer_to_a_later_attempt_is_a_retry(new_stream):
    stream = new_stream()
    stream.begin()
    stream.refuse("charge_payment")
    stream.start("charge_payment", attempt=2)
    stream.succeed("charge_payment", attempt=2)
    (charge,) = numbers_of(stream).operations
    assert (charge.count, charge.failed, charge.retries) == (2, 1, 1)


def test_who_has_the_moment_at_hand_may_tell_it(new_stream):
    seen, told = Stats(), numbers_of(new_stream().refund_refused())
    for event in new_stream().refund_refused().numbered():
        if type(event) in seen.wants:
            seen.wants[type(event)](event, event.seq * 1_000_000)
    assert seen.told().operations == told.operations
    assert seen.told().causes == told.causes
