"""The frontier of a search: scripts that wait to be run, in the order of what they take of the bound."""

from collections import deque
from collections.abc import Iterator

import msgspec

from marketsim.explore.budget import OVERTAKE, TURN, Left, allows, cost_of, left_of
from marketsim.explore.model import Bound
from marketsim.explore.tape import OVERTAKEN
from marketsim.explore.trial import Tried

__all__ = ["Branches", "Frontier"]


class Branches(msgspec.Struct, array_like=True):
    """What a trial leads to: one script for each alternative, at each of its points, that may be taken.

    ``turns`` are those to whom another one's turn is given, the others those that are struck. ``begun``
    counts the scripts that were handed out.
    """

    script: bytes
    taken: bytes
    kinds: list[bytes]
    turns: bool
    begun: int = 0

    def scripts(self, left: Left) -> Iterator[bytes]:
        """Every script, in order."""
        for at, kinds in enumerate(self.kinds):
            stem = self.script + bytes(at)
            for value, kind in enumerate(kinds):
                if value and (kind in (TURN, OVERTAKE)) == self.turns and allows(left, kind):
                    yield stem + bytes((value | OVERTAKEN if kind == OVERTAKE else value,))


class Frontier:
    """Hands out scripts by rising number of faults and crashes, and then of turns out of order."""

    def __init__(self, bound: Bound) -> None:
        self.bound = bound
        self.levels: dict[tuple[int, int], deque[Branches]] = {}
        self.counts: dict[tuple[int, int], int] = {}

    def add(self, tried: Tried, points: int) -> None:
        """Take in what a trial leads to at its first ``points`` points."""
        cost = cost_of(tried.taken)
        depth = cost.faults + cost.crashes
        kinds = tried.kinds[:points]
        for turns, level in ((True, (depth, cost.preemptions + 1)), (False, (depth + 1, cost.preemptions))):
            self.restore(level, Branches(tried.script, tried.taken, kinds, turns))

    def restore(self, level: tuple[int, int], branches: Branches) -> None:
        """Take in what a trial leads to on one level, and was not handed out yet."""
        count = sum(1 for _ in branches.scripts(left_of(self.bound, branches.taken))) - branches.begun
        if count:
            self.levels.setdefault(level, deque()).append(branches)
            self.counts[level] = self.counts.get(level, 0) + count

    @property
    def level(self) -> tuple[int, int]:
        """How many faults and crashes, and how many turns, the next script takes."""
        return min(self.levels, default=(0, 0))

    @property
    def waiting(self) -> int:
        """How many scripts wait on this level."""
        return self.counts.get(self.level, 0)

    def take(self, most: int) -> list[bytes]:
        """The next scripts, at most so many; none if none is left."""
        taken: list[bytes] = []
        while self.levels and len(taken) < most:
            level = self.level
            branches = self.levels[level][0]
            taken += self._some(branches, level, most - len(taken))
        return taken

    def _some(self, branches: Branches, level: tuple[int, int], most: int) -> list[bytes]:
        every = list(branches.scripts(left_of(self.bound, branches.taken)))
        some = every[branches.begun : branches.begun + most]
        branches.begun += len(some)
        self.counts[level] -= len(some)
        if branches.begun == len(every):
            self.levels[level].popleft()
            if not self.levels[level]:
                del self.levels[level], self.counts[level]
        return some
