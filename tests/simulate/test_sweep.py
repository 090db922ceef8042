"""The grid of a sweep: its size is looked at first, and every point is run on the same tapes."""

from math import prod

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.market.purchase import purchase
from marketsim.saga.errors import InputError
from marketsim.simulate.sweep import RUNS_ASKED, RUNS_MAX, Run, seeds_of, sweep_of


class Options(msgspec.Struct):
    purchases: int = 1


def refused(*axes: str, repeat: int = 1, yes: bool = False) -> str:
    with pytest.raises(InputError) as wrong:
        sweep_of(axes, seed=1, repeat=repeat, yes=yes, saga=purchase, options=Options)
    return str(wrong.value)


def test_a_grid_has_every_combination_again_and_again_on_the_same_seeds():
    sweep = sweep_of(
        ["payment:card_declined%0..40/5", "policy=default,none"], seed=1, repeat=20, saga=purchase
    )
    runs = list(sweep.runs())
    assert len(runs) == len(sweep) == 9 * 2 * 20
    assert [run.index for run in runs] == list(range(360))
    assert len({(run.values, run.seed) for run in runs}) == 360
    assert {run.seed for run in runs if run.point == 0} == {run.seed for run in runs if run.point == 17}
    assert runs[25] == Run(
        *(25, 1, 5, sweep.seeds[5], ("0", "none")), faults=["payment:card_declined%0"], policy="none"
    )


def test_every_kind_of_axis_arrives_where_it_belongs():
    axes = ["gateway=none", "purchases=10", "payment:timeout_after@1%0.5", "policy=none"]
    run = next(iter(sweep_of(axes, seed=3, saga=purchase, options=Options).runs()))
    assert (run.gateway, run.policy, run.options) == ("none", "none", {"purchases": "10"})
    assert run.faults == ["payment:timeout_after@1%0.5"]


def test_without_axes_there_are_only_repeats():
    sweep = sweep_of([], seed=7, repeat=3)
    assert [(run.values, run.repeat, run.seed) for run in sweep.runs()] == [
        ((), number, seed) for number, seed in enumerate(sweep.seeds)
    ]
    assert sweep.name(1) == f"repeat 2 (seed {sweep.seeds[1]})"


def test_a_run_is_called_by_its_point():
    sweep = sweep_of(["payment:card_declined%0,5", "policy=default,none"], seed=1, repeat=2)
    assert sweep.name(5) == f"payment:card_declined%5, policy=default, repeat 2 (seed {sweep.seeds[1]})"


@given(st.integers(0, 2**63 - 1), st.integers(1, 50), st.integers(1, 50))
def test_the_first_seed_is_the_one_that_was_given_and_more_repeats_only_add(seed, few, more):
    seeds = seeds_of(seed, few + more)
    assert seeds[0] == seed
    assert seeds[:few] == seeds_of(seed, few)
    assert len(set(seeds)) == few + more
    assert all(0 <= each < 2**63 for each in seeds)


def test_the_seeds_never_change():
    assert seeds_of(1, 3) == (1, 604238342537463354, 1912114170593111960)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 3))
def test_the_size_is_the_product_and_indexes_count_through(sizes, repeat):
    axes = [f"a{number}={','.join(map(str, range(size)))}" for number, size in enumerate(sizes)]
    sweep = sweep_of(axes, seed=1, repeat=repeat)
    runs = list(sweep.runs())
    assert len(runs) == len(sweep) == prod(sizes) * repeat
    assert [run.index for run in runs] == [run.point * repeat + run.repeat for run in runs]
    assert [run.values for run in runs[::repeat]] == sweep.points == sorted(sweep.points)


# What is refused.


def test_a_sweep_of_a_thousand_million_points_is_refused_with_the_count_before_it_is_made():
    told = refused("purchases=1..1000000000/1", yes=True)
    assert told.startswith("--sweep: 1,000,000,000 points × 1 repeat are 1,000,000,000 runs")
    assert "10,000,000,000,000,000 runs" in refused(
        "a=1..1000000/1", "b=1..1000000/1", repeat=10_000, yes=True
    )


def test_a_large_sweep_has_to_be_meant():
    axis = f"purchases=1..{RUNS_ASKED + 1}/1"
    assert "add --yes if you mean it" in refused(axis)
    assert len(sweep_of([axis], seed=1, yes=True)) == RUNS_ASKED + 1
    assert len(sweep_of([f"purchases=1..{RUNS_ASKED}/1"], seed=1)) == RUNS_ASKED
    assert f"{RUNS_MAX:,} are the most" in refused(f"purchases=1..{RUNS_MAX + 1}/1", yes=True)


@pytest.mark.parametrize(
    ("axes", "told"),
    [
        (["policy=default,non"], "--sweep: no policy is called 'non' (did you mean 'none'?)"),
        (["gateway=strip"], "did you mean 'stripe'?"),
        (["payment:card_declned%0,5"], "--sweep: no fault is called 'card_declned'"),
        (["paymnt:card_declined%0,5"], "did you mean 'payment'?"),
        (["purchase=1,2"], "did you mean 'purchases'?"),
        (["policy=none", "policy=default"], "policy is varied twice"),
        (["a=1"] * 7, "7 axes"),
    ],
)
def test_names_that_do_not_exist_are_told_with_the_nearest(axes, told):
    assert told in refused(*axes)


@pytest.mark.parametrize("repeat", [0, -1, 10_001])
def test_repeats_are_at_least_one_and_not_without_end(repeat):
    assert refused(repeat=repeat) == f"--repeat: {repeat} repeats (give 1 to 10,000)"
