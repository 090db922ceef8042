"""Builders of small streams, right ones, for tests to make wrong on purpose."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from marketsim.audit.checks import examine
from marketsim.saga import events as e

PRICE_MINOR = 75_000

KINDS = {
    "check_availability": ("read_only", "inventory"),
    "reserve_stock": ("compensatable", "inventory"),
    "charge_payment": ("compensatable", "payment"),
    "place_order": ("compensatable", "orders"),
    "notify_customer": ("retriable", "notifications"),
}
REVERTS = {
    "reserve_stock": "release_stock",
    "charge_payment": "refund_payment",
    "place_order": "cancel_order",
}
ROADS = {
    "reserve_stock": ("stock:available", "stock:reserved"),
    "charge_payment": ("money:customer:user-1", "money:merchant"),
    "place_order": ("stock:reserved", "stock:sold"),
}


class Stream:
    """A stream in the making: each method adds the events of one thing that happens."""

    def __init__(self, stock: int = 5) -> None:
        self.events: list[e.Event] = []
        self.add(e.MarketCreated(origin="test", currency="USD"))
        if stock:
            self.add(
                e.LedgerPosted(
                    postings=lines("stock:supplier", "stock:available", product="laptop-1", amount=stock)
                )
            )

    def add(self, *events: e.Event) -> None:
        self.events += events

    def begin(self, tx: str = "tx-1", saga: str = "purchase") -> None:
        self.add(e.TransactionBegan(transaction=tx, saga=saga, policy="default", request={}, seed=1))

    def start(self, name: str, tx: str = "tx-1", attempt: int = 1) -> None:
        kind, service = KINDS[name]
        key = f"{tx}/{name}"
        self.add(
            e.OperationStarted(
                transaction=tx, operation=name, attempt=attempt, key=key, kind=kind, service=service
            )
        )

    def effect(self, name: str, tx: str = "tx-1", *, back: bool = False, **changes: Any) -> None:
        """What the service does: for an operation, or (``back``) for its revert."""
        revert = REVERTS[name] if back else ""
        amount = changes.pop("amount", PRICE_MINOR if name == "charge_payment" else 1)
        at = {"transaction": tx, "operation": name, "compensation": revert, "attempt": 1}
        at |= {"key": f"{tx}/{revert or name}"} | changes
        if name == "notify_customer":
            self.add(e.NotificationSent(**at, customer="user-1", message="thanks"))
            return
        road = ROADS[name][::-1] if back else ROADS[name]
        unit = {"currency": "USD"} if name == "charge_payment" else {"product": "laptop-1"}
        self.add(e.LedgerPosted(**at, postings=lines(*road, amount=amount, **unit)))
        if name == "place_order":
            order = f"order-{tx}"
            self.add(e.OrderCancelled(**at, order=order) if back else order_placed(at, order))

    def succeed(self, name: str, tx: str = "tx-1", attempt: int = 1, **result: Any) -> None:
        self.add(e.OperationSucceeded(transaction=tx, operation=name, attempt=attempt, result=result))

    def fail(self, name: str, tx: str = "tx-1", attempt: int = 1) -> None:
        told = {"code": "error", "reason": "no", "retry": "safe"}
        self.add(e.OperationFailed(transaction=tx, operation=name, attempt=attempt, **told))

    def lose(self, name: str, tx: str = "tx-1", attempt: int = 1) -> None:
        """No answer comes."""
        told = {"code": "timeout_after", "reason": "no answer"}
        self.add(e.OperationUnknown(transaction=tx, operation=name, attempt=attempt, **told))

    def probe(self, name: str, outcome: str, tx: str = "tx-1", **result: Any) -> None:
        """The service is asked what came of it."""
        told = {"probe": f"find_{name}", "outcome": outcome, "result": result}
        self.add(e.OperationProbed(transaction=tx, operation=name, attempt=1, **told))

    def suspend(self, name: str, tx: str = "tx-1", attempt: int = 1) -> None:
        """The service waits for somebody."""
        told = {"code": "authentication_required", "reason": "asked", "expires_us": 1}
        self.add(e.OperationSuspended(transaction=tx, operation=name, attempt=attempt, **told))

    def late(self, name: str, tx: str = "tx-1", attempt: int = 1, *, outcome: str = "succeeded") -> None:
        """The truth arrives when nobody waits for it any more."""
        self.add(e.OperationLate(transaction=tx, operation=name, attempt=attempt, outcome=outcome))

    def note(self, name: str, note: str, tx: str = "tx-1", *, back: bool = False, attempt: int = 1) -> None:
        """The service keeps something in mind."""
        revert = REVERTS[name] if back else ""
        at = {"transaction": tx, "operation": name, "compensation": revert, "attempt": attempt}
        self.add(e.ServiceNoted(**at, key=f"{tx}/{revert or name}", note=note))

    def take_back(self, name: str, tx: str = "tx-1", amount: int = 1) -> None:
        """The service takes back by itself what it had done."""
        unit = {"currency": "USD"} if name == "charge_payment" else {"product": "laptop-1"}
        back = lines(*ROADS[name][::-1], amount=amount, **unit)
        at = {"transaction": tx, "operation": name, "key": f"{tx}/{name}/expired"}
        self.add(e.LedgerPosted(**at, postings=back, reason="expired", unasked=True))

    def do(self, *names: str, tx: str = "tx-1") -> None:
        """Operations that go well, one after another."""
        for name in names:
            self.start(name, tx)
            result: dict[str, Any] = {}
            if name == "check_availability":
                result = {"quantity": 5}
            else:
                self.effect(name, tx)
            if name == "charge_payment":
                result = {"amount_minor": PRICE_MINOR, "currency": "USD"}
            elif name == "reserve_stock":
                result = {"quantity": 1}
            self.succeed(name, tx, **result)

    def refuse(self, name: str, tx: str = "tx-1") -> None:
        """An operation that fails, and did nothing."""
        self.start(name, tx)
        self.fail(name, tx)

    def turn_back(self, name: str, tx: str = "tx-1") -> None:
        self.add(e.TransactionCompensating(transaction=tx, operation=name, reason="failed"))

    def start_revert(self, name: str, tx: str = "tx-1", attempt: int = 1) -> None:
        at = {"transaction": tx, "operation": name, "compensation": REVERTS[name], "attempt": attempt}
        self.add(e.CompensationStarted(**at, key=f"{tx}/{REVERTS[name]}", service=KINDS[name][1]))

    def end_revert(self, name: str, tx: str = "tx-1", attempt: int = 1, *, failed: bool = False) -> None:
        at = {"transaction": tx, "operation": name, "compensation": REVERTS[name], "attempt": attempt}
        if failed:
            self.add(e.CompensationFailed(**at, code="error", reason="no", outcome="failed", retry="never"))
        else:
            self.add(e.CompensationSucceeded(**at))

    def revert(self, *names: str, tx: str = "tx-1") -> None:
        """Reverts that go well, one after another."""
        for name in names:
            self.start_revert(name, tx)
            self.effect(name, tx, back=True)
            self.end_revert(name, tx)

    def commit(self, tx: str = "tx-1", *left: str) -> None:
        self.add(e.TransactionCommitted(transaction=tx, left=list(left)))

    def compensated(self, tx: str = "tx-1") -> None:
        self.add(e.TransactionCompensated(transaction=tx))

    def stuck(self, *letters: str, tx: str = "tx-1") -> None:
        self.add(e.TransactionStuck(transaction=tx, dead_letters=list(letters)))

    def abandon(self, name: str, tx: str = "tx-1") -> None:
        self.add(e.TransactionAbandoned(transaction=tx, operation=name, reason="failed"))

    def resolve(self, name: str, tx: str = "tx-1") -> None:
        self.add(e.DeadLetterResolved(transaction=tx, operation=name, reason="done by hand"))

    def purchase(self, tx: str = "tx-1") -> "Stream":
        """All goes well."""
        self.begin(tx)
        self.do(*KINDS, tx=tx)
        self.commit(tx)
        return self

    def reverted(self, tx: str = "tx-1") -> "Stream":
        """The order cannot be placed, and all is reverted."""
        self.begin(tx)
        self.do("check_availability", "reserve_stock", "charge_payment", tx=tx)
        self.refuse("place_order", tx)
        self.turn_back("place_order", tx)
        self.revert("charge_payment", "reserve_stock", tx=tx)
        self.compensated(tx)
        return self

    def uncertain(self, tx: str = "tx-1") -> "Stream":
        """No answer comes to the charge, which had landed; it is reverted as if it had."""
        self.begin(tx)
        self.do("reserve_stock", tx=tx)
        self.start("charge_payment", tx)
        self.effect("charge_payment", tx)
        self.lose("charge_payment", tx)
        self.turn_back("charge_payment", tx)
        self.revert("charge_payment", "reserve_stock", tx=tx)
        self.compensated(tx)
        return self

    def declined(self, tx: str = "tx-1") -> "Stream":
        """The card is declined under a policy that reverts nothing."""
        self.begin(tx)
        self.do("reserve_stock", tx=tx)
        self.refuse("charge_payment", tx)
        self.abandon("charge_payment", tx)
        return self

    def refund_refused(self, tx: str = "tx-1") -> "Stream":
        """The refund fails, and a dead letter waits."""
        self.begin(tx)
        self.do("reserve_stock", "charge_payment", tx=tx)
        self.refuse("place_order", tx)
        self.turn_back("place_order", tx)
        self.start_revert("charge_payment", tx)
        self.end_revert("charge_payment", tx, failed=True)
        self.revert("reserve_stock", tx=tx)
        self.stuck("charge_payment", tx=tx)
        return self

    def rejected(self, tx: str = "tx-1") -> "Stream":
        """A guardrail is broken."""
        self.begin(tx)
        self.add(e.TransactionRejected(transaction=tx, rule="quantity_limit", reason="too many"))
        return self

    def at(self, kind: type[e.Event], operation: str = "", tx: str = "tx-1") -> int:
        """Where the first event of this type and operation stands."""
        for index, event in enumerate(self.events):
            same = getattr(event, "transaction", tx) == tx
            if type(event) is kind and same and operation in ("", getattr(event, "operation", "")):
                return index
        raise LookupError(f"no {kind.__name__} of {operation}")

    def change(self, kind: type[e.Event], operation: str = "", **fields: Any) -> None:
        index = self.at(kind, operation)
        self.events[index] = msgspec.structs.replace(self.events[index], **fields)

    def paid(self, amount_minor: int, source: str, target: str) -> list[e.Posting]:
        return lines(source, target, amount=amount_minor, currency="USD")

    def drop(self, kind: type[e.Event], operation: str = "") -> None:
        del self.events[self.at(kind, operation)]

    def repeat(self, kind: type[e.Event], operation: str = "") -> None:
        index = self.at(kind, operation)
        self.events.insert(index, self.events[index])

    def numbered(self) -> Iterator[e.Event]:
        """The events as a log would hold them: copies, numbered from 1."""
        for seq, event in enumerate(self.events, 1):
            yield msgspec.structs.replace(event, seq=seq, time=f"2025-01-01T00:00:{seq % 60:02}Z")


def lines(source: str, target: str, *, amount: int, currency: str = "", product: str = "") -> list[e.Posting]:
    """A balanced move of money or stock."""
    field = "amount_minor" if currency else "quantity"
    unit = {"currency": currency} if currency else {"product": product}
    return [e.Posting(source, **unit, **{field: -amount}), e.Posting(target, **unit, **{field: amount})]


def order_placed(at: dict[str, Any], order: str) -> e.OrderPlaced:
    sold = [{"product": "laptop-1", "quantity": 1}]
    return e.OrderPlaced(
        **at, order=order, customer="user-1", lines=sold, total_minor=PRICE_MINOR, currency="USD"
    )


@pytest.fixture(scope="session")
def new_stream() -> type[Stream]:
    """The builder of streams; call it for a market with five laptops."""
    return Stream


@pytest.fixture(scope="session")
def broken_rules() -> Callable[[Callable[[Stream], None]], set[str]]:
    """The rules that are broken by a stream made wrong on purpose, after a look at each finding."""

    def broken(make_wrong: Callable[[Stream], None]) -> set[str]:
        stream = Stream()
        make_wrong(stream)
        findings = examine(stream.numbered())
        for finding in findings:
            assert finding.severity == "error"
            assert finding.seq
            assert finding.message
            assert finding.expected
            assert finding.actual
            assert finding.remedy or not finding.transaction
        return {finding.rule for finding in findings}

    return broken
