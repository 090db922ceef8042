"""What is typed on a command line becomes the table that a file would have."""

import pytest

from marketsim.saga.errors import InputError
from marketsim.simulate.typed import arrivals_typed, items_typed, set_typed, table_typed, typed


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ("poisson:50", {"poisson": 50}),
        ("steady:0.5", {"steady": 0.5}),
        ("closed:customers=200,think=30s", {"closed": {"customers": 200, "think": "30s"}}),
        ("flash_sale:base=5,peak=400,at=10m", {"flash_sale": {"base": 5, "peak": 400, "at": "10m"}}),
        ("trace:orders.csv", {"trace": {"file": "orders.csv"}}),
        ("trace:7", {"trace": {"file": "7"}}),
        (
            "trace:file=o.txt,time=2,customer=who,stock=5",
            {"trace": {"file": "o.txt", "stock": 5, "columns": {"time": 2, "customer": "who"}}},
        ),
    ],
)
def test_how_customers_come_may_be_typed(text, table):
    assert arrivals_typed(text) == table


def test_a_name_alone_is_said_without_a_value():
    assert typed("uniform") == ("uniform", {})


def test_a_dot_leads_inside():
    assert table_typed(["payment:rate=50,breaker.failures=5,breaker.window=10s", "orders:rate=9"]) == {
        "payment": {"rate": 50, "breaker": {"failures": 5, "window": "10s"}},
        "orders": {"rate": 9},
    }


def test_items_have_their_name_under_its_key():
    assert items_typed(["payment:from=10m,to=15m"], "service") == [
        {"service": "payment", "from": "10m", "to": "15m"}
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "'' cannot be read"),
        (":50", "':50' cannot be read"),
        ("poisson:", "'poisson:' cannot be read"),
        ("closed:customers=", "'customers=' in "),
        ("closed:=5", "'=5' in "),
        ("closed:customers=5,think", "'think' in "),
        ("closed:a=1,a=2", "'a' stands twice"),
        ("closed:a=1,a.b=2", "'a' in 'closed:a=1,a.b=2' has two meanings"),
        ("closed:.a=1", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_told(text, what):
    with pytest.raises(InputError) as told:
        typed(text)
    assert what in told.value.what


def test_a_name_that_is_said_twice_and_an_item_that_says_nothing_are_told():
    with pytest.raises(InputError, match="'payment' is said twice"):
        table_typed(["payment:5ms", "payment:6ms"])
    with pytest.raises(InputError, match="'payment:5' says too little"):
        items_typed(["payment:5"], "service")


@pytest.mark.parametrize(
    ("text", "value"),
    [("40", 40), ("-3", -3), ("0.5", 0.5), (".5", 0.5), ("-1.5", -1.5), ("10m", "10m"), (".", ".")],
)
def test_what_is_set_is_a_number_if_it_is_written_as_one(text, value):
    table = {"habits": {"again": {"percent": 1}}}
    set_typed(table, f"habits.again.percent={text}")
    assert table == {"habits": {"again": {"percent": value}}}


@pytest.mark.parametrize("text", ["habits", "=3", "habits.again.percent=3"])
def test_what_sets_nothing_and_what_is_inside_a_value_is_refused(text):
    with pytest.raises(InputError):
        set_typed({"habits": 1}, text)
