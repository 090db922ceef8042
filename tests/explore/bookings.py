"""A saga that is right in every way that can be seen without a run, and its parts to be made wrong."""

from collections.abc import Iterable
from typing import Any

from marketsim.saga import NOTHING_STANDS, Call, Failed, Retry, Saga
from marketsim.saga.definition import Operation

__all__ = [
    "DESK",
    "MINUTE_US",
    "ONCE",
    "book",
    "cancel",
    "confirm",
    "declare",
    "find",
    "look",
    "pay",
    "right",
]

MINUTE_US = 60_000_000
ONCE = Retry(attempts_max=1)
DESK: dict[str, Any] = {}


def look(call: Call) -> dict[str, Any]:
    """Ask what there is."""
    return {"free": len(DESK)}


def book(call: Call) -> dict[str, Any]:
    """Take it, once for a key."""
    DESK[call.key] = call.request["nights"]
    return {"free": call.results["look"]["free"]}


def cancel(call: Call) -> dict[str, Any]:
    """Give it back, whether or not an answer came."""
    DESK.pop(call.action_key, None)
    return {}


def find(call: Call) -> dict[str, Any]:
    """Say what stands."""
    if call.action_key not in DESK:
        raise Failed(NOTHING_STANDS)
    return {"free": 0}


def pay(call: Call) -> dict[str, Any]:
    """Pay for what is booked."""
    DESK[call.key] = call.results["book"]["free"]
    return {}


def confirm(call: Call) -> dict[str, Any]:
    """Tell the guest, once for a key."""
    DESK.setdefault(call.key, "told")
    return {}


def declare(
    saga: Saga,
    action: Any,
    revert: Any = None,
    probe: Any = None,
    *,
    after: Iterable[str] | None = None,
    **rest: Any,
) -> Operation:
    """Declare an operation with its revert and its probe."""
    found = None if after is None else [saga.operations[name] for name in after]
    made = saga.operation(**({"service": action.__name__} | rest), after=found)(action)
    if revert is not None:
        made.compensation(revert)
    if probe is not None:
        made.status(probe)
    return made


def right() -> Saga:
    """Look, book, pay (the pivot), confirm."""
    saga = Saga("stay", "A room that is paid for, or neither.")
    declare(saga, look, kind="read_only")
    declare(saga, book, cancel, find, revert_ttl_us=30 * MINUTE_US)
    declare(saga, pay, cancel, find, kind="pivot")
    declare(saga, confirm, kind="retriable")
    return saga
