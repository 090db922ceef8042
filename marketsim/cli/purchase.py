"""`marketsim purchase`: one purchase, with failures injected, and its timeline as it happens."""

from typing import Annotated

import typer

from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["check_quantity", "purchase_app"]

purchase_app = typer.Typer(rich_markup_mode="rich", add_completion=False)

QUANTITY_REQUEST_MAX = 1_000_000
"""What is above cannot be meant as a request; what is below is for the guardrails to judge."""


@command(
    purchase_app, "purchase", example="marketsim purchase laptop-1 --fail payment:card_declined", writes=True
)
def purchase(
    session: Session,
    product: Annotated[
        str,
        typer.Argument(
            help="The product's id, see: marketsim catalog list.",
            show_default=False,
            autocompletion=complete.products,
        ),
    ],
    quantity: Annotated[int, typer.Option("--quantity", "-n", help="How many units.")] = 1,
    customer: Annotated[
        str | None,
        typer.Option("--customer", "-c", help="The customer's id; else the first.", show_default=False),
    ] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            "--fail",
            metavar="FAULT",
            help="Inject a failure, such as payment:card_declined@1; see: marketsim faults list. Repeat it.",
            show_default=False,
            autocompletion=complete.faults,
        ),
    ] = None,
    policy: Annotated[
        str, typer.Option("--policy", help="The rules of compensation.", autocompletion=complete.policies)
    ] = "default",
    seed: Annotated[int, typer.Option("--seed", help="Decides whatever is left to chance.")] = 0,
    durability: Annotated[
        str,
        typer.Option("--durability", metavar="group|each|none", help="When an event is synced to the disk."),
    ] = "group",
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Wait for real, and watch it happen.")
    ] = False,
) -> int:
    """Buy PRODUCT for a customer, break it as you like, and watch what is reverted."""
    from marketsim.cli.live import Request, run_purchase

    check_quantity(quantity)
    if durability not in ("group", "each", "none"):
        raise InputError(
            f"no durability is called {quoted(durability)}",
            where="--durability",
            todo=nearest(durability, ["group", "each", "none"]),
        )
    if not 0 <= seed < 2**63:
        raise InputError(f"a seed of {quoted(seed)}", where="--seed", todo="give a number from 0 to 2^63 - 1")
    request = Request(product, customer, quantity, fail or [], policy, seed, real_time)
    return Exit(run_purchase(session, request, durability))  # type: ignore[arg-type]


def check_quantity(quantity: int) -> None:
    """Raise InputError for a quantity that cannot be meant as a request."""
    if not 1 <= quantity <= QUANTITY_REQUEST_MAX:
        raise InputError(
            f"a quantity of {quoted(quantity)} cannot be bought", where="--quantity", todo="give 1 or more"
        )
