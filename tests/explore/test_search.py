"""The search: it tries everything once, the smallest first, and no less when it merges and cuts."""

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from explore.small import (
    FORGETFUL,
    PROBED,
    RIGHT,
    give,
    give_blindly,
    keep,
    look,
    shop,
    small_case,
    take,
    take_blindly,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketsim.explore.faults import tried_at
from marketsim.explore.known import Known
from marketsim.explore.marketplace import market_case, scenario_case
from marketsim.explore.model import Bound, Case, Exploration
from marketsim.explore.run import Judged, replayed
from marketsim.explore.search import explore
from marketsim.explore.trial import Trial
from marketsim.market.gateway import RULES
from marketsim.saga.definition import ROLES, Retry
from marketsim.saga.errors import InputError
from marketsim.saga.events import ENDS, Event, FaultInjected, LedgerPosted, TransactionEvent
from marketsim.saga.policies import POLICIES
from marketsim.saga.taxonomy import FAULTS

EVERY = 0
FEW = ("error", "timeout_before", "timeout_after", "abort")

"""Faults that any service can have: for certain, without an answer, and with the effect behind it."""


def sizes(exploration: Exploration) -> dict[str, tuple[int, int]]:
    """For each rule that is broken, with how many faults and crashes, and how many turns."""
    found: dict[str, tuple[int, int]] = {}
    for example in exploration.counterexamples:
        for rule in example.rules:
            found.setdefault(rule, (example.size, example.spent.preemptions))
    return found


def struck(events: Any) -> list[str]:
    """What was injected, as a scenario would have it."""
    return [
        f"{event.compensation or event.probe or event.operation}:{event.fault}@{event.attempt}"
        for event in events
        if isinstance(event, FaultInjected)
    ]


def by_hand(case: Case, names: tuple[str, ...], faults: int) -> set[frozenset[str]]:
    """Every set of faults that strikes as a whole, found by trying every set of that size."""
    (saga,) = set(case.sagas)
    bound = Bound(names=names)
    every = [
        f"{operation.point(role)}:{fault.name}@{attempt}"
        for operation in saga.operations.values()
        for role in ROLES
        if operation.point(role)
        for fault in tried_at(operation, role, bound)
        for attempt in range(1, 4)
    ]
    sets = [frozenset(each) for size in range(faults + 1) for each in combinations(every, size)]
    return {each for each in sets if set(struck(replayed(case, [sorted(each)]).events)) == each}


@pytest.mark.parametrize("operations", [[RIGHT], [PROBED], [RIGHT, {"action": take, "kind": "retriable"}]])
@pytest.mark.parametrize("faults", [0, 1, 2])
def test_every_set_of_faults_is_tried_once(operations, faults):
    case, names = small_case(*operations), ("error", "timeout_after")
    bound = Bound(faults=faults, crashes=0, customers=1, names=names, reduction=False)
    assert explore(case, bound, wanted=EVERY).runs == len(by_hand(case, names, faults))


def test_what_breaks_is_found_with_as_few_faults_as_it_takes():
    case = small_case(FORGETFUL, RIGHT)
    (example,) = explore(case, Bound(customers=1)).counterexamples
    assert example.size == 1
    assert replayed(case, example.faults).rules == example.rules


def test_what_takes_two_faults_is_not_found_with_one():
    case = small_case(FORGETFUL, RIGHT)  # The second operation is tried twice before it is given up.
    assert explore(case, Bound(faults=1, crashes=0, customers=1, names=("error",))).passed
    (example,) = explore(case, Bound(faults=2, crashes=0, customers=1, names=("error",))).counterexamples
    assert example.faults == (("take_2:error@1", "take_2:error@2"),)


CRASHES = ("crash_after_intent", "crash_after_effect", "crash_after_outcome")

OPERATIONS = st.fixed_dictionaries(
    {
        "action": st.sampled_from([take, take_blindly]),
        "revert": st.sampled_from([give, give_blindly, keep, None]),
        "probe": st.sampled_from([look, None]),
        "kind": st.sampled_from(["compensatable", "compensatable", "retriable", "pivot"]),
    },
    optional={"after": st.just([])},  # Side by side with the others.
)


def sagas(most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    every = st.lists(OPERATIONS, min_size=1, max_size=most)
    return every.filter(lambda made: sum(each["kind"] == "pivot" for each in made) <= 1)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sagas(2), st.sampled_from(["default", "none", "temporal", "agent-saga"]), st.booleans())
def test_of_any_small_saga_the_verdicts_are_the_same_without_reduction(operations, policy, dies):
    case = small_case(*operations, policy=policy)
    bound = Bound(faults=1 if dies else 2, crashes=int(dies), customers=1, names=(*FEW, *CRASHES))
    assert_no_reduction_is_needed(case, bound)


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sagas(2), st.integers(1, 2))
def test_of_any_two_customers_the_verdicts_are_the_same_without_reduction(operations, units):
    case = small_case(*operations, customers=2, units=units)
    assert_no_reduction_is_needed(case, Bound(faults=1, crashes=0, preemptions=1, names=FEW))


def assert_no_reduction_is_needed(case: Case, bound: Bound) -> None:
    its_ends, ends = set[object](), set[object]()
    reduced = explored(case, bound, lambda events: its_ends.add(end_of(events)))
    unreduced = msgspec.structs.replace(bound, reduction=False)
    whole = explored(case, unreduced, lambda events: ends.add(end_of(events)))
    assert its_ends == ends
    assert sizes(reduced) == sizes(whole)
    assert reduced.unreached == whole.unreached
    assert reduced.exhausted
    assert whole.exhausted
    assert reduced.runs <= whole.runs


def explored(case: Case, bound: Bound, told: Callable[[list[Event]], object]) -> Exploration:
    """What comes of it; each run that is made to its end is told of."""
    run = Trial.run

    def watched(trial: Trial) -> Judged:
        judged = run(trial)
        told(judged.events)
        return judged

    with patch.object(Trial, "run", watched):
        return explore(case, bound, wanted=EVERY)


def end_of(events: list[Event]) -> object:
    """How each transaction ended, and what it left in each account; whose it was is no matter."""
    ended: dict[str, list[str]] = {}
    moved: dict[str, Counter[str]] = {}
    for event in events:
        if isinstance(event, ENDS):
            ended.setdefault(event.transaction, []).append(event.type)
        elif isinstance(event, LedgerPosted) and event.transaction:
            for line in event.postings:
                place = f"{line.account.partition(':user-')[0]} {line.unit}"
                moved.setdefault(event.transaction, Counter())[place] += line.amount
    left = {name: sorted(place for place in each.items() if place[1]) for name, each in moved.items()}
    return repr(sorted((ends, left.get(name, [])) for name, ends in ended.items()))


@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sagas(2), st.integers(1, 2), st.sampled_from(["default", "none", "temporal", "camunda", "agent-saga"]))
def test_when_a_process_dies_under_two_customers_the_verdicts_are_the_same_without_reduction(
    operations, units, policy
):
    case = small_case(*operations, customers=2, units=units, policy=policy)
    assert_no_reduction_is_needed(case, Bound(faults=1, crashes=1, names=("timeout_after", *CRASHES)))


@pytest.mark.parametrize(
    ("faults", "crashes", "turns", "name"),
    [
        (0, 1, 1, "crash_after_outcome"),  # It kills one step after it was chosen.
        (0, 1, 2, "crash_after_intent"),
        (0, 1, 3, "crash_after_effect"),
        (1, 0, 2, "error"),
    ],
)
def test_whatever_may_befall_two_customers_befalls_them_in_the_reduced_search(faults, crashes, turns, name):
    case = msgspec.structs.replace(market_case("purchase"), alike=False)
    bound = Bound(faults=faults, crashes=crashes, preemptions=turns, names=(name,))
    assert befallen(case, bound) == befallen(case, msgspec.structs.replace(bound, reduction=False))


def befallen(case: Case, bound: Bound) -> set[str]:
    """What becomes of each transaction, event by event; from states that were seen it is gone on again."""
    found: set[str] = set()

    def told(events: list[Event]) -> None:
        own: dict[str, list[object]] = {}
        for event in events:
            if isinstance(event, TransactionEvent):
                what = (event.type, getattr(event, "operation", ""), getattr(event, "code", ""))
                own.setdefault(event.transaction, []).append(what)
        found.add(repr(sorted(own.items())))

    with patch.object(Known, "covers", lambda *_: False):
        explored(case, bound, told)
    return found


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["purchase", "purchase", "checkout"]),
    st.sampled_from(["default", *POLICIES]),
    st.sampled_from(["stripe", *RULES]),
    st.lists(st.sampled_from(sorted(FAULTS)), min_size=2, max_size=4, unique=True),
    st.integers(1, 2),
)
def test_whatever_strikes_two_purchases_the_verdicts_are_the_same_without_reduction(
    saga, policy, gateway, names, turns
):
    case = market_case(saga, policy=policy, gateway=gateway)
    assert_no_reduction_is_needed(case, Bound(faults=1, crashes=1, preemptions=turns, names=tuple(names)))


def test_a_crash_is_tried_while_two_calls_are_under_way_that_have_nothing_to_do_with_each_other():
    blindly = {"action": take_blindly, "revert": give}
    case = small_case(blindly, customers=2, units=2, policy="agent-saga")
    bound = Bound(faults=0, crashes=1, names=("crash_after_intent",))
    assert_no_reduction_is_needed(case, bound)
    # Only if one has taken its box and has no answer yet when the process dies under the other one.
    assert "idempotency" in sizes(explore(case, bound, wanted=EVERY))


@pytest.mark.parametrize(
    ("operations", "policy", "names"),
    [
        (
            [
                {"action": take_blindly, "revert": give_blindly, "time_limit_us": 1_000_000},
                {"probe": look, "time_limit_us": 2_000},
            ],
            "default",
            ("timeout_after", "connection_reset"),
        ),
        (
            [
                {"action": take_blindly, "revert": give, "time_limit_us": 30_000_000},
                {"revert": give_blindly, "probe": look, "time_limit_us": 2_000},
            ],
            "camunda",
            ("connection_reset", "timeout_before"),
        ),
    ],
)
def test_who_sets_a_timer_is_not_taken_to_do_so_at_any_time(operations, policy, names):
    case = small_case(*operations, customers=2, units=2, policy=policy)
    assert_no_reduction_is_needed(case, Bound(faults=2, crashes=0, preemptions=1, names=names))


@pytest.mark.parametrize("policy", ["default", "none", "agent-saga"])
def test_of_customers_who_want_different_things_little_is_tried_and_the_verdicts_are_the_same(
    tmp_path, policy
):
    apart = two_customers(tmp_path, "laptop-1", "mouse-1", policy=policy)
    together = msgspec.structs.replace(apart, groups=())
    bound = Bound(faults=1, crashes=0, names=("error", "timeout_after", "abort"))
    assert_no_reduction_is_needed(apart, bound)
    assert explore(apart, bound, wanted=EVERY).runs < explore(together, bound, wanted=EVERY).runs


def two_customers(folder: Path, *products: str, policy: str) -> Case:
    """Two who buy in a shop that has enough of each product for one of them alone."""
    shop = {
        "scenario": "two",
        "catalog": {
            "products": [
                {"id": name, "name": name, "price": 20, "inStock": 2} for name in ("laptop-1", "mouse-1")
            ],
            "users": [{"id": f"user-{number}", "name": "Customer"} for number in (1, 2)],
        },
        "purchases": [
            {"product": product, "quantity": 2, "customer": f"user-{number}"}
            for number, product in enumerate(products, 1)
        ],
        "expect": [{"checks": "all"}],
    }
    file = folder / "two.scenario.yaml"
    file.write_text(json.dumps(shop))
    return scenario_case(str(file), policy=policy)


@pytest.mark.parametrize("policy", ["default", "none", "saga-py", "camunda"])
def test_of_a_purchase_the_verdicts_are_the_same_without_reduction(policy):
    bound = Bound(faults=1, crashes=1, customers=1, names=(*FEW, "not_idempotent", "crash_after_effect"))
    assert_no_reduction_is_needed(market_case("purchase", policy=policy), bound)


@pytest.mark.parametrize("policy", ["default", "none", "saga-py", "agent-saga"])
def test_of_two_purchases_the_verdicts_are_the_same_without_reduction(policy):
    bound = Bound(faults=1, crashes=0, preemptions=1, names=("error", "timeout_after", "abort", "dirty_read"))
    assert_no_reduction_is_needed(market_case("purchase", policy=policy), bound)


def test_two_processes_give_the_same_and_so_does_one_of_which_one_dies():
    case, bound = small_case(PROBED, RIGHT, customers=2), Bound(faults=2, crashes=0, names=FEW)
    alone, both = (explore(case, bound, wanted=EVERY, processes=number) for number in (1, 2))
    assert (alone.runs, alone.cut, alone.states) == (both.runs, both.cut, both.states)
    assert sizes(alone) == sizes(both)


def test_what_was_not_finished_goes_on_from_its_file(tmp_path):
    case, bound = small_case(PROBED, FORGETFUL), Bound(faults=2, crashes=0, customers=1, names=FEW)
    whole, file = explore(case, bound, wanted=EVERY), tmp_path / "explore.json"
    little = Bound(faults=2, crashes=0, customers=1, names=FEW, runs_max=20)
    begun = explore(case, little, wanted=EVERY, checkpoint=file)
    assert not begun.exhausted
    assert begun.runs == 20
    ended = explore(case, bound, wanted=EVERY, resume=file)
    assert ended.exhausted
    assert sizes(ended) == sizes(whole)
    assert ended.states == whole.states


def test_a_file_of_another_exploration_is_refused(tmp_path):
    file = tmp_path / "explore.json"
    explore(small_case(PROBED), Bound(customers=1, runs_max=5), wanted=EVERY, checkpoint=file)
    with pytest.raises(InputError, match="another bound"):
        explore(small_case(PROBED), Bound(faults=2, customers=1), resume=file)
    file.write_text("{}")
    with pytest.raises(InputError, match="no checkpoint"):
        explore(small_case(PROBED), Bound(customers=1), resume=file)


@pytest.mark.parametrize("changed", ["policy", "requests", "opening", "sagas"])
def test_what_was_tried_of_another_case_proves_nothing_of_this_one(tmp_path, changed):
    file, case, bound = tmp_path / "explore.json", small_case(PROBED), Bound(customers=1)
    explore(case, Bound(customers=1, runs_max=5), wanted=EVERY, checkpoint=file)
    others = {
        "policy": POLICIES["none"],
        "requests": tuple({"other": 1} for _ in case.requests),
        "opening": lambda: shop(2),
        "sagas": small_case(PROBED | {"retry": Retry(attempts_max=7)}).sagas,
    }
    with pytest.raises(InputError, match="by other rules"):
        explore(msgspec.structs.replace(case, **{changed: others[changed]}), bound, resume=file)


def test_an_altered_file_is_refused_as_what_is_lost_would_count_as_tried(tmp_path):
    file = tmp_path / "explore.json"
    explore(small_case(PROBED), Bound(customers=1, runs_max=5), wanted=EVERY, checkpoint=file)
    kept = json.loads(file.read_bytes())
    kept["search"]["waiting"] = []
    file.write_text(json.dumps(kept))
    with pytest.raises(InputError, match="altered"):
        explore(small_case(PROBED), Bound(customers=1), resume=file)


@pytest.mark.parametrize(
    "change", [{"known": [["no number", [[0, 0, 0, False, False]]]]}, {"found": {"one-order": "/////w=="}}]
)
def test_a_file_that_cannot_be_taken_up_is_an_error_of_the_file(tmp_path, change):
    file = tmp_path / "explore.json"
    explore(small_case(PROBED), Bound(customers=1, runs_max=5), wanted=EVERY, checkpoint=file)
    search = msgspec.json.encode(json.loads(file.read_bytes())["search"] | change)
    sealed = {"format": 3, "sha256": sha256(search).hexdigest(), "search": msgspec.Raw(search)}
    file.write_bytes(msgspec.json.encode(sealed))
    with pytest.raises(InputError, match="cannot be taken up"):
        explore(small_case(PROBED), Bound(customers=1), resume=file)


def test_a_limit_that_is_reached_is_no_pass():
    case = small_case(RIGHT)
    assert not explore(case, Bound(customers=1, runs_max=3)).passed
    assert not explore(case, Bound(customers=1, seconds_max=1e-9)).passed
    assert explore(case, Bound(faults=1, crashes=0, customers=1, names=FEW)).passed


def test_memory_is_bounded_and_what_is_forgotten_is_tried_again():
    case = small_case(PROBED, PROBED, FORGETFUL)
    bound = {"faults": 2, "crashes": 1, "customers": 1, "names": (*FEW, *CRASHES)}
    whole, little = (explore(case, Bound(**bound, states_max=most), wanted=EVERY) for most in (10**6, 10))
    assert little.states == 10
    assert little.runs > whole.runs
    assert sizes(little) == sizes(whole)


def test_what_was_declared_in_vain_is_told():
    case = small_case({"action": take, "revert": give, "kind": "retriable"})
    found = explore(case, Bound(faults=1, crashes=0, customers=1, names=("error", "sent_twice")))
    assert set(found.unreached) == {"the revert give_1"}
    calm = explore(small_case(RIGHT), Bound(faults=0, crashes=0, customers=1))
    assert calm.unreached[0] == "the revert give_1"


def test_what_never_succeeds_is_told_since_little_was_tried_of_it():
    holding: dict[str, Any] = {}
    holding["itself"] = holding

    def take_badly(call: Any) -> dict[str, Any]:
        return holding

    case = small_case({"action": take_badly, "revert": give})
    found = explore(case, Bound(faults=0, crashes=0, customers=1))
    assert found.passed
    assert "the success of take_1" in found.unreached


def test_a_choice_that_is_not_on_the_tape_is_told_with_its_call():
    times = iter(range(10**6))

    def take_by_chance(call: Any) -> dict[str, Any]:
        return take(call) | {"ticket": next(times)}

    found = explore(small_case(RIGHT, {"action": take_by_chance, "revert": give}), Bound(customers=1))
    assert not found.passed
    assert found.irreproducible is not None
    assert (found.irreproducible.operation, found.irreproducible.attempt) == ("take_2", 1)


def test_a_choice_that_shows_only_in_who_is_called_is_told_too():
    times = iter(range(10**6))

    def fail_by_chance(call: Any) -> dict[str, Any]:
        return take_blindly(call) if next(times) % 2 else keep(call)

    found = explore(small_case({"action": fail_by_chance, "revert": give}), Bound(customers=1))
    assert found.irreproducible is not None
    assert found.irreproducible.operation == "take_1"


def test_the_last_box_is_sold_once_whoever_moves_first():
    case = small_case(PROBED, customers=2, units=1)
    assert explore(case, Bound(faults=1, crashes=1, preemptions=2, names=(*FEW, *CRASHES))).passed


def test_progress_is_told_as_it_comes():
    told = []
    explore(small_case(PROBED), Bound(faults=2, customers=1), progress=told.append)
    assert told[-1].runs > 0
    assert [each.depth for each in told] == sorted(each.depth for each in told)
