"""Replay: what was recorded comes again, and whatever was altered afterwards is found."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from drivers.runs import (
    OPENING,
    Shop,
    began,
    begin,
    finished,
    next_process,
    purchased,
    recovered,
    replayed,
    shop,
)

from marketsim.drivers.replay import replay
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.purchase import purchase
from marketsim.market.world import World
from marketsim.saga.errors import InputError, MarketsimError
from marketsim.saga.events import (
    CatalogChanged,
    DeadLetterResolved,
    Event,
    FaultInjected,
    LedgerPosted,
    TransactionBegan,
    decode,
    encode,
)
from marketsim.saga.policies import POLICIES
from marketsim.saga.taxonomy import FAULTS

RUNS = {
    "committed": {},
    "declined": {"faults": ("payment:card_declined",)},
    "retried": {"faults": ("payment:insufficient_funds@1-2",)},
    "probed": {"faults": ("place_order:timeout_after",)},
    "unknown": {"faults": ("place_order:timeout_after", "find_order:timeout_before")},
    "suspended": {"faults": ("payment:authentication_required",)},
    "never came back": {"faults": ("payment:authentication_abandoned",)},
    "settled late": {"faults": ("payment:late_success",)},
    "cancelled": {"faults": ("notify_customer:cancel",)},
    "taken back": {"faults": ("reserve_stock:reservation_expired",)},
    "not reverted": {"faults": ("place_order:error", "release_stock:did_nothing@1")},
    "stuck": {"faults": ("place_order:timeout_after", "find_order:timeout_before", "refund_payment:error")},
    "abandoned": {"faults": ("payment:card_declined",), "policy": "none"},
    "rejected": {"quantity": 101},
    "left": {"faults": ("notifications:unreachable",)},
    "crashed": {"faults": ("payment:timeout_after@1", "charge_payment:crash_after_effect@2")},
    "crashed in a revert": {"faults": ("place_order:error", "refund_payment:crash_after_effect")},
    "by chance": {"faults": ("payment:error%60", "place_order:error%60"), "seed": 4},
    "out of stock": {"units": 0},
}


def recorded(run: dict[str, Any]) -> Shop:
    return purchased(*run.get("faults", ()), **{key: value for key, value in run.items() if key != "faults"})


ALL = pytest.mark.parametrize("run", RUNS.values(), ids=RUNS)


@ALL
def test_what_was_recorded_comes_again(run):
    market = recorded(run)
    again = replayed(market.log.events)
    assert (again.difference, again.complete) == (None, True)
    assert [encode(event) for event in again.compared] == market.lines[OPENING:]


@ALL
def test_a_record_that_stops_early_is_repeated_as_far_as_it_goes(run):
    events = recorded(run).log.events
    for size in range(OPENING + 1, len(events)):
        again = replayed(events[:size])
        assert (again.difference, again.complete) == (None, False), size
        assert len(again.compared) == size - OPENING


# What no replay can tell: numbers and hashes (the chain has them), times, the seed where nothing was
# left to chance, and the faults that were asked for: those that struck have events of their own.
CHAINED = {"seq", "time", "prev"}


def altered(value: Any) -> Iterator[Any]:
    """The value with one thing in it changed, of the same type."""
    match value:
        case bool():
            yield not value
        case int():
            yield value + 1
        case str():
            yield f"{value}x"
        case list():
            yield from (
                [*value[:at], new, *value[at + 1 :]] for at, each in enumerate(value) for new in altered(each)
            )
            yield from ([*value[:at], *value[at + 1 :]] for at in range(len(value)))
            if value:
                yield [*value, value[-1]]
        case dict():
            yield from (value | {key: new} for key, each in value.items() for new in altered(each))
            yield value | {"stranger": 1}
            yield from ({k: each for k, each in value.items() if k != key} for key in value)


def alterations(event: Event) -> Iterator[tuple[str, Event]]:
    line = msgspec.json.decode(encode(event))
    for name in line.keys() - CHAINED - {"type"}:
        if isinstance(event, TransactionBegan) and name in ("seed", "faults", "request", "transaction"):
            continue
        for new in altered(line[name]):
            with suppress(msgspec.ValidationError):  # What cannot even be read is found by the log.
                yield name, decode(msgspec.json.encode(line | {name: new}))


def is_crash(event: Event) -> bool:
    return isinstance(event, FaultInjected) and event.fault.startswith("crash")


@ALL
def test_any_field_of_any_event_that_was_altered_is_found(run):
    events = recorded(run).log.events
    tried = 0
    for at in range(OPENING, len(events)):
        for name, event in alterations(events[at]):
            told = (events[at].type, name, event)
            tried += 1
            try:
                again = replayed([*events[:at], event, *events[at + 1 :]])
            except InputError:
                assert name in ("saga", "policy"), told
                continue
            if name == "transaction":
                lost = again.difference is not None or not again.complete
                assert lost or is_crash(event), told
                continue
            assert again.difference is not None, told
            assert again.difference.seq >= events[at].seq, told
            assert len(again.compared) <= at - OPENING, "what differs was not found the same"
    assert tried >= len(events) - OPENING


# A process may die, or die again, at any event: where one did, a record with a recovery more, or an
# event earlier, is a record of something that can happen, and the chain alone knows that it did not.
@pytest.mark.parametrize("run", [run for name, run in RUNS.items() if "crashed" not in name])
def test_any_event_that_was_taken_out_doubled_or_moved_is_found(run):
    events = recorded(run).log.events
    for at in range(OPENING + 1, len(events)):
        without = [*events[:at], *events[at + 1 :]]
        again = replayed(without)
        assert again.difference is not None or not again.complete, events[at]
        doubled = replayed([*events[: at + 1], *events[at:]])
        assert doubled.difference is not None, events[at]
        if at < len(events) - 1 and encode(events[at]) != encode(events[at + 1]):
            moved = [*events[:at], events[at + 1], events[at], *events[at + 2 :]]
            assert replayed(moved).difference is not None, events[at]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("product", "laptop-2"),
        ("customer", "user-2"),
        ("customer", "user-9"),
        ("quantity", 2),
        ("quantity", 0),
    ],
)
def test_a_request_that_was_altered_is_found(key, value):
    events = copy.deepcopy(purchased().log.events)
    events[OPENING].request[key] = value
    again = replayed(events)
    assert again.difference is not None
    assert again.difference.seq > events[OPENING].seq


def test_another_fault_in_the_record_is_found():
    events = purchased("payment:card_declined").log.events
    at = next(n for n, each in enumerate(events) if each.type == "fault.injected")
    for name, fault in FAULTS.items():
        if name == "card_declined" or fault.outcome == "succeeded":
            continue
        other = msgspec.structs.replace(events[at], fault=name)
        assert replayed([*events[:at], other, *events[at + 1 :]]).difference is not None, name


def test_a_seed_that_decided_a_pause_cannot_be_altered():
    events = purchased("payment:error@1", seed=4).log.events
    events[OPENING] = msgspec.structs.replace(events[OPENING], seed=5)
    again = replayed(events)
    assert again.difference is not None
    assert again.difference.recorded.type == "operation.retry_scheduled"


def test_the_difference_shows_what_was_recorded_and_what_came():
    events = purchased().log.events
    paid = [n for n, each in enumerate(events) if isinstance(each, LedgerPosted)]
    at = next(n for n in paid if events[n].operation == "charge_payment")
    line = events[at].postings[1]
    cheaper = [events[at].postings[0], msgspec.structs.replace(line, amount_minor=1)]
    forged = msgspec.structs.replace(events[at], postings=cheaper)
    found = replayed([*events[:at], forged, *events[at + 1 :]]).difference
    assert found.seq == events[at].seq
    assert found.recorded.postings[1].amount_minor == 1
    assert found.replayed.postings[1].amount_minor == 75_000


def test_another_policy_takes_another_way():
    events = purchased("payment:card_declined").log.events
    again = replay(events[OPENING:], "tx-1", purchase, POLICIES["none"], World.of(events[:OPENING]))
    assert again.difference is not None
    assert again.difference.recorded.type == "transaction.compensating"


def test_another_world_takes_another_way():
    events = purchased().log.events
    again = replay(events[OPENING:], "tx-1", purchase, POLICIES["default"], World.of(events[: OPENING - 1]))
    assert again.difference is not None


def test_what_others_did_meanwhile_takes_effect():
    market = shop(1)
    begin(market, began(number=1))
    begin(market, began(number=2, seed=5), delay_us=1)
    events = finished(market).log.events
    assert replayed(events, "tx-1").difference is None
    assert replayed(events, "tx-2").difference is None
    own = [event for event in events if getattr(event, "transaction", "tx-2") == "tx-2"]
    loser = replayed(own, "tx-2")
    assert loser.difference is not None, "without the other one there would have been enough"


def test_a_restock_between_two_deaths_takes_effect():
    market = shop(1)
    begin(market, began("reserve_stock:crash_before_intent@1", quantity=1))
    with pytest.raises(BaseException):  # noqa: B017, PT011 - the process dies
        market.driver.run()
    market = next_process(market.log)
    market.driver.record(CatalogChanged(source="edit", customers=[{"id": "user-3", "name": "Zoe"}]))
    market.driver.record(LedgerPosted(postings=stock("laptop-1", 1, AVAILABLE, SUPPLIER), reason="stolen"))
    recovered(market)
    assert market.types[-1] == "transaction.compensated"
    again = replayed(market.log.events)
    assert (again.difference, again.complete) == (None, True)


def test_what_a_person_did_about_a_dead_letter_afterwards_is_no_difference():
    market = purchased("place_order:timeout_after", "find_order:timeout_before", "refund_payment:error")
    resolved = DeadLetterResolved(transaction="tx-1", operation="charge_payment", reason="by bank transfer")
    market.driver.record(resolved)
    assert replayed(market.log.events).difference is None


def test_a_replay_shows_what_it_compares():
    events, seen = purchased().log.events, []
    world = World.of(events[:OPENING])
    replay(events[OPENING:], "tx-1", purchase, POLICIES["default"], world, seen.append)
    assert [event.type for event in seen] == [event.type for event in events[OPENING:]]


def test_a_transaction_that_is_not_in_the_record_is_refused():
    events = purchased().log.events
    with pytest.raises(InputError, match="no beginning of 'tx-7'"):
        replay(events, "tx-7", purchase, POLICIES["default"], World())
    with pytest.raises(MarketsimError, match="no beginning of 'tx-1'"):
        replay(events[OPENING + 1 :], "tx-1", purchase, POLICIES["default"], World())
