"""What a file of the corpus declares: its saga, who comes, and what an exploration must say of it."""

from functools import partial
from typing import Any

import msgspec
from corpus.bookshop import shop

from marketsim.explore.model import Bound, Case, Cost
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.policies import POLICIES, policy_with

ANN: dict[str, Any] = {"customer": "ann", "quantity": 2}
BOB: dict[str, Any] = {"customer": "bob", "quantity": 1}
CEM: dict[str, Any] = {"customer": "cem", "quantity": 1}


class Explored(msgspec.Struct, frozen=True, kw_only=True):
    """A saga, those who come, and how many faults, crashes and preemptions there are.

    ``policy`` is the engine's, but for its ``rules``; ``only`` are the names of the faults that are tried
    (empty: all that there are), ``units`` the books on the shelf.
    """

    saga: Saga
    requests: tuple[dict[str, Any], ...] = (ANN,)
    units: int = 5
    faults: int = 0
    crashes: int = 0
    preemptions: int = 0
    policy: str = "default"
    rules: dict[str, Any] = {}
    only: tuple[str, ...] = ()

    @property
    def case(self) -> Case:
        """What is explored."""
        return Case(
            self.saga.name,
            (self.saga,) * len(self.requests),
            self.requests,
            partial(shop, self.units),
            self.rules_in_force,
            self.rules,
        )

    @property
    def rules_in_force(self) -> Policy:
        """The policy, with its rules."""
        return policy_with(POLICIES[self.policy], self.rules)

    @property
    def size(self) -> Cost:
        """How much there is of what goes wrong."""
        return Cost(self.faults, self.crashes, self.preemptions)

    def bound(self, size: Cost, *, only: bool = True, reduction: bool = True) -> Bound:
        """The bound of that size, and with ``only`` the faults that are to be tried."""
        return Bound(
            size.faults,
            size.crashes,
            size.preemptions,
            customers=len(self.requests),
            names=self.only if only else (),
            reduction=reduction,
        )


class Wrong(Explored, frozen=True, kw_only=True):
    """A saga with one bug, the rule that finds it, and what its smallest counterexample takes.

    Without a search it is ``shown_by`` these faults of the first customer, in these ``turns``.
    """

    rule: str
    shown_by: tuple[str, ...] = ()
    turns: dict[str, int] = {}


class Right(Explored, frozen=True, kw_only=True):
    """A saga in which there is nothing to find, and the bound within which that is so."""


class OffTape(Explored, frozen=True, kw_only=True):
    """A saga that takes another way when it is run again, and the operation whose call is to blame."""

    operation: str
