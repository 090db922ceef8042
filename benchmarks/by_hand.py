"""What one would write without an engine: the same purchases as a loop of calls with try and except."""

from typing import Any

from benchmarks.purchases import START_US, Log, began
from marketsim.drivers.clock import Clock
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
from marketsim.market.purchase import QUANTITY_MAX, TOTAL_MAX_MAJOR
from marketsim.market.world import World
from marketsim.saga.events import (
    CompensationStarted,
    CompensationSucceeded,
    Event,
    FaultInjected,
    LedgerPosted,
    NotificationSent,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OrderPlaced,
    Posting,
    TransactionCommitted,
    TransactionCompensated,
    TransactionCompensating,
    TransactionRejected,
)
from marketsim.saga.tape import Tape

__all__ = ["by_hand"]


class _Declined(Exception):
    """The card was declined."""


def by_hand(log: Log, world: World, count: int) -> None:
    """Make ``count`` purchases, with the same effects and the same events as by_engine."""
    clock, tape = Clock(START_US), Tape(7)

    def record(event: Event) -> None:
        event.time = clock.stamp()
        log.append(event)
        world.apply(event)

    for number in range(1, count + 1):
        _Purchase(world, clock, tape, record, began(number)).run()


class _Purchase:
    """One purchase, step by step; it knows nothing but this one flow."""

    def __init__(self, world: World, clock: Clock, tape: Tape, record: Any, event: Any) -> None:
        self.world, self.clock, self.tape, self.record = world, clock, tape, record
        self.tx: str = event.transaction
        self.product: str = event.request["product"]
        self.customer: str = event.request["customer"]
        self.quantity: int = event.request["quantity"]
        record(event)

    def run(self) -> None:
        broken = self.broken()
        if broken is not None:
            self.record(TransactionRejected(transaction=self.tx, rule=broken[0], reason=broken[1]))
            return
        price_minor = self.check()
        held = self.reserve_and_estimate()
        try:
            self.charge(price_minor * self.quantity)
        except _Declined:
            self.revert(held)
            return
        self.place(price_minor)
        self.notify()
        self.record(TransactionCommitted(transaction=self.tx))

    def broken(self) -> tuple[str, str] | None:
        product, quantity = self.world.products.get(self.product), self.quantity
        if product is None:
            return "known_product", f"there is no product {self.product}"
        if self.customer not in self.world.customers:
            return "known_customer", f"there is no customer {self.customer}"
        if not 1 <= quantity <= QUANTITY_MAX:
            return "quantity_limit", f"{quantity} wanted; a purchase is of 1 to {QUANTITY_MAX} units"
        if product.price_minor * quantity > TOTAL_MAX_MAJOR * self.world.minor_units:
            return "price_limit", f"the total is above {TOTAL_MAX_MAJOR:,} {self.world.currency}"
        return None

    def check(self) -> int:
        self.started("check_availability", "read_only", "inventory")
        available = self.world.available(self.product)
        price_minor = self.world.products[self.product].price_minor
        self.wait("check_availability", 5_000, 25_000)
        result = {"available": available, "price_minor": price_minor, "currency": self.world.currency}
        self.succeeded("check_availability", result)
        return price_minor

    def reserve_and_estimate(self) -> list[Posting]:
        start_us = self.clock.now_us
        self.started("reserve_stock", "compensatable", "inventory")
        lines = stock(self.product, self.quantity, AVAILABLE, RESERVED)
        self.post("reserve_stock", lines)
        reserved_us = start_us + self.latency_us("reserve_stock", 10_000, 60_000)
        self.started("estimate_delivery", "read_only", "delivery")
        estimated_us = start_us + self.latency_us("estimate_delivery", 20_000, 120_000)
        reserved = {"product": self.product, "quantity": self.quantity}
        estimated = {"days": 2 + self.quantity // 10}
        if reserved_us <= estimated_us:
            self.clock.advance(reserved_us)
            self.succeeded("reserve_stock", reserved)
            self.clock.advance(estimated_us)
            self.succeeded("estimate_delivery", estimated)
        else:
            self.clock.advance(estimated_us)
            self.succeeded("estimate_delivery", estimated)
            self.clock.advance(reserved_us)
            self.succeeded("reserve_stock", reserved)
        return lines

    def charge(self, amount_minor: int) -> None:
        declined = self.tape.chance(f"{self.tx}/charge_payment@1/card_declined", 100_000)
        self.started("charge_payment", "compensatable", "payment")
        if declined:
            self.record(
                FaultInjected(
                    transaction=self.tx, operation="charge_payment", attempt=1, fault="card_declined"
                )
            )
            self.wait("charge_payment", 80_000, 400_000)
            reason = "The issuer said no and gave no reason."
            self.record(
                OperationFailed(
                    transaction=self.tx,
                    operation="charge_payment",
                    attempt=1,
                    code="card_declined",
                    reason=reason,
                    retry="never",
                )
            )
            raise _Declined
        currency = self.world.currency
        self.post("charge_payment", money(amount_minor, currency, customer_account(self.customer), MERCHANT))
        self.wait("charge_payment", 80_000, 400_000)
        self.succeeded("charge_payment", {"amount_minor": amount_minor, "currency": currency})

    def place(self, price_minor: int) -> None:
        self.started("place_order", "compensatable", "orders")
        self.post("place_order", stock(self.product, self.quantity, RESERVED, SOLD))
        order = self.tx.replace("tx", "order")
        line = {"product": self.product, "quantity": self.quantity, "price_minor": price_minor}
        self.record(
            OrderPlaced(
                transaction=self.tx,
                operation="place_order",
                attempt=1,
                key=f"{self.tx}:place_order",
                order=order,
                customer=self.customer,
                lines=[line],
                total_minor=price_minor * self.quantity,
                currency=self.world.currency,
            )
        )
        self.wait("place_order", 10_000, 50_000)
        self.succeeded("place_order", {"order": order, "quantity": self.quantity})

    def notify(self) -> None:
        self.started("notify_customer", "retriable", "notifications")
        self.record(
            NotificationSent(
                transaction=self.tx,
                operation="notify_customer",
                attempt=1,
                key=f"{self.tx}:notify_customer",
                customer=self.customer,
                message=f"{self.tx.replace('tx', 'order')} is confirmed",
            )
        )
        self.wait("notify_customer", 20_000, 200_000)
        self.succeeded("notify_customer", {"sent": 1})

    def revert(self, held: list[Posting]) -> None:
        operation, compensation = "reserve_stock", "release_stock"
        self.record(
            TransactionCompensating(transaction=self.tx, operation="charge_payment", reason="card_declined")
        )
        key = f"{self.tx}:{operation}:{compensation}"
        self.record(
            CompensationStarted(
                transaction=self.tx,
                operation=operation,
                compensation=compensation,
                attempt=1,
                key=key,
                service="inventory",
            )
        )
        self.record(
            LedgerPosted(
                transaction=self.tx,
                operation=operation,
                compensation=compensation,
                attempt=1,
                key=key,
                postings=reversed_postings(held),
            )
        )
        self.wait("release_stock", 10_000, 60_000)
        self.record(
            CompensationSucceeded(
                transaction=self.tx,
                operation=operation,
                compensation=compensation,
                attempt=1,
                result={"quantity": self.quantity},
            )
        )
        self.record(TransactionCompensated(transaction=self.tx))

    def started(self, operation: str, kind: str, service: str) -> None:
        self.record(
            OperationStarted(
                transaction=self.tx,
                operation=operation,
                attempt=1,
                key=f"{self.tx}:{operation}",
                kind=kind,
                service=service,
            )
        )

    def succeeded(self, operation: str, result: dict[str, Any]) -> None:
        self.record(OperationSucceeded(transaction=self.tx, operation=operation, attempt=1, result=result))

    def post(self, operation: str, lines: list[Posting]) -> None:
        self.record(
            LedgerPosted(
                transaction=self.tx,
                operation=operation,
                attempt=1,
                key=f"{self.tx}:{operation}",
                postings=lines,
            )
        )

    def latency_us(self, operation: str, least_us: int, most_us: int) -> int:
        return self.tape.between(f"{self.tx}/{operation}@1/latency", least_us, most_us)

    def wait(self, operation: str, least_us: int, most_us: int) -> None:
        self.clock.advance(self.clock.now_us + self.latency_us(operation, least_us, most_us))
