"""An exploration on a terminal: the bound, how far it has come, the verdict, and each counterexample."""

from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from marketsim.audit.checks import checks_of
from marketsim.cli.render.progress import StatusLine
from marketsim.cli.render.summary import show_findings
from marketsim.cli.render.tables import show_table
from marketsim.cli.render.text import printable, wrapped
from marketsim.cli.render.theme import Glyphs, glyphs_for
from marketsim.cli.render.timeline import Timeline
from marketsim.explore.model import Counterexample, Progress
from marketsim.explore.told import Explored, Told, counted, verdict_of, verdict_words
from marketsim.saga.events import Event, TransactionBegan

__all__ = ["Watch", "show_comparison", "show_counterexample", "show_explored", "show_plan"]

_STYLES = {"nothing found": "good", "counterexample": "bad", "not reproducible": "bad"}
_UNREACHED_MAX = 10


def show_plan(title: str, bound: str, command: str, console: Console) -> None:
    """Print what is going to be explored, and the command that does it again."""
    _print(console, Text.assemble((printable(title), "name"), f"  {printable(bound)}"), 2)
    _print(console, Text(f"  again: {printable(command)}", "faint"), 4)


class Watch(StatusLine):
    """Shows on a terminal how far a search has come; call it with each progress."""

    def __call__(self, progress: Progress) -> None:
        self.show(lambda: progress_words(progress))


def progress_words(progress: Progress) -> str:
    """How far a search has come, in a line; what waits is only what is known of by now."""
    speed = progress.runs / progress.seconds if progress.seconds else 0
    words = (
        counted(progress.runs, "run"),
        f"{speed:,.0f}/s",
        f"depth {progress.depth}",
        counted(progress.states, "state"),
        f"at least {progress.left:,} to go",
    )
    return ", ".join(words)


def show_explored(explored: Explored, console: Console, stream: TextIO, *, timelines: bool = True) -> None:
    """Print what came of an exploration; without ``timelines`` each counterexample is a story only."""
    glyphs = glyphs_for(stream)
    exploration = explored.exploration
    for told in explored.found:
        console.print()
        _show_told(told, console, stream, glyphs, timelines)
    strayed = exploration.irreproducible
    if strayed is not None:
        console.print()
        place = f"{strayed.transaction}: {strayed.operation}, attempt {strayed.attempt}"
        what = "the same run took another way here; its handler has a choice that is not on the tape"
        _print(console, Text.assemble((f"{printable(place)}  ", "bad"), what), 4)
        console.print(Text(f"  the first run:  {printable(strayed.expected)}", "faint"))
        console.print(Text(f"  the second run: {printable(strayed.actual)}", "faint"))
    console.print()
    for name in exploration.unreached[:_UNREACHED_MAX]:
        _print(console, Text(f"  note    {printable(name)} was never reached", "warn"), 10)
    if (more := len(exploration.unreached) - _UNREACHED_MAX) > 0:
        _print(console, Text(f"  note    {more} more were never reached", "warn"), 10)
    verdict = verdict_of(exploration)
    style = _STYLES.get(verdict, "warn")
    mark = {"good": glyphs.done, "bad": glyphs.failed}.get(style, glyphs.unknown)
    _print(console, Text.assemble((f"{mark} ", style), (printable(verdict_words(exploration)), style)), 2)
    took = f"  {exploration.seconds:.1f} s"
    if exploration.bound.reduction:
        took += f", {counted(exploration.states, 'distinct state')}"
    _print(console, Text(took, "faint"), 2)


def show_comparison(explored: Sequence[Explored], console: Console) -> None:
    """Print a row for each exploration."""
    rows = [
        (
            each.policy,
            ", ".join(told.rule for told in each.found) or verdict_of(each.exploration),
            min((told.counterexample.size for told in each.found), default="-"),
            f"{each.exploration.runs:,}",
            f"{each.exploration.seconds:.1f}",
        )
        for each in explored
    ]
    console.print()
    heads = ("policy", "found", "takes", "runs", "seconds")
    show_table(console, heads, rows, right=("takes", "runs", "seconds"))


def show_counterexample(counterexample: Counterexample, console: Console, stream: TextIO) -> None:
    """Print a counterexample: a timeline for each transaction, and the findings."""
    glyphs = glyphs_for(stream)
    for transaction in _transactions(counterexample.events):
        console.print()
        own = [each for each in counterexample.events if getattr(each, "transaction", "") == transaction]
        Timeline(stream, on=console).show_all(own)
    console.print()
    count = len(checks_of("basic"))
    show_findings(counterexample.findings, console, glyphs, checks=count, events=len(counterexample.events))


def _show_told(told: Told, console: Console, stream: TextIO, glyphs: Glyphs, timelines: bool) -> None:
    place = f" at {printable(told.operation)}" if told.operation else ""
    rule = (f"{glyphs.failed} {printable(told.rule)}", "bad")
    _print(console, Text.assemble(rule, f"{place}, {_takes(told)}"), 2)
    _print(console, Text(f"  {printable(' '.join(told.story))}"), 2)
    for each in () if timelines else told.wrong:
        _print(console, Text(f"  {printable(each)}", "bad"), 4)
    if told.counterexample.healed:
        _print(console, Text("  It shows only when the faults are over and all was tried again.", "warn"), 2)
    if not told.minimal:
        _print(console, Text("  It could not be made smaller: perhaps more of it can go.", "warn"), 2)
    if timelines:
        show_counterexample(told.counterexample, console, stream)
    if told.file:
        _print(console, Text.assemble(("  kept    ", "name"), printable(told.file)), 10)
    if told.replay:
        _print(console, Text.assemble(("  again   ", "name"), printable(told.replay)), 10)


def _takes(told: Told) -> str:
    """What it takes: ``with 1 fault and 1 crash``."""
    spent = told.counterexample.spent
    words = [
        counted(number, one, many)
        for number, one, many in (
            (spent.faults, "fault", ""),
            (spent.crashes, "crash", "crashes"),
            (spent.preemptions, "turn out of order", "turns out of order"),
        )
        if number
    ]
    return f"with {' and '.join(words)}" if words else "with no fault at all"


def _transactions(events: Sequence[Event]) -> list[str]:
    return [event.transaction for event in events if isinstance(event, TransactionBegan)]


def _print(console: Console, line: Text, indent: int) -> None:
    """Print a line, and what does not fit below it, indented."""
    first, *rest = wrapped(line, console, console.width)
    console.print(first, no_wrap=True, overflow="ignore", crop=False)
    for part in wrapped(Text(" ").join(rest), console, console.width - indent) if rest else []:
        console.print(Text.assemble(" " * indent, part), no_wrap=True, overflow="ignore", crop=False)
