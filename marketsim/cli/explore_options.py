"""The options of `marketsim explore`."""

from pathlib import Path
from typing import Annotated

import typer

from marketsim.cli import complete

__all__ = [
    "Checkpoint",
    "Crashes",
    "Customers",
    "FaultNames",
    "Faults",
    "GatewayRules",
    "Junit",
    "KeepGoing",
    "Markdown",
    "Mutate",
    "NoReduction",
    "On",
    "Operators",
    "Output",
    "Policies",
    "Preemptions",
    "Replay",
    "Request",
    "Resume",
    "RunsMax",
    "Sarif",
    "StatesMax",
    "Targets",
    "TimeLimit",
    "What",
    "Workers",
]

What = Annotated[
    str,
    typer.Argument(
        metavar="SAGA",
        help="purchase, checkout, a scenario (its market and what it asks for), or a saga or Case of your "
        "own as FILE.py:NAME, whose code is run.",
    ),
]
Policies = Annotated[
    list[str] | None,
    typer.Option(
        "--policy",
        help="The rules of compensation; repeat it to compare.",
        show_default=False,
        autocompletion=complete.policies,
    ),
]
GatewayRules = Annotated[
    str,
    typer.Option(
        "--gateway",
        metavar="RULES",
        help="How the payment provider treats idempotency keys: stripe, cache_2xx, lenient_30m or none.",
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        help="Where the counterexample is written: a file, or a folder for several; else here, by its name.",
        show_default=False,
    ),
]
Request = Annotated[
    list[str] | None,
    typer.Option(
        "--request",
        metavar="JSON",
        help="What a saga of your own is asked for, as an object; repeat it for each customer.",
        show_default=False,
    ),
]
Faults = Annotated[
    int, typer.Option("--faults", help="How many faults there may be in one run; with two it takes minutes.")
]
Crashes = Annotated[int, typer.Option("--crashes", help="How often a process may die in one run.")]
Customers = Annotated[
    int | None, typer.Option("--customers", help="How many there are; else 2.", show_default=False)
]
Preemptions = Annotated[
    int, typer.Option("--preemptions", help="How often somebody may move out of turn in one run.")
]
FaultNames = Annotated[
    list[str] | None,
    typer.Option("--fault", metavar="NAME", help="Only this one; repeat it for others.", show_default=False),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME",
        help="Only at this operation, revert, probe or service; repeat it for others.",
        show_default=False,
    ),
]
Mutate = Annotated[
    bool,
    typer.Option("--mutate", help="Make the saga wrong in every known way, and see whether it is noticed."),
]
Operators = Annotated[
    list[str] | None,
    typer.Option(
        "--operator",
        metavar="NAME",
        help="With --mutate, only this way to make it wrong; repeat it for others.",
        show_default=False,
    ),
]
NoReduction = Annotated[
    bool, typer.Option("--no-reduction", help="Merge and cut nothing: slower, with the same verdict.")
]
RunsMax = Annotated[int, typer.Option("--runs-max", help="Stop after so many runs; 0 for no limit.")]
StatesMax = Annotated[int, typer.Option("--states-max", help="Remember at most so many states.")]
TimeLimit = Annotated[
    str | None,
    typer.Option("--time-limit", metavar="TIME", help="Stop after so long, as in 60s.", show_default=False),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option("--checkpoint", metavar="FILE", help="Keep here what is not finished.", show_default=False),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="FILE",
        help="Go on from a checkpoint, and keep it there.",
        show_default=False,
    ),
]
On = Annotated[
    str,
    typer.Option("--on", metavar="PLACE", help="Where it runs: here, processes, dask or tcp://HOST:PORT."),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="How many at once; else one for each core.", show_default=False),
]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Find a counterexample for every rule that can be broken.")
]
Replay = Annotated[
    Path | None,
    typer.Option(
        "--replay", metavar="FILE", help="Only run a counterexample that was kept.", show_default=False
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE", help="Write JUnit XML, too.", show_default=False),
]
Sarif = Annotated[
    Path | None, typer.Option("--sarif", metavar="FILE", help="Write SARIF 2.1.0, too.", show_default=False)
]
Markdown = Annotated[
    Path | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown, too.", show_default=False)
]
