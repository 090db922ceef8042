"""What `marketsim simulate` runs: one simulation, or many of them, and how what came of them is told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from marketsim.cli.exits import Exit
from marketsim.cli.output import target_of, write_output
from marketsim.cli.session import Session
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import Event, encode_lines
from marketsim.simulate.fleet import check_place, gathered, run_all
from marketsim.simulate.intervals import differences, point_rows, run_rows, summary
from marketsim.simulate.kept import Kept
from marketsim.simulate.load import Simulation, pattern_of
from marketsim.simulate.many import Task, varied, work
from marketsim.simulate.measured import figures
from marketsim.simulate.model import Workload
from marketsim.simulate.run import Outcome, Progress, Record, simulate
from marketsim.simulate.sweep import Sweep, sweep_of

__all__ = ["Wanted", "run_many", "run_one"]

FIGURES = ("committed", "lost", "phantom", "phantom_minor", "held_minor", "dead_letters", "findings")
"""What a sweep's table shows unless other figures are named."""


class Wanted(msgspec.Struct, frozen=True):
    """What is to be run, how it is judged, and where what comes of it goes."""

    simulation: Simulation
    checks: list[str]
    record: Record
    keep: Path | None
    out: Path | None
    html: Path | None
    heat: Path | None
    force: bool

    def check_targets(self) -> None:
        """Raise InputError for a file that cannot be written, before anything runs."""
        for path in (self.out, self.html, self.heat):
            if path is not None:
                target_of(path, self.force)


def run_one(session: Session, wanted: Wanted) -> int:
    """Run one simulation, with its progress, and tell what came of it."""
    wanted.check_targets()
    if wanted.heat is not None:
        raise InputError("one run has no heat map", where="--heat-map", todo="sweep something: --sweep AXIS")
    with _failed_to(wanted) as failed, _progress(session, wanted.simulation) as progress:
        keep = wanted.keep if wanted.record == "all" else None
        outcome = simulate(
            wanted.simulation,
            record=wanted.record,
            keep=keep,
            failed=failed,
            checks=wanted.checks,
            progress=progress,
        )
    row = {**_who(outcome), **_figures(outcome)}
    _write_out(session, wanted, [row])
    if session.json:
        session.emit(_facts(outcome))
    return Exit.OK
