"""The built-in sagas as they are mutated: in a shop with enough for everybody, and what it must turn away."""

import msgspec

from marketsim.explore.marketplace import Shop, market_case
from marketsim.explore.model import Case
from marketsim.market.catalog import Catalog
from marketsim.market.requests import CART_LINES_MAX
from marketsim.saga.events import JSONObject

__all__ = ["ample_case", "refused_cases"]

_PRICES = {"laptop-1": 750, "mouse-1": 20, "yacht-1": 600_000}
_CUSTOMERS = 3


def ample_case(saga: str) -> Case:
    """A built-in saga in a shop that has enough for all its customers. Raises InputError."""
    return msgspec.structs.replace(market_case(saga), opening=_ample_shop(), made_by=None)


def refused_cases(saga: str) -> tuple[Case, ...]:
    """Requests of which each breaks one guardrail, and no other."""
    case = ample_case(saga)
    wanted = _REFUSED_CART if saga == "checkout" else _REFUSED
    return tuple(
        msgspec.structs.replace(case, sagas=case.sagas[:1], requests=({"customer": "user-1"} | request,))
        for request in wanted
    )


_REFUSED: tuple[JSONObject, ...] = (
    {"product": "nothing-1", "quantity": 1},
    {"product": "mouse-1", "quantity": 1, "customer": "nobody"},
    {"product": "mouse-1", "quantity": 101},
    {"product": "mouse-1", "quantity": 0},
    {"product": "yacht-1", "quantity": 2},
)


def _cart(*lines: tuple[str, int], **rest: str) -> JSONObject:
    return {"cart": [{"product": product, "quantity": quantity} for product, quantity in lines], **rest}


_REFUSED_CART: tuple[JSONObject, ...] = (
    _cart(("nothing-1", 1)),
    _cart(("mouse-1", 1), customer="nobody"),
    _cart(("mouse-1", 1), ("mouse-1", 2)),
    _cart(*[("mouse-1", 1)] * (CART_LINES_MAX + 1)),
    _cart(("mouse-1", 101)),
    _cart(("yacht-1", 2)),
)


def _ample_shop() -> Shop:
    products = [{"id": name, "name": name, "price": price, "inStock": 20} for name, price in _PRICES.items()]
    users = [{"id": f"user-{n}", "name": f"Customer {n}"} for n in range(1, _CUSTOMERS + 1)]
    return Shop(Catalog(products, users, [], {}), "USD")
