"""Small sagas for the tests of the search: a few boxes, and services that are right or wrong on purpose."""

from collections.abc import Callable
from typing import Any

from marketsim.explore.model import Case, case_of
from marketsim.saga.definition import Call, Operation, Retry, Saga
from marketsim.saga.errors import NOTHING_STANDS, Failed
from marketsim.saga.events import Event, LedgerPosted, MarketCreated, Posting

SHELF, DESK = "stock:available", "stock:sold"


class Boxes:
    """A world: what each operation of each transaction moved, and what is on the shelf."""

    def __init__(self, units: int = 3) -> None:
        self.units = units
        self.moved: dict[tuple[str, str], int] = {}
        self.keys: set[str] = set()

    def apply(self, event: Event) -> None:
        """Let a posting take effect."""
        if isinstance(event, LedgerPosted) and event.transaction:
            amount = event.postings[1].quantity
            place = (event.transaction, event.operation)
            self.moved[place] = self.moved.get(place, 0) + amount
            self.units -= amount
            self.keys.add(event.key)


def shop(units: int = 3) -> tuple[Boxes, list[Event]]:
    """A fresh shop, and how it opened."""
    lines = [
        Posting("stock:supplier", product="box", quantity=-units),
        Posting(SHELF, product="box", quantity=units),
    ]
    return Boxes(units), [MarketCreated(origin="shop", currency="USD"), LedgerPosted(postings=lines)]


def move(call: Call, units: int) -> None:
    """Post that so many boxes go from the shelf to the desk."""
    call.post([Posting(SHELF, product="box", quantity=-units), Posting(DESK, product="box", quantity=units)])


def take(call: Call) -> dict[str, Any]:
    """Take a box, once under a key."""
    if call.key not in call.world.keys:
        if call.world.units < 1:
            raise Failed("sold_out")
        move(call, 1)
    return {}


def take_blindly(call: Call) -> dict[str, Any]:
    """Take a box at each attempt."""
    move(call, 1)
    return {}


def give(call: Call) -> dict[str, Any]:
    """Give back what stands."""
    standing = call.world.moved.get((call.transaction, call.operation), 0)
    if standing:
        move(call, -standing)
    return {}


def give_blindly(call: Call) -> dict[str, Any]:
    """Give a box back, whatever was taken."""
    move(call, -1)
    return {}


def keep(call: Call) -> dict[str, Any]:
    """Give nothing back."""
    return {}


def look(call: Call) -> dict[str, Any]:
    """Say whether a box was taken."""
    if not call.world.moved.get((call.transaction, call.operation), 0):
        raise Failed(NOTHING_STANDS)
    return {}


def saga_of(*operations: dict[str, Any], name: str = "small") -> Saga:
    """A saga of operations, each of ``action``, ``revert``, ``probe`` and what an operation declares."""
    saga = Saga(name)
    for number, each in enumerate(operations, 1):
        declared = {"service": f"service-{number}", "retry": Retry(attempts_max=2)} | each
        action = declared.pop("action", take)
        revert, probe = declared.pop("revert", None), declared.pop("probe", None)
        made: Operation = saga.operation(**declared)(named(f"take_{number}", action))
        if revert is not None:
            made.compensation(named(f"give_{number}", revert))
        if probe is not None:
            made.status(named(f"look_{number}", probe))
    return saga


def named(name: str, handler: Callable[[Call], dict[str, Any]]) -> Callable[[Call], dict[str, Any]]:
    """The same under another name."""

    def other(call: Call) -> dict[str, Any]:
        return handler(call)

    other.__name__ = name
    return other


def small_case(
    *operations: dict[str, Any], customers: int = 1, policy: str = "default", units: int = 3
) -> Case:
    """The case of a small saga, for customers who all want the same."""
    return case_of(
        saga_of(*operations), *({} for _ in range(customers)), opening=lambda: shop(units), policy=policy
    )


RIGHT = {"action": take, "revert": give}
PROBED = {"action": take, "revert": give, "probe": look}
FORGETFUL = {"action": take, "revert": keep}
