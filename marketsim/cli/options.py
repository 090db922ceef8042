"""The options that several commands share, and the checks of what was given."""

from typing import TYPE_CHECKING, Annotated

import typer

from marketsim.cli import complete
from marketsim.saga.errors import InputError, nearest, quoted

if TYPE_CHECKING:
    from marketsim.audit import checks, log

__all__ = [
    "Cancel",
    "Customer",
    "Deadline",
    "Durability",
    "Fail",
    "Gateway",
    "Policy",
    "RealTime",
    "Seed",
    "Webhooks",
    "check_quantity",
    "check_seed",
    "durability_named",
    "span",
    "tier_named",
]

QUANTITY_REQUEST_MAX = 1_000_000
"""What is above cannot be meant as a request; what is below is for the guardrails to judge."""

Customer = Annotated[
    str | None,
    typer.Option("--customer", "-c", help="The customer's id; else the first.", show_default=False),
]
Fail = Annotated[
    list[str] | None,
    typer.Option(
        "--fail",
        metavar="FAULT",
        help="Inject a failure, such as payment:card_declined@1; see: marketsim faults list. Repeat it.",
        show_default=False,
        autocompletion=complete.faults,
    ),
]
Policy = Annotated[
    str, typer.Option("--policy", help="The rules of compensation.", autocompletion=complete.policies)
]
Gateway = Annotated[
    str,
    typer.Option(
        "--gateway",
        metavar="RULES",
        help="How the payment provider treats idempotency keys: stripe, cache_2xx, lenient_30m or none.",
    ),
]
Deadline = Annotated[
    str | None,
    typer.Option(
        "--deadline", metavar="TIME", help="Stop and revert it after so long, as in 5s.", show_default=False
    ),
]
Cancel = Annotated[
    str | None,
    typer.Option(
        "--cancel-after", metavar="TIME", help="Cancel it after so long, as in 250ms.", show_default=False
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Decides whatever is left to chance.")]
Durability = Annotated[
    str,
    typer.Option("--durability", metavar="group|each|none", help="When an event is synced to the disk."),
]
Webhooks = Annotated[
    list[str] | None,
    typer.Option(
        "--webhook",
        metavar="URL",
        help="Tell a URL of this and of what follows; see: marketsim webhooks. Repeat it.",
        show_default=False,
    ),
]
RealTime = Annotated[bool, typer.Option("--real-time", help="Wait for real, and watch it happen.")]


def check_quantity(quantity: int, where: str) -> None:
    """Raise InputError for a number of units that cannot be meant."""
    if not 1 <= quantity <= QUANTITY_REQUEST_MAX:
        todo = f"give 1 to {QUANTITY_REQUEST_MAX:,}"
        raise InputError(f"a quantity of {quoted(quantity)} cannot be bought", where=where, todo=todo)


def durability_named(name: str) -> "log.Durability":
    """The durability of this name. Raises InputError for what is none."""
    match name:
        case "group" | "each" | "none":
            return name
    todo = nearest(name, ("group", "each", "none"))
    raise InputError(f"no durability is called {quoted(name)}", where="--durability", todo=todo)


def tier_named(name: str) -> "checks.Tier":
    """The tier of checks of this name. Raises InputError for what is none."""
    match name:
        case "basic" | "strict":
            return name
    todo = nearest(name, ("basic", "strict"))
    raise InputError(f"no tier of checks is called {quoted(name)}", where="--tier", todo=todo)


def check_seed(seed: int) -> None:
    """Raise InputError for a seed that is out of range."""
    if not 0 <= seed < 2**63:
        raise InputError(f"a seed of {quoted(seed)}", where="--seed", todo="give a number from 0 to 2^63 - 1")


def span(text: str | None, where: str) -> int:
    """A length of time that was given, in microseconds; 0 for none. Raises InputError."""
    if text is None:
        return 0
    from marketsim.drivers.clock import span_us

    try:
        length_us = span_us(text)
    except InputError as wrong:
        raise InputError(wrong.what, where=where, todo=wrong.todo) from None
    if not length_us:
        raise InputError("no time at all", where=where, todo="write 1ms or more")
    return length_us
