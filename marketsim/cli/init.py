"""`marketsim init`: make a market."""

from pathlib import Path
from typing import Annotated

import typer

from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError

__all__ = ["init_app"]

init_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@command(init_app, "init", example="marketsim init --sample 50 --seed 7")
def init(
    session: Session,
    catalog: Annotated[
        Path | None,
        typer.Option("--catalog", metavar="FILE", help="A catalog of your own, JSON.", show_default=False),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", metavar="N", help="A sample of N products (20).", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The sample's seed: the same again.")] = 0,
    currency: Annotated[str, typer.Option("--currency", help="ISO 4217 code of every price.")] = "USD",
) -> int:
    """Make a market from a catalog of your own, or from a sample."""
    from marketsim.audit.trust import forget
    from marketsim.drivers.clock import now_us, stamp
    from marketsim.market.catalog import Catalog, parse_catalog
    from marketsim.market.directory import create_market
    from marketsim.market.documents import read_document
    from marketsim.market.money import currency_digits

    if catalog is not None and sample is not None:
        raise InputError("--catalog and --sample exclude each other", todo="give one of them")
    currency_digits(currency)
    if catalog is not None:
        brought: Catalog = parse_catalog(read_document(catalog), currency)
    else:
        from marketsim.market.samples import sample_catalog

        products = 20 if sample is None else sample
        brought = sample_catalog(products, max(3, products // 2), seed, currency)
    create_market(session.market, brought, currency, stamp(now_us()))
    if forget(session.market):
        session.note("the trusted head of the market that was here before is forgotten")
    facts = {
        "market": str(session.market),
        "currency": currency,
        "products": len(brought.products),
        "customers": len(brought.users),
        "first_product": brought.products[0]["id"],
        "first_customer": brought.users[0]["id"],
    }
    if session.json:
        session.emit(facts)
    count = f"products: {facts['products']:,}, customers: {facts['customers']:,}, currency: {currency}"
    session.say(f"made {session.market}: {count}")
    next_one = session.hint(f"purchase {facts['first_product']} --fail payment:card_declined")
    session.say(f"next: {next_one}")
    return 0
