"""Clocks: virtual time stands still until it is moved, and only runs forward."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.drivers.clock import Clock, RealClock, now_us, parse_time, stamp
from marketsim.saga.errors import InputError

moments = st.integers(0, 250_000_000_000_000_000)


@given(moments)
def test_a_stamp_is_read_as_the_moment_it_was(moment):
    assert parse_time(stamp(moment)) == moment
    assert Clock(moment).stamp() == stamp(moment)


@given(st.lists(moments, min_size=1))
def test_time_never_runs_back(targets):
    clock, reached = Clock(0), 0
    for target in targets:
        clock.advance(target)
        reached = max(reached, target)
        assert clock.now_us == reached
        assert clock.stamp() == stamp(reached)


def test_a_stamp_is_rfc_3339_with_microseconds():
    assert stamp(1_700_000_000_000_042) == "2023-11-14T22:13:20.000042Z"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01", 0),
        ("1970-01-01T00:00:00.5Z", 500_000),
    ],
)
def test_times_of_other_spellings_are_read(text, moment):
    assert parse_time(text) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "١٩٧٠"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(InputError, match="is not a time"):
        parse_time(text)


def test_real_time_is_waited_for():
    clock = RealClock(now_us())
    began = time.monotonic()
    clock.advance(clock.now_us + 30_000)
    assert time.monotonic() - began >= 0.025
    clock.advance(0)
    assert time.monotonic() - began < 5
