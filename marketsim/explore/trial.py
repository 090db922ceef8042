"""A trial: one run by a script, cut where it comes to a state that is known."""

from collections.abc import Callable
from typing import Any

import msgspec

from marketsim.audit.findings import Finding
from marketsim.drivers.calls import Running
from marketsim.drivers.turns import TurnDriver, latest_us
from marketsim.drivers.virtual import Entry
from marketsim.explore.budget import CALM, OVERTAKE, TURN, cost_of, left_of
from marketsim.explore.faults import Menus, TapePlan
from marketsim.explore.known import Known
from marketsim.explore.model import Bound, Case, Counterexample
from marketsim.explore.run import Judged, Runner, errors_in
from marketsim.explore.state import Deeds, digest, engine_state, pending_state, plain_state, still_coming
from marketsim.explore.tape import ScriptTape, Strayed
from marketsim.saga.events import ENDS, Event, TransactionAbandoned, TransactionEvent, TransactionStuck
from marketsim.saga.faults import FaultPlan
from marketsim.saga.wants import Came, Invoke

__all__ = ["Trial", "Tried", "counterexample", "try_script"]


class Tried(msgspec.Struct, array_like=True, frozen=True):
    """What came of a trial.

    ``taken`` are the kinds of what its script chose, ``kinds`` the alternatives of each point behind the
    script, and ``met`` the states that were new, each with how many of these points came before it. It is
    ``cut`` if the last state was known, and ``strayed`` if the script could not be followed.
    """

    script: bytes
    taken: bytes
    kinds: list[bytes]
    places: list[str]
    met: list[tuple[int, int]]
    cut: bool
    rules: list[str] = []
    strayed: bool = False


class _Cut(BaseException):
    """The rest of this run was made before. Not an ``Exception``, so that no handler swallows it."""


class _Step(msgspec.Struct, eq=False):
    """What somebody does from one turn to the next: what came to it (``entry``), which was ``asleep`` or not.

    ``turn`` is the point of the tape at which it was chosen from those who were ``able`` (below 0: there was
    no choice, or another one was chosen than was on turn), and ``number`` that of the last entry before it.
    """

    entry: Entry
    number: int
    turn: int
    able: list[Entry]
    asleep: bool


class _Driver(TurnDriver):
    """Has the trial look around before each turn.

    Those that are ``asleep`` were overtaken by somebody who cannot see what they do next. Unless something
    strikes, it makes no difference, and the other order is tried (Godefroid, Partial-Order Methods, 1996).
    """

    trial: "Trial"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asleep: list[Entry] = []
        self._turn, self._choice = -1, list[Entry]()

    def take(self) -> Entry:
        trial = self.trial
        if not trial.looks:
            return super().take()
        if not trial.step_ended(self._coming):
            self.asleep.clear()  # Whoever moves before a timer is no longer the same after it.
        trial.look(self._coming, self._last, self.asleep)
        self._turn, self._choice = -1, []
        entry = super().take()
        trial.step_begins(_Step(entry, self._counter, self._turn, self._choice, entry in self.asleep))
        self.asleep = [each for each in self.asleep if not trial.tied(each, entry)]
        return entry

    def call(self, running: Running, want: Invoke, fault: str = "") -> Came:
        self.trial.called = True
        return super().call(running, want, fault)

    def ask(self, running: Running) -> tuple[str, str] | None:
        self.trial.called = True
        return super().ask(running)

    def choose(self, able: list[Entry]) -> int:
        tape = self.trial.tape
        value = tape.choose(self.turns.point(able[0]), self.trial.turn_kinds(able))
        if tape.overtakes:
            self.asleep.append(able[0])
        self._turn, self._choice = (-1 if value else len(tape.values) - 1), able
        return value


class Trial(Runner):
    """Runs a script. With what is ``known`` it looks around on the way, and notes what it has ``met``."""

    tape: ScriptTape

    def __init__(
        self, case: Case, bound: Bound, menus: Menus, script: bytes, known: Known | None = None
    ) -> None:
        customers = min(bound.customers, len(case.requests))
        super().__init__(case, customers, self._plan_of, ScriptTape(script))
        self.plans = [TapePlan(saga, menus) for saga in case.sagas[:customers]]
        self.met: list[tuple[int, int]] = []
        self.called = False
        self._step: _Step | None = None
        self.looks = known is not None
        self._known = known if known is not None else Known()
        self._bound = bound
        self._numbers = {f"tx-{number + 1}": number for number in range(customers)}
        self._deeds = [Deeds() for _ in self.plans]
        self._ends: list[type[Event] | None] = [None for _ in self.plans]

    def _plan_of(self, number: int, recorded: list[Event]) -> FaultPlan:
        return self.plans[number]

    def driver(self, watch: Callable[[Event], None] | None) -> TurnDriver:
        """The driver of a process that has just begun."""
        see = self._see if watch is not None and self.looks else watch
        driver = _Driver(self.log, self.world, self.clock, watch=see)
        driver.turns = self.turns
        driver.trial = self
        self._step = None  # A step in which the process died made a difference to all.
        return driver

    def _see(self, event: Event) -> None:
        self.examination.see_soon(event)
        if isinstance(event, TransactionEvent) and event.transaction in self._numbers:
            number = self._numbers[event.transaction]
            self._deeds[number].see(event, self.clock.now_us)
            if isinstance(event, ENDS):
                self._ends[number] = type(event)

    def turn_kinds(self, able: list[Entry]) -> bytes:
        """The kinds of what may come next. Which of those who are alike begins first is not tried."""
        beginning = self.case.alike and self._bound.reduction
        kinds = bytearray([CALM])
        for number, (*_, came) in enumerate(able[1:], 1):
            alike = beginning and came is None and any(each[3] is None for each in able[:number])
            kinds.append(CALM if alike else TURN)
        return bytes(kinds)

    def step_begins(self, step: _Step) -> None:
        """Somebody moves."""
        self._step, self.called = step, False
        if self.case.seen is not None:
            self.case.seen(self.world)

    def step_ended(self, coming: list[Entry]) -> bool:
        """Note who else can see what was done in this step; whether it left them as much time as before.

        Whoever cannot, and has as much time as before until this one moves again, might have come before it
        and may as well come after it, where that is tried: unless something strikes before it has moved.
        Raises _Cut if it was, and did.
        """
        step, self._step = self._step, None
        if step is None or not self._bound.reduction:
            return True
        if not _leaves_time(step, coming):
            return False
        seen = self.called and (self.case.seen is None or self.case.seen(self.world))
        if step.asleep and (self.case.groups or not seen):
            raise _Cut
        if step.turn >= 0 and not _dies(coming):
            sees = [self.tied(each, step.entry) or (seen and not self.case.groups) for each in step.able]
            self.tape.kinds[step.turn] = bytes(
                OVERTAKE if kind == TURN and not that else kind
                for kind, that in zip(self.tape.kinds[step.turn], sees, strict=True)
            )
        return True

    def tied(self, one: Entry, other: Entry) -> bool:
        """Whether what one does may matter to the other, seen or not: one, or in one group of several."""
        if one[2] is other[2]:
            return True
        groups = self.case.groups
        numbers = [self._numbers[each[2].engine.transaction] for each in (one, other)]
        return bool(groups) and groups[numbers[0]] == groups[numbers[1]]

    def look(self, coming: list[Entry], moved: Running | None, asleep: list[Entry]) -> None:
        """Note the state that the run is in, if it is new. Raises _Cut if it is known."""
        tape = self.tape
        if not tape.done:
            return
        left = left_of(self._bound, tape.taken)
        whole = self.state(coming, moved)
        state = digest(whole)
        if self._known.covers(state, left):
            raise _Cut
        if asleep and max(left[:3]) <= 0 and not _dies(coming):
            raise _Cut  # Nothing can strike any more, and nobody can wake them.
        if asleep:  # Less is tried from here than from the same place where nobody is.
            state = digest((whole, [each in asleep for each in still_coming(coming)]))
            if self._known.covers(state, left):
                raise _Cut
        self.met.append((state, len(tape.values) - len(tape.script)))

    def state(self, coming: list[Entry], moved: Running | None) -> object:
        """All that the rest of the run depends on, but for what is left of the bound."""
        now_us, case = self.clock.now_us, self.case
        world = case.state(self.world, now_us) if case.state else plain_state(self.world)
        live: dict[str, Running] = {entry[2].engine.transaction: entry[2] for entry in coming}
        own = [self._state_of(number, live.get(name), now_us) for name, number in self._numbers.items()]
        return own, pending_state(coming, now_us, moved), world

    def _state_of(self, number: int, running: Running | None, now_us: int) -> object:
        end = self._ends[number]
        if running is None and end is None:
            return None
        if running is None and end not in (TransactionStuck, TransactionAbandoned):
            return end.__name__ if end is not None else None
        deeds = self._deeds[number].state(now_us)
        if end is not None or running is None:
            return end.__name__ if end is not None else "", deeds
        plan = self.plans[number]
        # A call that is made again by another process is struck again by what struck it.
        calls = [(each.operation.point(each.role), each.attempt) for each in calls_of(running)]
        return engine_state(running, now_us), deeds, sorted((*call, plan.at(*call)) for call in calls)


def _leaves_time(step: _Step, coming: list[Entry]) -> bool:
    """Whether what a step has under way comes no sooner than it had to move; a timer waits for nobody."""
    until_us = latest_us(step.entry)
    new = [each for each in coming if each[1] > step.number]
    return all(each[0] < latest_us(each) >= until_us for each in new)


def _dies(coming: list[Entry]) -> bool:
    """Whether a process is still to die of a crash that was chosen before: when an outcome is recorded."""
    return any(each[2].crash_after is not None for each in coming)


def calls_of(running: Running) -> list[Invoke]:
    """The calls of a transaction that are under way."""
    return [want for want in running.engine._open if isinstance(want, Invoke)]


def try_script(case: Case, bound: Bound, menus: Menus, script: bytes, known: Known | None) -> Tried:
    """Run a script. It is not cut short if something was wrong before: that is followed to its end."""
    trial = Trial(case, bound, menus, script, known)
    judged, cut, strayed = None, False, False
    try:
        judged = trial.run()
    except _Cut:
        cut = True
    except Strayed:
        strayed = True
    if cut and errors_in(trial.examination):
        judged = Trial(case, bound, menus, script).run()
    tape = trial.tape
    new = slice(len(script), None)
    places = {point.partition("/")[2].partition("@")[0] for point in tape.points[new]}
    rules = _rules(judged.findings) if judged is not None else []
    return Tried(script, tape.taken, tape.kinds[new], sorted(places), trial.met, cut, rules, strayed)


def _rules(findings: tuple[Finding, ...]) -> list[str]:
    return sorted({finding.rule for finding in findings})


def counterexample(trial: Trial, judged: Judged) -> Counterexample:
    """What is to be told of a trial that found something."""
    tape = trial.tape
    drawn = zip(tape.points, tape.values, strict=True)
    turns = {point: value for point, value in drawn if value and "/turn" in point}
    faults = tuple(tuple(plan.texts) for plan in trial.plans)
    return Counterexample(
        judged.findings, judged.healed, faults, turns, cost_of(tape.taken), tuple(judged.events)
    )
