"""Two simulations side by side, and what the better of them would have saved."""

from collections.abc import Iterator

import msgspec
from rich.console import Console
from rich.text import Text

from marketsim.cli.render.simulation import money_words
from marketsim.cli.render.tables import show_table
from marketsim.cli.render.text import printable, wrapped
from marketsim.cli.render.theme import Glyphs
from marketsim.cli.render.words import duration
from marketsim.simulate.measured import Measured, figures

__all__ = ["Difference", "differences", "saved", "show_comparison"]

_FIGURES = {
    "committed": "purchases that were committed",
    "committed_minor": "sold",
    "refused": "customers turned away",
    "phantom": "of them in vain",
    "lost": "sales lost by that",
    "lost_minor": "their worth",
    "came_back": "came back and bought",
    "phantom_out_us": "none on sale in vain",
    "held_minor": "money held in vain",
    "held_p50_us": "held for (p50)",
    "held_p99_us": "held for (p99)",
    "held_still_minor": "still held at the end",
    "double_charges": "customers charged twice",
    "stranded_units": "units gone for good",
    "stranded_minor": "their worth",
    "oversold_units": "units sold twice",
    "dead_letters": "dead letters",
    "consistency_p50_us": "consistent after (p50)",
    "consistency_p99_us": "consistent after (p99)",
    "retries": "calls made again",
    "committed_took_p50_us": "took (p50)",
    "committed_took_p99_us": "took (p99)",
}
"""The figures worth a row, by their names in a table of runs, and what a person calls them."""


class Difference(msgspec.Struct, frozen=True):
    """One figure of two runs, by its name in a table of runs."""

    name: str
    one: int
    other: int

    @property
    def more(self) -> int:
        """By how much the other is above the one."""
        return self.other - self.one


def differences(one: Measured, other: Measured) -> list[Difference]:
    """The figures that are worth a row, in order; what is 0 in both is left out."""
    mine, others = figures(one), figures(other)
    return [Difference(name, mine[name], others[name]) for name in _FIGURES if mine[name] or others[name]]


def show_comparison(
    one: Measured, other: Measured, names: tuple[str, str], console: Console, glyphs: Glyphs
) -> None:
    """Print the figures of two runs of the same tape with their difference, and what it is worth."""
    rows = [
        [_FIGURES[each.name], *(cell or glyphs.dash for cell in _cells(each, one.currency))]
        for each in differences(one, other)
    ]
    console.print()
    heads = ("", *map(printable, names), "difference")
    show_table(console, heads, rows, right=heads[1:])
    console.print()
    for words in saved(one, other, names):
        for line in wrapped(Text(printable(words)), console, max(console.width, 40)):
            console.print(line, no_wrap=True, overflow="ignore", crop=False)


def saved(one: Measured, other: Measured, names: tuple[str, str]) -> Iterator[str]:
    """What the one of the two that sold more would have saved, in money."""
    better, worse = (
        (one, other) if one.outcomes["committed"].minor >= other.outcomes["committed"].minor else (other, one)
    )
    name = names[0] if better is one else names[1]
    currency = better.currency
    more_minor = better.outcomes["committed"].minor - worse.outcomes["committed"].minor
    if more_minor:
        count = better.outcomes["committed"].count - worse.outcomes["committed"].count
        yield f"{name} sold {money_words(more_minor, currency)} more, in {count:,} more purchases"
    else:
        yield "both sold the same"
    for minor, words in (
        (worse.lost.minor - better.lost.minor, "of sales that were lost to stock that only looked sold"),
        (worse.stranded.minor - better.stranded.minor, "of stock that is gone from sale and sold to nobody"),
        (worse.held.still_minor - better.held.still_minor, "of customers' money that is still held"),
        (worse.held.double_minor - better.held.double_minor, "that customers paid twice"),
    ):
        if minor > 0:
            yield f"{name} would have saved {money_words(minor, currency)} {words}"
        elif minor < 0:
            yield f"{name} costs {money_words(-minor, currency)} {words}"


def _words(name: str, figure: int, currency: str) -> str:
    if name.endswith("_minor"):
        return money_words(figure, currency)
    return duration(figure) if name.endswith("_us") else f"{figure:,}"


def _cells(each: Difference, currency: str) -> tuple[str, str, str]:
    """Both figures and their difference; of a length that never was there is none."""
    one, other = (_words(each.name, figure, currency) for figure in (each.one, each.other))
    if each.name.endswith("_us") and not (each.one and each.other):
        return one if each.one else "", other if each.other else "", ""
    sign = "+" if each.more > 0 else "-"
    return one, other, sign + _words(each.name, abs(each.more), currency) if each.more else ""
