"""The simulated services: inventory, delivery, payment, orders and notifications.

Each acts on the world by writing an effect into the stream under the call's idempotency key, and
does nothing if that key has its effect already. A revert undoes what stands under its operation's
key, once, and is content if nothing does.
"""

from marketsim.market.ledger import (
    AVAILABLE,
    MERCHANT,
    RESERVED,
    SOLD,
    customer_account,
    money,
    reversed_postings,
    stock,
)
from marketsim.saga.definition import Call
from marketsim.saga.errors import Failed
from marketsim.saga.events import (
    JSONObject,
    LedgerPosted,
    NotificationSent,
    OrderCancelled,
    OrderPlaced,
    Posting,
)

__all__ = ["cancel", "charge", "estimate", "notify", "place", "quote", "refund", "release", "reserve"]


def quote(call: Call, product: str, quantity: int) -> JSONObject:
    """What the inventory says: how much there is, and the price. Fails if that is not enough."""
    available = call.world.available(product)
    if available < quantity:
        raise Failed("out_of_stock", f"{available} of {product} available, {quantity} wanted")
    price_minor = call.world.products[product].price_minor
    return {"available": available, "price_minor": price_minor, "currency": call.world.currency}


def reserve(call: Call, product: str, quantity: int) -> JSONObject:
    """Take units off sale and hold them for this transaction."""
    if call.world.effect(LedgerPosted, call.key) is None:
        available = call.world.available(product)
        if available < quantity:
            raise Failed("out_of_stock", f"{available} of {product} available, {quantity} wanted")
        call.post(stock(product, quantity, AVAILABLE, RESERVED))
    return {"product": product, "quantity": quantity}


def release(call: Call) -> JSONObject:
    """Put back on sale what this transaction holds: all of it, once."""
    lines = _undo(call)
    return {"quantity": sum(line.quantity for line in lines if line.account == AVAILABLE)}


def estimate(quantity: int) -> JSONObject:
    """How many days the delivery takes: two, and one more for each ten units."""
    return {"days": 2 + quantity // 10}


def charge(call: Call, customer: str, amount_minor: int, currency: str) -> JSONObject:
    """Take money from the customer."""
    if call.world.effect(LedgerPosted, call.key) is None:
        call.post(money(amount_minor, currency, customer_account(customer), MERCHANT))
    return {"amount_minor": amount_minor, "currency": currency}


def refund(call: Call) -> JSONObject:
    """Give the customer back what was charged: all of it, once."""
    lines = [line for line in _undo(call) if line.account != MERCHANT]
    refunded: JSONObject = {"amount_minor": sum(line.amount_minor for line in lines)}
    return refunded | {"currency": call.world.currency}


def place(
    call: Call, order: str, customer: str, lines: list[JSONObject], total_minor: int, currency: str
) -> JSONObject:
    """Turn what is reserved into an order: the units are sold."""
    if call.world.effect(LedgerPosted, call.key) is None:
        sold = [stock(line["product"], line["quantity"], RESERVED, SOLD) for line in lines]
        call.post([posting for pair in sold for posting in pair])
    if call.world.effect(OrderPlaced, call.key) is None:
        call.record(
            OrderPlaced(
                transaction=call.transaction,
                operation=call.operation,
                attempt=call.attempt,
                key=call.key,
                order=order,
                customer=customer,
                lines=lines,
                total_minor=total_minor,
                currency=currency,
            )
        )
    return {"order": order, "quantity": sum(line["quantity"] for line in lines)}


def cancel(call: Call) -> JSONObject:
    """Take an order back: the units are reserved again, for whoever releases them."""
    placed = call.world.effect(OrderPlaced, call.action_key)
    if placed is not None and call.world.effect(OrderCancelled, call.key) is None:
        call.record(
            OrderCancelled(
                transaction=call.transaction,
                operation=call.operation,
                compensation=call.compensation,
                attempt=call.attempt,
                key=call.key,
                order=placed.order,
            )
        )
    _undo(call)
    return {"order": placed.order if placed is not None else ""}


def notify(call: Call, customer: str, message: str) -> JSONObject:
    """Send the customer a message, once."""
    if call.world.effect(NotificationSent, call.key) is None:
        call.record(
            NotificationSent(
                transaction=call.transaction,
                operation=call.operation,
                attempt=call.attempt,
                key=call.key,
                customer=customer,
                message=message,
            )
        )
    return {"sent": 1}


def _undo(call: Call) -> list[Posting]:
    """Post the reverse of what stands under the operation's key, once; the lines that undo it.

    Fails if the transaction no longer holds what is to be taken back: while an order stands, the
    units it sold cannot be put on sale again.
    """
    done = call.world.effect(LedgerPosted, call.action_key)
    if done is None:
        return []
    undone = call.world.effect(LedgerPosted, call.key)
    if undone is None:
        for line in done.postings:
            if line.amount > call.world.held(call.transaction, line.account, line.unit) and line.amount > 0:
                raise Failed("not_held", f"{line.account} no longer holds {line.amount} {line.unit}")
        undone = call.post(reversed_postings(done.postings))
    postings: list[Posting] = undone.postings
    return postings
