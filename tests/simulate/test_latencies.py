"""How long services take: the distributions that were asked for, from numbers or from a file."""

import math

import pytest
from simulate.test_chance import COUNT, distance

from marketsim.saga.errors import InputError
from marketsim.saga.tape import Tape
from marketsim.simulate.latencies import latency_of, read_timings, uniform
from marketsim.simulate.model import Latency


def drawn(draw, count=COUNT, seed=1):
    tape = Tape(seed)
    return [draw(tape, f"{each}") for each in range(count)]


def test_a_fixed_latency_is_always_the_same():
    assert set(drawn(latency_of("20ms"), 10)) == {20_000}


def test_an_exponential_one_has_its_mean():
    found = drawn(latency_of(Latency(mean="200ms")))
    assert distance(found, lambda x: 1 - math.exp(-x / 200_000)) < 0.014
    assert all(isinstance(each, int) for each in found)


def test_a_lognormal_one_has_its_median_and_its_99th_percentile():
    found = sorted(drawn(latency_of(Latency(median="100ms", p99="900ms"))))
    assert found[COUNT // 2] == pytest.approx(100_000, rel=0.05)
    assert found[COUNT * 99 // 100] == pytest.approx(900_000, rel=0.12)


def test_a_lognormal_one_may_be_said_by_its_sigma():
    found = [math.log(each) for each in drawn(latency_of(Latency(median="100ms", sigma=0.5)))]
    mean = sum(found) / COUNT
    assert mean == pytest.approx(math.log(100_000), abs=0.02)
    assert sum((each - mean) ** 2 for each in found) / COUNT == pytest.approx(0.25, rel=0.05)


def test_without_spread_it_is_the_median():
    assert drawn(latency_of(Latency(median="7ms", p99="7ms")), 3) == pytest.approx([7_000] * 3, abs=1)


def test_a_uniform_one_stays_within_its_bounds():
    found = drawn(uniform(5, 8), 2_000)
    assert set(found) == {5, 6, 7, 8}
    assert uniform(5, 8)(Tape(), "x") == 5


def test_real_timings_are_drawn_as_often_as_they_stand_there(tmp_path):
    path = tmp_path / "timings.csv"
    path.write_text("at,ms\n1,10\n2,20.5\n3,20.5\n4,0.25\n")
    timings = read_timings(path, Latency(csv="timings.csv", column="ms"))
    assert timings == [250, 10_000, 20_500, 20_500]
    found = drawn(latency_of(Latency(csv="x"), timings), 4_000)
    assert abs(found.count(20_500) - 2_000) < 150


def test_timings_without_a_header_and_in_seconds(tmp_path):
    path = tmp_path / "timings.txt"
    path.write_text("a 1.5\nb 0.000001\n".replace("a", "7").replace("b", "8"))
    assert read_timings(path, Latency(csv="x", column=2, unit="s")) == [1, 1_500_000]


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("", "the file is empty", ""),
        ("ms\n", "there is no timing", ""),
        ("ms\n5\nslow\n", "'slow' is not a timing", ":3"),
        ("5\n-1\n", "'-1' is not a timing", ":2"),
        ("5\nnan\n", "'nan' is not a timing", ":2"),
        ("5\n\n99999999999999999999\n", "is not a timing", ":3"),
        ("5\n1e3\n", "'1e3' is not a timing", ":2"),
    ],
)
def test_what_is_no_timing_is_told_with_its_line(tmp_path, text, what, where):
    path = tmp_path / "timings.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=what) as told:
        read_timings(path, Latency(csv="timings.csv"))
    assert told.value.where == f"{path}{where}"


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path):
    path = tmp_path / "timings.csv"
    path.write_text("at,millis\n1,10\n")
    with pytest.raises(InputError, match="there is no column 'milis'") as told:
        read_timings(path, Latency(csv="timings.csv", column="milis"))
    assert told.value.todo == "did you mean 'millis'?"
    with pytest.raises(InputError, match="there is no column 3"):
        read_timings(path, Latency(csv="timings.csv", column=3))
