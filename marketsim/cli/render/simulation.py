"""What a simulation came to: in the terms of the business first, then in tables, then in charts."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from marketsim.audit.findings import Finding
from marketsim.audit.stats import Durations
from marketsim.cli.render.bars import bar, spread
from marketsim.cli.render.charts import WIDTH_MAX, Line, show_area, show_lines
from marketsim.cli.render.numbers import percent, show_causes, show_durations
from marketsim.cli.render.summary import show_findings
from marketsim.cli.render.tables import show_table
from marketsim.cli.render.text import printable, wrapped
from marketsim.cli.render.theme import Glyphs
from marketsim.cli.render.words import duration
from marketsim.market.money import CURRENCIES, format_minor
from marketsim.simulate.measured import Measured

__all__ = ["answers", "money_words", "show_simulation"]

ROWS_MAX = 10
"""How many rows of a table are shown that could be as long as a catalog."""

_BAR = 20
_CHART_MARGIN = 10

Answer = tuple[str, str, str]
"""A word for what it is about, the answer, and its style."""


def show_simulation(
    measured: Measured,
    console: Console,
    glyphs: Glyphs,
    *,
    findings: Sequence[Finding] = (),
    checks: int = 0,
    charts: bool = True,
) -> None:
    """Print it all; ``checks`` is how many were made (0: none), ``findings`` what they found."""
    console.print()
    said = ""
    for label, words, style in answers(measured):
        _say(
            console,
            Text.assemble((f"  {'' if label == said else label:<8}", "name"), (printable(words), style)),
        )
        said = label
    if checks:
        show_findings(findings, console, glyphs, checks=checks, events=measured.events)
    _tables(measured, console, glyphs)
    if charts and measured.purchases:
        _charts(measured, console, glyphs)


def money_words(minor: int, currency: str) -> str:
    """An amount as a person reads it, in whatever currency a stream names."""
    return format_minor(minor, currency) if currency in CURRENCIES else f"{minor:,} {currency}".strip()


def answers(measured: Measured) -> Iterator[Answer]:
    """The figures in sentences, each with the word for what it is about, and its style."""
    yield from _sales(measured)
    yield from _phantom(measured)
    yield from _money(measured)
    if measured.stranded.count:
        worth = money_words(measured.stranded.minor, measured.currency)
        units = _counted(measured.stranded.count, "unit is", "units are")
        yield "stock", f"{units} gone from sale and sold to nobody, worth {worth}", "bad"
    if measured.oversold:
        units = _counted(measured.oversold, "unit was", "units were")
        yield "stock", f"{units} sold that were never there", "bad"
    if measured.dead_letters:
        letters = _counted(measured.dead_letters, "dead letter waits", "dead letters wait")
        yield "waits", f"{letters} for a person", "bad"
    else:
        yield "waits", "nothing for a person", "faint"
    if measured.consistency.count:
        each = measured.consistency
        words = f"after {duration(each.p50_us)}; 99 of 100 within {duration(each.p99_us)}"
        yield "again", f"consistent {words}, {_counted(each.count, 'time')}", ""
    for text in measured.never_struck[:ROWS_MAX]:
        yield "note", f"{text} never struck", "warn"
    if measured.untracked:
        yield "note", f"too many were open at once: {measured.untracked:,} are not counted", "warn"


def _sales(measured: Measured) -> Iterator[Answer]:
    sold = measured.outcomes["committed"]
    worth = money_words(sold.minor, measured.currency)
    runs = f", {measured.runs:,} runs" if measured.runs > 1 else ""
    over = f"in {duration(measured.length_us)}{runs}"
    yield "sold", f"{sold.count:,} of {_counted(measured.purchases, 'purchase')} {over}: {worth}", "good"
    refused = measured.refused
    if refused.count:
        wanted = f"{_counted(refused.units, 'unit')}, {money_words(refused.minor, measured.currency)}"
        who = _counted(refused.count, "customer was", "customers were")
        yield "refused", f"{who} turned away, out of stock: {wanted}", ""


def _phantom(measured: Measured) -> Iterator[Answer]:
    phantom, lost, back = measured.phantom, measured.lost, measured.came_back
    if not phantom.refusals:
        if measured.refused.count:
            yield "phantom", "none of them for stock that only looked sold", "good"
        return
    yield (
        "phantom",
        f"{phantom.refusals:,} of them for stock that only looked sold: {_counted(phantom.units, 'unit')}, "
        f"which were gone for {duration(phantom.waited_us // phantom.refusals)} more on average",
        "bad",
    )
    again = f"; {_counted(back.count, 'customer')} came back and bought" if back.count else ""
    worth = money_words(lost.minor, measured.currency)
    yield "phantom", f"{_counted(lost.count, 'sale is', 'sales are')} lost by that, {worth}{again}", "bad"
    if phantom.out_us:
        goods, long = _counted(len(measured.out), "product"), duration(phantom.out_us)
        none_left = f"{goods} had none on sale, {long} together"
        yield "phantom", f"{none_left}, while a purchase held some that did not stand", ""


def _money(measured: Measured) -> Iterator[Answer]:
    held = measured.held
    if not held.count and not held.still_minor and not held.double:
        yield "money", "none was held for an order that did not stand", "good"
        return
    if held.count:
        worth, orders = money_words(held.minor, measured.currency), _counted(held.count, "order")
        yield "money", f"{worth} were held for {orders} that did not stand", ""
        if held.returned.count:
            usual, long = duration(held.returned.p50_us), duration(held.returned.p99_us)
            words = f"{held.returned.count:,} got it back after {usual}; 99 of 100 within {long}"
            yield "money", words, ""
    if held.still_minor:
        yield "money", f"{money_words(held.still_minor, measured.currency)} are still held at the end", "bad"
    if held.double:
        worth = money_words(held.double_minor, measured.currency)
        yield "money", f"{_counted(held.double, 'customer')} paid more than once: {worth} too much", "bad"


def _tables(measured: Measured, console: Console, glyphs: Glyphs) -> None:
    _outcomes(measured, console, glyphs)
    if measured.causes:
        show_causes(measured.causes[:ROWS_MAX], console, glyphs)
    for head, timed in (
        ("purchase", [each for each in measured.ends if each.name != "rejected"]),
        ("operation", measured.operations),
        ("revert", measured.reverts),
    ):
        if timed:
            show_durations(head, timed, console, glyphs)
    if measured.faults:
        console.print()
        most = sorted(measured.faults, key=lambda each: -each.count)
        injected = [(f"{each.place}: {each.fault}", f"{each.count:,}") for each in most[:ROWS_MAX]]
        show_table(console, ("injected at", "times"), injected, right=("times",))
    if measured.out:
        console.print()
        top = max(measured.out.values())
        rows = [
            (product, duration(out_us), bar(out_us, top, _BAR, glyphs))
            for product, out_us in list(measured.out.items())[:ROWS_MAX]
        ]
        show_table(console, ("none on sale, held in vain", "for", ""), rows, right=("for",))


def _outcomes(measured: Measured, console: Console, glyphs: Glyphs) -> None:
    console.print()
    whole = measured.purchases
    rows = [
        (
            name,
            f"{each.count:,}",
            percent(each.count * 1_000_000 // whole),
            money_words(each.minor, measured.currency),
            bar(each.count, whole, _BAR, glyphs),
        )
        for name, each in measured.outcomes.items()
        if each.count
    ]
    show_table(console, ("purchases", "count", "share", "worth", ""), rows, right=("count", "share", "worth"))


def _charts(measured: Measured, console: Console, glyphs: Glyphs) -> None:
    series = measured.series
    colors = {"sold": "green", "refused": "red", "failed": "yellow"}
    lines = [Line(name, row, colors[name]) for name, row in series.rows.items() if any(row)]
    length = max((len(line.numbers) for line in lines), default=0)
    if length > 1:
        console.print()
        head = f"purchases in each {duration(series.width_us)}"
        ticks = [(place, duration(series.width_us * (place - 1))) for place in _places(length)]
        show_lines(head, lines, ticks, console, glyphs)
    for each in (each for each in measured.ends if each.name == "committed"):
        console.print()
        _spread(each, console, glyphs)


def _spread(each: Durations, console: Console, glyphs: Glyphs) -> None:
    width = min(console.width, WIDTH_MAX) - _CHART_MARGIN
    low, high = each.min_us, each.max_us
    ratio = (high + 1) / (low + 1)
    ticks = [
        (place, duration(round((low + 1) * ratio ** ((place - 0.5) / width)))) for place in _places(width)
    ]
    head = "committed purchases by how long they took"
    show_area(head, spread(each.buckets, low, high, width), "green", ticks, console, glyphs)


def _places(length: int) -> list[int]:
    """Where an axis with so many steps has labels, from 1: at both ends and between."""
    return sorted({1 + (length - 1) * part // 4 for part in range(5)})


def _counted(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _say(console: Console, line: Text) -> None:
    """Print a line, broken where it must be, with what follows under its words."""
    width = max(console.width, 40)
    first, *rest = wrapped(line, console, width)
    console.print(first, no_wrap=True, overflow="ignore", crop=False)
    for part in wrapped(Text(" ").join(rest), console, width - 10) if rest else []:
        console.print(Text.assemble(" " * 10, part), no_wrap=True, overflow="ignore", crop=False)
