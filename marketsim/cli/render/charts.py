"""Charts of several lines, drawn by plotext: counts over time, and how durations are spread."""

from collections.abc import Sequence

import msgspec
from rich.console import Console
from rich.style import Style
from rich.text import Text

from marketsim.cli.render.theme import UNICODE, Glyphs

__all__ = ["HEIGHT", "WIDTH_MAX", "Line", "Tick", "show_area", "show_lines"]

HEIGHT = 12
"""How many lines of text a chart takes."""

WIDTH_MAX = 120
"""How many columns it takes, at the most."""

_MARKS = (("braille", "⣿"), ("dot", "•"), ("+", "+"))
_MARKS_ASCII = (("*", "*"), ("o", "o"), ("+", "+"))
_FRAME = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")


Tick = tuple[float, str]
"""A label of the axis, and where it stands: numbers count from 1."""


class Line(msgspec.Struct, frozen=True):
    """One line of a chart: its name, its numbers from left to right, and its colour."""

    name: str
    numbers: Sequence[int]
    color: str


def show_lines(
    head: str, lines: Sequence[Line], ticks: Sequence[Tick], console: Console, glyphs: Glyphs
) -> None:
    """Print lines over one another, under what they are called; ``ticks`` are the labels of the axis."""
    import plotext

    _begin(console)
    words, marks = Text(f"{head}: ", "bold"), _MARKS if glyphs is UNICODE else _MARKS_ASCII
    for line, (mark, shown) in zip(lines, marks, strict=False):
        plotext.plot(line.numbers, marker=mark, color=line.color)
        style = Style(color=line.color)
        words.append(f" {shown} {line.name}", Style(bold=False) + style)
    console.print(words, no_wrap=True)
    _end(ticks, max((max(line.numbers, default=0) for line in lines), default=0), console, glyphs)


def show_area(
    head: str, numbers: Sequence[int], color: str, ticks: Sequence[Tick], console: Console, glyphs: Glyphs
) -> None:
    """Print numbers as an area over the axis, under what they are called."""
    import plotext

    _begin(console)
    console.print(Text(head, "bold"), no_wrap=True)
    plotext.plot(numbers, marker="hd" if glyphs is UNICODE else "#", color=color, fillx=True)
    _end(ticks, max(numbers, default=0), console, glyphs)


def _colored(console: Console) -> bool:
    return console.is_terminal and not console.no_color


def _begin(console: Console) -> None:
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.limit_size(False, False)
    plotext.plotsize(min(console.width, WIDTH_MAX), HEIGHT)


def _end(ticks: Sequence[Tick], top: int, console: Console, glyphs: Glyphs) -> None:
    import plotext

    ticks = _fitting(ticks, min(console.width, WIDTH_MAX))
    plotext.xticks([place for place, _ in ticks], [label for _, label in ticks])
    steps = sorted({0, top // 2, top})
    plotext.ylim(0, max(1, top))
    plotext.yticks(steps, [f"{step:,}" for step in steps])
    drawn = plotext.build()
    if not _colored(console):
        drawn = plotext.uncolorize(drawn)
    if glyphs is not UNICODE:
        drawn = drawn.translate(_FRAME)
    for line in drawn.split("\n"):
        text = Text.from_ansi(line)
        text.rstrip()
        if text:
            console.print(text, no_wrap=True, crop=True, overflow="crop")


def _fitting(ticks: Sequence[Tick], width: int) -> Sequence[Tick]:
    """As many of these labels, which are equally far apart, as there is room for.

    Of labels that are in each other's way plotext leaves out one or another, from run to run.
    """
    widest = max(len(label) for _, label in ticks)
    while len(ticks) > 2 and width / len(ticks) < 1.5 * widest + 2:
        ticks = ticks[::2] if len(ticks) % 2 else (ticks[0], ticks[-1])
    return ticks
