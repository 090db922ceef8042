"""`marketsim compare`: one scenario under several engines' rules, and what each leaves behind."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.cli import complete
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError

if TYPE_CHECKING:
    from marketsim.scenario.run import Result

__all__ = ["compare_app"]

compare_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


class _Row(msgspec.Struct, frozen=True):
    """What one policy leaves: transactions by outcome, units held, money held, orders, dead letters."""

    policy: str
    outcomes: dict[str, int]
    reserved: dict[str, int]
    available: dict[str, int]
    money: str
    money_minor: int
    orders: int
    dead_letters: int
    findings: list[str]


@command(
    compare_app,
    "compare",
    example="marketsim compare timeout-landed --policy default --policy orra",
    market=False,
)
def compare(
    session: Session,
    scenario: Annotated[
        str,
        typer.Argument(
            help="A scenario's name or file.", show_default=False, autocompletion=complete.scenarios
        ),
    ],
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="Only under this one; repeat for several.",
            show_default=False,
            autocompletion=complete.policies,
        ),
    ] = None,
) -> int:
    """Run one scenario under several policies and show what each leaves in stock, money and orders."""
    from marketsim.saga.policies import POLICIES, policy_named
    from marketsim.scenario.load import load_scenario
    from marketsim.scenario.run import run_scenario
    from marketsim.scenario.shipped import find_scenarios

    chosen = [policy_named(name).name for name in policy] if policy else list(POLICIES)
    files = find_scenarios(scenario)
    if len(files) != 1:
        raise InputError(f"{len(files)} scenarios are meant", where=scenario, todo="compare one at a time")
    loaded = load_scenario(files[0])
    rows = [_row(run_scenario(loaded, policy=name)) for name in chosen]
    if loaded.rules and not policy:
        own = _row(run_scenario(loaded))
        rows.insert(0, msgspec.structs.replace(own, policy=f"{loaded.policy}, its rules"))
    if session.json:
        session.emit({"scenario": loaded.name, "policies": rows})
    elif not session.quiet:
        session.say(f"{loaded.name}{': ' if loaded.description else ''}{loaded.description}\n")
        _show(session, rows)
        session.say("\nwhat a policy does, and what it costs: marketsim policies show NAME")
    return 0


def _row(result: "Result") -> _Row:
    from marketsim.audit.letters import dead_letters
    from marketsim.market.ledger import MERCHANT, RESERVED
    from marketsim.market.money import format_minor

    world = result.world
    held = {name: world.balances.get((RESERVED, name), 0) for name in world.products}
    money_minor = world.balances.get((MERCHANT, world.currency), 0)
    return _Row(
        policy=result.policy,
        outcomes=dict(Counter(course.outcome for course in result.courses)),
        reserved={name: units for name, units in held.items() if units},
        available={name: world.available(name) for name in world.products},
        money=format_minor(money_minor, world.currency),
        money_minor=money_minor,
        orders=len(world.standing_orders()),
        dead_letters=len(dead_letters(result.events)),
        findings=sorted({each.rule for each in result.findings if each.severity == "error"}),
    )


def _show(session: Session, rows: list[_Row]) -> None:
    from marketsim.cli.render.tables import show_table

    def cells(row: _Row) -> list[Any]:
        alone = sum(row.outcomes.values()) == 1
        ends = (each if alone else f"{count} {each}" for each, count in row.outcomes.items())
        verdict = f"{len(row.findings)} broken" if row.findings else "hold"
        taken = row.money.split()[-1]
        return [
            row.policy,
            ", ".join(ends),
            _units(row.reserved),
            taken,
            row.orders,
            row.dead_letters,
            verdict,
        ]

    heads = ("policy", "ends", "reserved", "taken", "orders", "letters", "checks")
    show_table(session.console(), heads, map(cells, rows), right=("taken", "orders", "letters"))
    session.say("")
    for row in rows:
        if row.findings:
            session.say(f"{row.policy} breaks {', '.join(row.findings)}")


def _units(held: dict[str, int]) -> str:
    return ", ".join(f"{units} {name}" for name, units in held.items()) or "-"
