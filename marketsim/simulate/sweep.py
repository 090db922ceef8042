"""A sweep: every combination of the values of some axes, each run again and again on the same tapes."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import msgspec

from marketsim.market.gateway import rule_named
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import policy_named
from marketsim.saga.tape import Tape
from marketsim.simulate.axes import Axis, check_option, parse_axis

__all__ = ["REPEAT_MAX", "RUNS_ASKED", "RUNS_MAX", "Run", "Sweep", "seeds_of", "sweep_of"]

RUNS_ASKED = 10_000
"""Above so many runs, somebody has to say that they are meant."""

RUNS_MAX = 1_000_000
"""More runs than these are never made."""

REPEAT_MAX = 10_000
"""How often each point may be run."""

_AXES_MAX = 6


class Run(msgspec.Struct, frozen=True):
    """One run of a sweep: its point and its number at it (both from 0), its seed, and what it varies.

    ``values`` are those of the axes in their order; the same again by kind: ``faults`` as ``--fail`` takes
    them, ``policy`` and ``gateway`` (None: not varied), and ``options`` of the workload by dotted name.
    """

    index: int
    point: int
    repeat: int
    seed: int
    values: tuple[str, ...]
    faults: list[str] = []
    policy: str | None = None
    gateway: str | None = None
    options: dict[str, str] = {}


class Sweep(msgspec.Struct, frozen=True, dict=True):
    """A grid: its axes (the last varies fastest), and the seeds with which each point is run."""

    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.points) * len(self.seeds)

    @cached_property
    def points(self) -> list[tuple[str, ...]]:
        """The values of the axes at each point, in order."""
        return list(product(*(tuple(axis.values) for axis in self.axes)))

    def runs(self) -> Iterator[Run]:
        """Every run, in order: all repeats of a point, then the next point."""
        for point, values in enumerate(self.points):
            varied = self._varied(values)
            for repeat, seed in enumerate(self.seeds):
                yield Run(point * len(self.seeds) + repeat, point, repeat, seed, values, **varied)

    def name(self, index: int) -> str:
        """What a person calls the run of this index."""
        point, repeat = divmod(index, len(self.seeds))
        where = ", ".join(
            f"{axis.name}%{value}" if axis.kind == "fault" else f"{axis.name}={value}"
            for axis, value in zip(self.axes, self.points[point], strict=True)
        )
        return f"{where}, repeat {repeat + 1} (seed {self.seeds[repeat]})".removeprefix(", ")

    def _varied(self, values: tuple[str, ...]) -> dict[str, Any]:
        pairs = list(zip(self.axes, values, strict=True))
        of_kind = {axis.kind: value for axis, value in pairs}
        return {
            "faults": [f"{axis.name}%{value}" for axis, value in pairs if axis.kind == "fault"],
            "policy": of_kind.get("policy"),
            "gateway": of_kind.get("gateway"),
            "options": {axis.name: value for axis, value in pairs if axis.kind == "option"},
        }


def sweep_of(
    texts: Sequence[str],
    *,
    seed: int,
    repeat: int = 1,
    yes: bool = False,
    saga: Saga | None = None,
    options: type[msgspec.Struct] | None = None,
) -> Sweep:
    """The sweep over axes as they are typed; without any, only repeats.

    Faults are looked up in the ``saga`` and other names in the Struct ``options``, where they are given.
    Raises InputError for what cannot be read or does not exist, and for a grid that is too large, before
    it is made: of more than RUNS_MAX runs, or more than RUNS_ASKED without ``yes``.
    """
    if not 1 <= repeat <= REPEAT_MAX:
        raise InputError(f"{repeat} repeats", where="--repeat", todo=f"give 1 to {REPEAT_MAX:,}")
    if len(texts) > _AXES_MAX:
        raise InputError(f"{len(texts)} axes", where="--sweep", todo=f"give at most {_AXES_MAX}")
    axes = tuple(parse_axis(text) for text in texts)
    _check_size(axes, repeat, yes)
    for index, axis in enumerate(axes):
        if axis.name in (other.name for other in axes[:index]):
            raise InputError(f"{axis.name} is varied twice", where="--sweep", todo="give one axis for it")
        _check_names(axis, saga, options)
    return Sweep(axes, seeds_of(seed, repeat))


def seeds_of(seed: int, repeat: int) -> tuple[int, ...]:
    """The seeds of so many repeats: the first is the seed itself, so that a run by itself is one of them.

    The others are drawn from its tape. Every point has the same, so that what differs between two points
    is what was varied, and not who happened to come.
    """
    tape = Tape(seed)
    return seed, *(tape.draw(f"sweep/repeat-{number}/seed", 2**63) for number in range(2, repeat + 1))


def _check_size(axes: Sequence[Axis], repeat: int, yes: bool) -> None:
    points = prod(len(axis.values) for axis in axes)
    runs = points * repeat
    if runs > RUNS_ASKED:
        size = f"{points:,} point{'s' if points != 1 else ''} × {repeat:,}"
        what = f"{size} repeat{'s' if repeat != 1 else ''} are {runs:,} runs"
        if runs > RUNS_MAX:
            todo = f"take larger steps: {RUNS_MAX:,} are the most"
            raise InputError(what, where="--sweep", todo=todo)
        if not yes:
            raise InputError(what, where="--sweep", todo="take larger steps, or add --yes if you mean it")


def _check_names(axis: Axis, saga: Saga | None, options: type[msgspec.Struct] | None) -> None:
    try:
        if axis.kind == "fault" and saga is not None:
            parse_fault(f"{axis.name}%{next(iter(axis.values))}", saga)
        elif axis.kind == "option" and options is not None:
            check_option(axis.name, options)
        elif axis.kind in ("policy", "gateway"):
            for name in axis.values:
                policy_named(name) if axis.kind == "policy" else rule_named(name)
    except InputError as wrong:
        raise InputError(wrong.what, where="--sweep", todo=wrong.todo) from None
