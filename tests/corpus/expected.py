"""What a file of the corpus declares: its saga, who comes, and what an exploration must say of it."""

from typing import Any

import msgspec

from marketsim.saga import POLICIES, Policy, Saga

ANN: dict[str, Any] = {"customer": "ann", "quantity": 2}
BOB: dict[str, Any] = {"customer": "bob", "quantity": 1}
CEM: dict[str, Any] = {"customer": "cem", "quantity": 1}


class Wrong(msgspec.Struct, frozen=True, kw_only=True):
    """A saga with one bug, the rule that finds it, and the size of its smallest counterexample.

    ``faults``, ``crashes`` and ``preemptions`` are how many of each it takes. ``shown_by`` are the faults
    of the first customer under which it is seen by hand; ``only`` are the names of those that are tried
    (empty: all that there are), ``units`` the books on the shelf.
    """

    saga: Saga
    rule: str
    shown_by: tuple[str, ...] = ()
    faults: int = 0
    crashes: int = 0
    preemptions: int = 0
    requests: tuple[dict[str, Any], ...] = (ANN,)
    policy: Policy = POLICIES["default"]
    only: tuple[str, ...] = ()
    units: int = 5


class Right(msgspec.Struct, frozen=True, kw_only=True):
    """A saga in which there is nothing to find, and the bound within which that is so."""

    saga: Saga
    faults: int = 1
    crashes: int = 0
    preemptions: int = 0
    requests: tuple[dict[str, Any], ...] = (ANN,)
    units: int = 5


class OffTape(msgspec.Struct, frozen=True, kw_only=True):
    """A saga that takes another way when it is run again, and the call that is to blame."""

    saga: Saga
    call: str
    requests: tuple[dict[str, Any], ...] = (ANN,)
    units: int = 5
