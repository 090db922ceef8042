"""Intervals: known quantiles, as much cover as they promise, and differences run by run."""

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.simulate.intervals import (
    Interval,
    differences,
    interval,
    point_rows,
    run_rows,
    summary,
    t_quantile,
)
from marketsim.simulate.sweep import sweep_of


@pytest.mark.parametrize(
    ("freedom", "level", "known"),
    [
        (1, 0.95, 12.7062), (2, 0.95, 4.3027), (3, 0.95, 3.1824), (4, 0.95, 2.7764), (5, 0.95, 2.5706),
        (9, 0.95, 2.2622), (10, 0.95, 2.2281), (19, 0.95, 2.0930), (30, 0.95, 2.0423), (60, 0.95, 2.0003),
        (120, 0.95, 1.9799), (9_999, 0.95, 1.9602), (1, 0.99, 63.6567), (10, 0.99, 3.1693),
        (30, 0.90, 1.6973), (1, 0.5, 1.0),
    ],
)  # fmt: skip
def test_the_quantiles_are_those_of_the_tables(freedom, level, known):
    assert t_quantile(freedom, level) == pytest.approx(known, abs=5e-5)


def test_quantiles_fall_with_more_runs_towards_the_normal_one():
    quantiles = [t_quantile(freedom) for freedom in range(1, 300)]
    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[-1] > 1.959964


def test_one_run_tells_nothing_of_how_sure_it_is():
    assert interval([7]) == Interval(1, 7.0, None)


def test_an_interval_by_hand():
    # 2, 4, 9: the mean is 5, the variance 13, the standard error the root of 13 / 3.
    each = interval([2, 4, 9])
    assert (each.runs, each.mean) == (3, 5.0)
    assert each.half == pytest.approx(4.302653 * (13 / 3) ** 0.5, rel=1e-6)


@given(st.lists(st.integers(-(10**15), 10**15), min_size=2, max_size=30), st.randoms())
def test_means_are_exact_whatever_the_order(numbers, random):
    before = interval(numbers)
    assert Fraction(before.mean) == Fraction(float(Fraction(sum(numbers), len(numbers))))
    random.shuffle(numbers)
    assert interval(numbers) == before
    assert (before.half == 0) == (len(set(numbers)) == 1)


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=10), st.integers(10**12, 10**14))
def test_large_amounts_lose_no_digit_of_their_scatter(numbers, far):
    assert interval([each + far for each in numbers]).half == interval(numbers).half


@pytest.mark.parametrize("runs", [2, 5, 20])
def test_intervals_hold_the_true_mean_as_often_as_they_say(runs):
    # 4,000 samples: a share of 95 % scatters by 0.34 points, so that 1.5 points are four times that.
    random, held = Random(runs), 0
    for _ in range(4_000):
        each = interval([round(random.gauss(500, 1_000_000)) for _ in range(runs)])
        held += abs(each.mean - 500) <= (each.half or 0)
    assert held / 4_000 == pytest.approx(0.95, abs=0.015)


SWEEP = sweep_of(["payment:card_declined%0,5", "policy=default,none"], seed=1, repeat=3)
RESULTS = {
    run.index: {"sold": 100 - 10 * run.point + run.repeat, "lost_minor": run.point * 7 + 100 * run.repeat}
    for run in SWEEP.runs()
}


def test_every_point_has_the_mean_of_its_runs():
    points = summary(SWEEP, RESULTS)
    assert [point.values for point in points] == SWEEP.points
    assert [point.figures["sold"] for point in points] == [
        interval([100 - 10 * point, 101 - 10 * point, 102 - 10 * point]) for point in range(4)
    ]


def test_a_policy_is_compared_with_the_first_run_by_run():
    changes = differences(SWEEP, RESULTS)
    assert [(each.values, each.base, each.other) for each in changes] == [
        (("0", "none"), "default", "none"),
        (("5", "none"), "default", "none"),
    ]
    # What a tape brings is the same on both sides, so that nothing scatters here.
    assert changes[0].figures == {"sold": Interval(3, -10.0, 0.0), "lost_minor": Interval(3, 7.0, 0.0)}


def test_any_axis_can_be_compared_and_one_that_is_not_there_compares_nothing():
    changes = differences(SWEEP, RESULTS, "payment:card_declined")
    assert [(each.values, each.figures["sold"].mean) for each in changes] == [
        (("5", "default"), -20.0),
        (("5", "none"), -20.0),
    ]
    assert differences(SWEEP, RESULTS, "gateway") == []


def test_what_was_not_run_is_missing_and_nothing_else():
    there = {index: RESULTS[index] for index in (0, 1, 3, 9, 10, 11)}
    points = summary(SWEEP, there)
    assert [point.runs for point in points] == [2, 1, 0, 3]
    assert points[2].figures == {}
    assert [change.runs for change in differences(SWEEP, there)] == [1, 0]
    assert len(run_rows(SWEEP, there)) == 6
    assert [row["runs"] for row in point_rows(SWEEP, there)] == [2, 1, 0, 3]


def test_rows_are_flat_with_the_axes_first():
    assert run_rows(SWEEP, RESULTS)[0] == {
        "payment:card_declined %": 0,
        "policy": "default",
        "repeat": 1,
        "seed": 1,
        "sold": 100,
        "lost_minor": 0,
    }
    row = point_rows(SWEEP, RESULTS)[0]
    half = interval([100, 101, 102]).half
    assert half is not None
    assert (row["runs"], row["sold_mean"], row["sold_low"], row["sold_high"]) == (
        3,
        101,
        101 - half,
        101 + half,
    )


@pytest.mark.parametrize(
    ("axis", "cells"),
    [
        ("a=1..2/0.5", [1, 1.5, 2]),
        ("a=1s..2s/1s", ["1s", "2s"]),
        ("a=1,2.5", [1, 2.5]),
        ("a=1,x", ["1", "x"]),
        ("policy=default,none", ["default", "none"]),
    ],
)
def test_what_is_a_number_in_every_row_is_one_in_the_table(axis, cells):
    sweep = sweep_of([axis], seed=1)
    rows = run_rows(sweep, {index: {} for index in range(len(sweep))})
    assert [row[sweep.axes[0].label] for row in rows] == cells
