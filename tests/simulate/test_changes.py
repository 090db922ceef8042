"""What the shop does while customers come: restocks and prices, in order of time."""

from itertools import islice, takewhile

from simulate.shops import shop, simulation

from marketsim.audit.checks import examine
from marketsim.audit.findings import ERROR
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.virtual import Driver
from marketsim.market.directory import opening_events
from marketsim.market.world import World
from marketsim.saga.events import CatalogChanged
from marketsim.simulate.changes import changes

MINUTE_US = 60_000_000
WORKLOAD = {"arrivals": {"steady": 1}, "purchases": 1}


def told(workload, count=20, **rest):
    made = simulation(WORKLOAD | workload, **rest)
    return [
        ((each.moment_us - made.start_us) // MINUTE_US, each.event) for each in islice(changes(made), count)
    ]


def test_without_a_word_nothing_changes():
    assert told({}) == []


def test_units_arrive_once_or_again_and_again():
    restocks = [
        {"product": "p1", "units": 3, "at": "5m"},
        {"product": "p2", "units": 4, "every": "4m"},
        {"product": "p3", "units": 5, "at": "1m", "every": "10m"},
    ]
    found = told({"restocks": restocks}, 6)
    assert [(minute, event.postings[1].product, event.postings[1].quantity) for minute, event in found] == [
        (1, "p3", 5),
        (4, "p2", 4),
        (5, "p1", 3),
        (8, "p2", 4),
        (11, "p3", 5),
        (12, "p2", 4),
    ]


def test_units_of_every_product_arrive_in_events_that_do_not_grow_with_the_catalog():
    found = told({"restocks": [{"product": "*", "units": 2, "at": "1m"}]}, catalog=shop(250))
    assert [len(event.postings) for _, event in found] == [200, 200, 100]


def test_prices_change_in_their_order():
    prices = [{"product": "p1", "price": 9.5, "at": "7m"}, {"product": "p0", "price": 8, "at": "3m"}]
    found = told({"prices": prices})
    assert [
        (minute, event.products[0]["id"], event.products[0]["price_minor"]) for minute, event in found
    ] == [
        (3, "p0", 800),
        (7, "p1", 950),
    ]


def test_the_world_and_the_checks_agree_with_what_changes():
    made = simulation(
        WORKLOAD
        | {
            "restocks": [{"product": "p1", "units": 3, "every": "1m"}],
            "prices": [{"product": "p1", "price": 9, "at": "90s"}],
        },
        shop(3, stock=10),
    )
    log, world, clock = MemoryLog(), World(), Clock(made.start_us)
    driver = Driver(log, world, clock)
    for event in opening_events("test", made.catalog, "USD"):
        driver.record(event)
    for change in takewhile(lambda each: each.moment_us <= made.start_us + 3 * MINUTE_US, changes(made)):
        clock.advance(change.moment_us)
        driver.record(change.event)
    assert world.available("p1") == 19
    assert world.products["p1"].price_minor == 900
    assert [each for each in examine(log.events) if each.severity == ERROR] == []
    assert sum(isinstance(event, CatalogChanged) for event in log.events) == 3
