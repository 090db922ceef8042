"""The simulated services but for payment: inventory, delivery, orders, shipping and notifications.

Each acts on the world by writing an effect into the stream under the call's idempotency key, and
does nothing if that key has its effect already. A revert undoes what stands of its operation, once,
and is content if nothing does. ``call.fault`` names what a service is to do wrong.
"""

from marketsim.market.effects import check_fence, done_already, give_back, totals, what_is_whole, what_stands
from marketsim.market.ledger import AVAILABLE, RESERVED, SHIPPED, SOLD, reversed_postings, stock
from marketsim.saga.definition import Call
from marketsim.saga.errors import Aborted, Failed, Unknown
from marketsim.saga.events import (
    JSONObject,
    NotificationSent,
    OrderCancelled,
    OrderPlaced,
    Posting,
    ServiceNoted,
)

__all__ = [
    "cancel",
    "correct",
    "estimate",
    "notify",
    "order_status",
    "place",
    "quote",
    "release",
    "reservation_status",
    "reserve",
    "ship",
]


def quote(call: Call, product: str, quantity: int) -> JSONObject:
    """What the inventory says: how much there is, and the price. Fails if that is not enough."""
    available = call.world.available(product)
    if call.fault == "dirty_read":
        available += call.world.balances.get((RESERVED, product), 0)
    if call.fault == "stale_read":
        available = max(available, quantity)
    if available < quantity:
        raise Failed("out_of_stock", f"{available} of {product} available, {quantity} wanted")
    price_minor = call.world.products[product].price_minor
    return {"available": available, "price_minor": price_minor, "currency": call.world.currency}


def reserve(call: Call, product: str, quantity: int, price_minor: int) -> JSONObject:
    """Take units off sale and hold them for this transaction, at the price that was quoted.

    Raises Aborted where only a part of them is there.
    """
    filled = 0
    if not done_already(call):
        check_fence(call)
        available = call.world.available(product)
        if available < quantity:
            raise Failed("out_of_stock", f"{available} of {product} available, {quantity} wanted")
        if call.world.products[product].price_minor != price_minor:
            raise Failed("price_changed", f"{product} does not cost any more what was quoted")
        filled = quantity // 2 if call.fault == "partial_fill" else quantity
        if not filled:
            raise Failed("out_of_stock", f"none of {product} was there to be reserved")
        lines = stock(product, filled, AVAILABLE, RESERVED)
        call.post(lines)
        if call.fault in ("reservation_expired", "lost_update"):
            reason = "expired" if call.fault == "reservation_expired" else "overwritten"
            call.taken_back(call.operation, reversed_postings(lines), reason)
    if filled < quantity:
        filled = totals(call.world.done(call.transaction, call.operation))["quantity"]
    if filled < quantity:
        payload: JSONObject = {"product": product, "quantity": filled, "wanted": quantity}
        raise Aborted(f"only {filled} of {quantity} {product} could be reserved", payload)
    return {"product": product, "quantity": quantity}


def release(call: Call) -> JSONObject:
    """Put back on sale what this transaction holds: all of it, once."""
    return {"quantity": 0} | totals(give_back(call))


def reservation_status(call: Call, product: str, quantity: int) -> JSONObject:
    """What the inventory holds for the operation; for a probe. Raises Failed if it is less than that."""
    return {"product": product} | what_is_whole(call, "quantity", quantity)


def estimate(quantity: int) -> JSONObject:
    """How many days the delivery takes: two, and one more for each ten units."""
    return {"days": 2 + quantity // 10}


def place(
    call: Call, order: str, customer: str, lines: list[JSONObject], total_minor: int, currency: str
) -> JSONObject:
    """Turn what is reserved into an order: the units are sold."""
    sold_before = done_already(call)
    if not sold_before:
        check_fence(call)
        for line in lines:
            if call.world.held(call.transaction, RESERVED, line["product"]) < line["quantity"]:
                raise Failed("reservation_expired", f"{line['product']} is not reserved any more")
        if call.fault == "sent_too_early":
            notify(call, customer, f"{order} is confirmed")
            raise Unknown("sent_too_early", "the customer was told, and the order was not written")
        call.post(_moves(lines, RESERVED, SOLD))
    if call.world.effect(OrderPlaced, call.key) is None:
        if sold_before and not call.world.standing(call.transaction, call.operation):
            raise Failed("fenced", "the half of it that was done was taken back")
        call.record(
            OrderPlaced(
                **call.place,
                order=order,
                customer=customer,
                lines=lines,
                total_minor=total_minor,
                currency=currency,
            )
        )
    return {"order": order, "quantity": _units(lines)}


def _moves(lines: list[JSONObject], source: str, target: str) -> list[Posting]:
    postings: list[Posting] = []
    for line in lines:
        postings += stock(line["product"], line["quantity"], source, target)
    return postings


def _units(lines: list[JSONObject]) -> int:
    units = 0
    for line in lines:
        units += line["quantity"]
    return units


def cancel(call: Call) -> JSONObject:
    """Take an order back: the units are reserved again, for whoever releases them.

    A customer who was told that it stands is told that it does not.
    """
    placed = call.world.effect(OrderPlaced, call.action_key)
    if placed is not None and call.world.effect(OrderCancelled, call.key) is None:
        call.record(OrderCancelled(**call.place, order=placed.order))
    _correct(call)
    give_back(call)
    return {"order": placed.order if placed is not None else ""}


def order_status(call: Call) -> JSONObject:
    """The order that stands; for a probe. Raises Failed where its units are sold and it is not written."""
    lines = what_stands(call)
    placed = call.world.effect(OrderPlaced, call.action_key)
    if placed is None:
        raise Failed("partly_done", "the units are sold, and the order is not written")
    return {"order": placed.order} | totals(lines)


def ship(call: Call, lines: list[JSONObject]) -> JSONObject:
    """Pack what was sold and hand it over."""
    if not done_already(call):
        call.progress(packed=len(lines), of=len(lines))
        call.post(_moves(lines, SOLD, SHIPPED))
    return {"quantity": _units(lines)}


def correct(call: Call) -> JSONObject:
    """Tell a customer who was told something that it does not hold; what is not sent yet never is."""
    if not _correct(call) and call.world.effect(ServiceNoted, call.key) is None:
        call.note("fenced")
    return {}


def _correct(call: Call) -> bool:
    told = call.world.effect(NotificationSent, call.action_key)
    if told is not None:
        notify(call, told.customer, f"a correction: {told.message.partition(' ')[0]} does not stand")
    return told is not None


def notify(call: Call, customer: str, message: str) -> JSONObject:
    """Send the customer a message, once."""
    if call.world.effect(NotificationSent, call.key) is None:
        check_fence(call)
        _send(call, customer, message)
        if call.fault == "sent_twice":
            _send(call, customer, message, part="#2")
    return {"sent": 1}


def _send(call: Call, customer: str, message: str, part: str = "") -> None:
    place = call.place
    place["key"] += part
    call.record(NotificationSent(**place, customer=customer, message=message))
