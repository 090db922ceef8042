"""Means of figures as people read them: in their unit, and to as many digits as are sure."""

from math import floor, log10

import msgspec

from marketsim.cli.render.theme import UNICODE, Glyphs
from marketsim.market.money import CURRENCIES, currency_digits
from marketsim.simulate.intervals import Interval

__all__ = ["Figure", "figure_of", "short", "written"]

_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k"))
_MICRO = (1, " µs")
_LENGTHS = ((3_600_000_000, " h"), (60_000_000, " min"), (1_000_000, " s"), (1_000, " ms"), _MICRO)


class Figure(msgspec.Struct, frozen=True):
    """A figure: its name among the results, its name for people, and its unit.

    A length of time has no unit of its own: each number gets the one that suits it.
    """

    name: str
    head: str
    scale: int = 1
    unit: str = ""
    timed: bool = False

    def short(self, value: float) -> str:
        """The number alone, in at most six characters, and those of a length of time's unit."""
        scale, unit = self._unit(value)
        return short(value / scale) + unit.strip()

    def words(self, each: Interval, *, sign: bool = False) -> str:
        """The mean with its interval: ``1,234 ± 56``; as many decimals as the interval leaves sure."""
        scale, unit = self._unit(each.mean)
        mean, half = each.mean / scale, each.half / scale if each.half else 0.0
        decimals = _decimals(mean, half)
        text = f"{mean:{'+' if sign and mean else ''},.{decimals}f}"
        return f"{text} ± {half:,.{decimals}f}{unit}" if half else f"{text}{unit}"

    def _unit(self, value: float) -> tuple[int, str]:
        if not self.timed:
            return self.scale, self.unit
        return next((each for each in _LENGTHS if abs(value) >= each[0]), _MICRO) if value else (1, "")


def figure_of(name: str, currency: str = "") -> Figure:
    """The figure of this name, whose ending says its unit: _minor, _us or _ppm; else it is a count."""
    words = name.replace("_", " ")
    if name.endswith("_minor") and currency in CURRENCIES:
        return Figure(name, f"{words.removesuffix(' minor')} {currency}", 10 ** currency_digits(currency))
    if name.endswith("_us"):
        return Figure(name, f"{words.removesuffix(' us')} time", timed=True)
    if name.endswith("_ppm"):
        return Figure(name, f"{words.removesuffix(' ppm')} %", 10_000)
    return Figure(name, words)


def written(text: str, glyphs: Glyphs) -> str:
    """The text with the signs of means that these glyphs go with."""
    return text if glyphs is UNICODE else text.replace("±", "+-").replace("µ", "u")


def short(value: float) -> str:
    """A number in at most six characters, with its sign: ``0.25``, ``12.5``, ``1,234``, ``56.7k``."""
    size = abs(value)
    for large, letter in _LARGE:
        if size >= large * 0.99995:
            part = value / (1000 if letter == "k" else large)
            return f"{part:.{1 if abs(part) < 99.95 else 0}f}{letter}"
    if size >= 99.95 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 9.995 else 2}f}"


def _decimals(mean: float, half: float) -> int:
    """How many decimals are worth telling: two digits of what is unsure, but at most three."""
    if not half:
        return 0 if mean == int(mean) else 1
    return min(3, max(0, 1 - floor(log10(half))))
