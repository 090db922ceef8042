"""The ground floor: what a saga is, the engine that runs it, and the events, faults and choices of a run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketsim.saga.definition import Call, Operation, Policy, Retry, Saga
    from marketsim.saga.errors import (
        NEVER_ARRIVED,
        NOTHING_STANDS,
        Aborted,
        Expired,
        Failed,
        Partial,
        Unknown,
    )
    from marketsim.saga.events import Posting
    from marketsim.saga.policies import POLICIES
    from marketsim.saga.tape import Tape

__all__ = [
    "NEVER_ARRIVED",
    "NOTHING_STANDS",
    "POLICIES",
    "Aborted",
    "Call",
    "Expired",
    "Failed",
    "Operation",
    "Partial",
    "Policy",
    "Posting",
    "Retry",
    "Saga",
    "Tape",
    "Unknown",
]

_HOMES = {
    "definition": ("Call", "Operation", "Policy", "Retry", "Saga"),
    "errors": (
        "NEVER_ARRIVED",
        "NOTHING_STANDS",
        "Aborted",
        "Expired",
        "Failed",
        "Partial",
        "Unknown",
    ),
    "events": ("Posting",),
    "policies": ("POLICIES",),
    "tape": ("Tape",),
}


def __getattr__(name: str) -> Any:
    # By need: whoever imports one module of this floor does not pay for the others.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"marketsim.saga.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
