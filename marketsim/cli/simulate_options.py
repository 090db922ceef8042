"""The options of `marketsim simulate`: what a workload file says, as it is typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsim.cli import complete
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import JSONObject
from marketsim.simulate.typed import arrivals_typed, items_typed, set_typed, table_typed, typed

if TYPE_CHECKING:
    from marketsim.simulate import run

__all__ = [
    "ArrivalsOption",
    "CatalogFile",
    "Columns",
    "Duration",
    "Figures",
    "Gateways",
    "Heat",
    "Html",
    "Keep",
    "Latency",
    "On",
    "Out",
    "Outages",
    "Policies",
    "Popularity",
    "Purchases",
    "Record",
    "Repeat",
    "Restocks",
    "Resume",
    "Saga",
    "Sample",
    "Seed",
    "Servers",
    "Settings",
    "Sweeps",
    "Tier",
    "Trace",
    "Workers",
    "Yes",
    "record_named",
    "table_of",
]

Purchases = Annotated[
    int | None,
    typer.Option("--purchases", "-n", metavar="N", help="How many customers come.", show_default=False),
]
Duration = Annotated[
    str | None,
    typer.Option("--duration", metavar="TIME", help="How long they come, as in 30m.", show_default=False),
]
ArrivalsOption = Annotated[
    str | None,
    typer.Option(
        "--arrivals",
        metavar="HOW",
        help="poisson:RATE or steady:RATE a second, flash_sale:peak=400,hold=5m, or "
        "closed:customers=50,think=30s.",
        show_default=False,
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace", metavar="FILE", help="The orders of a real shop: CSV, or by blanks.", show_default=False
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="NAMES",
        help="Which column of the trace says what, as in time=2,customer=1,amount=4.",
        show_default=False,
    ),
]
Popularity = Annotated[
    str | None,
    typer.Option(
        "--popularity",
        metavar="HOW",
        help="zipf:EXPONENT, or hot:product=laptop-1,percent=60; else all alike.",
        show_default=False,
    ),
]
Restocks = Annotated[
    list[str] | None,
    typer.Option(
        "--restock",
        metavar="WHAT",
        help="Units that arrive, as in '*:units=20,every=10m' or laptop-1:units=5,at=1h. Repeat it.",
        show_default=False,
    ),
]
Latency = Annotated[
    list[str] | None,
    typer.Option(
        "--latency",
        metavar="HOW",
        help="How long a service takes: payment:50ms or payment:median=80ms,p99=2s. Repeat it.",
        show_default=False,
    ),
]
Servers = Annotated[
    list[str] | None,
    typer.Option(
        "--servers",
        metavar="SERVICE:N",
        help="How many calls a service works on at once. Repeat it.",
        show_default=False,
    ),
]
Outages = Annotated[
    list[str] | None,
    typer.Option(
        "--outage",
        metavar="WHEN",
        help="A service that is away, as in payment:from=10m,to=12m. Repeat it.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Anything else of a workload, as in habits.again.percent=40. Repeat it.",
        show_default=False,
    ),
]

Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        help="The rules of compensation (default); repeat it to compare several on the same tape.",
        show_default=False,
        autocompletion=complete.policies,
    ),
]
Gateways = Annotated[
    str | None,
    typer.Option(
        "--gateway",
        metavar="RULES",
        help="How the payment provider treats idempotency keys (stripe).",
        show_default=False,
    ),
]
Saga = Annotated[
    str | None,
    typer.Option("--saga", help="What each customer runs: purchase or checkout.", show_default=False),
]
Seed = Annotated[
    int | None, typer.Option("--seed", help="Decides whatever is left to chance (0).", show_default=False)
]
Sample = Annotated[
    int | None,
    typer.Option("--sample", metavar="N", help="A sample of N products to sell.", show_default=False),
]
CatalogFile = Annotated[
    Path | None,
    typer.Option("--catalog", metavar="FILE", help="A catalog of your own, JSON.", show_default=False),
]
Tier = Annotated[str, typer.Option("--tier", metavar="basic|strict", help="Which checks judge the stream.")]
Record = Annotated[
    str,
    typer.Option(
        "--record",
        metavar="none|failed|all",
        help="How much of the stream is kept: not even its head, its head and what failed, or everything.",
    ),
]
Keep = Annotated[
    Path | None,
    typer.Option(
        "--keep", metavar="DIR", help="Where it is kept; with all, a market's folder.", show_default=False
    ),
]
Sweeps = Annotated[
    list[str] | None,
    typer.Option(
        "--sweep",
        metavar="AXIS",
        help="Vary it: 'payment:card_declined%0..40/5', policy=default,none or arrivals.poisson=10..50/10. "
        "Repeat it for a grid.",
        show_default=False,
    ),
]
Repeat = Annotated[int, typer.Option("--repeat", metavar="N", help="Run each point with N seeds.")]
On = Annotated[
    str,
    typer.Option(
        "--on", metavar="PLACE", help="Where many runs are made: here, processes, dask or tcp://HOST:PORT."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="How many at once; all cores.", show_default=False),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="FILE",
        help="Keep what is finished in this file, and go on from it.",
        show_default=False,
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Make more than 10,000 runs.")]
Figures = Annotated[
    list[str] | None,
    typer.Option(
        "--figure", metavar="NAME", help="Which figures a sweep's table shows. Repeat it.", show_default=False
    ),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="The figures as .csv, .parquet or .json.", show_default=False),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="The figures as one HTML page.", show_default=False),
]
Heat = Annotated[
    Path | None,
    typer.Option(
        "--heat-map", metavar="FILE", help="A sweep's first figure as a picture, .svg.", show_default=False
    ),
]


def table_of(asked: Mapping[str, Any]) -> JSONObject:
    """The table that a file would have under ``simulate``, of the options by name. Raises InputError."""
    arrivals, trace, columns = asked["arrivals"], asked["trace"], asked["columns"]
    if trace is not None and arrivals is not None:
        raise InputError("--trace and --arrivals both say who comes", todo="give one of them")
    if columns is not None and trace is None:
        raise InputError("there is no trace", where="--columns", todo="give its file with --trace")
    table: JSONObject = {name: asked[name] for name in ("purchases", "duration") if asked[name] is not None}
    if trace is not None:
        table["arrivals"] = {"trace": _trace(trace, columns)}
    elif arrivals is not None:
        table["arrivals"] = arrivals_typed(arrivals)
    if asked["popularity"] is not None:
        name, value = typed(asked["popularity"])
        table["popularity"] = {} if name == "uniform" else {name: value}
    for key in ("latency", "servers"):
        if asked[key]:
            table[key] = table_typed(asked[key])
    for key, option, of in (("restocks", "restock", "product"), ("outages", "outage", "service")):
        if asked[option]:
            table[key] = items_typed(asked[option], of)
    for setting in asked["settings"] or ():
        set_typed(table, setting)
    return table


def record_named(name: str, keep: Path | None) -> "run.Record":
    """How much of the stream is kept. Raises InputError for what is none, and without a place for it."""
    match name:
        case "all" if keep is None:
            raise InputError("there is no place for it", where="--record all", todo="add --keep DIR")
        case "none" if keep is not None:
            raise InputError("nothing is kept", where="--record none", todo="leave out --keep")
        case "none" | "failed" | "all":
            return name
    todo = nearest(name, ("none", "failed", "all"))
    raise InputError(f"{quoted(name)} does not say what is kept", where="--record", todo=todo)


def _trace(file: Path, columns: str | None) -> dict[str, Any]:
    named = typed(f"columns:{columns}")[1] if columns else {}
    if not isinstance(named, dict):
        todo = "write time=2,customer=1,amount=4"
        raise InputError(f"{quoted(columns)} names no columns", where="--columns", todo=todo)
    return {"file": str(file), "columns": named}
