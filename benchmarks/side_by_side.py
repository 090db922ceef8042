"""Measure two things in turn, A B A B …, and compare them pair by pair."""

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

__all__ = ["Figure", "Ratio", "Side", "process", "side_by_side", "timed"]

Side = Callable[[], float]
"""Does its work once, and tells how many seconds that took."""

_COMPILED = tempfile.TemporaryDirectory(prefix="compiled-")


class Ratio(msgspec.Struct, frozen=True):
    """How A compares with B: the median, least and most of ``pairs`` ratios, and what each took.

    ``a_s`` and ``b_s`` are the medians of both sides, in seconds.
    """

    median: float
    least: float
    most: float
    pairs: int
    a_s: float
    b_s: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}-{self.most:.2f})"


class Figure(msgspec.Struct, frozen=True):
    """One line of the table: what was compared, how it came out, and what it should be.

    ``target`` is the most that the median may be, or the least if ``at_least``; None if there is none.
    """

    what: str
    ratio: Ratio
    target: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def aim(self) -> str:
        """The target as a person reads it."""
        if self.target is None:
            return "none"
        return f"at {'least' if self.at_least else 'most'} {self.target:g}"

    @property
    def met(self) -> bool:
        """Whether the median keeps the target."""
        if self.target is None:
            return True
        return self.ratio.median >= self.target if self.at_least else self.ratio.median <= self.target


def side_by_side(a: Side, b: Side, *, pairs: int, warm_ups: int = 1) -> Ratio:
    """The ratio of A's time to B's.

    Both are warmed up first. A slow minute of the machine strikes both sides of a pair, so the
    ratio of the two is steadier than either.
    """
    for _ in range(warm_ups):
        a()
        b()
    took = [(a(), b()) for _ in range(pairs)]
    ratios = [one / other for one, other in took]
    return Ratio(
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        pairs,
        statistics.median(one for one, _ in took),
        statistics.median(other for _, other in took),
    )


def timed(work: Callable[[], object]) -> Side:
    """A side that does ``work`` in this process."""

    def side() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return side


def process(arguments: Sequence[str], *, folder: Path | None = None, codes: Sequence[int] = (0,)) -> Side:
    """A side that is a whole process, from its start to its end; its output goes into a pipe.

    It finds its modules compiled, as those of an installed program are, wherever that may not be
    written beside them. Raises RuntimeError, with what it said, if it ends with any other exit
    code than ``codes``.
    """

    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPYCACHEPREFIX"] = _COMPILED.name

    def side() -> float:
        start = time.perf_counter()
        done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, check=False)
        took_s = time.perf_counter() - start
        if done.returncode not in codes:
            raise RuntimeError(f"{' '.join(arguments)}: exit {done.returncode}: {done.stderr.decode()[:500]}")
        return took_s

    return side
