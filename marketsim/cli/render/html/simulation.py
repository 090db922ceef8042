"""The section of the page that tells what a simulation came to: answers, plots and tables."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from marketsim.audit.findings import Finding
from marketsim.audit.stats import Durations
from marketsim.cli.render.bars import spread
from marketsim.cli.render.html.findings import findings_html
from marketsim.cli.render.html.markup import escaped, tag
from marketsim.cli.render.html.plots import NARROW, WIDE, Curve, plot_svg
from marketsim.cli.render.numbers import percent
from marketsim.cli.render.simulation import ROWS_MAX, answers, money_words
from marketsim.cli.render.words import duration
from marketsim.simulate.measured import Measured

__all__ = ["Simulation", "simulation_section"]

_STEPS = 160
_STYLES = {"sold": "forward", "refused": "failed", "failed": "unknown"}


class Simulation(msgspec.Struct, frozen=True):
    """What is told of a simulation: its figures, what the checks found, and the command that runs it."""

    measured: Measured
    title: str = "Simulation"
    findings: list[Finding] = []
    checks: int = 0
    command: str = ""


def simulation_section(simulation: Simulation) -> str:
    """The section, as markup."""
    measured = simulation.measured
    parts = [tag("h2", escaped(simulation.title), id="simulation")]
    if simulation.command:
        parts.append(tag("p", tag("code", escaped(simulation.command)), class_="request"))
    parts += [_answers(measured), *_plots(measured), *_tables(measured)]
    if simulation.checks:
        findings = simulation.findings[:100]
        parts.append(findings_html(findings, simulation.checks, measured.events, lambda seq: ""))
    return tag("section", *parts, class_="simulation", aria_labelledby="simulation") + "\n"


def _answers(measured: Measured) -> str:
    """The answers, each group under its word."""
    groups: dict[str, list[str]] = {}
    for label, words, style in answers(measured):
        groups.setdefault(label, []).append(tag("dd", escaped(words), class_=style))
    return tag(
        "dl", *(tag("div", tag("dt", label), *lines) for label, lines in groups.items()), class_="answers"
    )


def _plots(measured: Measured) -> Iterator[str]:
    series = measured.series
    curves = [Curve(name, row, _STYLES[name]) for name, row in series.rows.items() if any(row)]
    length = max((len(curve.numbers) for curve in curves), default=0)
    if length > 1:
        whole_us = series.width_us * (length - 1)
        ticks = [(part / 4, duration(whole_us * part // 4)) for part in range(5)]
        yield _figure(f"Purchases in each {duration(series.width_us)}", curves, ticks)
    for each in measured.ends:
        if each.name == "committed" and each.count:
            yield _figure(
                "How long a purchase took that was committed", [_spread(each)], _ticks(each), area=True
            )


def _spread(each: Durations) -> Curve:
    return Curve("committed", spread(each.buckets, each.min_us, each.max_us, _STEPS), "forward")


def _ticks(each: Durations) -> list[tuple[float, str]]:
    """Round shares of an axis that is logarithmic."""
    ratio = (each.max_us + 1) / (each.min_us + 1)
    return [(part / 4, duration(round((each.min_us + 1) * ratio ** (part / 4)))) for part in range(5)]


def _figure(
    title: str, curves: Sequence[Curve], ticks: Sequence[tuple[float, str]], *, area: bool = False
) -> str:
    plots = [plot_svg(curves, ticks, title, width, area=area) for width in (WIDE, NARROW)]
    marks = [
        tag(
            "li",
            f'<svg class="chart" viewBox="0 -12 16 16" aria-hidden="true">{_mark(curve)}</svg>',
            curve.name,
        )
        for curve in curves
    ]
    legend = tag("ul", *marks, class_="legend") if len(curves) > 1 else ""
    return tag("figure", tag("h3", escaped(title)), *plots, legend)


def _mark(curve: Curve) -> str:
    return f'<path class="curve {curve.style}" d="M0-4H16"/>'


def _tables(measured: Measured) -> Iterator[str]:
    whole = measured.purchases or 1
    yield _table(
        ("purchases", "count", "share", "worth"),
        (
            (
                name,
                f"{each.count:,}",
                percent(each.count * 1_000_000 // whole),
                money_words(each.minor, measured.currency),
            )
            for name, each in measured.outcomes.items()
            if each.count
        ),
    )
    yield _table(
        ("turned back by", "count", "rate", "reverted", "stuck", "given up"),
        (
            (
                f"{each.operation}: {each.code}" if each.code else each.operation,
                f"{each.count:,}",
                percent(each.rate_ppm),
                *(f"{count:,}" if count else "" for count in (each.compensated, each.stuck, each.abandoned)),
            )
            for each in measured.causes[:ROWS_MAX]
        ),
    )
    heads = ("timed", "failed", "again", "p50", "p95", "p99", "max")
    for head, timed in (("operation", measured.operations), ("revert", measured.reverts)):
        yield _table((head, heads[0], *heads[1:]), map(_durations, timed))
    most = sorted(measured.faults, key=lambda each: -each.count)[:ROWS_MAX]
    yield _table(
        ("injected at", "times"), ((f"{each.place}: {each.fault}", f"{each.count:,}") for each in most)
    )
    out = list(measured.out.items())[:ROWS_MAX]
    yield _table(("none on sale, held in vain", "for"), ((product, duration(us)) for product, us in out))


def _durations(each: Durations) -> tuple[str, ...]:
    counts = (f"{count:,}" if count else "" for count in (each.count, each.failed, each.retries))
    lengths = (duration(us) for us in (each.p50_us, each.p95_us, each.p99_us, each.max_us))
    return (each.name, *counts, *lengths)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; nothing where it has no rows."""
    body = [tag("tr", *(tag("td", escaped(cell)) for cell in row)) for row in rows]
    if not body:
        return ""
    head = tag("thead", tag("tr", *(tag("th", escaped(word), scope="col") for word in heads)))
    return tag("div", tag("table", head, tag("tbody", *body), class_="figures"), class_="scroll")
