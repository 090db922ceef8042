"""One simulation from the command line: run with its progress, kept as it was asked for, and told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from marketsim.cli.exits import Exit
from marketsim.cli.interrupts import interrupts_waiting
from marketsim.cli.output import check_target, target_of, write_output
from marketsim.cli.session import Session
from marketsim.saga.errors import InputError, MarketError, reason_of
from marketsim.saga.events import Event, encode_lines
from marketsim.simulate.load import Simulation
from marketsim.simulate.measured import figures
from marketsim.simulate.run import Outcome, Progress, Record, simulate
from marketsim.simulate.table import form_of, table_of

if TYPE_CHECKING:
    from marketsim.cli.render.counting import Counting

__all__ = ["FAILED", "Wanted", "exit_code", "figures_of", "run_one", "said", "write_rows"]

FAILED = "failed.jsonl"
"""The file in ``--keep DIR`` that has the events of every transaction that did not commit."""


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
                check_target(path, self.force)
        if self.out is not None:
            form_of(self.out)
        if self.heat is not None and self.heat.suffix != ".svg":
            raise InputError(
                "a heat map is an SVG picture", where=str(self.heat), todo="end its name in .svg"
            )


def run_one(session: Session, wanted: Wanted) -> int:
    """Run one simulation, with its progress, and tell what came of it."""
    wanted.check_targets()
    if wanted.heat is not None:
        raise InputError("one run has no heat map", where="--heat-map", todo="vary something: --sweep AXIS")
    session.say(said(wanted.simulation))
    with _failed(wanted) as failed, _progress(session, wanted.simulation) as progress:
        outcome = simulate(
            wanted.simulation,
            record=wanted.record,
            keep=wanted.keep if wanted.record == "all" else None,
            failed=failed,
            checks=wanted.checks,
            progress=progress,
        )
    if session.json:
        session.emit(facts(outcome))
    elif not session.quiet:
        _show(session, wanted.simulation, outcome, checks=len(wanted.checks))
    if outcome.partial:
        session.note(f"partial: it was interrupted after {outcome.purchases:,} purchases")
    quietly = session.beside() if session.json else session
    write_rows(quietly, wanted, [row_of(outcome)])
    _write_page(quietly, wanted, outcome)
    return exit_code([outcome], partial=outcome.partial)


def said(simulation: Simulation) -> str:
    """What is simulated, in a line: the seed and all that decides the outcome."""
    from marketsim.cli.render.workload import workload_words

    return workload_words(simulation)


def _write_page(session: Session, wanted: Wanted, outcome: Outcome) -> None:
    if wanted.html is None:
        return
    from marketsim.cli.render.html.page import Report, page_html
    from marketsim.cli.render.html.simulation import Simulation as Section

    section = Section(
        outcome.measured,
        title=said(wanted.simulation),
        findings=outcome.findings,
        checks=len(wanted.checks),
    )
    report = Report(
        origin=outcome.name,
        transactions=outcome.purchases,
        events=outcome.events,
        accounts=[],
        command="marketsim simulate",
        simulation=section,
    )
    write_output(session, [page_html(report)], wanted.html, wanted.force)


def _show(session: Session, simulation: Simulation, outcome: Outcome, *, checks: int) -> None:
    from marketsim.cli.render.simulation import show_simulation
    from marketsim.cli.render.theme import glyphs_for

    console, glyphs = session.console(), glyphs_for(session.out)
    show_simulation(outcome.measured, console, glyphs, findings=outcome.findings, checks=checks)
    said, refused = simulation.workload, outcome.measured.refused.count
    if 2 * refused > outcome.purchases and not said.restocks:
        session.say("\nnothing is ever restocked: add --restock '*:units=20,every=10m'")
    if outcome.head:
        session.say(f"\nhead {outcome.head} of {outcome.events:,} events, seed {outcome.seed}")


def facts(outcome: Outcome) -> dict[str, Any]:
    """What came of a run, as a document."""
    document: dict[str, Any] = msgspec.to_builtins(outcome)
    return document | {"figures": figures(outcome.measured)}


def row_of(outcome: Outcome) -> dict[str, Any]:
    """What came of a run, as a row of a table."""
    who = {"name": outcome.name, "policy": outcome.policy, "gateway": outcome.gateway, "seed": outcome.seed}
    return {**who, **figures_of(outcome), "head": outcome.head}


def figures_of(outcome: Outcome) -> dict[str, int]:
    """The figures of a run, with how many errors the checks found."""
    errors = sum(finding.severity == "error" for finding in outcome.findings)
    return {**figures(outcome.measured), "findings": errors}


def exit_code(outcomes: Sequence[Outcome], *, partial: bool) -> int:
    """How the command ends: with a finding if the checks of any run found an error."""
    if partial:
        return Exit.INTERRUPTED
    return Exit.OK if all(outcome.sound for outcome in outcomes) else Exit.FINDING


@contextmanager
def _failed(wanted: Wanted) -> Iterator[Callable[[list[Event]], None] | None]:
    """What writes the events of failed transactions into a file of a new folder, if they are to be kept."""
    if wanted.record != "failed" or wanted.keep is None:
        yield None
        return
    path = wanted.keep / FAILED
    try:
        wanted.keep.mkdir(parents=True, exist_ok=True)
        with target_of(path, wanted.force).open("wb") as file:
            yield lambda events: _append(file, events)
    except OSError as error:
        reason = reason_of(error)
        raise MarketError(
            f"it cannot be kept: {reason}", where=str(path), todo="give another --keep"
        ) from error


def _append(file: IO[bytes], events: list[Event]) -> None:
    file.write(encode_lines(events))


@contextmanager
def _progress(session: Session, simulation: Simulation) -> Iterator[Callable[[Progress], None]]:
    """Tells the progress on a terminal, if somebody watches; Ctrl-C ends the run, a second one at once."""
    counting = _counting(session, simulation)
    with interrupts_waiting() as look:

        def told(progress: Progress) -> None:
            look()
            if counting is not None:
                counting(progress)

        try:
            yield told
        finally:
            if counting is not None:
                counting.close()


def _counting(session: Session, simulation: Simulation) -> "Counting | None":
    if session.silent or not session.err.isatty():
        return None
    from marketsim.cli.render.counting import Counting

    total = simulation.workload.purchases
    return Counting(session.err, total if isinstance(total, int) else None)


def write_rows(session: Session, wanted: Wanted, rows: list[dict[str, Any]]) -> None:
    """Write the figures, a row for each run, where they are wanted."""
    if wanted.out is not None:
        write_output(session, table_of(rows, form_of(wanted.out)), wanted.out, wanted.force)
