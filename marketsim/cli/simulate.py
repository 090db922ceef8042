"""`marketsim simulate`: a market full of customers in virtual time, and what it would have cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsim.cli import complete
from marketsim.cli import simulate_options as o
from marketsim.cli.options import Fail, check_seed, tier_named
from marketsim.cli.output import Force
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError

if TYPE_CHECKING:
    from marketsim.cli.simulate_runs import Wanted
    from marketsim.market.catalog import Catalog
    from marketsim.simulate.load import Simulation

__all__ = ["simulate_app"]

simulate_app = typer.Typer(rich_markup_mode="rich", add_completion=False)

_PURCHASES = 10_000
_RATE = 10
_SAMPLE = 50


@command(
    simulate_app,
    "simulate",
    example="marketsim simulate --purchases 2000 --fail payment:card_declined%8",
)
def simulate(
    session: Session,
    scenario: Annotated[
        str | None,
        typer.Argument(
            help="A scenario with a workload (`simulate:`), by name or file; else the options say all.",
            show_default=False,
            autocompletion=complete.scenarios,
        ),
    ] = None,
    purchases: o.Purchases = None,
    duration: o.Duration = None,
    arrivals: o.ArrivalsOption = None,
    trace: o.Trace = None,
    columns: o.Columns = None,
    popularity: o.Popularity = None,
    restock: o.Restocks = None,
    latency: o.Latency = None,
    servers: o.Servers = None,
    outage: o.Outages = None,
    fail: Fail = None,
    settings: o.Settings = None,
    policy: o.Policies = None,
    gateway: o.Gateways = None,
    saga: o.Saga = None,
    seed: o.Seed = None,
    sample: o.Sample = None,
    catalog: o.CatalogFile = None,
    tier: o.Tier = "basic",
    record: o.Record = "failed",
    keep: o.Keep = None,
    sweep: o.Sweeps = None,
    repeat: o.Repeat = 1,
    on: o.On = "processes",
    workers: o.Workers = None,
    resume: o.Resume = None,
    yes: o.Yes = False,
    figure: o.Figures = None,
    out: o.Out = None,
    html: o.Html = None,
    heat: o.Heat = None,
    force: Force = False,
) -> int:
    """Run a market full of customers in virtual time: what is sold, lost and held, and if it balances."""
    asked = dict(locals())
    from marketsim.cli.simulate_many import run_many
    from marketsim.cli.simulate_runs import run_one

    wanted, policies = _wanted(session, asked), dict.fromkeys(policy or [])
    axes = [*(sweep or []), *([f"policy={','.join(policies)}"] if len(policies) > 1 else [])]
    if axes or repeat != 1 or resume is not None:
        return run_many(session, wanted, axes, repeat, on, workers, resume, yes=yes, names=figure or [])
    return run_one(session, wanted)


def _wanted(session: Session, asked: dict[str, Any]) -> "Wanted":
    """What the options ask for. Raises InputError."""
    from marketsim.audit.checks import checks_of
    from marketsim.cli.simulate_runs import Wanted

    return Wanted(
        simulation=_simulation(session, asked),
        checks=checks_of(tier_named(asked["tier"])),
        record=o.record_named(asked["record"], asked["keep"]),
        **{name: asked[name] for name in ("keep", "out", "html", "heat", "force")},
    )


def _simulation(session: Session, asked: dict[str, Any]) -> "Simulation":
    given = {name: asked[name] for name in ("gateway", "saga", "seed") if asked[name] is not None}
    if asked["policy"]:
        given["policy"] = asked["policy"][0]
    check_seed(given.get("seed", 0))
    table, fail = o.table_of(asked), asked["fail"] or []
    if asked["scenario"] is None:
        return _of_options(session, table, fail, given, asked["sample"], asked["catalog"])
    _refuse(sample=asked["sample"], catalog=asked["catalog"])
    return _of_scenario(asked["scenario"], table, fail, given)


def _refuse(**options: object) -> None:
    for name, value in options.items():
        if value is not None:
            raise InputError(f"the scenario says what is sold: --{name} goes without one")


def _of_scenario(name: str, table: dict[str, Any], fail: list[str], given: dict[str, Any]) -> "Simulation":
    """The simulation of a scenario, with what was typed in place of what it says."""
    import msgspec

    from marketsim.scenario.shipped import find_scenarios
    from marketsim.simulate.load import load_simulation, revised

    files = find_scenarios(name)
    if len(files) != 1:
        raise InputError(f"{len(files)} scenarios are meant", where=name, todo="simulate one at a time")
    simulation = load_simulation(files[0])
    if not table and not fail and not given:
        return simulation
    said: dict[str, Any] = msgspec.to_builtins(simulation.workload)
    faults = said.get("faults", []) + fail
    changed = _merged(said, table) | ({"faults": faults} if faults else {})
    if "policy" in given:
        given["rules"] = {}
    return revised(simulation, changed, **given)


def _merged(said: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    """Both tables; what was typed counts, and of customers' ways to come there is one."""
    merged = dict(said)
    for key, value in typed.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, dict) and key not in ("arrivals", "popularity")
        merged[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return merged


def _of_options(
    session: Session,
    table: dict[str, Any],
    fail: list[str],
    given: dict[str, Any],
    sample: int | None,
    file: Path | None,
) -> "Simulation":
    """The simulation that the options describe."""
    from marketsim.simulate.load import simulation_of

    if fail:
        table["faults"] = fail
    table.setdefault("arrivals", {"poisson": _RATE})
    if "purchases" not in table and "duration" not in table and "trace" not in table["arrivals"]:
        table["purchases"] = _PURCHASES
    catalog, currency, name = _catalog(session, sample, file, given.get("seed", 0))
    return simulation_of(table, catalog, name=name, currency=currency, **given)


def _catalog(
    session: Session, sample: int | None, file: Path | None, seed: int
) -> tuple["Catalog", str, str]:
    """What is sold: the catalog of a file, a sample, or (read, never written) the market that is here."""
    from marketsim.market.catalog import parse_catalog
    from marketsim.market.documents import read_document

    if sample is not None and file is not None:
        raise InputError("--catalog and --sample exclude each other", todo="give one of them")
    if file is not None:
        return parse_catalog(read_document(file), "USD"), "USD", file.stem or "catalog"
    if sample is None and (session.market / "audit").exists():
        from marketsim.market.directory import read_catalog

        catalog, world = read_catalog(session.market)
        return catalog, world.currency, world.origin
    from marketsim.market.samples import sample_catalog

    products = _SAMPLE if sample is None else sample
    return sample_catalog(products, max(3, products // 2), seed, "USD"), "USD", "sample"
