"""A sweep on a terminal: a row for each point with how sure its means are, and what a policy changes."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from marketsim.cli.render.figures import Figure, written
from marketsim.cli.render.tables import show_table
from marketsim.cli.render.text import one_line
from marketsim.cli.render.theme import Glyphs
from marketsim.simulate.intervals import LEVEL, Difference, Interval, Point
from marketsim.simulate.sweep import Sweep

__all__ = ["ROWS_MAX", "show_differences", "show_points"]

ROWS_MAX = 200
"""How many rows a table on a terminal has."""

_GAP = 2


def show_points(
    sweep: Sweep, points: Sequence[Point], figures: Sequence[Figure], console: Console, glyphs: Glyphs
) -> None:
    """Print a table of the points; figures that have no room in one go into the next."""
    heads = [axis.label for axis in sweep.axes]
    whole = len(sweep.seeds)
    # How many runs there are is of interest only where some are missing.
    short = any(point.runs < whole for point in points)
    rows = [[*point.values, *([f"{point.runs}"] if short else [])] for point in points]
    cells = [[_words(point.figures.get(each.name), each, glyphs) for each in figures] for point in points]
    _show(console, [*heads, *(["runs"] if short else [])], rows, [each.head for each in figures], cells)
    if whole > 1:
        sure = f"± holds the true mean at {LEVEL:.0%}, by Student's t over {whole} repeats"
        _note(console, written(sure, glyphs))
    if short:
        total = whole * len(points)
        _note(console, f"partial: {sum(point.runs for point in points):,} of {total:,} runs were finished")


def show_differences(
    sweep: Sweep, changes: Sequence[Difference], figures: Sequence[Figure], console: Console, glyphs: Glyphs
) -> None:
    """Print what changes against the first value of an axis, on the same tapes."""
    if not changes:
        return
    names = sorted({(change.base, change.other) for change in changes})
    pairs = ", ".join(f"{other} against {base}" for base, other in names)
    console.print()
    console.print(Text(f"{one_line(pairs)}, on the same tapes", "bold"))
    heads = [axis.label for axis in sweep.axes]
    rows = [list(change.values) for change in changes]
    cells = [
        [_changed(change.figures.get(each.name), each, glyphs) for each in figures] for change in changes
    ]
    _show(console, heads, rows, [each.head for each in figures], cells)
    if any(glyphs.unknown in cell for line in cells for cell in line):
        _note(console, f"{glyphs.unknown} there may be no difference: 0 lies within")


def _words(each: Interval | None, figure: Figure, glyphs: Glyphs) -> str:
    return "-" if each is None else written(figure.words(each), glyphs)


def _changed(each: Interval | None, figure: Figure, glyphs: Glyphs) -> str:
    if each is None:
        return "-"
    unsure = each.half is None or (each.half > 0 and abs(each.mean) <= each.half)
    return written(figure.words(each, sign=True), glyphs) + (f" {glyphs.unknown}" if unsure else "")


def _show(
    console: Console,
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    figures: Sequence[str],
    cells: Sequence[Sequence[str]],
) -> None:
    """One table after the other, each with the axes and as many figures as fit beside them."""
    used = sum(_widths(heads, rows)) + _GAP * len(heads)
    for first, last in _pages(_widths(figures, cells), console.width - used):
        console.print()
        lines = [[*row, *line[first:last]] for row, line in zip(rows, cells, strict=True)]
        show_table(console, [*heads, *figures[first:last]], lines[:ROWS_MAX], right=[*figures, *heads])
    if len(rows) > ROWS_MAX:
        _note(console, f"and {len(rows) - ROWS_MAX:,} rows more: --out FILE has them all")


def _pages(widths: Sequence[int], room: int) -> Iterator[tuple[int, int]]:
    first = 0
    for at in range(len(widths)):
        if at > first and sum(widths[first : at + 1]) + _GAP * (at - first) > room:
            yield first, at
            first = at
    yield first, len(widths)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(cell_len(one_line(text)) for text in column) for column in zip(heads, *rows, strict=True)]


def _note(console: Console, text: str) -> None:
    console.print(Text(text, "faint"), soft_wrap=True)
