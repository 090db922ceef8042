"""When customers come: the rates are those that were asked for."""

from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate.shops import came

from marketsim.saga.tape import Tape
from marketsim.simulate.arrivals import moments
from marketsim.simulate.model import Arrivals, FlashSale

SECOND_US = 1_000_000


def until(arrivals, end_us, seed=1):
    found = []
    for moment_us in moments(arrivals, Tape(seed)):
        if moment_us >= end_us:
            break
        found.append(moment_us)
    return found


@pytest.mark.parametrize("rate", [1, 3, 50, 0.25, 333.333])
def test_steady_arrivals_come_exactly_so_many_a_second(rate):
    found = list(islice(moments(Arrivals(steady=rate), Tape(1)), 1_000))
    assert found == [int(number * 1_000_000_000_000 // round(rate * 1_000_000)) for number in range(1_000)]


def test_the_count_of_steady_arrivals_in_a_while_is_rate_times_time():
    assert len(until(Arrivals(steady=50), 100 * SECOND_US)) == 5_000


@pytest.mark.parametrize("seed", range(8))
def test_a_poisson_count_is_within_its_confidence_bounds(seed):
    # Mean 5,000 and standard deviation 70.7: within 4 of them but for 6 in 100,000 seeds.
    found = until(Arrivals(poisson=50), 100 * SECOND_US, seed)
    assert abs(len(found) - 5_000) < 283


def test_poisson_counts_of_seconds_spread_as_their_mean():
    found = until(Arrivals(poisson=20), 500 * SECOND_US)
    counts = [0] * 500
    for moment_us in found:
        counts[moment_us // SECOND_US] += 1
    mean = sum(counts) / 500
    variance = sum((count - mean) ** 2 for count in counts) / 499
    # The index of dispersion times 499 is chi-squared: 1 plus or minus 4 times sqrt(2/499).
    assert abs(variance / mean - 1) < 0.26


def test_a_flash_sale_climbs_holds_and_falls_as_its_area_says():
    sale = FlashSale(base=10, peak=110, at="100s", ramp="50s", hold="100s")
    found = until(Arrivals(flash_sale=sale), 400 * SECOND_US)
    bounds = [0, 100, 125, 150, 250, 275, 300, 400]
    # Rate times time; a ramp of 50 s from 10 to 110 has 25 * (10 + 60) / 2 in its first half.
    expected = [1_000, 875, 2_125, 11_000, 2_125, 875, 1_000]
    for begins, ends, mean in zip(bounds, bounds[1:], expected, strict=False):
        count = sum(begins * SECOND_US <= each < ends * SECOND_US for each in found)
        assert abs(count - mean) < 4.5 * mean**0.5, (begins, ends)


def test_a_sale_without_a_ramp_jumps_and_without_a_base_ends():
    sale = FlashSale(base=0, peak=100, at="10s", hold="10s")
    found = list(moments(Arrivals(flash_sale=sale), Tape(1)))
    assert found[0] >= 10 * SECOND_US
    assert found[-1] < 20 * SECOND_US
    assert abs(len(found) - 1_000) < 130


@settings(max_examples=60, deadline=None)
@given(
    rates=st.tuples(st.integers(0, 500), st.integers(1, 2_000)),
    spans=st.tuples(st.integers(0, 20), st.integers(0, 20), st.integers(1, 20)),
    seed=st.integers(0, 5),
)
def test_time_never_runs_back_and_no_arrival_leaves_its_stretch(rates, spans, seed):
    at, ramp, hold = spans
    sale = FlashSale(base=rates[0], peak=rates[1], at=f"{at}s", ramp=f"{ramp}s", hold=f"{hold}s")
    found = list(islice(moments(Arrivals(flash_sale=sale), Tape(seed)), 300))
    assert found == sorted(found)
    if not rates[0]:
        assert all(at * SECOND_US <= each <= (at + 2 * ramp + hold) * SECOND_US for each in found)


def test_purchases_and_duration_end_it_whichever_comes_first():
    assert len(came({"arrivals": {"steady": 10}, "purchases": 7})) == 7
    assert len(came({"arrivals": {"steady": 10}, "duration": "2s"})) == 20
    assert len(came({"arrivals": {"steady": 10}, "duration": "2s", "purchases": 7})) == 7
    assert len(came({"arrivals": {"steady": 10}, "duration": "2s", "purchases": 70})) == 20
