"""The limits that every request keeps: the built-in guardrails, and where declared ones are asked."""

from marketsim.market.requests import CART_LINES_MAX, lines_of
from marketsim.saga.definition import Call, Saga

__all__ = ["QUANTITY_MAX", "TOTAL_MAX_MAJOR", "limit"]

QUANTITY_MAX = 100
"""The most units of a product in one purchase."""

TOTAL_MAX_MAJOR = 1_000_000
"""The most that one purchase may cost, in major units of the market's currency."""


def limit(saga: Saga) -> None:
    """Declare the guardrails that every saga of the market has."""
    for rule in (known_product, known_customer, cart_size, quantity_limit, price_limit):
        saga.guardrail(rule)
    saga.declared(declared_rules)


def known_product(call: Call) -> str | None:
    """Every product is in the catalog."""
    for line in lines_of(call.request):
        if line.product not in call.world.products:
            return f"there is no product {line.product}"
    return None


def known_customer(call: Call) -> str | None:
    """The customer is in the catalog."""
    customer = call.request["customer"]
    return None if customer in call.world.customers else f"there is no customer {customer}"


def cart_size(call: Call) -> str | None:
    """At least one product and at most 20 of them, each once."""
    lines = lines_of(call.request)
    if len(lines) == 1:
        return None
    if len({line.product for line in lines}) < len(lines):
        return "a product stands in the cart twice"
    if 1 <= len(lines) <= CART_LINES_MAX:
        return None
    return f"{len(lines)} products wanted; a cart has 1 to {CART_LINES_MAX}"


def quantity_limit(call: Call) -> str | None:
    """At least one unit of each product, and at most 100 of it."""
    for line in lines_of(call.request):
        if not 1 <= line.quantity <= QUANTITY_MAX:
            return f"{line.quantity} wanted; a purchase is of 1 to {QUANTITY_MAX} units"
    return None


def price_limit(call: Call) -> str | None:
    """The total is at most 1,000,000, in major units of the currency."""
    world, total_minor = call.world, 0
    for line in lines_of(call.request):
        total_minor += world.products[line.product].price_minor * line.quantity
    if total_minor <= TOTAL_MAX_MAJOR * world.minor_units:
        return None
    return f"the total is above {TOTAL_MAX_MAJOR:,} {world.currency}"


def declared_rules(call: Call) -> tuple[str, str] | None:
    """The rules that the catalog or the scenario declares."""
    if not call.world.guardrails:
        return None
    from marketsim.market.guardrails import broken_rule  # most markets declare none

    return broken_rule(call)
