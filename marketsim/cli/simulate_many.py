"""Many simulations from the command line: a sweep on many cores or machines, and what differs in it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from marketsim.cli.output import write_output
from marketsim.cli.session import Session
from marketsim.cli.simulate_runs import Wanted, exit_code, figures_of, said, write_rows
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.simulate.fleet import Gathered, check_place, gathered, run_all
from marketsim.simulate.intervals import Figures, Point, differences, run_rows, summary
from marketsim.simulate.kept import Kept
from marketsim.simulate.load import Simulation, pattern_of
from marketsim.simulate.many import Task, varied, work
from marketsim.simulate.model import Workload
from marketsim.simulate.run import Outcome
from marketsim.simulate.sweep import Sweep, sweep_of

__all__ = ["run_many"]

FIGURES = ("phantom", "phantom_minor", "lost", "committed", "held_minor", "dead_letters", "findings")
"""What a sweep's table shows unless other figures are named; the first is that of its heat map."""


def run_many(
    session: Session,
    wanted: Wanted,
    axes: Sequence[str],
    repeat: int,
    on: str,
    workers: int | None,
    resume: Path | None,
    *,
    yes: bool,
    names: Sequence[str],
) -> int:
    """Run a simulation again and again, varied, on many cores or machines, and tell what differs."""
    simulation = wanted.simulation
    wanted.check_targets()
    if wanted.keep is not None:
        raise InputError("many runs keep no stream", where="--keep", todo="keep one run, with its seed")
    if wanted.html is not None:
        raise InputError("the page is about one run", where="--html", todo="write --out, or --heat-map FILE")
    check_place(on, workers)
    saga = pattern_of(simulation.saga)
    sweep = sweep_of(axes, seed=simulation.seed, repeat=repeat, yes=yes, saga=saga, options=Workload)
    for run in sweep.runs():
        if run.repeat == 0:
            varied(simulation, run)  # A value that cannot be meant is told before anything runs.
    session.say(f"{said(simulation)}; {len(sweep):,} run{'s' if len(sweep) > 1 else ''}")
    found = _outcomes(session, wanted, sweep, on, workers, resume)
    outcomes = dict(sorted(found.results.items()))
    if session.json:
        session.emit(_many_facts(sweep, outcomes, partial=found.partial))
    _show_many(session, wanted, sweep, outcomes, names)
    write_rows(session.beside() if session.json else session, wanted, _rows(sweep, outcomes))
    if found.partial:
        session.note(f"partial: {len(outcomes):,} of {len(sweep):,} runs were finished")
    return exit_code(list(outcomes.values()), partial=found.partial)


def _outcomes(
    session: Session, wanted: Wanted, sweep: Sweep, on: str, workers: int | None, resume: Path | None
) -> Gathered[Outcome]:
    tasks = (
        Task(varied(wanted.simulation, run), "none" if wanted.record == "none" else "failed", wanted.checks)
        for run in sweep.runs()
    )
    with _kept(session, wanted, sweep, resume) as kept, _bar(session, len(sweep)) as progress:
        done = {} if kept is None else {at: _read(line) for at, line in kept.results.items()}
        results = run_all(work, tasks, on=on, workers=workers, done=done, progress=progress, named=sweep.name)

        def keep(index: int, outcome: Outcome) -> None:
            if kept is not None:
                kept.keep(index, msgspec.json.encode(outcome))

        return gathered(results, keep)


def _read(line: bytes) -> Outcome:
    try:
        return msgspec.json.decode(line, type=Outcome)
    except msgspec.DecodeError as error:
        raise InputError(f"a kept result is none: {error}", todo="begin another file") from error


@contextmanager
def _kept(session: Session, wanted: Wanted, sweep: Sweep, path: Path | None) -> Iterator[Kept | None]:
    if path is None:
        yield None
        return
    asked = {
        "axes": [[axis.name, list(axis.values)] for axis in sweep.axes],
        "seeds": list(sweep.seeds),
        "checks": wanted.checks,
        "record": wanted.record,
        "simulation": _digest(wanted.simulation),
    }
    with Kept(path, asked, len(sweep)) as kept:
        for notice in kept.notices:
            session.note(notice)
        yield kept


def _digest(simulation: Simulation) -> str:
    return sha256(msgspec.json.encode(simulation, order="deterministic")).hexdigest()


@contextmanager
def _bar(session: Session, total: int) -> Iterator[Callable[[int], None] | None]:
    if session.silent or not session.err.isatty():
        yield None
        return
    from marketsim.cli.render.progress import advancing

    with advancing("runs", session.err, total) as advance:
        yield advance


def _rows(sweep: Sweep, outcomes: Mapping[int, Outcome]) -> list[dict[str, Any]]:
    found = {index: figures_of(outcome) for index, outcome in outcomes.items()}
    return [dict(row) for row in run_rows(sweep, found)]


def _many_facts(sweep: Sweep, outcomes: Mapping[int, Outcome], *, partial: bool) -> dict[str, Any]:
    found = {index: figures_of(outcome) for index, outcome in outcomes.items()}
    return {
        "axes": [{"name": axis.name, "values": list(axis.values)} for axis in sweep.axes],
        "seeds": list(sweep.seeds),
        "points": summary(sweep, found),
        "differences": differences(sweep, found),
        "runs": _rows(sweep, outcomes),
        "heads": {index: outcome.head for index, outcome in outcomes.items()},
        "partial": partial,
    }


def _show_many(
    session: Session,
    wanted: Wanted,
    sweep: Sweep,
    outcomes: Mapping[int, Outcome],
    names: Sequence[str],
) -> None:
    """Print the sweep, and draw its heat map where it is wanted."""
    from marketsim.cli.render.comparison import show_comparison
    from marketsim.cli.render.figures import figure_of
    from marketsim.cli.render.heat import heat_map, show_heat
    from marketsim.cli.render.html.heat import heat_picture
    from marketsim.cli.render.sweep import show_differences, show_points
    from marketsim.cli.render.theme import glyphs_for

    results: dict[int, Figures] = {index: figures_of(outcome) for index, outcome in outcomes.items()}
    points = summary(sweep, results)
    currency = wanted.simulation.currency
    shown = [figure_of(name, currency) for name in _names(names, points)]
    heat = heat_map(sweep, points, shown[0])
    console = session.console()
    if not session.silent and _is_pair(sweep) and len(outcomes) == 2 and not names:
        one, other = (outcomes[index] for index in sorted(outcomes))
        pair = (one.policy, other.policy)
        show_comparison(one.measured, other.measured, pair, console, glyphs_for(session.out))
    elif not session.silent:
        show_points(sweep, points, shown, console, glyphs_for(session.out))
        show_differences(sweep, differences(sweep, results), shown, console, glyphs_for(session.out))
        if any(len(axis.values) > 1 for axis in sweep.axes):
            show_heat(heat, console, glyphs_for(session.out))
    if wanted.heat is not None:
        title = f"{wanted.simulation.name}: {shown[0].head}"
        write_output(session, [heat_picture(heat, title)], wanted.heat, wanted.force)


def _is_pair(sweep: Sweep) -> bool:
    """Whether two policies are compared, and nothing else is varied."""
    return len(sweep) == 2 and [axis.kind for axis in sweep.axes] == ["policy"]


def _names(wanted: Sequence[str], points: Sequence[Point]) -> list[str]:
    """The figures to be shown. Raises InputError for one that there is not."""
    known = list(dict.fromkeys(name for point in points for name in point.figures))
    for name in wanted if known else ():
        if name not in known:
            where = "--figure"
            raise InputError(f"no figure is called {quoted(name)}", where=where, todo=nearest(name, known))
    return list(wanted) or list(FIGURES)
