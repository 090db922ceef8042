"""The marketplace's own sagas as cases: a small shop, and customers who all want the same."""

from functools import partial

from marketsim.explore.model import Case
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.requests import Line, request_of
from marketsim.market.sagas import saga_for
from marketsim.market.world import World
from marketsim.saga.events import Event, JSONObject
from marketsim.saga.policies import policy_named, policy_with

__all__ = ["market_case"]

_STOCK = {"laptop-1": 3, "mouse-1": 9}
_LINES = {"purchase": [Line("laptop-1", 2)], "checkout": [Line("laptop-1", 2), Line("mouse-1", 3)]}
_CUSTOMERS_MAX = 9


def market_case(
    saga: str, *, policy: str = "default", rules: JSONObject | None = None, gateway: str = DEFAULT_RULE
) -> Case:
    """A built-in saga in a small shop: the stock is enough for one of those who want it, not for two.

    Raises InputError for an unknown saga, policy or rule.
    """
    requests = [request_of(saga, f"user-{n}", _LINES.get(saga, [])) for n in range(1, _CUSTOMERS_MAX + 1)]
    return Case(
        saga,
        tuple(saga_for(saga, request) for request in requests),
        tuple(requests),
        partial(_opening, saga),
        policy_with(policy_named(policy), rules or {}),
        rules or {},
        {} if gateway == DEFAULT_RULE else {"payment": gateway},
        state=_state,
        made_by=(
            "marketsim.explore.marketplace:market_case",
            {"saga": saga, "policy": policy, "rules": rules, "gateway": gateway},
        ),
    )


def _opening(saga: str) -> tuple[World, list[Event]]:
    products = [
        {"id": name, "name": name, "price": price, "inStock": _STOCK[name]}
        for name, price in (("laptop-1", 750), ("mouse-1", 20))
    ]
    users = [{"id": f"user-{n}", "name": f"Customer {n}"} for n in range(1, _CUSTOMERS_MAX + 1)]
    world, events = World(), list(opening_events("explore", Catalog(products, users, [], {}), "USD"))
    for event in events:
        world.apply(event)
    return world, events


def _state(world: World, now_us: int) -> object:
    """What services look at in a market: balances, orders, guardrails' sums; effects they find by key."""
    balances = sorted((account, unit, amount) for (account, unit), amount in world.balances.items() if amount)
    orders = [(order.order, order.order in world.cancelled) for order in world.orders.values()]
    return balances, sorted(orders)
