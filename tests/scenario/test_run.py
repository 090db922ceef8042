"""Running a scenario: in memory or kept, one after another or overlapping, and through every crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from marketsim.drivers.clock import parse_time
from marketsim.saga.errors import InputError, MarketError
from marketsim.saga.events import ProcessRecovered, TransactionBegan, encode
from marketsim.saga.taxonomy import FAULTS
from marketsim.scenario.load import load_scenario
from marketsim.scenario.model import Purchase
from marketsim.scenario.run import START, run_scenario

TEXT = """\
scenario: any
seed: 11
catalog:
  products: [{id: laptop-1, name: Laptop, price: 750, inStock: 20}]
  users: [{id: user-1, name: Ada}, {id: user-2, name: Grace}]
purchases:
  - {product: laptop-1, customer: user-1}
expect:
  - {checks: all}
"""
CRASHES = [name for name, fault in FAULTS.items() if fault.outcome == "crash"]
POINTS = ["check_availability", "reserve_stock", "charge_payment", "place_order", "notify_customer"]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    path = tmp_path_factory.mktemp("scenario") / "any.yaml"
    path.write_text(TEXT)
    return load_scenario(path)


def of(scenario, *faults, starts_us=()):
    """The scenario with one purchase for each list of faults."""
    purchases = [
        Purchase(f"user-{n % 2 + 1}", "laptop-1", quantity=1, faults=list(each))
        for n, each in enumerate(faults)
    ]
    return structs.replace(scenario, purchases=purchases, starts_us=list(starts_us))


def test_a_scenario_begins_at_a_fixed_moment_and_nothing_but_time_is_left_out(scenario):
    result = run_scenario(scenario)
    assert {event.time for event in result.events[:4]} == {START}
    assert [event.seq for event in result.events] == list(range(1, len(result.events) + 1))
    assert (result.courses[0].transaction, result.courses[0].outcome) == ("tx-1", "committed")
    assert result.policy == "default"


def test_running_again_changes_nothing_of_the_scenario(scenario, tmp_path):
    before = run_scenario(scenario).events
    run_scenario(scenario, keep=tmp_path / "kept")
    assert [encode(event) for event in run_scenario(scenario).events] == [encode(event) for event in before]


def test_the_seed_decides_how_long_things_take(scenario):
    one, other = run_scenario(scenario), run_scenario(structs.replace(scenario, seed=12))
    assert one.events[-1].time != other.events[-1].time


def test_another_policy_takes_the_place_of_the_scenarios_own(scenario):
    declined = of(scenario, ["payment:card_declined"])
    assert run_scenario(declined).courses[0].outcome == "compensated"
    result = run_scenario(declined, policy="none")
    assert (result.policy, result.courses[0].outcome) == ("none", "abandoned")
    assert [failure.what for failure in result.failures] == ["check stock-conserved"]
    with pytest.raises(InputError, match="no policy is called"):
        run_scenario(scenario, policy="non")


def test_who_watches_sees_every_event_of_the_purchases_as_it_is_recorded(scenario, tmp_path):
    for keep in (None, tmp_path / "kept"):
        seen = []
        result = run_scenario(of(scenario, ["payment:card_declined"], []), keep=keep, watch=seen.append)
        assert [event.seq for event in seen] == [
            event.seq for course in result.courses for event in course.events
        ]


def test_a_kept_market_wants_a_folder_of_its_own(scenario, tmp_path):
    (tmp_path / "note.txt").write_text("")
    with pytest.raises(MarketError, match="this is no empty folder"):
        run_scenario(scenario, keep=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_without_a_time_each_purchase_waits_for_the_one_before(scenario):
    result = run_scenario(of(scenario, [], ["payment:gateway_down@1"], []))
    names = [event.transaction for course in result.courses for event in course.events]
    own = [event.transaction for event in result.events if getattr(event, "transaction", "")]
    assert own == names
    times = [course.events[0].time for course in result.courses]
    assert times[1:] == [course.end.time for course in result.courses[:-1]]


def test_with_a_time_each_purchase_begins_at_its_own_and_they_overlap(scenario):
    starts_us = [3_000, 0, 60_000_000]
    result = run_scenario(of(scenario, [], [], [], starts_us=starts_us))
    for course, start_us in zip(result.courses, starts_us, strict=True):
        assert parse_time(course.events[0].time) == parse_time(START) + start_us
    first, second, third = (course.events for course in result.courses)
    assert second[0].seq < first[0].seq < second[-1].seq
    assert third[0].seq > max(first[-1].seq, second[-1].seq)


def test_a_time_is_kept_when_the_process_died_before_it_came(scenario):
    faults = [["place_order:crash_after_effect"], [], ["charge_payment:crash_after_intent"]]
    starts_us = [0, 30_000_000, 60_000_000]
    result = run_scenario(of(scenario, *faults, starts_us=starts_us))
    for course, start_us in zip(result.courses, starts_us, strict=True):
        assert course.outcome == "committed"
        assert parse_time(course.events[0].time) == parse_time(START) + start_us
    recovered = [event.transaction for event in result.events if isinstance(event, ProcessRecovered)]
    assert recovered == ["tx-1", "tx-3"]


def test_a_fault_that_never_struck_is_noted(scenario):
    never = ["payment:card_declined@2", "release_stock:error", "payment:processing_error@3-4"]
    struck = ["payment:processing_error@1", "payment:card_declined@2", "release_stock:error@1"]
    result = run_scenario(of(scenario, never, ["notifications:unreachable%0.0001"], struck))
    assert result.passed
    assert [note.partition(":")[0] for note in result.notes] == ["purchase 1"] * 3 + ["purchase 2"]
    assert [note.partition("the fault ")[2] for note in result.notes] == [
        *(f"{fault} never struck: nothing reached it" for fault in never),
        "notifications:unreachable%0.0001 never struck: by chance, or nothing reached it",
    ]


def test_a_process_may_die_in_every_purchase_and_the_next_one_goes_on(scenario):
    faults = [[f"{point}:{crash}"] for point in POINTS for crash in CRASHES]
    result = run_scenario(of(scenario, *faults[:20]))
    assert {course.outcome for course in result.courses} == {"committed"}
    assert all(any(isinstance(each, ProcessRecovered) for each in course.events) for course in result.courses)
    assert result.world.available("laptop-1") == 0
    assert result.notes == []
    assert result.passed


@given(
    faults=st.lists(
        st.lists(
            st.sampled_from(
                [
                    *(f"{point}:{crash}" for point in POINTS for crash in CRASHES),
                    *(
                        f"{revert}:{crash}"
                        for revert in ("release_stock", "refund_payment")
                        for crash in CRASHES
                    ),
                    "payment:card_declined",
                    "payment:timeout_after@1-2",
                    "place_order:timeout_before",
                    "place_order:error",
                    "refund_payment:timeout_after@1",
                ]
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=4,
    ),
    together=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_whatever_strikes_every_purchase_ends_and_the_books_balance(scenario, faults, together, seed):
    starts_us = [n * 20_000 for n in range(len(faults))] if together else []
    result = run_scenario(structs.replace(of(scenario, *faults, starts_us=starts_us), seed=seed))
    assert result.failures == []
    assert {course.outcome for course in result.courses} <= {"committed", "compensated"}
    began = [event.transaction for event in result.events if isinstance(event, TransactionBegan)]
    assert sorted(began) == sorted(course.transaction for course in result.courses)
    sold = sum(course.outcome == "committed" for course in result.courses)
    assert result.world.available("laptop-1") == 20 - sold
