"""The tape: a choice is a function of the seed and the point, whatever was chosen before."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.saga.tape import MILLION, Tape

seeds = st.integers(0, 2**63)
points = st.text(min_size=1, max_size=40)
ranges = st.integers(1, 10**12)


@given(seeds, st.lists(st.tuples(points, ranges), max_size=20, unique_by=lambda each: each[0]), st.randoms())
def test_the_same_point_has_the_same_value_in_any_order(seed, asked, shuffler):
    first = Tape(seed)
    values = {point: first.draw(point, many) for point, many in asked}
    shuffler.shuffle(asked)
    again = Tape(seed)
    assert {point: again.draw(point, many) for point, many in asked} == values


@given(seeds | st.none(), points, ranges)
def test_a_draw_is_one_of_the_alternatives(seed, point, alternatives):
    assert 0 <= Tape(seed).draw(point, alternatives) < alternatives


def test_the_values_of_a_seed_stay_the_same_from_version_to_version():
    tape = Tape(7)
    assert [tape.draw(f"tx-1/charge_payment@{n}/latency", 1000) for n in range(1, 5)] == [406, 261, 647, 524]


@given(seeds, seeds)
def test_seeds_differ(one, other):
    drawn = [[Tape(seed).draw(f"tx-{n}", 2**60) for n in range(3)] for seed in (one, other)]
    assert (drawn[0] == drawn[1]) is (one == other)


def test_without_a_seed_everything_is_calm():
    tape = Tape()
    assert [tape.draw("a", 9), tape.between("b", 5, 9), tape.chance("c", 999_999)] == [0, 5, False]


@given(seeds, points, st.integers(), ranges)
def test_what_is_scripted_wins_within_the_range(seed, point, value, alternatives):
    drawn = Tape(seed, {point: value}).draw(point, alternatives)
    assert drawn == min(max(value, 0), alternatives - 1)


@given(seeds, st.lists(points, min_size=1, max_size=10, unique=True))
def test_what_is_not_scripted_is_drawn_from_the_seed(seed, names):
    scripted, *others = names
    tape, plain = Tape(seed, {scripted: 1}), Tape(seed)
    assert [tape.draw(each, 99) for each in others] == [plain.draw(each, 99) for each in others]


@given(seeds, points)
def test_certainties_draw_nothing(seed, point):
    tape = Tape(seed)
    tape.record()
    assert tape.chance(point, MILLION) is True
    assert tape.chance(point, 0) is False
    assert tape.between(point, 4, 4) == 4
    assert tape.recorded() == {}


@given(seeds, st.integers(-(10**9), 10**9), st.integers(0, 10**9), points)
def test_a_number_between_two_is_between_them(seed, least, width, point):
    assert least <= Tape(seed).between(point, least, least + width) <= least + width


@given(seeds, st.lists(st.tuples(points, ranges), max_size=20, unique_by=lambda each: each[0]))
def test_a_recorded_tape_draws_the_same_without_the_seed(seed, asked):
    tape = Tape(seed)
    tape.record()
    values = [tape.draw(point, many) for point, many in asked]
    again = Tape(None, tape.recorded())
    assert [again.draw(point, many) for point, many in asked] == values


def test_nothing_is_recorded_until_it_is_asked_for():
    tape = Tape(1)
    tape.draw("early", 9)
    tape.record()
    tape.draw("late", 9)
    assert list(tape.recorded()) == ["late"]


@given(seeds)
def test_draws_are_roughly_uniform(seed):
    tape, many, draws = Tape(seed), 8, 4000
    counts = Counter(tape.draw(f"tx-{n}/call@1/latency", many) for n in range(draws))
    expected = draws / many
    chi_squared = sum((counts[value] - expected) ** 2 / expected for value in range(many))
    assert chi_squared < 45, "7 degrees of freedom: by chance less often than once in ten million"


@pytest.mark.parametrize("percent", [1, 20, 50, 95])
def test_a_chance_happens_as_often_as_it_says(percent):
    tape, draws = Tape(3), 20_000
    happened = sum(tape.chance(f"tx-{n}", percent * 10_000) for n in range(draws))
    assert abs(happened / draws - percent / 100) < 0.02
