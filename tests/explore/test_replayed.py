"""A run of the search made again by the names of its faults and its turns, as a scenario has them."""

import pytest
from explore.small import RIGHT, keep, look, small_case, take
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketsim.explore.budget import allows, left_of
from marketsim.explore.faults import menus_of
from marketsim.explore.marketplace import market_case
from marketsim.explore.model import Bound
from marketsim.explore.run import replayed
from marketsim.explore.search import explore
from marketsim.explore.trial import Trial, counterexample, try_script
from marketsim.saga.events import encode
from marketsim.saga.policies import POLICIES

BOUND = Bound(faults=2, crashes=2, preemptions=2, customers=2, reduction=False)
CASES = {saga: market_case(saga) for saga in ("purchase", "checkout")}
MENUS = {saga: menus_of(case, BOUND) for saga, case in CASES.items()}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(CASES)), st.data())
def test_any_run_is_made_again_by_its_names_to_the_byte(saga, data):
    case, script = CASES[saga], b""
    for _ in range(data.draw(st.integers(0, 6))):
        tried = try_script(case, BOUND, MENUS[saga], script, None)
        left = left_of(BOUND, tried.taken)
        ways = [
            (at, value)
            for at, kinds in enumerate(tried.kinds)
            for value, kind in enumerate(kinds)
            if value and allows(left, kind)
        ]
        if not ways:
            break
        at, value = ways[data.draw(st.integers(0, len(ways) - 1))]
        script += bytes(at) + bytes([value])
    trial = Trial(case, BOUND, MENUS[saga], script)
    example = counterexample(trial, trial.run())
    again = replayed(case, example.faults, example.turns)
    assert [encode(event) for event in again.events] == [encode(event) for event in example.events]
    assert again.findings == example.findings


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "default"])
def test_each_policy_of_others_breaks_with_one_fault_at_most_and_again_by_its_name(policy):
    case = market_case("purchase", policy=policy)
    example = explore(case).counterexamples[0]
    assert example.size <= 1
    assert replayed(case, example.faults, example.turns).findings == example.findings


def test_without_reverts_the_stock_is_lost_with_one_fault():
    found = explore(market_case("purchase", policy="none"), Bound(faults=1, crashes=0), wanted=0)
    (lost,) = [example for example in found.counterexamples if "stock-conserved" in example.rules][:1]
    assert lost.size == 1
    assert found.seconds < 20


def test_what_is_stuck_is_tried_again_when_the_faults_are_over():
    judged = replayed(CASES["purchase"], [["place_order:abort@1", "refund_payment:error@1-5"]])
    types = [event.type for event in judged.events]
    assert types.index("transaction.stuck") < types.index("dead_letter.resolved")
    assert judged.findings == ()
    assert judged.healed


def test_what_cannot_be_reverted_even_then_is_told():
    case = small_case({"action": take, "revert": keep, "probe": look}, RIGHT)
    judged = replayed(case, [["take_2:abort@1"]])
    assert judged.healed
    assert judged.rules == ("quiescence",)
    assert judged.findings[0].operation == "take_1"
