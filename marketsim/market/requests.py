"""What is asked for: the lines of a request, and the limits that every request keeps."""

from collections.abc import Mapping
from typing import Any

import msgspec

from marketsim.saga.definition import Call, Saga
from marketsim.saga.events import JSONObject

__all__ = [
    "CART_LINES_MAX",
    "QUANTITY_MAX",
    "TOTAL_MAX_MAJOR",
    "Line",
    "as_records",
    "is_request",
    "limit",
    "lines_of",
]

QUANTITY_MAX = 100
"""The most units of a product in one purchase."""

CART_LINES_MAX = 20
"""The most products in one cart."""

TOTAL_MAX_MAJOR = 1_000_000
"""The most that one purchase may cost, in major units of the market's currency."""


class Line(msgspec.Struct, frozen=True):
    """So many units of a product."""

    product: str
    quantity: int


def lines_of(request: Mapping[str, Any]) -> list[Line]:
    """The lines of a request: those of its cart, or the one product of a purchase.

    Raises KeyError or msgspec.ValidationError for what is no request.
    """
    lines = request.get("cart", [request])
    return msgspec.convert(lines, list[Line])


def is_request(request: Mapping[str, Any]) -> bool:
    """Whether it has lines that can be read; another saga's request, or one in a strange log, may not."""
    try:
        return all(line.product and line.quantity for line in lines_of(request))
    except (KeyError, TypeError, msgspec.ValidationError):
        return False


def limit(saga: Saga) -> None:
    """Declare the guardrails that every saga of the market has."""
    for rule in (known_product, known_customer, cart_size, quantity_limit, price_limit):
        saga.guardrail(rule)
    saga.declared(declared_rules)


def known_product(call: Call) -> str | None:
    """Every product is in the catalog."""
    unknown = [line.product for line in lines_of(call.request) if line.product not in call.world.products]
    return f"there is no product {unknown[0]}" if unknown else None


def known_customer(call: Call) -> str | None:
    """The customer is in the catalog."""
    customer = call.request["customer"]
    return None if customer in call.world.customers else f"there is no customer {customer}"


def cart_size(call: Call) -> str | None:
    """At least one product and at most 20 of them, each once."""
    products = [line.product for line in lines_of(call.request)]
    if len(set(products)) < len(products):
        return "a product stands in the cart twice"
    if 1 <= len(products) <= CART_LINES_MAX:
        return None
    return f"{len(products)} products wanted; a cart has 1 to {CART_LINES_MAX}"


def quantity_limit(call: Call) -> str | None:
    """At least one unit of each product, and at most 100 of it."""
    for line in lines_of(call.request):
        if not 1 <= line.quantity <= QUANTITY_MAX:
            return f"{line.quantity} wanted; a purchase is of 1 to {QUANTITY_MAX} units"
    return None


def price_limit(call: Call) -> str | None:
    """The total is at most 1,000,000, in major units of the currency."""
    world = call.world
    total_minor = sum(
        world.products[line.product].price_minor * line.quantity for line in lines_of(call.request)
    )
    if total_minor <= TOTAL_MAX_MAJOR * world.minor_units:
        return None
    return f"the total is above {TOTAL_MAX_MAJOR:,} {world.currency}"


def declared_rules(call: Call) -> tuple[str, str] | None:
    """The rules that the catalog or the scenario declares."""
    if not call.world.guardrails:
        return None
    from marketsim.market.guardrails import broken_rule  # most markets declare none

    return broken_rule(call)


def as_records(lines: list[Line]) -> list[JSONObject]:
    """The lines as they stand in a stream."""
    return [{"product": line.product, "quantity": line.quantity} for line in lines]
