"""Shrinking: nothing that is left can go, and it fails as it did."""

from functools import partial

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.explore.marketplace import market_case
from marketsim.explore.model import Bound, Case, Cost, Counterexample
from marketsim.explore.run import replayed
from marketsim.explore.search import explore
from marketsim.explore.shrink import Candidate, Shrunk, fails_alike, replay, shrink, simpler
from marketsim.market.sagas import saga_for
from marketsim.saga.policies import POLICIES

SMALL = Bound(faults=1, crashes=1, customers=2, preemptions=1, runs_max=600)


def made(case: Case, *faults: list[str], turns: dict[str, int] | None = None) -> Counterexample:
    """The counterexample that these faults are, with whatever they find."""
    texts = tuple(tuple(each) for each in faults)
    judged = replayed(case, texts, turns)
    events = tuple(judged.events)
    return Counterexample(judged.findings, judged.healed, texts, turns or {}, Cost(), events)


def shrunk(saga: str, policy: str, *faults: list[str], rule: str = "", runs_max: int = 500) -> Shrunk:
    case = market_case(saga, policy=policy)
    saga_of = partial(saga_for, saga)
    return shrink(case, made(case, *faults), rule=rule, saga_of=saga_of, runs_max=runs_max)


def left(of: Shrunk, saga: str) -> list[Candidate]:
    """What is simpler and fails alike all the same."""
    counterexample = of.counterexample
    here = Candidate(of.case, counterexample.faults, counterexample.turns)
    ways = [(each, replay(each)) for each in simpler(here, partial(saga_for, saga))]
    return [
        each
        for each, judged in ways
        if judged is not None and fails_alike(judged, of.finding, counterexample.healed)
    ]


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "default"])
@pytest.mark.parametrize("saga", ["purchase", "checkout"])
def test_nothing_of_what_is_left_can_go_and_it_fails_as_before(saga, policy):
    case = market_case(saga, policy=policy)
    rules = set()
    for found in explore(case, SMALL, wanted=0).counterexamples:
        for rule in set(found.rules) - rules:
            rules.add(rule)
            small = shrink(case, found, rule=rule, saga_of=partial(saga_for, saga))
            assert small.minimal
            assert rule in small.counterexample.rules
            assert small.counterexample.size <= found.size
            assert left(small, saga) == []
    assert rules


FAULTS = [
    "check_availability:crash_after_outcome@1",
    "reserve_stock:slow@1",
    "reserve_stock:webhook_duplicate@1",
    "payment:card_declined",
    "charge_payment:timeout_after@1-3",
    "charge_payment:late_success@2",
    "charge_payment:crash_in_recovery@1",
    "place_order:error",
    "release_stock:wrong_amount@*",
    "refund_payment:did_nothing@1",
    "notify_customer:bounced@1",
]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["none", "orra", "temporal", "agent-saga"]),
    st.lists(st.lists(st.sampled_from(FAULTS), max_size=3, unique=True), min_size=1, max_size=2),
)
def test_whatever_fails_shrinks_to_what_nothing_can_be_taken_from(policy, faults):
    case = market_case("purchase", policy=policy)
    found = made(case, *faults)
    if not found.findings:
        return
    small = shrink(case, found, saga_of=partial(saga_for, "purchase"))
    assert small.minimal
    assert len(small.counterexample.faults) <= len(faults)
    assert sum(map(len, small.counterexample.faults)) <= sum(map(len, faults))
    assert left(small, "purchase") == []
    assert shrink(case, found, saga_of=partial(saga_for, "purchase")) == small


def test_customers_and_faults_that_do_not_matter_go():
    small = shrunk(
        "purchase", "none", ["check_availability:abort"], ["payment:card_declined", "reserve_stock:slow"]
    )
    assert small.counterexample.faults == (("payment:card_declined@1",),)
    assert [request["customer"] for request in small.case.requests] == ["user-2"]
    assert small.counterexample.spent == Cost(faults=1)


def test_the_turns_of_who_stays_keep_their_meaning_when_another_goes():
    turns = {"tx-1/turn": 1, "tx-2/charge_payment@1/turn": 2, "tx-2/turn#2": 1}
    faults = (("check_availability:abort@1",), ("payment:card_declined@1",))
    ways = simpler(Candidate(market_case("purchase"), faults, turns))
    without_first, without_second = next(ways), next(ways)
    assert without_first.faults == faults[1:]
    assert without_first.case.requests[0]["customer"] == "user-2"
    assert without_first.turns == {"tx-1/charge_payment@1/turn": 2, "tx-1/turn#2": 1}
    assert without_second.faults == faults[:1]
    assert without_second.turns == {"tx-1/turn": 1}


def test_turns_become_calm_where_they_do_not_matter():
    case = market_case("purchase", policy="saga-py")
    turns = {"tx-1/check_availability@1/turn": 1, "tx-2/notify_customer@1/turn": 1}
    small = shrink(case, made(case, [], ["notify_customer:slow@1"], turns=turns))
    assert small.counterexample.turns == {"tx-1/check_availability@1/turn": 1}
    assert small.counterexample.spent == Cost(preemptions=1)
    assert len(small.case.requests) == 2


def test_every_attempt_becomes_the_first_and_two_deaths_become_one():
    small = shrunk(
        "purchase", "temporal", ["charge_payment:crash_in_recovery@*", "charge_payment:key_expired"]
    )
    assert small.counterexample.faults == (
        ("charge_payment:crash_after_effect@1", "charge_payment:key_expired@1"),
    )


def test_the_cart_gets_shorter_and_the_quantity_lower():
    small = shrunk("checkout", "none", ["payment:card_declined"])
    assert small.case.requests == ({"customer": "user-1", "cart": [{"product": "laptop-1", "quantity": 1}]},)
    assert set(small.case.sagas[0].operations) & {"reserve_stock.mouse-1"} == set()


def test_the_rule_that_is_asked_for_stays_broken():
    faults = ["place_order:error", "charge_payment:late_success@1"]
    for rule in ("stock-conserved", "lifecycle"):
        small = shrunk("purchase", "none", faults, rule=rule)
        assert small.finding.rule == rule
        assert rule in small.counterexample.rules


def test_after_so_many_runs_it_stops_and_says_that_more_could_go():
    faults = ["notify_customer:bounced@1", "payment:card_declined", "reserve_stock:slow"]
    small = shrunk("purchase", "none", faults, runs_max=2)
    assert not small.minimal
    assert small.runs == 2
    assert len(small.counterexample.faults[0]) == 2
    assert small.counterexample.findings


def test_what_does_not_come_again_stays_as_it_was():
    case = market_case("purchase")
    wrong = made(market_case("purchase", policy="none"), ["payment:card_declined"])
    small = shrink(case, wrong)
    assert not small.minimal
    assert small.counterexample == wrong


def test_a_finding_is_not_taken_for_another_at_another_operation():
    judged = replayed(market_case("purchase", policy="none"), [["payment:card_declined"]])
    finding = judged.findings[0]
    assert fails_alike(judged, finding)
    assert not fails_alike(judged, msgspec.structs.replace(finding, operation="elsewhere"))
    assert not fails_alike(judged, msgspec.structs.replace(finding, rule="money-conserved"))
    assert not fails_alike(msgspec.structs.replace(judged, healed=True), finding, healed=False)
