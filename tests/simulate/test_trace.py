"""The orders of a real shop become a workload: every usual form is read, and what is none is told."""

import random
import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulate.shops import came, shop, simulation

from marketsim.drivers.clock import parse_time, stamp
from marketsim.market.catalog import Catalog
from marketsim.saga.errors import InputError
from marketsim.simulate.model import Columns, TraceFile
from marketsim.simulate.trace import Order, read_trace

JAN_1 = parse_time("1997-01-01T00:00:00Z")
DAY_US = 86_400_000_000
NOBODY = Catalog([], [])


def read(folder, text, currency="USD", known=(), **said):
    path = folder / "orders.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    columns = Columns(**said.pop("columns", {}))
    return read_trace(path, TraceFile(file="orders.txt", columns=columns, **said), currency, known)


def refused(folder, text, **said):
    with pytest.raises(InputError) as told:
        read(folder, text, **said)
    return told.value


def test_the_usual_form_is_read_as_it_is(tmp_path):
    trace = read(
        tmp_path, " 00001 19970101  1   11.77\n 00002 19970112  1   12.00\n 00002 19970112  5   77.00\n"
    )
    assert trace.orders == [
        Order(JAN_1, "00001", "item-11.77", 1),
        Order(JAN_1 + 11 * DAY_US, "00002", "item-12.00", 1),
        Order(JAN_1 + 11 * DAY_US, "00002", "item-15.40", 5),
    ]
    assert trace.prices_minor == {"item-11.77": 1177, "item-12.00": 1200, "item-15.40": 1540}
    assert trace.units == {"item-11.77": 1, "item-12.00": 1, "item-15.40": 5}
    assert trace.customers == ["00001", "00002"]


def test_an_amount_that_cannot_be_divided_is_one_unit_of_a_bundle(tmp_path):
    trace = read(tmp_path, "1 19970101 3 10.00\n")
    assert trace.orders == [Order(JAN_1, "1", "item-3-for-10.00", 1)]
    assert trace.prices_minor == {"item-3-for-10.00": 1000}


def test_a_file_with_a_header_is_read_by_its_names(tmp_path):
    text = (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
        '536365,85123A,"WHITE HANGING HEART, T-LIGHT",6,01/12/2010 08:26,2.55,17850,United Kingdom\n'
        '536365,85123A,"WHITE ""HEART""",1,1/12/2010 8:28,2.95,17851,United Kingdom\n'
    )
    trace = read(tmp_path, text)
    first_us = parse_time("2010-12-01T08:26:00Z")
    assert trace.orders == [
        Order(first_us, "17850", "85123A", 6),
        Order(first_us + 120_000_000, "17851", "85123A-2.95", 1),
    ]
    assert trace.prices_minor == {"85123A": 255, "85123A-2.95": 295}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_columns_are_named_or_numbered_and_separated_as_the_first_line_says(tmp_path, separator):
    rows = [["when", "who", "what", "n", "paid"], ["2026-01-31T12:00:00Z", "ada", "mug", "2", "5.00"]]
    text = "\n".join(separator.join(row) for row in rows)
    named = {"time": "When", "customer": "who", "product": "what", "quantity": "n", "amount": "paid"}
    numbered = {"time": 1, "customer": 2, "product": 3, "quantity": 4, "amount": 5}
    expected = [Order(parse_time("2026-01-31T12:00:00Z"), "ada", "mug", 2)]
    assert read(tmp_path, text, columns=named).orders == expected
    assert read(tmp_path, text, columns=numbered).orders == expected
    assert read(tmp_path, text.partition("\n")[2], columns=numbered).orders == expected


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2010-12-01", "2010-12-01T00:00:00Z"),
        ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00Z"),
        ("2010-12-01 08:26:00.5+01:00", "2010-12-01T07:26:00.5Z"),
        ("20101201", "2010-12-01T00:00:00Z"),
        ("201012010826", "2010-12-01T08:26:00Z"),
        ("20101201082630", "2010-12-01T08:26:30Z"),
        ("01/12/2010", "2010-12-01T00:00:00Z"),
        ("1/12/2010 8:26", "2010-12-01T08:26:00Z"),
        ("01.12.2010 08:26:30", "2010-12-01T08:26:30Z"),
        ("1291191960", "2010-12-01T08:26:00Z"),
        ("1291191960123", "2010-12-01T08:26:00.123Z"),
        ("1291191960123456", "2010-12-01T08:26:00.123456Z"),
    ],
)
def test_every_usual_form_of_a_time_is_read(tmp_path, said, meant):
    trace = read(tmp_path, f"time,price\n{said},5\n")
    assert stamp(trace.orders[0].moment_us) == stamp(parse_time(meant))


def test_dates_may_have_the_month_first(tmp_path):
    trace = read(tmp_path, "time,price\n12/31/2010,5\n", dates="month_first")
    assert stamp(trace.orders[0].moment_us).startswith("2010-12-31")
    told = refused(tmp_path, "time,price\n12/31/2010,5\n")
    assert (told.what, told.todo) == ("'12/31/2010' is not a time", "say dates: month_first, or day_first")


@pytest.mark.parametrize(
    ("said", "minor"),
    [
        ("11.77", 1177),
        ("$1,234.50", 123450),
        ("12,5", 1250),
        ("0", 0),
        ("2.345", 234),
        ("2.355", 236),
        (" 7. ", 700),
    ],
)
def test_every_usual_form_of_an_amount_is_read(tmp_path, said, minor):
    trace = read(tmp_path, f"time;price\n20100101;{said}\n")
    assert list(trace.prices_minor.values()) == [minor]


def test_money_without_decimals_is_whole(tmp_path):
    trace = read(tmp_path, "1 19970101 2 300\n", currency="JPY")
    assert trace.prices_minor == {"item-150": 150}


def test_lines_out_of_order_are_sorted_and_those_of_one_moment_keep_theirs(tmp_path):
    trace = read(tmp_path, "1 19970103 1 1\n2 19970101 1 2\n3 19970103 1 3\n4 19970102 1 4\n")
    assert [order.customer for order in trace.orders] == ["2", "4", "1", "3"]


def test_what_is_given_back_is_passed_over_and_counted(tmp_path):
    trace = read(tmp_path, "1 19970101 1 5\n1 19970102 -1 5\n1 19970102 0 5\n1 19970102 1 -5\n")
    assert (len(trace.orders), trace.returned) == (1, 3)


def test_names_that_are_no_ids_become_some(tmp_path):
    trace = read(tmp_path, "time,customer,product,price\n20100101,Ada L.,white mug!,5\n20100101,_x,é,6\n")
    assert trace.customers == ["Ada-L.", "x_x"]
    assert list(trace.prices_minor) == ["white-mug-", "x-"]


def test_without_customers_each_line_has_its_own(tmp_path):
    assert read(tmp_path, "time,price\n20100101,5\n20100101,5\n").customers == ["customer-1", "customer-2"]


def test_a_product_of_the_catalog_is_sold_as_it_stands_there(tmp_path):
    trace = read(tmp_path, "time,product,price\n20100101,p1,99\n20100101,mug,7\n", known={"p1"})
    assert [order.product for order in trace.orders] == ["p1", "mug"]
    assert trace.prices_minor == {"mug": 700}
    only = read(tmp_path, "time,product\n20100101,p1\n", known={"p1"})
    assert only.units == {"p1": 1}


@pytest.mark.parametrize(
    ("text", "what", "line"),
    [
        ("", "the file is empty", ""),
        ("\n1 19970101 1 5\n", "the first line is empty", ""),
        ("time,price\n", "there is no order in this file", ""),
        ("a,b,c\n1,2,3\n", "it is not said which column is the time", ""),
        ("1,2,3,4,5\n", "it is not said which column is the time", ""),
        ("1 19970101 1 5\n2 19970132 1 5\n", "'19970132' is not a time", ":2"),
        ("1 19970101 1 5\n2 yesterday 1 5\n", "'yesterday' is not a time", ":2"),
        ("1 19610101 1 5\n", "'19610101' is before 1970", ":1"),
        ("1 19970101 1 5\n\n2 19970101 one 5\n", "'one' is not a number of units", ":3"),
        ("1 19970101 1.5 5\n", "'1.5' is not a number of units", ":1"),
        ("1 19970101 99999999999 5\n", "are too many units", ":1"),
        ("1 19970101 1 5\n2 19970101 1 nan\n", "'nan' is not an amount of money", ":2"),
        ("1 19970101 1 1e999999999\n", "is not an amount of money", ":1"),
        ("1 19970101 1 99999999999999.99\n", "is too much money", ":1"),
        ("1 19970101 1 5\n2 19970101\n", "has 2 of the 4 columns that are needed", ":2"),
        ("time,product\n20100101,mug\n", "there is no price of 'mug'", ":2"),
        ("time,product,price\n20100101, ,5\n", "a customer or product without a name", ":2"),
        ('time,price\n20100101,"5\n20100102,6\n', "cannot be read as CSV", ":2"),
        ("time,price\n20100101," + "5" * 70_000, "longer than 65,536 characters", ":2"),
        (
            "time,product,price\n20100101,a,5\n20100101,a-6.00,7\n20100101,a,6\n",
            "two products would be called",
            ":4",
        ),
        (b"\x00\xff\xfe\x00 19970101 1 5\n\x00", "has 1 of the 4", ":2"),
    ],
)
def test_what_is_no_trace_is_told_with_its_line(tmp_path, text, what, line):
    told = refused(tmp_path, text)
    assert what in told.what
    assert told.where == f"{tmp_path / 'orders.txt'}{line}"


def test_a_column_that_is_not_there_is_told_with_the_nearest(tmp_path):
    told = refused(tmp_path, "when,who\n20100101,ada\n", columns={"time": "wen"})
    assert (told.what, told.todo) == ("there is no column 'wen' for the time", "did you mean 'when'?")
    told = refused(tmp_path, "1 19970101 1 5\n", columns={"time": 9})
    assert told.what == "there is no column 9 for the time"
    told = refused(tmp_path, "1 19970101 1 5\n", columns={"time": "when"})
    assert told.todo == "there is no header: give its number from 1"


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: None])
def test_what_is_no_file_is_told(tmp_path, make):
    make(tmp_path / "orders.txt")
    with pytest.raises(InputError, match=r"is not a regular file|there is no such file"):
        read_trace(tmp_path / "orders.txt", TraceFile(file="orders.txt"), "USD")


def test_too_many_rows_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("marketsim.simulate.rows.ROWS_MAX", 3)
    told = refused(tmp_path, "1 19970101 1 5\n" * 4)
    assert told.what == "has more than 3 rows"


@settings(max_examples=150, deadline=None)
@given(text=st.one_of(st.text(max_size=200), st.text('019/-:.,;\t \n"ae', max_size=200)))
def test_whatever_stands_in_a_file_it_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "orders.txt"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with suppress(InputError):
        trace = read_trace(path, TraceFile(file="orders.txt"), "USD")
        assert trace.orders == sorted(trace.orders, key=lambda order: order.moment_us)


# As a workload.


def usual(lines, seed=1):
    """A file of the usual form: the number of the customer, a date, a quantity and an amount."""
    draw, text = random.Random(seed), []
    for _ in range(lines):
        day = draw.randrange(28 * 18)
        date = f"{1997 + day // 336}{day // 28 % 12 + 1:02}{day % 28 + 1:02}"
        quantity = draw.choice((1, 1, 1, 2, 3, 5))
        amount = quantity * draw.randrange(500, 2_000) / 100
        text.append(f"{draw.randrange(1, 23_571):05} {date} {quantity:2} {amount:7.2f}")
    return "\n".join(text) + "\n"


def test_seventy_thousand_orders_of_the_usual_form_are_read_in_seconds(tmp_path):
    path = tmp_path / "orders.txt"
    path.write_text(usual(70_000))
    began = time.perf_counter()
    trace = read_trace(path, TraceFile(file="orders.txt"), "USD")
    assert time.perf_counter() - began < 10
    assert len(trace.orders) == 70_000
    assert sum(trace.units.values()) >= 70_000
    assert stamp(trace.orders[0].moment_us).startswith("1997-01-01")
    assert stamp(trace.orders[-1].moment_us).startswith("1998-06-")


def test_a_trace_brings_its_customers_products_and_stock_and_comes_at_its_dates(tmp_path):
    (tmp_path / "orders.txt").write_text(usual(300))
    workload = {"arrivals": {"trace": {"file": "orders.txt"}}}
    made = simulation(workload, NOBODY, folder=tmp_path)
    assert made.start_us == JAN_1
    arrivals = came(workload, catalog=NOBODY, folder=tmp_path)
    assert len(arrivals) == 300
    assert [each.moment_us for each in arrivals] == [each.moment_us for each in made.trace.orders]
    ids = {record["id"] for record in made.catalog.products}
    assert {each.lines[0].product for each in arrivals} == ids
    assert {each.customer for each in arrivals} == {record["id"] for record in made.customers}
    assert sum(record["inStock"] for record in made.catalog.products) == sum(made.trace.units.values())


def test_a_trace_may_be_cut_by_number_and_by_time_and_have_another_stock(tmp_path):
    (tmp_path / "orders.txt").write_text("1 19970101 1 5\n1 19970102 1 5\n1 19970103 1 5\n")
    workload = {"arrivals": {"trace": {"file": "orders.txt", "stock": 2}}}
    made = simulation(workload, NOBODY, folder=tmp_path)
    assert [record["inStock"] for record in made.catalog.products] == [2]
    assert len(came(workload | {"purchases": 2}, catalog=NOBODY, folder=tmp_path)) == 2
    assert len(came(workload | {"duration": "24h"}, catalog=NOBODY, folder=tmp_path)) == 1


def test_a_trace_is_added_to_the_catalog_that_is_there(tmp_path):
    (tmp_path / "orders.txt").write_text(
        "time,product,customer,price\n20100101,p1,u1,9\n20100101,mug,zoe,9\n"
    )
    made = simulation({"arrivals": {"trace": {"file": "orders.txt"}}}, shop(2, 2), folder=tmp_path)
    assert [record["id"] for record in made.catalog.products] == ["p0", "p1", "mug"]
    assert [record["id"] for record in made.catalog.users] == ["u0", "u1", "zoe"]
