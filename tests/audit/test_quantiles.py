"""Quantiles are within the error that is stated, and the memory does not grow with the stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.quantiles import RELATIVE_ERROR_PPM, Histogram

NUMBERS = st.lists(st.integers(0, 10**15), min_size=1, max_size=300)


def filled(numbers: list[int]) -> Histogram:
    histogram = Histogram()
    for number in numbers:
        histogram.add(number)
    return histogram


@given(NUMBERS, st.integers(1, 1000))
def test_a_quantile_is_within_the_stated_error_of_the_number_at_its_rank(numbers, per_mille):
    true = sorted(numbers)[max(1, -(-len(numbers) * per_mille // 1000)) - 1]
    told = filled(numbers).quantile(per_mille)
    assert abs(told - true) * 1_000_000 <= true * RELATIVE_ERROR_PPM + 1_000_000


@given(st.lists(st.integers(0, 255), min_size=1))
def test_small_numbers_are_exact(numbers):
    assert filled(numbers).quantile(500) == sorted(numbers)[-(-len(numbers) // 2) - 1]


@given(NUMBERS)
def test_every_number_lies_in_the_bucket_it_is_counted_in(numbers):
    buckets = list(filled(numbers).buckets())
    assert sum(count for _, _, count in buckets) == len(numbers)
    for low, high, count in buckets:
        assert sum(low <= number <= high for number in numbers) == count
        assert (high - low) * 128 <= max(low, 128)


def test_there_are_never_more_buckets_than_128_for_each_bit():
    histogram = filled([(1 << bit) + step * (1 << bit) // 500 for bit in range(50) for step in range(500)])
    assert histogram.count == 25_000
    assert len(list(histogram.buckets())) <= 128 * 51


@pytest.mark.parametrize("per_mille", [1, 500, 1000])
def test_of_nothing_a_quantile_is_0_and_below_0_counts_as_0(per_mille):
    assert Histogram().quantile(per_mille) == 0
    assert filled([-5]).quantile(per_mille) == 0


def test_the_extremes_are_exact():
    histogram = filled([1_000_003, 7, 999_999_999])
    assert (histogram.smallest, histogram.largest, histogram.total) == (7, 999_999_999, 1_001_000_009)
    assert histogram.quantile(1000) <= histogram.largest


@given(NUMBERS, NUMBERS, st.integers(1, 1000))
def test_two_histograms_together_tell_what_one_of_all_the_numbers_does(some, others, per_mille):
    both = filled(some)
    other = filled(others)
    both.take(other.buckets(), other.smallest, other.largest)
    whole = filled(some + others)
    assert both.quantile(per_mille) == whole.quantile(per_mille)
    assert list(both.buckets()) == list(whole.buckets())
    assert (both.count, both.smallest, both.largest) == (whole.count, whole.smallest, whole.largest)
