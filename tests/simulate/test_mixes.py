"""The mixes that ship: each of their faults can happen, and says where its rate comes from."""

import pytest

from marketsim.saga.faults import parse_fault
from marketsim.simulate.load import pattern_of
from marketsim.simulate.mixes import MIXES


@pytest.mark.parametrize("saga", ["purchase", "checkout"])
@pytest.mark.parametrize("name", sorted(MIXES))
def test_every_fault_of_a_mix_can_happen_by_chance_and_has_its_source(name, saga):
    mix = MIXES[name]
    assert mix.sentence.endswith(".")
    for share in mix.shares:
        rule = parse_fault(share.fault, pattern_of(saga))
        assert 0 < rule.probability_ppm <= 100_000
        assert rule.fault.outcome != "crash"
        assert share.source.endswith(".")


def test_no_mix_says_one_fault_twice_and_no_name_could_be_a_fault():
    for mix in MIXES.values():
        faults = [share.fault for share in mix.shares]
        assert len(faults) == len(set(faults))
        assert ":" not in mix.name


def test_a_bad_day_has_more_of_what_an_ordinary_one_has():
    def rates(name):
        rules = [parse_fault(share.fault, pattern_of("purchase")) for share in MIXES[name].shares]
        return {(rule.target, rule.fault.name): rule.probability_ppm for rule in rules}

    typical, bad = rates("typical"), rates("bad-day")
    assert all(bad[each] >= typical[each] for each in typical.keys() & bad.keys())
    assert sum(bad.values()) > 2 * sum(typical.values())
