"""`marketsim run` and `marketsim scenarios`: scenario files, what they expect, and what came of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import InputError, MarketError, quoted

if TYPE_CHECKING:
    from marketsim.scenario.model import Scenario
    from marketsim.scenario.run import Result

__all__ = ["run_app", "scenarios_app"]

run_app = typer.Typer(rich_markup_mode="rich", add_completion=False)
scenarios_app = group("scenarios", "The scenarios that ship, and the format of your own.")


@command(run_app, "run", example="marketsim run lost-stock lost-stock-cured", market=False)
def run(
    session: Session,
    scenarios: Annotated[
        list[str],
        typer.Argument(
            metavar="SCENARIO...",
            help="Files, folders, or names of shipped scenarios.",
            autocompletion=complete.scenarios,
        ),
    ],
    policy: Annotated[
        str | None,
        typer.Option(
            "--policy",
            help="Instead of the scenarios' own policy.",
            show_default=False,
            autocompletion=complete.policies,
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", metavar="DIR", help="Keep the market of the run here.", show_default=False),
    ] = None,
    brief: Annotated[bool, typer.Option("--brief", help="A line for each scenario, no timelines.")] = False,
) -> int:
    """Run scenarios, each in a market of its own, and check what they expect."""
    from marketsim.saga.policies import policy_named
    from marketsim.scenario.run import run_scenario

    if policy is not None:
        policy_named(policy)
    loaded = _to_run(scenarios)
    if keep is not None and len(loaded) != 1:
        raise InputError(
            f"--keep takes one scenario, and these are {len(loaded)}", todo="run them one by one"
        )
    results = []
    for scenario in loaded:
        try:
            result = run_scenario(scenario, policy=policy, keep=keep)
        except MarketError as error:
            todo = "name another folder with --keep DIR"
            raise MarketError(error.what, where=error.where, todo=todo) from None
        results.append(result)
        if not session.silent:
            _show(session, result, brief=brief)
    if session.json:
        session.emit({"scenarios": [_facts(result) for result in results]})
    failed = [result.scenario.name for result in results if not result.passed]
    if len(results) > 1:
        session.say(f"\n{len(results) - len(failed)} of {len(results)} scenarios are as expected")
    return Exit.FINDING if failed else Exit.OK


@command(scenarios_app, "list", example="marketsim scenarios list", market=False)
def list_scenarios(session: Session) -> int:
    """List the shipped scenarios, each with what it teaches."""
    from marketsim.scenario.shipped import shipped, shipped_simulations

    tables = {"scenarios": _loaded(shipped()), "simulations": _loaded(shipped_simulations())}
    if session.json:
        session.emit(
            {
                kind: [{"name": each.name, "description": each.description} for each in loaded]
                for kind, loaded in tables.items()
            }
        )
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        for (kind, loaded), verb in zip(tables.items(), ("run", "simulate"), strict=True):
            rows = [(each.name, each.description) for each in loaded]
            show_table(session.console(), (kind[:-1], "what it shows"), rows)
            session.say(f"run one with: marketsim {verb} NAME")
    return 0


@command(scenarios_app, "show", example="marketsim scenarios show lost-stock", market=False)
def show_scenario(
    session: Session,
    name: Annotated[
        str,
        typer.Argument(
            help="The scenario's name or file.", show_default=False, autocompletion=complete.scenarios
        ),
    ],
) -> int:
    """Print a scenario file."""
    from marketsim.scenario.load import load_scenario
    from marketsim.scenario.shipped import find_scenarios

    found = []
    for path in find_scenarios(name):
        loaded = load_scenario(path)
        text = path.read_text(encoding="utf-8", errors="replace")
        found.append({"name": loaded.name, "file": str(path), "text": text})
        session.say(text.rstrip("\n"))
    if session.json:
        session.emit({"scenarios": found})
    return 0


@command(scenarios_app, "new", example="marketsim scenarios new my-scenario.yaml", market=False)
def new_scenario(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)],
    force: Force = False,
) -> int:
    """Write a scenario file to start from; it runs as it is."""
    from marketsim.scenario.shipped import shipped

    name = file.name.split(".")[0] or "scenario"
    if file.suffix not in (".yaml", ".yml"):
        raise InputError("a new scenario is a .yaml file", where=str(file), todo=f"write {name}.yaml")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"{quoted(name)} is no name for a scenario", todo="use letters, digits and dashes")
    template = shipped()["happy-path"].read_text(encoding="utf-8")
    text = template.replace("scenario: happy-path", f"scenario: {name}")
    write_output(session, [text], file, force)
    session.say(f"run it with: marketsim run {file}")
    return 0


@command(scenarios_app, "schema", example="marketsim scenarios schema -o scenario.schema.json", market=False)
def schema(session: Session, output: Output = None, force: Force = False) -> int:
    """Print the JSON Schema of a scenario file, for an editor."""
    from marketsim.simulate.schema import file_schema

    text = msgspec.json.format(msgspec.json.encode(file_schema()), indent=2).decode() + "\n"
    write_output(session, [text], output, force)
    return 0


def _to_run(given: list[str]) -> "list[Scenario]":
    """The scenarios that are meant, all of them read before the first runs."""
    from marketsim.scenario.load import load_scenario
    from marketsim.scenario.shipped import find_scenarios

    loaded = []
    for name in given:
        for path in find_scenarios(name):
            scenario = load_scenario(path)
            if scenario.simulates:
                what = f"{quoted(scenario.name)} is a simulation"
                todo = f"run it with: marketsim simulate {path if Path(name).is_dir() else name}"
                raise InputError(what, where=str(path), todo=todo)
            loaded.append(scenario)
    return loaded


def _loaded(paths: dict[str, Path]) -> "list[Scenario]":
    from marketsim.scenario.load import load_scenario

    return [load_scenario(path) for path in paths.values()]


def _facts(result: "Result") -> dict[str, Any]:
    return {
        "scenario": result.scenario.name,
        "policy": result.policy,
        "passed": result.passed,
        "purchases": [{"transaction": each.transaction, "outcome": each.outcome} for each in result.courses],
        "unmet": result.failures,
        "findings": result.findings,
        "notes": result.notes,
        "events": len(result.events),
    }


def _show(session: Session, result: "Result", *, brief: bool) -> None:
    from marketsim.cli.render.scenario import show_result

    show_result(result, session.console(), session.out, brief=brief)
