"""Axes of a sweep: what is typed is read exactly, counted before it is made, or refused."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Meta, UnsetType

from marketsim.saga.errors import InputError
from marketsim.simulate.axes import Axis, Steps, check_option, options_of, parse_axis, with_option


class Line(msgspec.Struct):
    rate: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    unit: Literal["ms", "s"] = "ms"


class Shop(msgspec.Struct, rename={"from_": "from"}):
    from_: str = ""
    line: Line | UnsetType = UNSET
    servers: dict[str, int] = {}
    lines: dict[str, str | Line] = {}
    many: list[Line] = []
    count: int | None = None


@pytest.mark.parametrize(
    ("text", "kind", "name", "values"),
    [
        ("payment:card_declined%0..40/10", "fault", "payment:card_declined", "0 10 20 30 40"),
        ("payment:timeout_after@1-2%0..1/0.25", "fault", "payment:timeout_after@1-2", "0 0.25 0.5 0.75 1"),
        ("payment:card_declined%8,0.5,100", "fault", "payment:card_declined", "8 0.5 100"),
        ("policy=default,none", "policy", "policy", "default none"),
        ("gateway=stripe,none", "gateway", "gateway", "stripe none"),
        ("arrivals.poisson=10..50/20", "option", "arrivals.poisson", "10 30 50"),
        ("latency.payment.median=10ms..30ms/10ms", "option", "latency.payment.median", "10ms 20ms 30ms"),
        ("a=1..6/2", "option", "a", "1 3 5"),
        ("a=5..5/1", "option", "a", "5"),
        ("a=x, y", "option", "a", "x y"),
    ],
)
def test_an_axis_is_read(text, kind, name, values):
    axis = parse_axis(text)
    assert (axis.kind, axis.name, " ".join(axis.values)) == (kind, name, values)
    assert len(axis.values) == len(list(axis.values))


def test_the_label_of_a_rate_says_that_it_is_in_percent():
    assert parse_axis("payment:card_declined%0,5").label == "payment:card_declined %"
    assert parse_axis("policy=default,none").label == "policy"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no axis"),
        ("policy", "'policy' is no axis"),
        ("policy=", "is no axis"),
        ("=1,2", "is no axis"),
        ("payment:card_declined", "is no axis"),
        ("payment:card_declined=0..40/5", "is no axis"),
        ("payment:card_declined%", "is no axis"),
        ("x" * 201 + "=1", "is no axis"),
        ("a=1,,2", "has an empty value"),
        ("a=1,2,1", "has '1' twice"),
        ("a=1..2", "are no steps (write FROM..TO/STEP"),
        ("a=1../1", "are no steps"),
        ("a=..2/1", "are no steps"),
        ("a=1..2/-1", "are no steps"),
        ("a=-1..2/1", "are no steps"),
        ("a=1..2/1/1", "are no steps"),
        ("a=1..9999999999999/1", "are no steps"),
        ("a=1..2/1e-9", "are no steps"),
        ("a=1s..1m/1s", "have different units"),
        ("a=1..2/0", "makes steps of 0"),
        ("a=1..2/0.0", "makes steps of 0"),
        ("a=9..1/2", "goes down (write 1..9/2)"),
        ("payment:card_declined%0..101/1", "has what is no rate"),
        ("payment:card_declined%0s..10s/1s", "has what is no rate"),
        ("payment:card_declined%0..1/0.00001", "has what is no rate"),
        ("payment:card_declined%1,101", "has what is no rate"),
        ("payment:card_declined%often", "has what is no rate"),
        ("payment:card_declined%0.00001", "has what is no rate"),
    ],
)
def test_what_cannot_be_read_is_refused_on_one_line(text, told):
    with pytest.raises(InputError) as wrong:
        parse_axis(text)
    assert told in str(wrong.value)
    assert str(wrong.value).startswith("--sweep: ")
    assert "\n" not in str(wrong.value)


numbers = st.integers(0, 10**6), st.integers(1, 10**4), st.integers(0, 200), st.integers(0, 4)


@given(*numbers)
def test_steps_are_exact_decimals_at_equal_distances(first, step, more, decimals):
    last = first + step * more
    low, high, by = (Decimal(each).scaleb(-decimals) for each in (first, last, step))
    values = parse_axis(f"a={low:f}..{high:f}/{by:f}").values
    assert len(values) == more + 1
    assert [Decimal(each) for each in values] == [low + by * each for each in range(more + 1)]
    assert not any(each.endswith((".", "0")) for each in values if "." in each)


@given(st.text(max_size=40))
def test_any_text_is_an_axis_or_an_error_for_its_writer(text):
    try:
        axis = parse_axis(text)
    except InputError:
        return
    assert isinstance(axis, Axis)
    assert len(axis.values) > 0


def test_a_thousand_million_values_are_counted_and_not_made():
    values = parse_axis("a=1..1000000000/1").values
    assert isinstance(values, Steps)
    assert len(values) == 10**9


# The options of a workload.


def test_every_option_has_a_dotted_name():
    assert {".".join(each) for each in options_of(Shop)} == {
        *("from", "line.rate", "line.unit", "servers.*", "lines.*", "lines.*.rate", "lines.*.unit", "count")
    }


@pytest.mark.parametrize("name", ["from", "count", "line.rate", "servers.payment", "lines.payment.rate"])
def test_an_option_that_exists_is_taken(name):
    check_option(name, Shop)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("form", "did you mean 'from'?"),
        ("line.rat", "did you mean 'line.rate'?"),
        ("lines.payment.rat", "did you mean 'lines.payment.rate'?"),
        ("line", "known: "),
        ("servers", "known: "),
        ("servers.", "no option is called"),
        ("many.rate", "no option is called"),
        ("count.x.y.z", "no option is called"),
        ("", "no option is called"),
    ],
)
def test_an_option_that_does_not_exist_is_told_with_the_nearest(name, told):
    with pytest.raises(InputError) as wrong:
        check_option(name, Shop)
    assert told in str(wrong.value)


def test_an_option_is_set_in_a_copy():
    before = {"arrivals": {"poisson": 1, "other": "x"}, "purchases": 5}
    after = with_option(before, "arrivals.poisson", "2.5")
    assert after == {"arrivals": {"poisson": 2.5, "other": "x"}, "purchases": 5}
    assert before["arrivals"] == {"poisson": 1, "other": "x"}
    assert with_option({}, "servers.payment", "3") == {"servers": {"payment": 3}}
    assert with_option({}, "duration", "10m") == {"duration": "10m"}


def test_an_option_below_what_has_no_below_is_refused():
    with pytest.raises(InputError, match="'latency' has no 'median': it is '50ms'"):
        with_option({"latency": "50ms"}, "latency.median", "60ms")
