"""The checkout saga: reserve each product, authorize, order, capture (the pivot), then ship and notify."""

from functools import lru_cache

from marketsim.market import gateway, services
from marketsim.market.limits import limit
from marketsim.market.requests import lines_of
from marketsim.saga.definition import SECOND_US, Call, Operation, Retry, Saga
from marketsim.saga.events import JSONObject

__all__ = ["checkout_of"]

_FORWARD_RETRY = Retry(attempts_max=10, delay_us=5 * SECOND_US, delay_max_us=600 * SECOND_US)


@lru_cache(maxsize=256)
def checkout_of(products: tuple[str, ...]) -> Saga:
    """The saga for a cart with these products, an operation for each; that of no product is a pattern."""
    saga = Saga("checkout", "A cart of several products for one customer.")
    limit(saga)
    checked = saga.operation(service="inventory", kind="read_only", latency_us=(5_000, 25_000))(check_cart)
    reserved = [_reserving(saga, checked, product) for product in products or ("",)]
    _paying(saga, reserved)
    saga.operation(service="shipping", kind="retriable", latency_us=(50_000, 500_000), retry=_FORWARD_RETRY)(
        ship_order
    )
    saga.operation(
        service="notifications", kind="retriable", latency_us=(20_000, 200_000), retry=_FORWARD_RETRY
    )(notify_customer)
    return saga


def _reserving(saga: Saga, after: Operation, product: str) -> Operation:
    def reserve_stock(call: Call) -> JSONObject:
        """Hold the units of one product for this customer."""
        line = _line(call, product)
        return services.reserve(call, product, line["quantity"], line["price_minor"])

    def release_stock(call: Call) -> JSONObject:
        """Put the units of one product back on sale."""
        return services.release(call)

    def find_reservation(call: Call) -> JSONObject:
        """Ask the inventory what it holds of one product."""
        return services.reservation_status(call, product, _line(call, product)["quantity"])

    made = saga.operation(service="inventory", after=[after], of=product, latency_us=(10_000, 60_000))(
        reserve_stock
    )
    made.compensation(release_stock)
    made.status(find_reservation)
    return made


def _line(call: Call, product: str) -> JSONObject:
    return next(each for each in call.results["check_cart"]["lines"] if each["product"] == product)


def _paying(saga: Saga, reserved: list[Operation]) -> None:
    payment = saga.operation(
        service="payment",
        after=reserved,
        latency_us=(80_000, 400_000),
        retry=gateway.PAYMENT_RETRY,
        revert_ttl_us=gateway.REFUND_TTL_US,
    )(authorize_payment)
    payment.compensation(void_authorization)
    payment.status(find_authorization)
    order = saga.operation(service="orders", latency_us=(10_000, 50_000))(place_order)
    order.compensation(cancel_order)
    order.status(find_order)
    captured = saga.operation(
        service="payment",
        kind="pivot",
        latency_us=(80_000, 400_000),
        retry=gateway.PAYMENT_RETRY,
        revert_ttl_us=gateway.REFUND_TTL_US,
    )(capture_payment)
    captured.compensation(refund_payment)
    captured.status(find_capture)


def check_cart(call: Call) -> JSONObject:
    """Ask the inventory what there is of each product and what it costs."""
    lines: list[JSONObject] = []
    total_minor, currency = 0, call.world.currency
    for line in lines_of(call.request):
        quoted = services.quote(call, line.product, line.quantity)
        price_minor = quoted["price_minor"]
        lines.append({"product": line.product, "quantity": line.quantity, "price_minor": price_minor})
        total_minor += price_minor * line.quantity
    return {"lines": lines, "total_minor": total_minor, "currency": currency}


def authorize_payment(call: Call) -> JSONObject:
    """Hold the customer's money."""
    cart = call.results["check_cart"]
    return gateway.authorize(call, call.request["customer"], cart["total_minor"], cart["currency"])


def void_authorization(call: Call) -> JSONObject:
    """Let go of the customer's money."""
    return gateway.refund(call)


def find_authorization(call: Call) -> JSONObject:
    """Ask the gateway whether the money is held."""
    return gateway.payment_status(call, call.results["check_cart"]["total_minor"])


def place_order(call: Call) -> JSONObject:
    """Write the order; the units are sold."""
    cart = call.results["check_cart"]
    order = call.transaction.replace("tx", "order")
    customer, currency = call.request["customer"], cart["currency"]
    return services.place(call, order, customer, cart["lines"], cart["total_minor"], currency)


def cancel_order(call: Call) -> JSONObject:
    """Take the order back."""
    return services.cancel(call)


def find_order(call: Call) -> JSONObject:
    """Ask whether the order stands."""
    return services.order_status(call)


def capture_payment(call: Call) -> JSONObject:
    """Take the money that is held: from here on the way is forward."""
    return gateway.capture(call, "authorize_payment", call.request["customer"])


def refund_payment(call: Call) -> JSONObject:
    """Give back what was captured, if nobody can tell whether it was."""
    return gateway.refund(call)


def find_capture(call: Call) -> JSONObject:
    """Ask the gateway whether all of it was captured."""
    return gateway.payment_status(call, call.results["authorize_payment"]["amount_minor"])


def ship_order(call: Call) -> JSONObject:
    """Pack the goods and hand them over."""
    return services.ship(call, call.results["check_cart"]["lines"])


def notify_customer(call: Call) -> JSONObject:
    """Tell the customer; the last step, since a message cannot be called back."""
    order = call.results["place_order"]["order"]
    return services.notify(call, call.request["customer"], f"{order} is on its way")
