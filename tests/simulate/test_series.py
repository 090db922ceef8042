"""Counts over time: nothing is lost when buckets double, and runs add up."""

from hypothesis import given
from hypothesis import strategies as st

from marketsim.simulate.series import BUCKETS_MAX, Counts, Series

MOMENTS = st.lists(st.tuples(st.sampled_from(["sold", "refused"]), st.integers(0, 10**12)), max_size=60)


def series_of(moments: list[tuple[str, int]]) -> Counts:
    series = Series(("sold", "refused"))
    for name, since_us in moments:
        series.add(name, since_us)
    return series.told()


@given(MOMENTS)
def test_everything_is_counted_in_the_bucket_of_its_moment(moments):
    told = series_of(moments)
    for name, row in told.rows.items():
        assert len(row) <= BUCKETS_MAX
        for index, count in enumerate(row):
            low, high = index * told.width_us, (index + 1) * told.width_us
            assert count == sum(low <= since_us < high for each, since_us in moments if each == name)
    assert sum(map(sum, told.rows.values())) == len(moments)


@given(MOMENTS)
def test_a_bucket_is_no_wider_than_it_must_be(moments):
    told = series_of(moments)
    last_us = max((since_us for _, since_us in moments), default=0)
    assert told.width_us == 1_000_000 or last_us // (told.width_us // 2) >= BUCKETS_MAX


@given(MOMENTS, MOMENTS)
def test_two_runs_together_count_what_one_of_both_does(some, others):
    assert series_of(some).and_those(series_of(others)) == series_of(some + others)
