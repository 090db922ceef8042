"""What an exploration is: the case, the bound within which everything is tried, and what came of it."""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import msgspec

from marketsim.audit.findings import Finding
from marketsim.drivers.virtual import NoWorld
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.events import Event, JSONObject
from marketsim.saga.policies import POLICIES

__all__ = [
    "Bound",
    "Case",
    "Cost",
    "Counterexample",
    "Exploration",
    "Irreproducible",
    "Progress",
    "case_of",
]


def _nothing_before() -> tuple[Any, list[Event]]:
    return NoWorld(), []


class Case(msgspec.Struct, frozen=True):
    """What is explored: for each customer a request and the saga that serves it, in a fresh world each time.

    ``opening`` makes the world of one run, and the events by which it came to be (they have taken effect
    in it). ``rules`` are those that differ from the policy of its name, and ``services`` the rules of
    services, as they stand in ``transaction.began``. ``state`` tells all that a world's services look at,
    given the present moment (microseconds since 1970), if the world's own attributes are not it.

    ``seen`` tells whether anything that other transactions look at was read or changed in the world since it
    was asked the last time; without it, every call is taken to do so. ``groups`` has for each customer
    the number of its group, where there are several: nobody looks at what another group reads or changes.
    Its customers are ``alike`` if they want the same: then it makes no difference which of them begins first.
    ``made_by`` says how another process makes the same case: ``module:function``, and its arguments.
    """

    name: str
    sagas: tuple[Saga, ...]
    requests: tuple[JSONObject, ...]
    opening: Callable[[], tuple[Any, Sequence[Event]]] = _nothing_before
    policy: Policy = POLICIES["default"]
    rules: JSONObject = {}
    services: JSONObject = {}
    state: Callable[[Any, int], Hashable] | None = None
    seen: Callable[[Any], bool] | None = None
    groups: tuple[int, ...] = ()
    alike: bool = False
    made_by: tuple[str, JSONObject] | None = None


def case_of(
    saga: Saga,
    *requests: JSONObject,
    opening: Callable[[], tuple[Any, Sequence[Event]]] = _nothing_before,
    policy: Policy | str = "default",
    services: JSONObject | None = None,
) -> Case:
    """The case of one saga and a request for each customer."""
    rules = POLICIES[policy] if isinstance(policy, str) else policy
    sagas = (saga,) * len(requests)
    return Case(saga.name, sagas, requests, opening, rules, services=services or {})


class Bound(msgspec.Struct, frozen=True):
    """Within which everything is tried.

    At most so many ``faults``, ``crashes`` of a process and ``preemptions`` (turns out of their order) in
    one run, of so many ``customers`` (the first of the case's). ``names`` are the faults to choose from,
    and ``targets`` where they may strike; empty, all that the case can tell apart, everywhere.

    Limits beyond which nothing is tried: ``runs_max`` and ``seconds_max`` (0: none). Of ``states_max``
    states it is remembered that they were seen. Without ``reduction`` nothing is merged or cut.
    """

    faults: int = 1
    crashes: int = 1
    preemptions: int = 1
    customers: int = 2
    names: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    runs_max: int = 0
    seconds_max: float = 0
    states_max: int = 1_000_000
    reduction: bool = True


class Cost(msgspec.Struct, frozen=True, order=True):
    """What a run took of a bound."""

    faults: int = 0
    crashes: int = 0
    preemptions: int = 0


class Counterexample(msgspec.Struct, frozen=True):
    """A run that breaks a rule: what the checks find, and all that must be chosen to see it again.

    ``healed`` says that it shows only when the faults had stopped and all was tried again. ``faults``
    has for each customer what strikes, as a scenario has it; ``turns`` are the choices of the schedule
    by their points; ``spent`` counts both. ``events`` is the whole stream.
    """

    findings: tuple[Finding, ...]
    healed: bool
    faults: tuple[tuple[str, ...], ...]
    turns: dict[str, int]
    spent: Cost
    events: tuple[Event, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that are broken, by name."""
        return tuple(sorted({finding.rule for finding in self.findings}))

    @property
    def size(self) -> int:
        """How many faults and crashes it takes."""
        return self.spent.faults + self.spent.crashes


class Irreproducible(msgspec.Struct, frozen=True):
    """A run that took another way when it was made again: the saga has a choice that is not on the tape.

    ``transaction``, ``operation`` and ``attempt`` are the call after which both differ, ``expected`` and
    ``actual`` what the first and the second run have there.
    """

    faults: tuple[tuple[str, ...], ...]
    turns: dict[str, int]
    transaction: str
    operation: str
    attempt: int
    expected: str
    actual: str


class Exploration(msgspec.Struct, frozen=True):
    """What came of trying everything.

    ``counterexamples`` come smallest first. ``unreached`` are the faults, and the reverts, that were to
    be tried and never could be. ``exhausted`` says that all within the bound was tried; if it is not, a
    limit was reached, somebody ``interrupted`` it, or it was ended by what it found. Of the ``runs`` so
    many were ``cut`` where they came to a state that was known; ``states`` are those that are known. ``raw``
    is about how many runs there are within the bound (0: it was not exhausted, and nobody knows).
    """

    case: str
    bound: Bound
    counterexamples: tuple[Counterexample, ...]
    unreached: tuple[str, ...]
    irreproducible: Irreproducible | None
    exhausted: bool
    runs: int
    cut: int
    states: int
    raw: int
    seconds: float
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Whether all was tried, and nothing found."""
        return self.exhausted and not self.counterexamples and self.irreproducible is None


class Progress(msgspec.Struct, frozen=True):
    """How far a search has come: ``depth`` is how many faults and crashes the runs have now.

    ``left`` are the runs that are waiting at this depth; those that they lead to are not known yet.
    """

    runs: int
    cut: int
    states: int
    depth: int
    left: int
    counterexamples: int
    seconds: float
