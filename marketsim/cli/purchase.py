"""`marketsim purchase` and `checkout`: buy something, with failures injected, and watch it as it happens."""

from typing import Annotated, Any

import typer

from marketsim.cli import complete, options
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, quoted

__all__ = ["checkout_app", "purchase_app"]

purchase_app = typer.Typer(rich_markup_mode="rich", add_completion=False)
checkout_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


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
    customer: options.Customer = None,
    fail: options.Fail = None,
    policy: options.Policy = "default",
    gateway: options.Gateway = "stripe",
    deadline: options.Deadline = None,
    cancel_after: options.Cancel = None,
    seed: options.Seed = 0,
    durability: options.Durability = "group",
    real_time: options.RealTime = False,
    webhook: options.Webhooks = None,
) -> int:
    """Buy PRODUCT for a customer, break it as you like, and watch what is reverted."""
    options.check_quantity(quantity, "--quantity")
    how = (customer, fail, policy, seed, real_time, gateway, deadline, cancel_after, webhook)
    return _run(session, "purchase", [(product, quantity)], durability, *how)


@command(
    checkout_app,
    "checkout",
    example="marketsim checkout laptop-1 tent-1=2 --fail capture_payment:card_declined",
    writes=True,
)
def checkout(
    session: Session,
    products: Annotated[
        list[str],
        typer.Argument(
            metavar="PRODUCT[=N]...",
            help="The ids of products, and how many of each.",
            show_default=False,
            autocompletion=complete.products,
        ),
    ],
    customer: options.Customer = None,
    fail: options.Fail = None,
    policy: options.Policy = "default",
    gateway: options.Gateway = "stripe",
    deadline: options.Deadline = None,
    cancel_after: options.Cancel = None,
    seed: options.Seed = 0,
    durability: options.Durability = "group",
    real_time: options.RealTime = False,
    webhook: options.Webhooks = None,
) -> int:
    """Buy a cart: reserve each PRODUCT, authorize, order, capture; from there on it only goes forward."""
    how = (customer, fail, policy, seed, real_time, gateway, deadline, cancel_after, webhook)
    return _run(session, "checkout", _cart(products), durability, *how)


def _cart(words: list[str]) -> list[tuple[str, int]]:
    """What ``laptop-1 mouse-1=2`` asks for. Raises InputError."""
    cart: dict[str, int] = {}
    for word in words:
        product, equals, number = word.partition("=")
        if not product or (equals and not (number.isascii() and number.isdigit() and len(number) < 8)):
            raise InputError(f"{quoted(word)} is no product and number", todo="write laptop-1 or laptop-1=2")
        if product in cart:
            raise InputError(f"{quoted(product)} stands in the cart twice", todo=f"write {product}=N once")
        cart[product] = int(number) if equals else 1
        options.check_quantity(cart[product], product)
    return list(cart.items())


def _run(
    session: Session,
    saga: str,
    goods: list[tuple[str, int]],
    durability: Any,
    customer: str | None,
    fail: list[str] | None,
    policy: str,
    seed: int,
    real_time: bool,
    gateway: str,
    deadline: str | None,
    cancel_after: str | None,
    webhook: list[str] | None,
) -> int:
    from marketsim.cli.live import Request, run_purchase
    from marketsim.cli.telling import checked_urls
    from marketsim.market.requests import Line

    options.check_durability(durability)
    options.check_seed(seed)
    session.webhooks = checked_urls(webhook)
    request = Request(
        saga,
        [Line(product, quantity) for product, quantity in goods],
        customer,
        fail or [],
        policy,
        seed,
        real_time,
        gateway,
        options.span(deadline, "--deadline"),
        options.span(cancel_after, "--cancel-after"),
    )
    return Exit(run_purchase(session, request, durability))
