"""Who comes and what for: by the workload's numbers, and the same on every machine."""

import os
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from simulate.shops import came, crowd, shop, simulation

from marketsim.saga.tape import Tape
from marketsim.simulate.workload import Crowd

COUNT = 5_000
SECOND_US = 1_000_000


def workload(**rest):
    return {"arrivals": {"steady": 100}, "purchases": COUNT, **rest}


def near(count, share, total=COUNT):
    """Whether a count is within 4.5 standard deviations of what a share of the total is."""
    return abs(count - share * total) <= 4.5 * (total * share * (1 - share)) ** 0.5


def wanted(**rest):
    return Counter(arrival.lines[0].product for arrival in came(workload(**rest)))


def test_without_a_word_all_products_and_customers_are_alike_and_one_unit_is_wanted():
    arrivals = came(workload())
    products = Counter(arrival.lines[0].product for arrival in arrivals)
    customers = Counter(arrival.customer for arrival in arrivals)
    assert len(products) == 10
    assert len(customers) == 20
    assert all(near(count, 1 / 10) for count in products.values())
    assert all(near(count, 1 / 20) for count in customers.values())
    assert all([line.quantity for line in arrival.lines] == [1] for arrival in arrivals)
    assert {(arrival.tries, arrival.cancel_us, arrival.deadline_us) for arrival in arrivals} == {(1, 0, 0)}


@pytest.mark.parametrize("exponent", [0, 0.8, 1, 2])
def test_by_zipf_the_nth_product_is_wanted_as_much_as_its_rank_says(exponent):
    products = wanted(popularity={"zipf": exponent})
    total = sum(1 / rank**exponent for rank in range(1, 11))
    for rank in range(1, 11):
        assert near(products[f"p{rank - 1}"], 1 / rank**exponent / total), rank


def test_a_hot_product_is_wanted_by_its_share_and_the_others_by_theirs():
    products = wanted(popularity={"hot": {"product": "p3", "percent": 60}})
    assert near(products["p3"], 0.6)
    assert all(near(products[f"p{each}"], 0.4 / 9) for each in range(10) if each != 3)
    assert wanted(popularity={"hot": {"product": "p3", "percent": 100}}) == {"p3": COUNT}


def test_units_come_by_their_weights():
    units = Counter(arrival.lines[0].quantity for arrival in came(workload(units={"1": 7, "2": 0, "5": 3})))
    assert set(units) == {1, 5}
    assert near(units[5], 0.3)


def test_a_checkout_has_so_many_different_products():
    arrivals = came(workload(products={"1": 1, "3": 1}, units={"2": 1}), saga="checkout")
    sizes = Counter(len(arrival.lines) for arrival in arrivals)
    assert near(sizes[3], 0.5)
    assert all(len({line.product for line in each.lines}) == len(each.lines) for each in arrivals)
    assert {line.quantity for each in arrivals for line in each.lines} == {2}
    assert set(arrivals[0].request("checkout")) == {"customer", "cart"}


def test_nobody_wants_more_different_products_than_there_are():
    arrivals = came(workload(products={"20": 1}, popularity={"zipf": 3}), saga="checkout", catalog=shop(4))
    assert all(sorted(line.product for line in each.lines) == ["p0", "p1", "p2", "p3"] for each in arrivals)


def test_customers_are_made_up_where_the_catalog_has_too_few():
    made = simulation(workload(customers=30), shop(users=5), seed=4)
    ids = [record["id"] for record in made.customers]
    assert ids[:5] == [f"u{each}" for each in range(5)]
    assert len(set(ids)) == 30
    assert all(record["name"] for record in made.customers)
    assert made == simulation(workload(customers=30), shop(users=5), seed=4)
    assert {arrival.customer for arrival in Crowd(made, Tape(1)).arrivals()} == set(ids)


def test_fewer_customers_than_the_catalog_has_are_its_first():
    arrivals = came(workload(customers=3))
    assert {arrival.customer for arrival in arrivals} == {"u0", "u1", "u2"}


def test_made_up_customers_never_take_an_id_of_the_catalog():
    catalog = shop(users=1)
    catalog.users[0]["id"] = "user-2"
    made = simulation(workload(customers=4), catalog)
    assert [record["id"] for record in made.customers] == ["user-2", "user-1", "user-3", "user-4"]


# A closed group.


def test_a_closed_group_thinks_buys_and_thinks_again():
    group = crowd({"arrivals": {"closed": {"customers": 4, "think": "10s"}}, "purchases": 9})
    first = list(group.arrivals())
    assert sorted(each.customer for each in first) == ["u0", "u1", "u2", "u3"]
    assert [each.moment_us for each in first] == sorted(each.moment_us for each in first)
    moment_us, each, points = first[0].moment_us, first[0], []
    for _ in range(5):
        following = group.after(each, "committed", "", moment_us + SECOND_US)
        assert following.moment_us > moment_us + SECOND_US
        moment_us, each = following.moment_us, following
        points.append(each.point)
    customer = first[0].customer
    assert points == [f"{customer}/buy-{number}" for number in range(2, 7)]
    # With four first ones that makes nine.
    assert group.after(each, "committed", "", moment_us) is None


def test_a_closed_group_goes_home_when_the_time_is_over():
    group = crowd({"arrivals": {"closed": {"customers": 20, "think": "10s"}}, "duration": "1m"})
    first = list(group.arrivals())
    assert all(each.moment_us < group.simulation.start_us + 60 * SECOND_US for each in first)
    assert group.after(first[0], "committed", "", group.simulation.start_us + 60 * SECOND_US) is None


def test_the_thinking_of_a_group_is_exponential_on_average():
    group = crowd({"arrivals": {"closed": {"customers": 2_000, "think": "10s"}}, "duration": "8760h"})
    start_us = group.simulation.start_us
    waits = [each.moment_us - start_us for each in group.arrivals()]
    assert len(waits) == 2_000
    assert abs(sum(waits) / 2_000 / SECOND_US - 10) < 1


# Habits.


AGAIN = {"again": {"percent": 40, "after": "30s", "times": 2}}


def test_who_got_nothing_tries_again_by_the_percentage_after_a_pause_for_the_same():
    shoppers = crowd(workload(habits=AGAIN))
    found, pauses = [], []
    for arrival in shoppers.arrivals():
        ended_us = arrival.moment_us + SECOND_US
        again = shoppers.after(arrival, "compensated", "card_declined", ended_us)
        if again is not None:
            found.append(again)
            pauses.append(again.moment_us - ended_us)
            assert (again.lines, again.customer, again.point) == (
                arrival.lines,
                arrival.customer,
                arrival.point,
            )
    assert near(len(found), 0.4)
    assert {each.tries for each in found} == {2}
    assert abs(sum(pauses) / len(pauses) / SECOND_US - 30) < 3


def test_nobody_tries_more_often_than_the_habit_says():
    shoppers = crowd(workload(habits={"again": {"percent": 100, "times": 2}}))
    arrival = next(shoppers.arrivals())
    second = shoppers.after(arrival, "compensated", "out_of_stock", arrival.moment_us)
    third = shoppers.after(second, "abandoned", "out_of_stock", second.moment_us)
    assert third.tries == 3
    assert shoppers.after(third, "compensated", "out_of_stock", third.moment_us) is None


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("committed", ""),
        ("rejected", "price_limit"),
        ("stuck", "refund_refused"),
        ("compensated", "cancelled"),
        ("compensated", "deadline_exceeded"),
    ],
)
def test_who_bought_or_gave_up_does_not_try_again(outcome, code):
    shoppers = crowd(workload(habits={"again": {"percent": 100}}))
    arrival = next(shoppers.arrivals())
    assert shoppers.after(arrival, outcome, code, arrival.moment_us) is None


def test_a_habit_may_be_about_some_failures_alone():
    shoppers = crowd(workload(habits={"again": {"percent": 100, "codes": ["card_declined"]}}))
    arrival = next(shoppers.arrivals())
    assert shoppers.after(arrival, "compensated", "card_declined", arrival.moment_us) is not None
    assert shoppers.after(arrival, "compensated", "out_of_stock", arrival.moment_us) is None


def test_some_cancel_midway_and_all_have_their_patience():
    arrivals = came(workload(habits={"cancel": {"percent": 5, "within": "2s"}, "patience": "30s"}))
    cancelled = [each.cancel_us for each in arrivals if each.cancel_us]
    assert near(len(cancelled), 0.05)
    assert all(1 <= each <= 2 * SECOND_US for each in cancelled)
    assert {each.deadline_us for each in arrivals} == {30 * SECOND_US}


# The same on every machine.


WHOLE = {
    "arrivals": {"poisson": 20},
    "purchases": 300,
    "popularity": {"zipf": 1.1, "hot": {"product": "p3", "percent": 20}},
    "units": {"1": 80, "2": 15, "3": 5},
    "products": {"1": 50, "2": 50},
    "habits": AGAIN | {"cancel": {"percent": 5}},
    "customers": 50,
}

SHOW = """
import hashlib
from simulate.shops import simulation
from simulate.test_workload import WHOLE
from marketsim.saga.tape import Tape
from marketsim.simulate.workload import Crowd

crowd = Crowd(simulation(WHOLE, saga="checkout"), Tape(5))
came = list(crowd.arrivals())
found = [(each, crowd.after(each, "compensated", "card_declined", each.moment_us)) for each in came]
print(hashlib.sha256(repr(found).encode()).hexdigest())
"""


def test_the_seed_alone_decides_who_comes_whatever_the_hash_seed():
    shown = set()
    path = os.pathsep.join((str(Path(__file__).parent.parent), *filter(None, sys.path)))
    for hash_seed in ("0", "1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
        command = [sys.executable, "-c", SHOW]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        shown.add(done.stdout)
    assert len(shown) == 1


def test_another_seed_has_others_come_and_the_same_one_the_same():
    assert came(WHOLE, 1, saga="checkout") == came(WHOLE, 1, saga="checkout")
    assert came(WHOLE, 1, saga="checkout") != came(WHOLE, 2, saga="checkout")


def test_who_comes_first_is_known_before_who_comes_last():
    endless = crowd({"arrivals": {"poisson": 10}, "purchases": 10**9})
    assert [each.number for each in islice(endless.arrivals(), 3)] == [1, 2, 3]
