"""What a service lets through: held against hand-computed queues, and against a queue's known formula."""

from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.saga.tape import Tape
from marketsim.simulate.chance import UNIT, exponential
from marketsim.simulate.limits import CircuitBreaker, Servers, TokenBucket
from marketsim.simulate.model import Breaker

SECOND_US = 1_000_000


def test_one_server_works_on_one_call_after_another():
    servers = Servers(1)
    assert [servers.take(now, 10) for now in (0, 1, 2, 50)] == [10, 19, 28, 10]


def test_two_servers_take_the_calls_in_the_order_in_which_they_came():
    servers = Servers(2)
    # Works of 10, 4, 6, 1: the third begins at 4 when the second is done, the fourth at 10.
    assert [servers.take(now, work) for now, work in ((0, 10), (0, 4), (1, 6), (2, 1))] == [10, 4, 9, 9]


@settings(max_examples=80, deadline=None)
@given(
    calls=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), max_size=40), count=st.integers(1, 4)
)
def test_a_queue_is_what_walking_through_each_microsecond_shows(calls, count):
    moments, now = [], 0
    for gap, work in calls:
        now += gap
        moments.append((now, work))
    free = [0] * count
    expected = []
    for now, work in moments:
        first = min(range(count), key=lambda each: free[each])
        begins = max(now, free[first])
        free[first] = begins + work
        expected.append(begins + work - now)
    servers = Servers(count)
    assert [servers.take(now, work) for now, work in moments] == expected


def test_the_wait_of_random_calls_is_that_of_the_formula_of_erlang():
    # M/M/2 with a load of 0.75 per server: the mean wait is 0.75**2 / (1 - 0.75**2) = 9/7 of a work.
    tape, servers, now, waited, count = Tape(3), Servers(2), 0, 0, 60_000
    for number in range(count):
        now += 100_000 * exponential(tape, f"{number}/gap") // UNIT
        work = 150_000 * exponential(tape, f"{number}/work") // UNIT
        waited += servers.take(now, work) - work
    assert abs(waited / count / 150_000 - 9 / 7) < 0.15


def test_a_bucket_lets_its_burst_through_and_then_its_rate():
    bucket = TokenBucket(10, 3)
    assert [bucket.allows(0) for _ in range(4)] == [True, True, True, False]
    assert not bucket.allows(99_999)
    assert bucket.allows(100_000)
    assert not bucket.allows(100_001)
    # Two seconds later it is full again, and no fuller.
    assert [bucket.allows(2_200_000) for _ in range(4)] == [True, True, True, False]


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 300_000), min_size=1, max_size=60),
    rate=st.sampled_from([0.5, 3, 10, 33.3]),
    burst=st.integers(1, 5),
)
def test_in_no_while_more_pass_than_the_burst_and_the_rate_allow(gaps, rate, burst):
    bucket, now, passed = TokenBucket(rate, burst), 0, []
    for gap in gaps:
        now += gap
        if bucket.allows(now):
            passed.append(now)
    for index, begins in enumerate(passed):
        for further, ends in enumerate(passed[index:], 1):
            assert further <= burst + (ends - begins) * rate / SECOND_US + 1e-6


def breaker(failures=3, window="10s", opens="5s"):
    return CircuitBreaker(Breaker(failures=failures, window=window, open=opens))


def ask(each, second, failed=False, took=0.0):
    """Make a call if the breaker lets it through; whether it did."""
    now_us = round(second * SECOND_US)
    if each.refuses(now_us):
        return False
    each.told(now_us + round(took * SECOND_US), failed)
    return True


def test_a_breaker_opens_after_so_many_failures_and_closes_after_one_success():
    each = breaker()
    assert all(ask(each, second, failed=True) for second in (0, 1, 2))
    # It opened at 2 s.
    assert not ask(each, 3)
    assert not ask(each, 6.9)
    assert ask(each, 7)
    assert all(ask(each, 7) for _ in range(5))


def test_a_trial_that_fails_opens_it_again():
    each = breaker()
    for second in (0, 1, 2):
        ask(each, second, failed=True)
    assert ask(each, 7, failed=True)
    assert not ask(each, 11.9)
    assert ask(each, 12)
    assert ask(each, 12.1)


def test_only_one_call_tries_at_a_time():
    each = breaker()
    for second in (0, 1, 2):
        ask(each, second, failed=True)
    assert ask(each, 7, took=2)
    assert not ask(each, 8)
    assert ask(each, 9)


def test_failures_that_are_longer_ago_than_the_window_do_not_count():
    each = breaker()
    assert all(ask(each, second, failed=True) for second in (0, 6, 12, 18, 24))
    assert ask(each, 25, failed=True)
    assert not ask(each, 26)


def test_a_failure_counts_when_the_caller_learns_of_it():
    each = breaker()
    for _ in range(3):
        assert ask(each, 0, failed=True, took=4)
    assert ask(each, 3.9)
    assert not ask(each, 4)
    assert ask(each, 9)


def test_what_began_before_it_opened_is_no_news_when_it_ends():
    each = breaker()
    for second in (0, 0, 0):
        assert ask(each, second, failed=True, took=20)
    for second in (1, 1, 1):
        assert ask(each, second, failed=True)
    assert not ask(each, 2)
    assert ask(each, 6)
    assert all(ask(each, second) for second in (6.5, 20, 21))


def test_successes_between_failures_do_not_count_against_them():
    each = breaker(failures=2)
    assert ask(each, 0, failed=True)
    assert ask(each, 1)
    assert ask(each, 2, failed=True)
    assert not ask(each, 3)
