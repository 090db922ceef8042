"""A trial: one run by a script, cut where it comes to a state that is known."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.findings import Finding
from marketsim.drivers.calls import Running
from marketsim.drivers.turns import TurnDriver
from marketsim.explore.faults import Menu, TapePlan
from marketsim.explore.model import Bound, Case
from marketsim.explore.run import Runner, errors_in
from marketsim.explore.state import Deeds, digest, engine_state, pending_state, plain_state
from marketsim.explore.tape import ScriptTape
from marketsim.saga.events import (
    ENDS,
    Event,
    FaultInjected,
    TransactionAbandoned,
    TransactionBegan,
    TransactionEvent,
    TransactionStuck,
)
from marketsim.saga.wants import Invoke

__all__ = ["Known", "Left", "Trial", "Tried", "try_script"]

Left: TypeAlias = tuple[int, int, int]
"""How many faults, crashes and preemptions may still be chosen."""

Known: TypeAlias = Mapping[int, tuple[Left, ...]]
"""The states that were seen, and with how much left of the bound."""


class Tried(msgspec.Struct, array_like=True):
    """What came of a trial.

    ``kinds`` are the alternatives of each point behind the script, and ``met`` the states that were new,
    each with how many of these points came before it. With ``cut`` the last state was known.
    """

    script: bytes
    spent: Left
    kinds: list[bytes]
    places: list[str]
    met: list[tuple[int, int]]
    cut: bool
    findings: tuple[Finding, ...] = ()
    healed: bool = False


class _Cut(BaseException):
    """The rest of this run was made before. Not an ``Exception``, so that no handler swallows it."""


class _Driver(TurnDriver):
    """Looks around before each turn."""

    trial: "Trial"

    def take(self) -> Any:
        if self.trial.looks:
            self.trial.look(self._coming)
        return super().take()


class Trial(Runner):
    """Runs a script; ``met`` are the states behind its end that are not known, with their place."""

    tape: ScriptTape

    def __init__(
        self, case: Case, bound: Bound, menus: Mapping[str, Menu], script: bytes, known: Known | None
    ) -> None:
        self.plans = [TapePlan(menus) for _ in range(min(bound.customers, len(case.requests)))]
        super().__init__(case, len(self.plans), lambda number, _: self.plans[number], ScriptTape(script))
        self.bound = bound
        self.known: Known = known or {}
        self.looks = known is not None
        self.met: list[tuple[int, int]] = []
        self.deeds = [Deeds() for _ in self.plans]
        self.ends: list[type[Event] | None] = [None for _ in self.plans]
        self._runnings: list[Running | None] = [None for _ in self.plans]
        self._script = script

    def driver(self, watch: Any) -> _Driver:
        """The driver of a process that has just begun."""
        see = self._see if watch is not None and self.looks else watch
        driver = _Driver(self.log, self.world, self.clock, watch=see)
        driver.turns = self.turns
        driver.trial = self
        return driver

    def _see(self, event: Event) -> None:
        self.examination.see(event)
        if isinstance(event, TransactionEvent):
            number = int(event.transaction.rpartition("-")[2]) - 1
            if isinstance(event, ENDS):
                self.ends[number] = type(event)
            elif not isinstance(event, TransactionBegan | FaultInjected):
                self.deeds[number].see(event, self.clock.now_us)

    def look(self, coming: list[Any]) -> None:
        """Note the state that the run is in, if it is new. Raises _Cut if it is known."""
        tape = self.tape
        if not tape.done:
            return
        spent = tape.spent()
        left = left_of(self.bound, spent)
        state = digest(self.state(coming))
        if any(covers(known, left) for known in self.known.get(state, ())):
            raise _Cut
        self.met.append((state, len(tape.values) - len(self._script)))

    def state(self, coming: list[Any]) -> object:
        """All that the rest of the run depends on, but for what is left of the bound."""
        now_us, case = self.clock.now_us, self.case
        world = case.state(self.world, now_us) if case.state else plain_state(self.world)
        live: dict[str, Running] = {entry[2].engine.transaction: entry[2] for entry in coming}
        return (
            [self._transaction(number, live.get(f"tx-{number + 1}"), now_us) for number in range(self.customers)],
            pending_state(coming, now_us),
            world,
        )

    def _transaction(self, number: int, running: Running | None, now_us: int) -> object:
        end = self.ends[number]
        if running is not None:
            self._runnings[number] = running
        left = end in (TransactionStuck, TransactionAbandoned)
        if end is not None and running is None and not left:
            return end.__name__
        deeds = self.deeds[number].state(now_us)
        if end is not None:
            return end.__name__, deeds
        if running is None:
            return None
        if running.engine._touched or running.engine._open:
            running.engine.now_us = now_us
        plan = self.plans[number]
        calls = [want for want in running.engine._open if isinstance(want, Invoke)]
        drawn = sorted((place, n, plan.at(place, n)) for place, n in map(_call, calls))
        return engine_state(running), deeds, drawn


def _call(want: Invoke) -> tuple[str, int]:
    return want.operation.point(want.role), want.attempt


def left_of(bound: Bound, spent: Left) -> Left:
    """What is left of the bound."""
    return bound.faults - spent[0], bound.crashes - spent[1], bound.preemptions - spent[2]


def covers(one: Left, other: Left) -> bool:
    """Whether whoever has the one left can do all that can be done with the other."""
    return one[0] >= other[0] and one[1] >= other[1] and one[2] >= other[2]


def try_script(
    case: Case, bound: Bound, menus: Mapping[str, Menu], script: bytes, known: Known | None
) -> Tried:
    """Run a script. It is not cut short if something was wrong before: that is followed to its end."""
    trial = Trial(case, bound, menus, script, known)
    try:
        judged = trial.run()
        findings, healed, cut = judged.findings, judged.healed, False
    except _Cut:
        findings, healed, cut = (), False, True
        if errors_in(trial.examination):
            whole = Trial(case, bound, menus, script, None).run()
            findings, healed = whole.findings, whole.healed
    tape = trial.tape
    new = slice(len(script), None)
    places = list(dict.fromkeys(point.partition("/")[2].partition("@")[0] for point in tape.points[new]))
    return Tried(script, tape.spent(), tape.kinds[new], places, trial.met, cut, findings, healed)
