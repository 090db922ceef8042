"""`marketsim lint`: mistakes in a saga that need no run to be seen."""

from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command

if TYPE_CHECKING:
    from marketsim.audit.findings import Finding

__all__ = ["lint_app"]

lint_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


class _Linted(msgspec.Struct, frozen=True):
    """A saga, by the name that was given, with what the rules have against it."""

    saga: str
    operations: int
    findings: "list[Finding]"


@command(lint_app, "lint", example="marketsim lint purchase checkout", market=False)
def lint_sagas(
    session: Session,
    sagas: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SAGA|PLACE]...",
            help="Built-in sagas (else all), or your own: FILE.py:NAME or package.module:NAME.",
            show_default=False,
            autocompletion=complete.sagas,
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", help="The rules of compensation.", autocompletion=complete.policies)
    ] = "default",
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", help="Only this rule; repeat for several.", show_default=False),
    ] = None,
    rules: Annotated[bool, typer.Option("--rules", help="List the rules, and look at no saga.")] = False,
) -> int:
    """Find mistakes in a saga that need no run: a revert that is missing, a key that is not used."""
    from marketsim.explore.lint.rules import RULES, lint
    from marketsim.explore.loading import load_saga
    from marketsim.market.sagas import SAGAS
    from marketsim.saga.policies import policy_named

    if rules:
        return _list_rules(session)
    chosen, made = policy_named(policy), list[_Linted]()
    for name in dict.fromkeys(sagas or SAGAS):
        with redirect_stdout(session.err):  # What code prints when it is loaded is no part of the result.
            saga = load_saga(name)
        findings = [_shortened(each) for each in lint(saga, chosen, rule or ())]
        made.append(_Linted(name, len(saga.operations), findings))
    if session.json:
        session.emit({"policy": policy, "rules": rule or list(RULES), "sagas": made})
    elif not session.quiet:
        _show(session, made, len(rule or RULES))
    errors = any(each.severity == "error" for linted in made for each in linted.findings)
    return Exit.FINDING if errors else Exit.OK


def _list_rules(session: Session) -> int:
    from marketsim.explore.lint.rules import RULES

    if session.json:
        session.emit({"rules": [{"name": each.name, "rule": each.sentence} for each in RULES.values()]})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [(each.name, each.sentence) for each in RULES.values()]
        show_table(session.console(), ("rule", "what it says"), rows)
    return Exit.OK


def _shortened(finding: "Finding") -> "Finding":
    """The finding with its file as one would type it here."""
    from marketsim.explore.loading import as_typed

    return msgspec.structs.replace(finding, file=as_typed(finding.file)) if finding.file else finding


def _show(session: Session, made: list[_Linted], count: int) -> None:
    from marketsim.cli.render.summary import show_finding
    from marketsim.cli.render.theme import glyphs_for
    from marketsim.explore.told import counted

    console, glyphs = session.console(), glyphs_for(session.out)
    for each in made:
        severities = [finding.severity for finding in each.findings]
        counts = [f"{severities.count(name)} {name}" for name in ("error", "warning") if name in severities]
        counts = [text if text.startswith("1 ") else f"{text}s" for text in counts]
        mark = glyphs.failed if "error" in severities else glyphs.done
        told = ", ".join(counts) or "nothing found"
        operations = counted(each.operations, "operation")
        session.say(f"{mark} {each.saga}: {operations}, {count} rules: {told}")
        for finding in each.findings:
            show_finding(finding, console, glyphs)
