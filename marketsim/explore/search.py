"""The search: every run within a bound, by rising number of faults and crashes."""

import time
from collections import deque
from collections.abc import Callable, Iterable

from marketsim.explore.faults import menus_of
from marketsim.explore.model import Bound, Case, Cost, Counterexample, Exploration, Progress
from marketsim.explore.tape import CRASH, FAULT, TURN
from marketsim.explore.trial import Left, Trial, Tried, covers, left_of, try_script

__all__ = ["ROUND", "Search", "explore"]

ROUND = 128
"""How many scripts are run against what was known before the first of them."""


class Search:
    """The frontier and what is known: scripts that wait to be run, in the order of what they take."""

    def __init__(self, case: Case, bound: Bound, wanted: int) -> None:
        self.case = case
        self.bound = bound
        self.wanted = wanted
        self.menus = menus_of(case, bound)
        self.waiting: list[deque[bytes]] = [deque() for _ in range(bound.faults + bound.crashes + 1)]
        self.waiting[0].append(b"")
        self.known: dict[int, tuple[Left, ...]] = {}
        self.added: list[tuple[int, Left]] = []
        self.found: dict[str, Counterexample] = {}
        self.places: set[str] = set()
        self.depth = self.runs = self.cut = 0
        self.started = time.perf_counter()

    def next_round(self) -> list[bytes]:
        """The scripts to be run now; none when all is done."""
        while self.depth < len(self.waiting) and not self.waiting[self.depth]:
            self.depth += 1
        if self.depth == len(self.waiting):
            return []
        waiting = self.waiting[self.depth]
        return [waiting.popleft() for _ in range(min(ROUND, len(waiting)))]

    def take_in(self, results: Iterable[Tried]) -> None:
        """Take in what came of a round, in its order: only the first to come to a state goes on from it."""
        self.added = []
        for tried in results:
            self.runs += 1
            self.places.update(tried.places)
            ends = self._remember(tried)
            self.cut += tried.cut or ends < len(tried.kinds)
            if tried.findings:
                self._found(tried)
            self._branch(tried, ends)

    def _remember(self, tried: Tried) -> int:
        """Remember the states; how many of the points are the trial's own to branch at."""
        left = left_of(self.bound, tried.spent)
        for state, at in tried.met:
            known = self.known.get(state, ())
            if any(covers(each, left) for each in known):
                return at
            if known or len(self.known) < self.bound.states_max:
                self.known[state] = (*(each for each in known if not covers(left, each)), left)
                self.added.append((state, left))
        return len(tried.kinds)

    def _branch(self, tried: Tried, ends: int) -> None:
        faults, crashes, turns = left_of(self.bound, tried.spent)
        able = {FAULT: faults > 0, CRASH: crashes > 0, TURN: turns > 0}
        spent = tried.spent[0] + tried.spent[1]
        for at, kinds in enumerate(tried.kinds[:ends]):
            taken = tried.script + bytes(at)
            for value, kind in enumerate(kinds):
                if value and able[kind]:
                    self.waiting[spent + (kind != TURN)].append(taken + bytes([value]))

    def _found(self, tried: Tried) -> None:
        new = {finding.rule for finding in tried.findings} - self.found.keys()
        if new:
            example = counterexample(self.case, self.bound, self.menus, tried)
            self.found |= dict.fromkeys(sorted(new), example)

    @property
    def satisfied(self) -> bool:
        """Whether as much was found as is wanted."""
        return bool(self.wanted) and len(self.found) >= self.wanted

    @property
    def limited(self) -> bool:
        """Whether a limit was reached."""
        seconds = time.perf_counter() - self.started
        bound = self.bound
        return bool(
            (bound.runs_max and self.runs >= bound.runs_max)
            or (bound.seconds_max and seconds >= bound.seconds_max)
        )

    def progress(self) -> Progress:
        """How far it has come."""
        left = len(self.waiting[self.depth]) if self.depth < len(self.waiting) else 0
        seconds = time.perf_counter() - self.started
        return Progress(self.runs, self.cut, len(self.known), self.depth, left, len(self.found), seconds)


def explore(
    case: Case,
    bound: Bound = Bound(),  # noqa: B008
    *,
    wanted: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Try everything within the bound, until so many rules are seen broken as are ``wanted`` (0: all).

    ``progress`` is told from time to time how far it has come.
    """
    search = Search(case, bound, wanted)
    exhausted = False
    while not (search.satisfied or search.limited):
        scripts = search.next_round()
        if not scripts:
            exhausted = True
            break
        known = search.known if bound.reduction else None
        search.take_in([try_script(case, bound, search.menus, script, known) for script in scripts])
        if progress is not None:
            progress(search.progress())
    found = tuple({id(each): each for each in search.found.values()}.values())
    seconds = time.perf_counter() - search.started
    return Exploration(
        case.name, bound, found, (), None, exhausted, search.runs, search.cut, len(search.known), 0, seconds
    )


def counterexample(case: Case, bound: Bound, menus: dict, tried: Tried) -> Counterexample:
    """What is to be told of a trial that found something."""
    trial = Trial(case, bound, menus, tried.script, None)
    judged = trial.run()
    tape = trial.tape
    turns = {point: value for point, value in zip(tape.points, tape.values, strict=True) if value and "/turn" in point}
    faults = tuple(tuple(plan.texts) for plan in trial.plans)
    return Counterexample(judged.findings, judged.healed, faults, turns, Cost(*tape.spent()), tuple(judged.events))
