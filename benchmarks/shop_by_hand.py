"""The simulated shop written by hand twice: as SimPy processes, and as a bare loop over a heap.

Both do what the purchase saga does there: six operations with their latencies, two of them side by side,
stock that is held, money that moves once under a key, a charge that is declined or whose answer is lost
and asked for, reverts, an order, a message, double-entry balances, and how long it all took. Neither
writes events, checks anything, or could be interrupted. Their choices are those of ``random.Random``, or
(`FromTape`) each drawn by its name, as a simulation's are, so that it can be replayed and compared.
"""

from collections import Counter, defaultdict
from collections.abc import Generator
from heapq import heappop, heappush
from typing import Any, Protocol

from marketsim.saga.tape import MILLION, Tape
from marketsim.simulate.chance import UNIT, exponential

__all__ = ["DECLINED", "RATE", "TIMED_OUT", "FromTape", "Shop", "by_heap", "by_simpy"]

RATE = 10.0
"""How many customers come in a second."""

DECLINED, TIMED_OUT = 0.08, 0.005
"""How many charges are declined, and of how many the answer is lost after the effect."""

_LIMIT_S = 10.0


class Chance(Protocol):
    """What the shop asks of chance, as ``random.Random`` answers it."""

    def expovariate(self, rate: float) -> float: ...
    def choice(self, names: list[str]) -> str: ...
    def uniform(self, least: float, most: float) -> float: ...
    def random(self) -> float: ...


class FromTape:
    """The same chances, each at a point of the tape."""

    def __init__(self, seed: int) -> None:
        self._tape = Tape(seed)
        self._drawn = 0

    def expovariate(self, rate: float) -> float:
        return exponential(self._tape, self._point()) / UNIT / rate

    def choice(self, names: list[str]) -> str:
        return names[self._tape.draw(self._point(), len(names))]

    def uniform(self, least: float, most: float) -> float:
        return least + (most - least) * self.random()

    def random(self) -> float:
        return self._tape.draw(self._point(), MILLION) / MILLION

    def _point(self) -> str:
        self._drawn += 1
        return f"tx-{self._drawn}/charge_payment@1/latency"


class Shop:
    """What both loops act on: stock and money by account, effects by key, orders, messages, durations."""

    def __init__(self, products: dict[str, tuple[int, int]], draw: Chance) -> None:
        self.draw = draw
        self.prices = {name: price for name, (price, _) in products.items()}
        self.names = list(products)
        self.balances: dict[tuple[str, str], int] = defaultdict(int)
        for name, (_, units) in products.items():
            self.balances["stock:available", name] = units
            self.balances["stock:supplier", name] = -units
        self.done: dict[str, int] = {}
        self.orders: dict[str, tuple[str, str, int]] = {}
        self.messages: dict[str, str] = {}
        self.outcomes: Counter[str] = Counter()
        self.took_s: dict[str, list[float]] = defaultdict(list)

    def comes(self) -> float:
        return self.draw.expovariate(RATE)

    def wants(self) -> str:
        return self.draw.choice(self.names)

    def there(self, product: str) -> bool:
        return self.balances["stock:available", product] >= 1

    def move(self, key: str, account: str, other: str, unit: str, amount: int) -> None:
        """Move something from one account to another, once under a key."""
        if key not in self.done:
            self.balances[account, unit] -= amount
            self.balances[other, unit] += amount
            self.done[key] = amount

    def reserve(self, name: str, product: str) -> bool:
        if not self.there(product):
            return False
        self.move(f"{name}:reserve", "stock:available", "stock:reserved", product, 1)
        return True

    def release(self, name: str, product: str) -> None:
        self.move(f"{name}:release", "stock:reserved", "stock:available", product, 1)

    def charge(self, name: str, product: str) -> str:
        """``paid``, ``declined``, or ``unknown``: no answer, though it is paid."""
        chance = self.draw.random()
        if chance < DECLINED:
            return "declined"
        self.move(f"{name}:charge", f"customer:{name}", "merchant", "USD", self.prices[product])
        return "unknown" if chance < DECLINED + TIMED_OUT else "paid"

    def place(self, name: str, product: str) -> None:
        self.move(f"{name}:order", "stock:reserved", "stock:sold", product, 1)
        self.orders[name] = (name, product, self.prices[product])

    def notify(self, name: str) -> None:
        self.messages[name] = f"{name} is confirmed"

    def end(self, name: str, outcome: str, took_s: float) -> None:
        self.outcomes[outcome] += 1
        self.took_s[outcome].append(took_s)
        for step in ("reserve", "release", "charge", "order"):
            self.done.pop(f"{name}:{step}", None)


# SimPy.


def by_simpy(shop: Shop, purchases: int) -> None:
    """Customers as SimPy processes, written as its documentation writes them."""
    import simpy

    env = simpy.Environment()
    env.process(_customers(env, shop, purchases))
    env.run()


def _customers(env: Any, shop: Shop, purchases: int) -> Generator[Any, Any, None]:
    for number in range(purchases):
        yield env.timeout(shop.comes())
        env.process(_purchase(env, shop, f"tx-{number}", shop.wants()))


def _purchase(env: Any, shop: Shop, name: str, product: str) -> Generator[Any, Any, None]:
    began, between = env.now, shop.draw.uniform
    there = shop.there(product)
    yield env.timeout(between(0.005, 0.025))
    if not there:
        shop.end(name, "refused", env.now - began)
        return
    held = shop.reserve(name, product)
    yield env.timeout(between(0.01, 0.06)) & env.timeout(between(0.02, 0.12))
    if not held:
        shop.end(name, "refused", env.now - began)
        return
    answer = shop.charge(name, product)
    if answer == "unknown":
        yield env.timeout(_LIMIT_S)
        yield env.timeout(between(0.08, 0.4))  # The gateway is asked, and knows.
    else:
        yield env.timeout(between(0.08, 0.4))
    if answer == "declined":
        shop.release(name, product)
        yield env.timeout(between(0.01, 0.06))
        shop.end(name, "compensated", env.now - began)
        return
    shop.place(name, product)
    yield env.timeout(between(0.01, 0.05))
    shop.notify(name)
    yield env.timeout(between(0.02, 0.2))
    shop.end(name, "committed", env.now - began)


# A heap.

_COME, _CHECKED, _HELD, _CHARGED, _RELEASED, _PLACED, _TOLD = range(7)


class _Customer:
    __slots__ = ("answer", "began", "held", "name", "product")

    def __init__(self, name: str, product: str, began: float) -> None:
        self.name, self.product, self.began = name, product, began
        self.held = False
        self.answer = ""


def by_heap(shop: Shop, purchases: int) -> None:
    """The same as a state machine over a heap of moments: the least that Python can do it with."""
    heap: list[tuple[float, int, int, _Customer | None]] = [(shop.comes(), 0, _COME, None)]
    between, count, came = shop.draw.uniform, 0, 0
    while heap:
        now, _, step, customer = heappop(heap)
        if customer is None:
            customer = _Customer(f"tx-{came}", shop.wants(), now)
            came += 1
            if came < purchases:
                count += 1
                heappush(heap, (now + shop.comes(), count, _COME, None))
            customer.held = shop.there(customer.product)
            due, step = now + between(0.005, 0.025), _CHECKED
        elif step <= _HELD:
            if not customer.held:
                shop.end(customer.name, "refused", now - customer.began)
                continue
            if step == _CHECKED:
                customer.held = shop.reserve(customer.name, customer.product)
                due, step = now + max(between(0.01, 0.06), between(0.02, 0.12)), _HELD
            else:
                customer.answer = shop.charge(customer.name, customer.product)
                wait = _LIMIT_S if customer.answer == "unknown" else 0.0
                due, step = now + wait + between(0.08, 0.4), _CHARGED
        elif step == _CHARGED:
            if customer.answer == "declined":
                shop.release(customer.name, customer.product)
                due, step = now + between(0.01, 0.06), _RELEASED
            else:
                shop.place(customer.name, customer.product)
                due, step = now + between(0.01, 0.05), _PLACED
        elif step == _PLACED:
            shop.notify(customer.name)
            due, step = now + between(0.02, 0.2), _TOLD
        else:
            shop.end(customer.name, "committed" if step == _TOLD else "compensated", now - customer.began)
            continue
        count += 1
        heappush(heap, (due, count, step, customer))
