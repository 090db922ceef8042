"""The purchase saga: check, reserve while the delivery is estimated, charge, order, notify."""

from marketsim.market import services
from marketsim.saga.definition import SECOND_US, Call, Retry, Saga
from marketsim.saga.events import JSONObject

__all__ = ["QUANTITY_MAX", "TOTAL_MAX_MAJOR", "purchase"]

QUANTITY_MAX = 100
"""The most units of a product in one purchase."""

TOTAL_MAX_MAJOR = 1_000_000
"""The most that one purchase may cost, in major units of the market's currency."""

purchase = Saga("purchase", "One product for one customer.")


@purchase.guardrail
def known_product(call: Call) -> str | None:
    """The product is in the catalog."""
    product = call.request["product"]
    return None if product in call.world.products else f"there is no product {product}"


@purchase.guardrail
def known_customer(call: Call) -> str | None:
    """The customer is in the catalog."""
    customer = call.request["customer"]
    return None if customer in call.world.customers else f"there is no customer {customer}"


@purchase.guardrail
def quantity_limit(call: Call) -> str | None:
    """At least one unit, and at most 100 in one purchase."""
    quantity = call.request["quantity"]
    if 1 <= quantity <= QUANTITY_MAX:
        return None
    return f"{quantity} wanted; a purchase is of 1 to {QUANTITY_MAX} units"


@purchase.guardrail
def price_limit(call: Call) -> str | None:
    """The total is at most 1,000,000, in major units of the currency."""
    total_minor = call.world.products[call.request["product"]].price_minor * call.request["quantity"]
    if total_minor <= TOTAL_MAX_MAJOR * call.world.minor_units:
        return None
    return f"the total is above {TOTAL_MAX_MAJOR:,} {call.world.currency}"


@purchase.declared
def declared_rules(call: Call) -> tuple[str, str] | None:
    """The rules that the catalog or the scenario declares."""
    if not call.world.guardrails:
        return None
    from marketsim.market.guardrails import broken_rule  # most markets declare none

    return broken_rule(call)


@purchase.operation(service="inventory", kind="read_only", latency_us=(5_000, 25_000))
def check_availability(call: Call) -> JSONObject:
    """Ask the inventory what there is and what it costs."""
    return services.quote(call, call.request["product"], call.request["quantity"])


@purchase.operation(service="inventory", after=[check_availability], latency_us=(10_000, 60_000))
def reserve_stock(call: Call) -> JSONObject:
    """Hold the units for this customer."""
    return services.reserve(call, call.request["product"], call.request["quantity"])


@reserve_stock.compensation
def release_stock(call: Call) -> JSONObject:
    """Put the units back on sale."""
    return services.release(call)


@purchase.operation(
    service="delivery", kind="read_only", after=[check_availability], latency_us=(20_000, 120_000)
)
def estimate_delivery(call: Call) -> JSONObject:
    """Ask how long the delivery takes."""
    return services.estimate(call.request["quantity"])


@purchase.operation(
    service="payment",
    after=[reserve_stock, estimate_delivery],
    latency_us=(80_000, 400_000),
    retry=Retry(attempts_max=4, delay_us=2 * SECOND_US),
)
def charge_payment(call: Call) -> JSONObject:
    """Charge the customer."""
    quoted = call.results["check_availability"]
    amount_minor = quoted["price_minor"] * call.request["quantity"]
    return services.charge(call, call.request["customer"], amount_minor, quoted["currency"])


@charge_payment.compensation
def refund_payment(call: Call) -> JSONObject:
    """Give the money back."""
    return services.refund(call)


@purchase.operation(service="orders", latency_us=(10_000, 50_000))
def place_order(call: Call) -> JSONObject:
    """Write the order; the units are sold."""
    charged = call.results["charge_payment"]
    line = {
        "product": call.request["product"],
        "quantity": call.request["quantity"],
        "price_minor": call.results["check_availability"]["price_minor"],
    }
    order = call.transaction.replace("tx", "order")
    customer = call.request["customer"]
    return services.place(call, order, customer, [line], charged["amount_minor"], charged["currency"])


@place_order.compensation
def cancel_order(call: Call) -> JSONObject:
    """Take the order back."""
    return services.cancel(call)


@purchase.operation(
    service="notifications",
    kind="retriable",
    latency_us=(20_000, 200_000),
    retry=Retry(attempts_max=5, delay_us=5 * SECOND_US),
)
def notify_customer(call: Call) -> JSONObject:
    """Tell the customer; the last step, since a message cannot be called back."""
    order = call.results["place_order"]["order"]
    return services.notify(call, call.request["customer"], f"{order} is confirmed")
