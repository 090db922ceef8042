"""`marketsim purchase` and `checkout`: buy something, with failures injected, and watch it as it happens."""

from typing import Annotated

import typer

from marketsim.cli import complete, options
from marketsim.cli.asked import Request
from marketsim.cli.session import Session, command
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.requests import Line
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
    gateway: options.Gateway = DEFAULT_RULE,
    deadline: options.Deadline = None,
    cancel_after: options.Cancel = None,
    seed: options.Seed = 0,
    durability: options.Durability = "group",
    real_time: options.RealTime = False,
    webhook: options.Webhooks = None,
) -> int:
    """Buy PRODUCT for a customer, break it as you like, and watch what is reverted."""
    options.check_quantity(quantity, "--quantity")
    request = Request(
        "purchase",
        [Line(product, quantity)],
        customer,
        fail or (),
        policy,
        seed,
        real_time,
        gateway,
        options.span(deadline, "--deadline"),
        options.span(cancel_after, "--cancel-after"),
    )
    return _run(session, request, durability, webhook)


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
    gateway: options.Gateway = DEFAULT_RULE,
    deadline: options.Deadline = None,
    cancel_after: options.Cancel = None,
    seed: options.Seed = 0,
    durability: options.Durability = "group",
    real_time: options.RealTime = False,
    webhook: options.Webhooks = None,
) -> int:
    """Buy a cart: reserve each PRODUCT, authorize, order, capture; from there on it only goes forward."""
    request = Request(
        "checkout",
        _cart(products),
        customer,
        fail or (),
        policy,
        seed,
        real_time,
        gateway,
        options.span(deadline, "--deadline"),
        options.span(cancel_after, "--cancel-after"),
    )
    return _run(session, request, durability, webhook)


def _cart(words: list[str]) -> list[Line]:
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
    return [Line(product, quantity) for product, quantity in cart.items()]


def _run(session: Session, request: Request, durability: str, webhook: list[str] | None) -> int:
    from marketsim.cli.live import run_purchase
    from marketsim.cli.telling import checked_urls

    durable = options.durability_named(durability)
    options.check_seed(request.seed)
    session.webhooks = checked_urls(webhook)
    return run_purchase(session, request, durable)
