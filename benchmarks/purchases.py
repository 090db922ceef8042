"""The purchases that are measured: twenty products, fifty customers, and one payment in ten declined."""

from collections.abc import Iterator
from typing import Protocol

from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.virtual import Driver
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.purchase import purchase
from marketsim.market.world import World
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.faults import FaultPlan, parse_fault
from marketsim.saga.policies import policy_named
from marketsim.saga.tape import Tape

__all__ = ["START_US", "Log", "began", "by_engine", "catalog", "opened", "stream"]

START_US = 1_750_000_000_000_000
"""When a stream begins, in microseconds since 1970: a fixed moment, so that it is the same each time."""

_DECLINES = "payment:card_declined%10"
_PRODUCTS, _CUSTOMERS, _STOCK = 20, 50, 10**8


class Log(Protocol):
    """Where events go."""

    def append(self, event: Event) -> None:
        """Number the event and keep it."""


def catalog(products: int, users: int, stock: int) -> Catalog:
    """A catalog of as many products and users as are wanted."""
    return Catalog(
        [
            {"id": f"product-{n}", "name": f"Product {n}", "price": 10 + n % 90, "inStock": stock}
            for n in range(1, products + 1)
        ],
        [{"id": f"user-{n}", "name": f"User {n}"} for n in range(1, users + 1)],
    )


def opened(log: Log) -> World:
    """A world whose opening is on the log."""
    world, clock = World(), Clock(START_US)
    for event in opening_events("market", catalog(_PRODUCTS, _CUSTOMERS, _STOCK), "USD"):
        event.time = clock.stamp()
        log.append(event)
        world.apply(event)
    return world


def began(number: int) -> TransactionBegan:
    """The first event of purchase ``number``."""
    request = {
        "product": f"product-{number % _PRODUCTS + 1}",
        "customer": f"user-{number % _CUSTOMERS + 1}",
        "quantity": number % 3 + 1,
    }
    return TransactionBegan(
        transaction=f"tx-{number}",
        saga="purchase",
        policy="default",
        request=request,
        seed=7,
        faults=[_DECLINES],
    )


def by_engine(log: Log, world: World, count: int) -> None:
    """Make ``count`` purchases through the saga, its engine and the virtual driver."""
    driver, tape = Driver(log, world, Clock(START_US)), Tape(7)
    policy, plan = policy_named("default"), FaultPlan([parse_fault(_DECLINES, purchase)])
    for number in range(1, count + 1):
        driver.begin(purchase, policy, tape, began(number), plan)
        driver.run()


def stream(count: int) -> Iterator[Event]:
    """The events of ``count`` purchases, without the opening of the market."""
    log = MemoryLog()
    world = opened(log)
    opening = len(log.events)
    by_engine(log, world, count)
    yield from log.events[opening:]
