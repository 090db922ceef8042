"""The statistics of a log on a terminal: tables, with bars for shares and columns for durations."""

from collections.abc import Sequence

from rich.console import Console

from marketsim.audit.stats import Cause, Durations, Numbers
from marketsim.cli.render.bars import bar, columns
from marketsim.cli.render.tables import show_table
from marketsim.cli.render.text import one_line
from marketsim.cli.render.theme import Glyphs
from marketsim.cli.render.words import duration

__all__ = ["percent", "show_causes", "show_durations", "show_numbers"]

_CHART_WIDTH = 24
_CHART_WIDTH_NARROW = 8
_WIDE = 100
"""From how many columns on there is room for a chart beside every table."""


def show_numbers(numbers: Numbers, console: Console, glyphs: Glyphs) -> None:
    """Print them all."""
    span = f" from {numbers.first} to {numbers.last}" if numbers.events else ""
    _say(console, f"{numbers.events:,} events{span}")
    if numbers.untracked:
        _say(console, f"too many were open at once: of {numbers.untracked:,} no durations are known")
    if numbers.outcomes or numbers.open:
        _outcomes(numbers, console, glyphs)
    if numbers.causes:
        show_causes(numbers.causes, console, glyphs)
        share = percent(numbers.reverted_ppm)
        _say(console, f"{share} of the transactions that ended were reverted, or are stuck")
    whole = [*numbers.ends, numbers.transactions] if len(numbers.ends) > 1 else [numbers.transactions]
    for head, timed in (
        ("transactions", whole if numbers.transactions.count else []),
        ("operation", numbers.operations),
        ("revert", numbers.reverts),
    ):
        if timed:
            show_durations(head, timed, console, glyphs)
    if numbers.types:
        _types(numbers, console, glyphs)
    error = f"{numbers.relative_error_ppm / 10_000:.1f}"
    _say(console, f"\np50, p95 and p99 are within {error} % of the duration at their rank; counts are exact")


def _types(numbers: Numbers, console: Console, glyphs: Glyphs) -> None:
    console.print()
    top = max(numbers.types.values())
    rows = [
        (name, f"{count:,}", bar(count, top, _CHART_WIDTH, glyphs)) for name, count in numbers.types.items()
    ]
    show_table(console, ("type", "events", ""), rows, right=("events",))


def _outcomes(numbers: Numbers, console: Console, glyphs: Glyphs) -> None:
    counts = dict(numbers.outcomes)
    if numbers.open:
        counts["open"] = numbers.open
    whole = sum(counts.values())
    console.print()
    rows = [
        (name, f"{count:,}", percent(count * 1_000_000 // whole), bar(count, whole, _CHART_WIDTH, glyphs))
        for name, count in counts.items()
    ]
    show_table(console, ("transactions", "count", "share", ""), rows, right=("count", "share"))


def show_causes(causes: Sequence[Cause], console: Console, glyphs: Glyphs) -> None:
    """Print what turned transactions back, and how those ended."""
    console.print()
    top = max(cause.rate_ppm for cause in causes)
    wide = console.width >= _WIDE
    rows = [
        (
            ": ".join(filter(None, (each.operation, each.code))),
            f"{each.count:,}",
            percent(each.rate_ppm),
            *(f"{count:,}" if count else "" for count in (each.compensated, each.stuck, each.abandoned)),
            bar(each.rate_ppm, top, _CHART_WIDTH, glyphs) if wide else "",
        )
        for each in causes
    ]
    heads = ("turned back by", "count", "rate", "reverted", "stuck", "given up", "")
    show_table(console, heads, rows, right=heads[1:6])


def show_durations(head: str, timed: Sequence[Durations], console: Console, glyphs: Glyphs) -> None:
    """Print how long calls took, by their names; with their retries, if there were any."""
    console.print()
    again = any(each.retries for each in timed)
    low = min((each.buckets[0][0] for each in timed if each.buckets), default=0)
    high = max((each.max_us for each in timed), default=0)
    wide = console.width >= _WIDE
    width = _CHART_WIDTH if wide else 0 if again else _CHART_WIDTH_NARROW
    rows = [
        (
            each.name,
            f"{each.count:,}",
            f"{each.failed:,}" if each.failed else "",
            *([f"{each.retries:,}" if each.retries else ""] if again else []),
            *(_length(us) for us in (each.p50_us, each.p95_us, each.p99_us, each.max_us)),
            columns(each.buckets, low, high, width, glyphs) if width else "",
        )
        for each in timed
    ]
    axis = f"{_length(low)} {glyphs.arrow} {_length(high)}" if wide else ""
    heads = (head, "timed", "failed", *(["again"] if again else []), "p50", "p95", "p99", "max", axis)
    show_table(console, heads, rows, right=heads[1:-1])


def _length(length_us: int) -> str:
    return f"{length_us} µs" if length_us < 1000 else duration(length_us)


def percent(share_ppm: int) -> str:
    """A share in parts per million, as a person reads it: ``8.3 %``."""
    return f"{share_ppm / 10_000:.1f} %"


def _say(console: Console, text: str) -> None:
    for line in text.split("\n"):
        console.print(one_line(line), soft_wrap=True)
