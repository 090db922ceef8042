"""Heat maps: a figure over two axes of a sweep, as coloured cells with the numbers in them."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import TypeAlias

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from marketsim.cli.render.figures import Figure, written
from marketsim.cli.render.html.markup import clipped
from marketsim.cli.render.text import one_line
from marketsim.cli.render.theme import UNICODE, Glyphs
from marketsim.simulate.intervals import Interval, Point
from marketsim.simulate.sweep import Sweep

__all__ = ["PANELS_MAX", "HeatMap", "Panel", "colour", "heat_map", "ink_on", "show_heat"]

PANELS_MAX = 12
"""How many panels are drawn: what a file holds needs no picture of it all."""

_RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
"""The stops of viridis (van der Walt and Smith, CC0): even to the eye, and to those who see no red."""

_MARKS = "▁▂▃▄▅▆▇█"
_MARKS_ASCII = "_.-=+*%#"
_LABEL_MAX = 24


class Panel(msgspec.Struct, frozen=True):
    """A grid of cells: a row for each value down, a cell for each value across; None where no run is.

    ``title`` says the values of the axes beside these two.
    """

    title: str
    rows: list[list[Interval | None]]


class HeatMap(msgspec.Struct, frozen=True):
    """A figure over a sweep: the labels of the axes and of their values, and a panel for each combination
    of the others; ``low`` and ``high`` are the ends of the scale that all share.
    """

    figure: Figure
    across_label: str
    across: list[str]
    down_label: str
    down: list[str]
    panels: list[Panel]
    low: float
    high: float
    repeat: int
    unseen: int = 0

    def shade(self, value: float) -> float:
        """Where on the scale a value is: 0 to 1."""
        return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0

    @property
    def words(self) -> str:
        """What is to be seen."""
        of = f"mean of {self.repeat} runs" if self.repeat > 1 else "one run each"
        halves = [
            cell.half for panel in self.panels for row in panel.rows for cell in row if cell and cell.half
        ]
        sure = f", ± {self.figure.short(max(halves))} or less" if halves else ""
        return f"{self.figure.head}: {of}{sure}"

    def within(self, across_max: int) -> "HeatMap":
        """The same with no more than so many values across, if that can be had by turning it."""
        if len(self.across) <= across_max or len(self.down) > across_max:
            return self
        panels = [
            Panel(each.title, [list(row) for row in zip(*each.rows, strict=True)]) for each in self.panels
        ]
        return msgspec.structs.replace(
            self,
            across_label=self.down_label,
            across=self.down,
            down_label=self.across_label,
            down=self.across,
            panels=panels,
        )


def heat_map(sweep: Sweep, points: Sequence[Point], figure: Figure) -> HeatMap:
    """The heat map of a figure: the axis with the most values goes across, the next one down."""
    axes = [(axis.label, list(axis.values)) for axis in sweep.axes]
    by_length = sorted(range(len(axes)), key=lambda at: -len(axes[at][1]))
    across = by_length[0] if by_length else None
    down = by_length[1] if len(by_length) > 1 else None
    cells = {point.values: point.figures.get(figure.name) for point in points}
    panels = list(_panels(axes, across, down, sorted(by_length[2:]), cells))
    means = [cell.mean for cell in cells.values() if cell is not None] or [0.0]
    across_label, across_texts = _axis(axes, across)
    down_label, down_texts = _axis(axes, down)
    return HeatMap(
        figure,
        across_label,
        across_texts,
        down_label,
        down_texts,
        panels[:PANELS_MAX],
        min(means),
        max(means),
        len(sweep.seeds),
        max(0, len(panels) - PANELS_MAX),
    )


_Axes: TypeAlias = list[tuple[str, list[str]]]


def _axis(axes: _Axes, at: int | None) -> tuple[str, list[str]]:
    """An axis by its place; where there is none, one that has a single value without a name."""
    return ("", [""]) if at is None else axes[at]


def _panels(
    axes: _Axes,
    across: int | None,
    down: int | None,
    others: list[int],
    cells: dict[tuple[str, ...], Interval | None],
) -> Iterator[Panel]:
    for rest in product(*(axes[at][1] for at in others)):
        beside: dict[int | None, str] = dict(zip(others, rest, strict=True))
        rows = []
        for two in _axis(axes, down)[1]:
            places = [beside | {down: two, across: one} for one in _axis(axes, across)[1]]
            rows.append([cells.get(tuple(place[at] for at in range(len(axes)))) for place in places])
        title = ", ".join(f"{axes[at][0]} {text}" for at, text in zip(others, rest, strict=True))
        yield Panel(title, rows)


def colour(shade: float) -> tuple[int, int, int]:
    """The colour of a shade from 0 to 1: red, green, blue."""
    place = min(max(shade, 0.0), 1.0) * (len(_RAMP) - 1)
    at = min(int(place), len(_RAMP) - 2)
    one, two = _RAMP[at], _RAMP[at + 1]
    red, green, blue = (round(a + (b - a) * (place - at)) for a, b in zip(one, two, strict=True))
    return red, green, blue


def ink_on(paper: tuple[int, int, int]) -> str:
    """Black or white, whichever is easier to read on a colour, by the relative luminance of WCAG 2."""
    parts = [each / 255 for each in paper]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#ffffff"


# On a terminal.


class _Page(msgspec.Struct, frozen=True):
    """How cells are written: the widths of a label and a cell, and whether colours may be used."""

    label_width: int
    width: int
    glyphs: Glyphs
    coloured: bool

    def across_max(self, width: int) -> int:
        return max(1, (width - self.label_width - 1) // self.width)


def show_heat(heat: HeatMap, console: Console, glyphs: Glyphs) -> None:
    """Print it; where colours are not wanted, a mark behind each number shows how high it is."""
    page = _page(heat, console, glyphs)
    heat = heat.within(page.across_max(console.width))
    page = _page(heat, console, glyphs)
    across_max = page.across_max(console.width)
    console.print(Text(written(one_line(heat.words), glyphs), "bold"))
    for panel in heat.panels:
        if panel.title:
            console.print(Text(f"\n{one_line(panel.title)}"))
        for first in range(0, len(heat.across), across_max):
            for line in _lines(heat, panel, slice(first, first + across_max), page):
                console.print(line, no_wrap=True, crop=True)
    console.print(_legend(heat, page))
    if heat.unseen:
        console.print(Text(f"{heat.unseen:,} more panels are not drawn"))


def _page(heat: HeatMap, console: Console, glyphs: Glyphs) -> _Page:
    coloured = console.color_system is not None and not console.no_color
    numbers = [cell for panel in heat.panels for row in panel.rows for cell in row if cell is not None]
    longest = max((len(heat.figure.short(cell.mean)) for cell in numbers), default=1)
    width = max(longest, *map(cell_len, heat.across)) + (2 if coloured else 3)
    label_width = max(map(cell_len, [heat.down_label, *heat.down]))
    return _Page(min(_LABEL_MAX, label_width), min(max(width, 6), _LABEL_MAX), glyphs, coloured)


def _lines(heat: HeatMap, panel: Panel, columns: slice, page: _Page) -> Iterator[Text]:
    if heat.across_label:
        title = f"{' ' * page.label_width}   {one_line(heat.across_label)} {page.glyphs.arrow}"
        yield Text(title, "faint")
    head = Text(f"{_fitted(heat.down_label, page.label_width)} ", "faint")
    for text in heat.across[columns]:
        head.append(_placed(text, "", page), "bold")
    head.rstrip()
    yield head
    for label, row in zip(heat.down, panel.rows, strict=True):
        line = Text(f"{_fitted(label, page.label_width)} ")
        for cell in row[columns]:
            line.append(*_cell(heat, cell, page))
        if not page.coloured:
            line.rstrip()
        yield line


def _cell(heat: HeatMap, cell: Interval | None, page: _Page) -> tuple[str, str]:
    if cell is None:
        return _placed("-", "", page), "faint"
    text, shade = written(heat.figure.short(cell.mean), page.glyphs), heat.shade(cell.mean)
    return _placed(text, _mark(shade, page.glyphs), page), _style(shade) if page.coloured else ""


def _legend(heat: HeatMap, page: _Page) -> Text:
    low, high = (written(heat.figure.short(end), page.glyphs) for end in (heat.low, heat.high))
    line = Text(f"{low} ")
    for step in range(8):
        mark = "  " if page.coloured else _mark(step / 7, page.glyphs)
        line.append(mark, _style(step / 7) if page.coloured else "")
    return line.append(f" {high}")


def _style(shade: float) -> str:
    paper = colour(shade)
    return f"{ink_on(paper)} on #{bytes(paper).hex()}"


def _mark(shade: float, glyphs: Glyphs) -> str:
    marks = _MARKS if glyphs is UNICODE else _MARKS_ASCII
    return marks[round(min(max(shade, 0.0), 1.0) * (len(marks) - 1))]


def _placed(text: str, mark: str, page: _Page) -> str:
    """A text in its cell: in the middle of its colour, or to the right, with its mark behind it."""
    if not page.coloured:
        return _fitted(text, page.width - 2, right=True) + f" {mark or ' '}"
    text = _fitted(text, page.width).rstrip()
    before = (page.width - cell_len(text)) // 2
    return " " * before + text + " " * (page.width - cell_len(text) - before)


def _fitted(text: str, width: int, *, right: bool = False) -> str:
    text = clipped(one_line(text), width)
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks
