"""What one would write without an engine: the same calls of the same services, with try and except."""

from collections.abc import Callable

from benchmarks.purchases import START_US, Log, began
from marketsim.drivers.clock import Clock
from marketsim.market.purchase import (
    charge_payment,
    check_availability,
    estimate_delivery,
    notify_customer,
    place_order,
    purchase,
    release_stock,
    reserve_stock,
)
from marketsim.market.world import World
from marketsim.saga.definition import Call, Operation
from marketsim.saga.errors import Failed
from marketsim.saga.events import (
    CompensationStarted,
    CompensationSucceeded,
    Event,
    FaultInjected,
    JSONObject,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    TransactionBegan,
    TransactionCommitted,
    TransactionCompensated,
    TransactionCompensating,
    TransactionRejected,
)
from marketsim.saga.tape import Tape

__all__ = ["by_hand"]


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

    def __init__(
        self,
        world: World,
        clock: Clock,
        tape: Tape,
        record: Callable[[Event], None],
        event: TransactionBegan,
    ) -> None:
        self.world, self.clock, self.tape, self.record = world, clock, tape, record
        self.began, self.tx = event, event.transaction
        self.results: dict[str, JSONObject] = {}

    def run(self) -> None:
        self.record(self.began)
        if self.rejected():
            return
        self.step(check_availability)
        self.reserve_and_estimate()
        try:
            self.charge()
        except Failed as failed:
            self.revert(failed)
            return
        self.step(place_order)
        self.step(notify_customer)
        self.record(TransactionCommitted(transaction=self.tx))

    def rejected(self) -> bool:
        call = Call(self.began, {}, self.world, self.record)
        for name, rule in purchase.guardrails.items():
            reason = rule(call)
            if reason is not None:
                self.record(TransactionRejected(transaction=self.tx, rule=name, reason=reason))
                return True
        return False

    def step(self, operation: Operation) -> None:
        self.started(operation)
        result = self.call(operation)
        self.wait(operation.name, operation.latency_us)
        self.succeeded(operation, result)

    def reserve_and_estimate(self) -> None:
        """Both at once: whichever answers first is written down first."""
        start_us = self.clock.now_us
        answers = []
        for operation in (reserve_stock, estimate_delivery):
            self.started(operation)
            result = self.call(operation)
            answers.append((start_us + self.took_us(operation.name, operation.latency_us), operation, result))
        if answers[1][0] < answers[0][0]:
            answers.reverse()
        for due_us, operation, result in answers:
            self.clock.advance(due_us)
            self.succeeded(operation, result)

    def charge(self) -> None:
        if not self.tape.chance(f"{self.tx}/charge_payment@1/card_declined", 100_000):
            self.step(charge_payment)
            return
        reason = "The issuer said no and gave no reason."
        self.started(charge_payment)
        self.record(
            FaultInjected(transaction=self.tx, operation="charge_payment", attempt=1, fault="card_declined")
        )
        self.wait("charge_payment", charge_payment.latency_us)
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
        raise Failed("card_declined", reason)

    def revert(self, failed: Failed) -> None:
        key, action_key = f"{self.tx}:reserve_stock:release_stock", f"{self.tx}:reserve_stock"
        names = {"transaction": self.tx, "operation": "reserve_stock", "compensation": "release_stock"}
        self.record(
            TransactionCompensating(transaction=self.tx, operation="charge_payment", reason=failed.code)
        )
        self.record(CompensationStarted(**names, attempt=1, key=key, service="inventory"))
        call = Call(
            self.began,
            self.results,
            self.world,
            self.record,
            "reserve_stock",
            "release_stock",
            1,
            key,
            action_key,
            self.results["reserve_stock"],
            failed.code,
        )
        result = release_stock(call)
        self.wait("release_stock", reserve_stock.latency_us)
        self.record(CompensationSucceeded(**names, attempt=1, result=result))
        self.record(TransactionCompensated(transaction=self.tx))

    def call(self, operation: Operation) -> JSONObject:
        key = f"{self.tx}:{operation.name}"
        call = Call(
            self.began, self.results, self.world, self.record, operation.name, "", 1, key, key, None, ""
        )
        return operation.action(call)

    def started(self, operation: Operation) -> None:
        self.record(
            OperationStarted(
                transaction=self.tx,
                operation=operation.name,
                attempt=1,
                key=f"{self.tx}:{operation.name}",
                kind=operation.kind,
                service=operation.service,
            )
        )

    def succeeded(self, operation: Operation, result: JSONObject) -> None:
        self.results[operation.name] = result
        self.record(
            OperationSucceeded(transaction=self.tx, operation=operation.name, attempt=1, result=result)
        )

    def took_us(self, name: str, latency_us: tuple[int, int]) -> int:
        return self.tape.between(f"{self.tx}/{name}@1/latency", *latency_us)

    def wait(self, name: str, latency_us: tuple[int, int]) -> None:
        self.clock.advance(self.clock.now_us + self.took_us(name, latency_us))
