"""What came of a scenario: its timelines, what it left, and every expectation that was not met."""

from typing import TextIO

from rich.console import Console
from rich.text import Text

from marketsim.audit.checks import checks_of
from marketsim.cli.render.summary import show_findings
from marketsim.cli.render.text import printable
from marketsim.cli.render.theme import glyphs_for
from marketsim.cli.render.timeline import Timeline
from marketsim.market.ledger import AUTHORIZED, MERCHANT, RESERVED, SHIPPED, SOLD
from marketsim.market.money import format_minor
from marketsim.saga.events import TransactionCommitted
from marketsim.scenario.run import Result

__all__ = ["show_result"]


def show_result(result: Result, console: Console, stream: TextIO, *, brief: bool) -> None:
    """Print a scenario's result; ``brief`` leaves out what happened and keeps the verdict."""
    scenario, glyphs = result.scenario, glyphs_for(stream)
    if not brief:
        console.print(
            Text.assemble("\n", (printable(scenario.name), "name"), f"  policy {printable(result.policy)}")
        )
        console.print(Text(printable(scenario.description), "faint"))
        for course in result.courses:
            console.print()
            timeline = Timeline(stream, on=console)
            timeline.show_all(course.events)
            left = course.end.left if isinstance(course.end, TransactionCommitted) else []
            without = f" without {', '.join(left)}" if left else ""
            console.print(Text(f"  {course.transaction} {course.outcome}{without}", "name"))
        console.print()
        _show_left(result, console)
        show_findings(
            result.findings, console, glyphs, checks=len(checks_of("basic")), events=len(result.events)
        )
    for note in result.notes:
        console.print(Text(f"  note    {printable(note)}", "warn"))
    for unmet in result.failures:
        console.print(Text(f"  {glyphs.failed} {printable(unmet.where)}: {printable(unmet.what)}", "bad"))
        console.print(Text(f"      expected {printable(unmet.expected)}; actual {printable(unmet.actual)}"))
    mark, style = (glyphs.done, "good") if result.passed else (glyphs.failed, "bad")
    count = len(scenario.expect)
    told = f"all {count} expectations met" if result.passed else f"{len(result.failures)} not as expected"
    console.print(Text.assemble("  ", (f"{mark} {printable(scenario.name)}", style), f"  {told}"))


def _show_left(result: Result, console: Console) -> None:
    world = result.world
    for product in list(world.products)[:10]:
        held = [
            f"{world.balances.get((account, product), 0)} {account.removeprefix('stock:')}"
            for account in (RESERVED, SOLD, SHIPPED)
            if account != SHIPPED or world.balances.get((account, product))
        ]
        words = f"{printable(product)}: {world.available(product)} available, {', '.join(held)}"
        console.print(Text.assemble(("  stock   ", "name"), words))
    taken = world.balances.get((MERCHANT, world.currency), 0)
    authorized = world.balances.get((AUTHORIZED, world.currency), 0)
    words = f"merchant {format_minor(taken, world.currency)}"
    words += f", authorized {format_minor(authorized, world.currency)}" if authorized else ""
    console.print(Text.assemble(("  money   ", "name"), words))
    orders = ", ".join(order.order for order in world.standing_orders()[:10]) or "none"
    console.print(Text.assemble(("  orders  ", "name"), printable(orders)))
