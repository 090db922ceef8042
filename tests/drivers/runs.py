"""Purchases in memory for the tests: begun, killed where a test wants it, recovered, and replayed."""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias

import msgspec

from marketsim.audit.checks import examine
from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock, parse_time
from marketsim.drivers.live import recover
from marketsim.drivers.recovery import fault_plan, open_transactions
from marketsim.drivers.replay import Replay, replay
from marketsim.drivers.virtual import Driver
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.sagas import saga_of
from marketsim.market.world import World
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import (
    CatalogChanged,
    Event,
    LedgerPosted,
    MarketCreated,
    TransactionBegan,
    decode,
    encode,
)
from marketsim.saga.policies import policy_of
from marketsim.saga.tape import Tape

START_US = 1_700_000_000_000_000
PRICE_MINOR = 75_000
PRODUCTS = {
    "laptop-1": {"name": "Laptop", "price_minor": PRICE_MINOR},
    "mouse-1": {"name": "Mouse", "price_minor": 2_500},
}
CART = {"laptop-1": 1, "mouse-1": 2}

Death: TypeAlias = tuple[int, Literal["before", "after"]]
"""The process dies before event n is kept, or right after."""


class MortalLog(MemoryLog):
    """A log whose process dies at one event after the other."""

    __slots__ = ("deaths",)

    def __init__(self, events: Iterable[Event] = (), deaths: Iterable[Death] = ()) -> None:
        super().__init__()
        self.events.extend(events)
        self.deaths = list(deaths)

    def append(self, event: Event) -> None:
        due, moment = self.deaths[0] if self.deaths else (0, "")
        dies = due == len(self.events) + 1
        if dies and moment == "before":
            self.deaths.pop(0)
            raise ProcessCrashed
        super().append(event)
        if dies:
            self.deaths.pop(0)
            raise ProcessCrashed


class Shop(msgspec.Struct):
    """A market in memory: its stream, its world, and the driver of the process that is alive."""

    log: MemoryLog
    world: World
    driver: Driver

    @property
    def types(self) -> list[str]:
        """The types of what happened after the opening."""
        return [event.type for event in self.log.events[OPENING:]]

    @property
    def lines(self) -> list[bytes]:
        """The stream as bytes."""
        return [encode(event) for event in self.log.events]


def opening(units: int = 5, products: Iterable[str] = ("laptop-1",)) -> list[Event]:
    """A market with one product (or these), so many units of each, and two customers begins."""
    records = [{"id": name, **PRODUCTS[name]} for name in products]
    supplied = [stock(name, units, SUPPLIER, AVAILABLE) for name in products]
    return [
        MarketCreated(origin="shop", currency="USD"),
        CatalogChanged(
            source="init",
            products=records,
            customers=[{"id": "user-1", "name": "Ada"}, {"id": "user-2", "name": "Grace"}],
        ),
        LedgerPosted(postings=[line for pair in supplied for line in pair], reason="opening stock"),
    ]


OPENING = len(opening())


def shop(units: int = 5, *, deaths: Iterable[Death] = (), products: Iterable[str] = ("laptop-1",)) -> Shop:
    """A market that has just begun."""
    log, world = MortalLog(deaths=deaths), World()
    driver = Driver(log, world, Clock(START_US))
    for event in opening(units, products):
        driver.record(event)
    return Shop(log, world, driver)


def began(
    *faults: str, number: int = 1, seed: int = 0, policy: str = "default", quantity: int = 1
) -> TransactionBegan:
    """The request of a purchase of laptop-1 by user-1."""
    return TransactionBegan(
        transaction=f"tx-{number}",
        saga="purchase",
        policy=policy,
        request={"product": "laptop-1", "customer": "user-1", "quantity": quantity},
        seed=seed,
        faults=list(faults),
    )


def checkout_began(
    *faults: str, number: int = 1, seed: int = 0, policy: str = "default", cart: dict[str, int] = CART
) -> TransactionBegan:
    """The request of a checkout of a cart by user-1."""
    lines = [{"product": product, "quantity": quantity} for product, quantity in cart.items()]
    return TransactionBegan(
        transaction=f"tx-{number}",
        saga="checkout",
        policy=policy,
        request={"cart": lines, "customer": "user-1"},
        seed=seed,
        faults=list(faults),
    )


def begin(market: Shop, request: TransactionBegan, *, delay_us: int = 0) -> None:
    """Have a purchase begin once the shop is finished."""
    saga, policy = saga_of(request), policy_of(request)
    plan = fault_plan(request, saga)
    market.driver.begin(saga, policy, Tape(request.seed), request, plan, delay_us=delay_us)


def next_process(log: MemoryLog) -> Shop:
    """What a new process knows: the stream, and nothing else."""
    world = World.of(decode(encode(event)) for event in log.events)
    driver = Driver(log, world, Clock(parse_time(log.events[-1].time)))
    return Shop(log, world, driver)


def recovered(market: Shop) -> None:
    """Finish what is open."""
    recover(market.driver, open_transactions(market.log.events), saga_of)


def finished(market: Shop) -> Shop:
    """Go on to the end; each time the process dies another one recovers."""
    work: Callable[[Shop], object] = lambda market: market.driver.run()  # noqa: E731
    while True:
        try:
            work(market)
            return market
        except ProcessCrashed:
            market, work = next_process(market.log), recovered


def purchased(
    *faults: str,
    units: int = 5,
    deaths: Iterable[Death] = (),
    seed: int = 0,
    policy: str = "default",
    quantity: int = 1,
) -> Shop:
    """One purchase in a new shop, to its end, whoever dies on the way."""
    market = shop(units, deaths=deaths)
    begin(market, began(*faults, seed=seed, policy=policy, quantity=quantity))
    return finished(market)


def checked_out(
    *faults: str,
    units: int = 5,
    deaths: Iterable[Death] = (),
    seed: int = 0,
    policy: str = "default",
    cart: dict[str, int] = CART,
) -> Shop:
    """One checkout in a new shop, to its end, whoever dies on the way."""
    market = shop(units, deaths=deaths, products=list(cart))
    begin(market, checkout_began(*faults, seed=seed, policy=policy, cart=cart))
    return finished(market)


def replayed(events: list[Event], transaction: str = "tx-1") -> Replay:
    """Replay a transaction from a stream that starts with the market's beginning."""
    copies = [decode(encode(event)) for event in events]
    at = next(n for n, event in enumerate(copies) if getattr(event, "transaction", "") == transaction)
    first = copies[at]
    assert isinstance(first, TransactionBegan)
    world = World.of(copies[:at])
    return replay(copies[at:], transaction, saga_of(first), policy_of(first), world)


def errors(events: Iterable[Event]) -> list[Finding]:
    """What the checks have against a stream, warnings apart."""
    return [finding for finding in examine(events) if finding.severity == ERROR]


def kill_points(events: list[Event]) -> Iterator[Death]:
    """Every moment at which the process of a stream could have died in a transaction that had begun."""
    for number in range(OPENING + 1, len(events)):
        yield number, "after"
        yield number + 1, "before"
