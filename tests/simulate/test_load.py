"""Loading a simulation: what is right is read, and everything else is told with its line."""

import pytest
from simulate.shops import shop, simulation

from marketsim.saga.errors import InputError
from marketsim.simulate.load import load_simulation, rules_of, simulation_of

GOOD = """\
scenario: busy
seed: 3
currency: EUR
policy: {like: default, probe: false}
gateway: none
catalog:
  products:
    - {id: laptop-1, name: Laptop, price: 750.5, inStock: 2}
    - {id: mug-1, name: Mug, price: 5, inStock: 9}
  users: [{id: user-1, name: Ada}]
simulate:
  arrivals: {poisson: 50}
  purchases: 100
  duration: 1h
  popularity: {zipf: 1.1, hot: {product: mug-1, percent: 12.5}}
  units: {1: 80, 2: 20}
  customers: 10
  habits:
    again: {percent: 40, after: 30s, times: 2, codes: [card_declined]}
    cancel: {percent: 1}
    patience: 30s
  restocks: [{product: laptop-1, units: 100, at: 30m}, {product: "*", units: 5, every: 1h}]
  prices: [{product: laptop-1, price: 699.99, at: 10m}]
  latency: {payment: {median: 180ms, p99: 1500ms}, reserve_stock: 20ms, orders: {mean: 15ms}}
  servers: {payment: 16}
  faults: [typical, "payment:card_declined%8"]
  outages: [{service: payment, from: 10m, to: 15m, fault: gateway_down}]
  limits: {payment: {rate: 100, burst: 20, breaker: {failures: 5, window: 10s, open: 30s}}}
"""


def write(folder, text, name="scenario.yaml"):
    path = folder / name
    path.write_text(text)
    return path


def refused(folder, old, new, text=GOOD):
    """What is told when a piece of the file is another one, and the line at which it is told."""
    assert old in text
    path = write(folder, text.replace(old, new))
    with pytest.raises(InputError) as told:
        load_simulation(path)
    where = told.value.where
    assert where.startswith(f"{path}:")
    return told.value, where.removeprefix(f"{path}:")


def line_of(text, piece):
    return str(next(number for number, line in enumerate(text.splitlines(), 1) if piece in line))


def test_a_simulation_is_read_with_all_that_it_says(tmp_path):
    made = load_simulation(write(tmp_path, GOOD))
    assert (made.name, made.seed, made.currency, made.policy) == ("busy", 3, "EUR", "default")
    assert (made.rules, made.gateway, made.saga) == ({"probe": False}, "none", "purchase")
    assert made.workload.arrivals.poisson == 50
    assert len(made.customers) == len(made.catalog.users) == 10
    texts = [str(rule) for rule in rules_of(made)]
    assert texts[-1] == "payment:card_declined%8"
    assert len(texts) > 10


def test_a_workload_that_was_typed_is_the_same_as_one_in_a_file(tmp_path):
    table = {"arrivals": {"poisson": 5}, "purchases": 3, "latency": {"payment": "20ms"}}
    text = (
        GOOD.partition("simulate:")[0]
        + "simulate: {arrivals: {poisson: 5}, purchases: 3, latency: {payment: 20ms}}\n"
    )
    loaded = load_simulation(write(tmp_path, text))
    rest = {"name": "busy", "currency": "EUR", "seed": 3, "gateway": "none", "rules": {"probe": False}}
    assert simulation_of(table, loaded.catalog, **rest) == loaded


@pytest.mark.parametrize(
    ("old", "new", "what", "todo"),
    [
        ("  purchases: 100", "  purchaes: 100", "simulate: unknown key 'purchaes'", "'purchases'"),
        ("  purchases: 100", "  purchases: many", "simulate.purchases: expected an integer, got text", ""),
        ("  purchases: 100", "  purchases: 0", "simulate.purchases: expected an integer >= 1", ""),
        ("  purchases: 100", "  purchases: 9999999999", "expected an integer <= 1000000000", ""),
        ("poisson: 50", "poison: 50", "simulate.arrivals: unknown key 'poison'", "'poisson'"),
        ("poisson: 50", "poisson: 0", "simulate.arrivals.poisson: expected a number > 0", ""),
        ("poisson: 50", "poisson: 1000001", "expected a number <= 1000000", ""),
        ("poisson: 50", "poisson: 50, steady: 5", "'steady' does not go with 'poisson'", "say one of"),
        ("{poisson: 50}", "{}", "it is not said how customers come", "say one of"),
        ("duration: 1h", "duration: 1 hour", "simulate.duration: '1 hour' is not a time", "write 0s"),
        ("duration: 1h", "duration: 0s", "simulate.duration: is no time at all", ""),
        ("zipf: 1.1", "zipf: -1", "simulate.popularity.zipf: expected a number >= 0", ""),
        ("product: mug-1, percent", "product: mug, percent", "there is no product 'mug'", "'mug-1'"),
        ("percent: 12.5", "percent: 101", "expected a number <= 100", ""),
        ("{1: 80, 2: 20}", "{1: 80, two: 20}", "simulate.units.two: 'two' is not a number from 1 to 100", ""),
        ("{1: 80, 2: 20}", "{101: 1}", "'101' is not a number from 1 to 100", ""),
        ("{1: 80, 2: 20}", "{1: 0, 2: 0}", "simulate.units: all weights are 0", ""),
        ("{1: 80, 2: 20}", "{1: 0.5}", "simulate.units.1: expected an integer", ""),
        (
            "  customers: 10",
            "  products: {2: 1}",
            "the saga purchase buys one product",
            "checkout",
        ),
        ("after: 30s", "after: soon", "simulate.habits.again.after: 'soon' is not a time", ""),
        ("codes: [card_declined]", "codes: [declined]", "there is no fault 'declined'", "'card_declined'"),
        ("cancel: {percent: 1}", "cancel: {percentage: 1}", "unknown key 'percentage'", "'percent'"),
        ("product: laptop-1, units", "product: laptop, units", "there is no product 'laptop'", "'laptop-1'"),
        (", at: 30m}", "}", "simulate.restocks[0]: never arrives", "at: 30m"),
        ("every: 1h", "every: 0s", "simulate.restocks[1].every: is no time at all", ""),
        ("price: 699.99", "price: 699.999", "simulate.prices[0].price: has 3 decimals", ""),
        (
            "reserve_stock: 20ms",
            "reserve_stok: 20ms",
            "operation 'reserve_stok'",
            "'reserve_stock'",
        ),
        ("reserve_stock: 20ms", "reserve_stock: 20", "simulate.latency.reserve_stock: expected text or", ""),
        ("p99: 1500ms", "p99: 15ms", "simulate.latency.payment.p99: is below the median", ""),
        (", p99: 1500ms", "", "simulate.latency.payment: p99 or sigma goes with the median", ""),
        ("{mean: 15ms}", "{mean: 15ms, sigma: 1}", "p99 or sigma goes with the median", ""),
        ("{mean: 15ms}", "{}", "simulate.latency.orders: says no distribution", ""),
        ("{mean: 15ms}", "{mean: 15ms, csv: a.csv}", "says two of them", ""),
        ("{mean: 15ms}", "{csv: ../a.csv}", "leads out of the scenario's folder", "beside the scenario"),
        ("{payment: 16}", "{paymnt: 16}", "there is no service 'paymnt'", "'payment'"),
        ("{payment: 16}", "{charge_payment: 16}", "there is no service 'charge_payment'", ""),
        ("{payment: 16}", "{payment: 0}", "simulate.servers.payment: expected an integer >= 1", ""),
        ("[typical,", "[typicl,", "'typicl' is neither a mix nor a fault", "'typical'"),
        ("card_declined%8", "card_declinde%8", "simulate.faults[1]: no fault is called", "'card_declined'"),
        ("card_declined%8", "card_declined%120", "is above 100 percent", ""),
        ("to: 15m", "to: 5m", "simulate.outages[0].to: is not after its beginning", ""),
        ("{service: payment, from", "{service: paiment, from", "operation 'paiment'", "'payment'"),
        (
            "fault: gateway_down",
            "fault: gateway_dow",
            "outages[0].fault: there is no",
            "'gateway_down'",
        ),
        ("fault: gateway_down", "fault: card_declined", "there is no fault of an outage", ""),
        ("rate: 100, burst: 20, breaker: {failures: 5, window: 10s, open: 30s}", "", "limits nothing", ""),
        ("rate: 100, burst", "burst", "simulate.limits.payment.burst: goes with a rate", ""),
        ("{failures: 5", "{failures: 0", "breaker.failures: expected an integer >= 1", ""),
        ("window: 10s", "window: 10", "breaker.window: expected text, got an integer", ""),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line_and_the_nearest_name(tmp_path, old, new, what, todo):
    told, line = refused(tmp_path, old, new)
    assert what in told.what
    assert todo in told.todo
    assert line == line_of(GOOD, old)


def test_a_workload_without_an_end_is_told(tmp_path):
    told, line = refused(tmp_path, "  purchases: 100\n  duration: 1h\n", "")
    assert (told.what, told.todo) == ("simulate: it would never end", "say purchases: 1000, or duration: 1h")
    assert line == line_of(GOOD, "simulate:")


def test_a_sale_after_which_nobody_comes_needs_a_duration(tmp_path):
    sale = "flash_sale: {base: 0, peak: 5, hold: 1m}"
    load_simulation(write(tmp_path, GOOD.replace("poisson: 50", sale)))
    told, _ = refused(tmp_path, "poisson: 50", sale, GOOD.replace("  duration: 1h\n", ""))
    assert "nobody comes after the sale" in told.what


def test_an_unknown_key_of_one_of_many_says_which(tmp_path):
    told, line = refused(tmp_path, "{median: 180ms, p99: 1500ms}", "{medan: 180ms, p99: 1500ms}")
    assert told.what == "simulate.latency.payment: unknown key 'medan'"
    assert told.todo == "did you mean 'median'?"
    assert line == line_of(GOOD, "latency:")


@pytest.mark.parametrize("key", ["customers", "popularity", "units"])
def test_what_a_trace_says_itself_is_not_said_again(tmp_path, key):
    (tmp_path / "orders.txt").write_text("1 19970101 1 5\n")
    said = {"customers": "10", "popularity": "{zipf: 1}", "units": "{1: 1}"}[key]
    traced = "simulate:\n  arrivals: {trace: {file: orders.txt}}\n"
    text = GOOD.partition("simulate:")[0] + traced
    assert load_simulation(write(tmp_path, text)).trace is not None
    told, _ = refused(tmp_path, traced, f"{traced}  {key}: {said}\n", text)
    assert told.what == f"simulate.{key}: a trace says that itself"


def test_a_trace_needs_no_catalog_and_everything_else_does(tmp_path):
    (tmp_path / "orders.txt").write_text("1 19970101 1 5\n")
    made = load_simulation(
        write(tmp_path, "scenario: x\nsimulate: {arrivals: {trace: {file: orders.txt}}}\n")
    )
    assert len(made.catalog.products) == 1
    with pytest.raises(InputError, match="there is no product in the catalog"):
        load_simulation(write(tmp_path, "scenario: x\nsimulate: {arrivals: {steady: 1}, purchases: 1}\n"))


def test_a_trace_that_is_wrong_is_told_with_its_own_line(tmp_path):
    (tmp_path / "orders.txt").write_text("1 19970101 1 5\n1 never 1 5\n")
    with pytest.raises(InputError) as told:
        load_simulation(write(tmp_path, "scenario: x\nsimulate: {arrivals: {trace: {file: orders.txt}}}\n"))
    assert told.value.where == f"{tmp_path / 'orders.txt'}:2"


def test_a_file_of_timings_is_read(tmp_path):
    (tmp_path / "timings.csv").write_text("ms\n20\n10\n")
    made = load_simulation(write(tmp_path, GOOD.replace("{mean: 15ms}", "{csv: timings.csv, column: ms}")))
    assert made.timings == {"orders": [10_000, 20_000]}


def test_a_scenario_without_a_workload_is_for_run(tmp_path):
    text = GOOD.partition("simulate:")[0] + (
        "purchases: [{product: mug-1, customer: user-1}]\nexpect: [{checks: all}]\n"
    )
    with pytest.raises(InputError, match="'simulate' is missing") as told:
        load_simulation(write(tmp_path, text))
    assert "marketsim run" in told.value.todo


def test_purchases_do_not_go_with_a_workload(tmp_path):
    told, _ = refused(tmp_path, "simulate:", "purchases: [{product: mug-1, customer: user-1}]\nsimulate:")
    assert told.what == "purchases: do not go with 'simulate'"


def test_a_simulation_expects_nothing_of_single_purchases(tmp_path):
    load_simulation(write(tmp_path, GOOD + "expect: [{checks: all}]\n"))
    told, _ = refused(tmp_path, "seed: 3\n", "seed: 3\nexpect: [{orders: 3}]\n")
    assert "what a simulation leaves is told by its figures" in told.what
    told, _ = refused(tmp_path, "seed: 3\n", "seed: 3\nexpect: [{purchase: 1, outcome: committed}]\n")
    assert "the purchases of a simulation are not numbered" in told.what


@pytest.mark.parametrize(
    ("workload", "what"),
    [
        ({}, "'arrivals' is missing"),
        ({"arrivals": {"poisson": -1}, "purchases": 1}, "arrivals.poisson: expected a number > 0"),
        ({"arrivals": {"poisson": 1}, "purchases": 1, "servers": {"payments": 1}}, "no service 'payments'"),
        (
            {
                "arrivals": {"poisson": 1},
                "purchases": 1,
                "restocks": [{"product": "*", "units": 1, "every": "1us"}],
            },
            "arrives too often",
        ),
        (
            {"arrivals": {"closed": {"customers": 3}}, "customers": 4, "purchases": 1},
            "a closed group has its own",
        ),
    ],
)
def test_what_was_typed_wrong_has_no_place_but_its_key(workload, what):
    with pytest.raises(InputError, match=what) as told:
        simulation(workload)
    assert told.value.where == ""


def test_a_catalog_without_products_or_customers_is_told():
    workload = {"arrivals": {"poisson": 1}, "purchases": 1}
    with pytest.raises(InputError, match="there is no product in the catalog"):
        simulation(workload, shop(0, 1))
    with pytest.raises(InputError, match="there is no customer in the catalog"):
        simulation(workload, shop(1, 0))
    assert len(simulation(workload | {"customers": 5}, shop(1, 0)).customers) == 5
