"""The marketplace's own sagas as cases: in a small shop where all want the same, or as a scenario has it."""

from collections.abc import Callable
from functools import partial
from itertools import combinations
from pathlib import Path

import msgspec

from marketsim.explore.model import Case
from marketsim.market.bought import Purchased
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.gateway import DEFAULT_RULE, rule_named
from marketsim.market.ledger import AVAILABLE, RESERVED
from marketsim.market.requests import Line, lines_of, request_of
from marketsim.market.sagas import saga_for, saga_named
from marketsim.market.world import World
from marketsim.saga.definition import Saga
from marketsim.saga.events import Event, JSONObject, LedgerPosted, OrderCancelled, OrderPlaced
from marketsim.saga.policies import policy_named, policy_with
from marketsim.scenario.load import load_scenario

__all__ = ["CUSTOMERS_MAX", "Shop", "market_case", "saga_of_request", "scenario_case"]

CUSTOMERS_MAX = 9
"""How many customers the small shop has."""

# A dirty read looks at what others have reserved, too.
_SHARED = (AVAILABLE, RESERVED)
_STOCK = {"laptop-1": 3, "mouse-1": 9}
_PRICES = {"laptop-1": 750, "mouse-1": 20}
_LINES = {"purchase": [Line("laptop-1", 2)], "checkout": [Line("laptop-1", 2), Line("mouse-1", 3)]}


class Shop(msgspec.Struct, frozen=True):
    """A market that opens anew for each run."""

    catalog: Catalog
    currency: str

    def __call__(self) -> tuple[World, list[Event]]:
        """Its world, and the events by which it came to be."""
        world, events = _Watched(), list(opening_events("explore", self.catalog, self.currency))
        for event in events:
            world.apply(event)
        return world, events


class _Watched(World):
    """A world that notices when somebody looks at, or changes, what is shared: stock, and what was bought."""

    def __init__(self) -> None:
        super().__init__()
        self.touched = False

    def available(self, product: str) -> int:
        self.touched = True
        return super().available(product)

    def bought(self, customer: str) -> Purchased:
        self.touched = True
        return super().bought(customer)

    def apply(self, event: Event) -> None:
        super().apply(event)
        moved = isinstance(event, LedgerPosted) and any(line.account in _SHARED for line in event.postings)
        if moved or isinstance(event, OrderPlaced | OrderCancelled):
            self.touched = True


def _seen(world: World) -> bool:
    if not isinstance(world, _Watched):
        return True  # Nobody watched.
    touched, world.touched = world.touched, False
    return touched


def market_case(
    saga: str, *, policy: str = "default", rules: JSONObject | None = None, gateway: str = DEFAULT_RULE
) -> Case:
    """A built-in saga in a small shop: the stock is enough for one of those who want it, not for two.

    Raises InputError for an unknown saga, policy or rule.
    """
    saga_named(saga)
    requests = [request_of(saga, f"user-{n}", _LINES[saga]) for n in range(1, CUSTOMERS_MAX + 1)]
    named = {"saga": saga, "policy": policy, "rules": rules, "gateway": gateway}
    return _case(saga, requests, _small_shop(), policy, rules or {}, gateway, ("market_case", named))


def scenario_case(path: str, *, policy: str | None = None, gateway: str | None = None) -> Case:
    """The market of a scenario file, and what its purchases ask for; its faults and its times are left out.

    ``policy`` and ``gateway`` take the place of the scenario's own. Raises InputError, as load_scenario does.
    """
    scenario = load_scenario(Path(path))
    return _case(
        scenario.saga,
        [purchase.request(scenario.saga) for purchase in scenario.purchases],
        Shop(scenario.catalog, scenario.currency),
        policy or scenario.policy,
        {} if policy else scenario.rules,
        gateway or scenario.gateway,
        ("scenario_case", {"path": str(Path(path).resolve()), "policy": policy, "gateway": gateway}),
    )


def saga_of_request(case: Case) -> Callable[[JSONObject], Saga] | None:
    """Which saga serves a request that is smaller than the case's; None: the one that it has."""
    return partial(saga_for, case.name) if isinstance(case.opening, Shop) else None


def _case(
    saga: str,
    requests: list[JSONObject],
    shop: Shop,
    policy: str,
    rules: JSONObject,
    gateway: str,
    made_by: tuple[str, JSONObject],
) -> Case:
    rule_named(gateway)
    unlike = [request for request in requests if request | {"customer": ""} != requests[0] | {"customer": ""}]
    return Case(
        saga,
        tuple(saga_for(saga, request) for request in requests),
        tuple(requests),
        shop,
        policy_with(policy_named(policy), rules),
        rules,
        {} if gateway == DEFAULT_RULE else {"payment": gateway},
        state=_state,
        seen=_seen,
        groups=_groups(requests, shop.catalog),
        # A declared guardrail may look at who it is.
        alike=not unlike and not shop.catalog.guardrails,
        made_by=(f"{__name__}:{made_by[0]}", made_by[1]),
    )


def _groups(requests: list[JSONObject], catalog: Catalog) -> tuple[int, ...]:
    """Who is in one group: those who want the same, or are the same, and whoever has to do with these.

    Empty if all are in one.
    """
    if catalog.guardrails:
        return ()  # They may look at anybody.
    groups = list(range(len(requests)))
    wants = [
        {request["customer"], *(("product", line.product) for line in lines_of(request))}
        for request in requests
    ]
    for number, other in combinations(groups, 2):
        if wants[number] & wants[other]:
            groups = [groups[number] if each == groups[other] else each for each in groups]
    return tuple(groups) if len(set(groups)) > 1 else ()


def _small_shop() -> Shop:
    products = [
        {"id": name, "name": name, "price": price, "inStock": _STOCK[name]} for name, price in _PRICES.items()
    ]
    users = [{"id": f"user-{n}", "name": f"Customer {n}"} for n in range(1, CUSTOMERS_MAX + 1)]
    return Shop(Catalog(products, users, [], {}), "USD")


def _state(world: World, now_us: int) -> object:
    """What services look at in a market: balances, orders, guardrails' sums; effects they find by key."""
    balances = sorted((account, unit, amount) for (account, unit), amount in world.balances.items() if amount)
    orders = [(order.order, order.order in world.cancelled) for order in world.orders.values()]
    return balances, sorted(orders)
