"""A survey: what is known of a case, what was found, and what is still to be tried."""

import time
from collections.abc import Iterable

from marketsim.explore.again import differs
from marketsim.explore.budget import Left, left_of
from marketsim.explore.estimate import runs_without_reduction
from marketsim.explore.faults import menus_of
from marketsim.explore.frontier import Frontier
from marketsim.explore.known import Known
from marketsim.explore.model import Bound, Case, Counterexample, Exploration, Irreproducible, Progress
from marketsim.explore.reached import unreached
from marketsim.explore.trial import Trial, Tried, counterexample

__all__ = ["ROUND", "Survey"]

ROUND = 128
"""How many scripts are run against what was known before the first of them."""


class Survey:
    """What is known of a case, and what is still to be tried.

    Scripts are run in rounds, each against what was known before it, and taken in in their order: so it
    makes no difference who runs them.
    """

    def __init__(self, case: Case, bound: Bound, wanted: int = 1) -> None:
        self.case = case
        self.bound = bound
        self.wanted = wanted
        self.menus = menus_of(case, bound)
        self.frontier = Frontier(bound)
        self.known = Known()
        self.added: list[tuple[int, Left]] = []
        self.found: dict[str, Counterexample] = {}
        self.scripts: dict[str, bytes] = {}
        self.places: set[str] = set()
        self.strayed: Irreproducible | None = None
        self.runs = self.cut = 0
        self.before_s = 0.0
        self.started = time.perf_counter()

    def next_round(self) -> list[bytes]:
        """The scripts to be run now; none when all is done."""
        if not self.runs:
            return [b""]
        runs_max = self.bound.runs_max
        return self.frontier.take(min(ROUND, runs_max - self.runs) if runs_max else ROUND)

    def take_in(self, results: Iterable[Tried]) -> None:
        """Take in what came of a round: only the first to come to a state goes on from it."""
        self.added = []
        for number, tried in enumerate(results):
            self.runs += 1
            self.places.update(tried.places)
            points = self._remember(tried)
            self.cut += tried.cut or points < len(tried.kinds)
            if tried.strayed or not number:
                self._try_again(tried.script)
            if tried.rules and not self.found.keys() >= set(tried.rules):
                self._found(tried)
            self.frontier.add(tried, points)

    def _remember(self, tried: Tried) -> int:
        """Remember the states that were met; how many of the points are the trial's own to branch at."""
        left = left_of(self.bound, tried.taken)
        for state, at in tried.met:
            if self.known.covers(state, left):
                return at
            if state in self.known or len(self.known) < self.bound.states_max:
                self.known.add(state, left)
                self.added.append((state, left))
        return len(tried.kinds)

    def _found(self, tried: Tried) -> None:
        trial = Trial(self.case, self.bound, self.menus, tried.script)
        example = counterexample(trial, trial.run())
        self._try_again(tried.script)
        for rule in tried.rules:
            if rule not in self.found:
                self.found[rule], self.scripts[rule] = example, tried.script

    def _try_again(self, script: bytes) -> None:
        if self.strayed is None:
            self.strayed = differs(self.case, self.bound, self.menus, script)

    @property
    def satisfied(self) -> bool:
        """Whether as much was found as is wanted, or nothing can be relied upon."""
        return self.strayed is not None or (bool(self.wanted) and len(self.found) >= self.wanted)

    @property
    def seconds(self) -> float:
        """How long it has taken, with what an earlier one took."""
        return self.before_s + time.perf_counter() - self.started

    @property
    def limited(self) -> bool:
        """Whether a limit was reached."""
        bound = self.bound
        too_many = bound.runs_max and self.runs >= bound.runs_max
        too_long = bound.seconds_max and time.perf_counter() - self.started >= bound.seconds_max
        return bool(too_many or too_long)

    def progress(self) -> Progress:
        """How far it has come."""
        frontier = self.frontier
        depth, waiting = frontier.level[0], frontier.waiting
        return Progress(self.runs, self.cut, len(self.known), depth, waiting, len(self.found), self.seconds)

    def result(self, exhausted: bool, interrupted: bool = False) -> Exploration:
        """What came of it."""
        examples = tuple({id(each): each for each in self.found.values()}.values())
        return Exploration(
            self.case.name,
            self.bound,
            examples,
            unreached(self.case, self.bound, self.places) if exhausted else (),
            self.strayed,
            exhausted,
            self.runs,
            self.cut,
            len(self.known),
            self._raw() if exhausted else 0,
            self.seconds,
            interrupted,
        )

    def _raw(self) -> int:
        if not self.bound.reduction:
            return self.runs
        return max(self.runs, runs_without_reduction(self.case, self.bound))
