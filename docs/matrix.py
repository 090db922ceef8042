"""Every fault at every place of the built-in sagas: which cells there are, their runs, and how each ends."""

from functools import cache
from typing import Any, Literal, TypeAlias

import msgspec

from marketsim.audit.checks import examine
from marketsim.audit.findings import ERROR
from marketsim.drivers.clock import stamp
from marketsim.drivers.memory import run_in_memory
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.sagas import SAGAS, saga_for
from marketsim.market.world import World
from marketsim.saga.definition import Operation, Role, Saga
from marketsim.saga.events import ENDS, Event, FaultInjected, TransactionAbandoned, TransactionStuck
from marketsim.saga.fault import Fault
from marketsim.saga.faults import explains, fits, parse_fault
from marketsim.saga.taxonomy import FAULTS

__all__ = [
    "AFTERWARDS",
    "CELLS",
    "REQUESTS",
    "START_US",
    "VERDICTS",
    "Cell",
    "Ended",
    "Made",
    "Verdict",
    "ends_of",
    "make",
    "new_world",
    "runs_of",
    "verdict_of",
]

START_US = 1_700_000_000_000_000
"""When every run begins, in microseconds since 1970."""

REQUESTS: dict[str, dict[str, Any]] = {
    "purchase": {"product": "laptop-1", "customer": "user-1", "quantity": 2},
    "checkout": {
        "customer": "user-1",
        "cart": [{"product": "laptop-1", "quantity": 2}, {"product": "mouse-1", "quantity": 3}],
    },
}
"""What is bought in every cell of a saga: more than one unit, or half of it could not be told from all."""

AFTERWARDS = {"purchase": "place_order:error", "checkout": "capture_payment:card_declined"}
"""What fails when an operation that was struck goes on, and is to be reverted after all."""

_CAUSES = {
    ("purchase", "release_stock"): [["place_order:error"]],
    ("purchase", "refund_payment"): [["place_order:error"]],
    ("purchase", "cancel_order"): [
        ["notify_customer:cancel"],
        ["place_order:timeout_after", "find_order:timeout_before"],
    ],
    ("purchase", "send_correction"): [["notify_customer:cancel"]],
    ("checkout", "release_stock"): [["capture_payment:card_declined"]],
    ("checkout", "void_authorization"): [["capture_payment:card_declined"]],
    ("checkout", "cancel_order"): [["capture_payment:card_declined"]],
    ("checkout", "refund_payment"): [["capture_payment:timeout_after", "find_capture:timeout_before"]],
}
"""Why each revert is made, so that there is something to strike."""

Verdict: TypeAlias = Literal["balanced", "dead letter", "broken", "not reached"]

VERDICTS: tuple[Verdict, ...] = ("broken", "dead letter", "balanced", "not reached")
"""What may be said of a run, the worst first; a cell is as bad as the worst of its runs."""


class Cell(msgspec.Struct, frozen=True):
    """One fault at one place: an operation of a saga, its revert, or its probe."""

    saga: str
    fault: str
    operation: str
    role: Role
    place: str
    family: str


class Made(msgspec.Struct, frozen=True):
    """A run of a cell: the whole stream with the market's opening, and the world that it left."""

    events: list[Event]
    world: World
    struck: bool


class Ended(msgspec.Struct, frozen=True):
    """How a run of a cell ended: the event's own word for it, and the checks that it breaks."""

    faults: tuple[str, ...]
    verdict: Verdict
    end: str
    broken: tuple[str, ...]


_CATALOG = Catalog(
    [
        {"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 9},
        {"id": "mouse-1", "name": "Mouse", "price": 20, "inStock": 9},
    ],
    [{"id": "user-1", "name": "Ada"}],
    [],
    {},
)


def new_world() -> tuple[World, list[Event]]:
    """A market that has sold nothing yet, and the events that opened it."""
    world, opening = World(), list(opening_events("matrix", _CATALOG, "USD"))
    for event in opening:
        event.time = stamp(START_US)
        world.apply(event)
    return world, opening


@cache
def _saga(name: str) -> Saga:
    return saga_for(name, REQUESTS[name])


def _cells() -> list[Cell]:
    roles: tuple[Role, ...] = ("action", "revert", "probe")
    return [
        Cell(name, fault.name, operation.name, role, operation.point(role), _family(operation, role))
        for name in SAGAS
        for fault in FAULTS.values()
        for operation in _saga(name).operations.values()
        for role in roles
        if _can_be(fault, operation, role)
    ]


def _can_be(fault: Fault, operation: Operation, role: Role) -> bool:
    return bool(operation.point(role)) and not fits(fault, operation, role)


def _family(operation: Operation, role: Role) -> str:
    names = {"action": operation.family, "revert": operation.revert_family, "probe": operation.probe_family}
    return names[role]


CELLS = _cells()
"""Every cell that there is: a fault that cannot happen at a place has none there."""


def runs_of(cell: Cell) -> list[list[str]]:
    """The faults of each run of a cell, its own first: at every attempt, and at the first one only.

    What strikes an operation runs a second time, with an operation after it that fails for good.
    """
    struck = f"{cell.place}:{cell.fault}"
    if cell.role == "revert":
        causes = _CAUSES[cell.saga, cell.family]
    elif cell.role == "probe":
        causes = [[f"{cell.operation}:timeout_after@1"]]
    elif _saga(cell.saga).operations[cell.operation].kind == "retriable":
        causes = [[]]
    else:
        causes = [[], [AFTERWARDS[cell.saga]]]
    return [[f"{struck}{attempts}", *cause] for attempts in ("", "@1") for cause in causes]


def make(cell: Cell, faults: list[str], policy: str) -> Made:
    """Run a cell once, in a market of its own."""
    saga, (world, opening) = _saga(cell.saga), new_world()
    events = run_in_memory(
        saga, REQUESTS[cell.saga], faults=faults, policy=policy, world=world, start_us=START_US
    )
    rule = parse_fault(faults[0], saga)
    struck = any(isinstance(event, FaultInjected) and explains(rule, event, saga) for event in events)
    return Made(opening + events, world, struck)


def verdict_of(made: Made) -> tuple[Verdict, str, tuple[str, ...]]:
    """What is to be said of a run: its verdict, how the transaction ended, and the checks that it breaks.

    What the fault did not reach says nothing of it, whatever else is broken there.
    """
    end = [event for event in made.events if isinstance(event, ENDS)][-1]
    broken = {found.rule for found in examine(made.events) if found.severity == ERROR}
    verdict: Verdict = "balanced"
    if not made.struck:
        verdict, broken = "not reached", set()
    elif broken:
        verdict = "broken"
    elif isinstance(end, TransactionStuck | TransactionAbandoned):
        verdict = "dead letter"
    return verdict, end.type.partition(".")[2], tuple(sorted(broken))


@cache
def ends_of(policy: str) -> dict[Cell, list[Ended]]:
    """How every run of every cell ends under a policy."""
    return {
        cell: [Ended(tuple(faults), *verdict_of(make(cell, faults, policy))) for faults in runs_of(cell)]
        for cell in CELLS
    }
