"""Distributions in whole numbers: right, and the same everywhere."""

import hashlib
import math
from statistics import NormalDist

import pytest

from marketsim.saga.tape import Tape
from marketsim.simulate.chance import UNIT, exponential, fixed, logarithm, normal, power, quotient, tables

COUNT = 20_000
CRITICAL = 1.95 / math.sqrt(COUNT)
"""What the Kolmogorov-Smirnov statistic of so many draws exceeds once in a thousand times."""


def distance(draws, cumulated):
    """The Kolmogorov-Smirnov statistic: how far the draws are from a distribution."""
    ordered = sorted(draws)
    return max(
        max(abs(cumulated(each) - index / COUNT), abs(cumulated(each) - (index + 1) / COUNT))
        for index, each in enumerate(ordered)
    )


def test_no_knot_is_so_near_a_border_of_rounding_that_two_libraries_could_round_it_differently():
    for knots in tables():
        for knot in knots:
            scaled = knot * 2**24
            assert abs(scaled % 1 - 0.5) > 1e-5 or scaled == 0


def test_the_draws_are_those_that_were_always_drawn():
    tape = Tape(7)
    drawn = [(exponential(tape, f"e{each}"), normal(tape, f"n{each}")) for each in range(5_000)]
    digest = hashlib.sha256(repr(drawn).encode()).hexdigest()
    assert digest[:16] == "b8643b7508d6acec"


def test_the_logarithm_of_whole_numbers_is_near_enough():
    for number in [*range(1, 3_000), 10**9, 2**53, 2**53 - 1, 10**30]:
        assert logarithm(number) / UNIT == pytest.approx(math.log(number), abs=1e-6)
    assert logarithm(1) == 0
    assert quotient(300, 100) / UNIT == pytest.approx(math.log(3), abs=1e-6)


def test_a_power_is_near_enough_and_one_that_is_too_small_is_nothing():
    for exponent in (-20, -1.5, -0.001, 0, 0.5, 1, 3.25, 40):
        assert power(fixed(exponent)) / UNIT == pytest.approx(math.exp(exponent), rel=1e-6, abs=1e-11)
    assert power(fixed(-1000.0)) == 0


def test_exponential_draws_are_exponential():
    tape = Tape(1)
    draws = [exponential(tape, f"{each}") / UNIT for each in range(COUNT)]
    assert distance(draws, lambda x: 1 - math.exp(-x)) < CRITICAL


def test_normal_draws_are_normal_far_out_too():
    tape = Tape(2)
    draws = [normal(tape, f"{each}") / UNIT for each in range(COUNT)]
    assert distance(draws, NormalDist().cdf) < CRITICAL
    # More than 3 is drawn 27 times in 20,000 on average; 4 standard deviations are 21.
    assert abs(sum(each > 3 for each in draws) - 27) < 21


@pytest.mark.parametrize("draw", [exponential, normal])
def test_a_scripted_tape_draws_the_calm_value(draw):
    assert draw(Tape(), "x") == 0


@pytest.mark.parametrize("draw", [exponential, normal])
@pytest.mark.parametrize("drawn", [1, 2**53 - 2, 2**53 - 1])
def test_the_rarest_draws_are_values_too(draw, drawn):
    value = draw(Tape(choices={"x": drawn}), "x") / UNIT
    assert abs(value) < 37
