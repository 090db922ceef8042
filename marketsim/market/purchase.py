"""The purchase saga: check, reserve while the delivery is estimated, charge, order, notify."""

from marketsim.market import gateway, services
from marketsim.market.limits import limit
from marketsim.saga.definition import SECOND_US, Call, Retry, Saga
from marketsim.saga.events import JSONObject

__all__ = ["purchase"]

purchase = Saga("purchase", "One product for one customer.")
limit(purchase)


@purchase.operation(service="inventory", kind="read_only", latency_us=(5_000, 25_000))
def check_availability(call: Call) -> JSONObject:
    """Ask the inventory what there is and what it costs."""
    return services.quote(call, call.request["product"], call.request["quantity"])


@purchase.operation(service="inventory", after=[check_availability], latency_us=(10_000, 60_000))
def reserve_stock(call: Call) -> JSONObject:
    """Hold the units for this customer."""
    price_minor = call.results["check_availability"]["price_minor"]
    return services.reserve(call, call.request["product"], call.request["quantity"], price_minor)


@reserve_stock.compensation
def release_stock(call: Call) -> JSONObject:
    """Put the units back on sale."""
    return services.release(call)


@reserve_stock.status
def find_reservation(call: Call) -> JSONObject:
    """Ask the inventory what it holds."""
    return services.reservation_status(call, call.request["product"], call.request["quantity"])


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
    retry=gateway.PAYMENT_RETRY,
    revert_ttl_us=gateway.REFUND_TTL_US,
)
def charge_payment(call: Call) -> JSONObject:
    """Charge the customer."""
    currency = call.results["check_availability"]["currency"]
    return gateway.charge(call, call.request["customer"], _total_minor(call), currency)


def _total_minor(call: Call) -> int:
    return int(call.results["check_availability"]["price_minor"]) * int(call.request["quantity"])


@charge_payment.compensation
def refund_payment(call: Call) -> JSONObject:
    """Give the money back."""
    return gateway.refund(call)


@charge_payment.status
def find_payment(call: Call) -> JSONObject:
    """Ask the gateway whether there is a payment."""
    return gateway.payment_status(call, _total_minor(call))


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


@place_order.status
def find_order(call: Call) -> JSONObject:
    """Ask whether the order stands."""
    return services.order_status(call)


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


@notify_customer.compensation
def send_correction(call: Call) -> JSONObject:
    """Tell the customer that it does not hold, if it was cancelled while the message went out."""
    return services.correct(call)
