"""`marketsim catalog`: read the catalog, add to it, restock it, and take it elsewhere."""

import math
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from marketsim.cli import complete
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.render.text import one_line
from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import CatalogError, InputError, nearest, quoted

__all__ = ["catalog_app"]

catalog_app = group("catalog", "The products, customers and orders of a market.")

_Id = Annotated[
    str, typer.Argument(metavar="ID", help="The id of a product, a customer or an order.", show_default=False)
]
_ProductId = Annotated[
    str, typer.Argument(help="The product's id.", show_default=False, autocompletion=complete.products)
]


@command(catalog_app, "list", example="marketsim catalog list")
def list_catalog(
    session: Session,
    what: Annotated[str, typer.Argument(help="products, users or orders.")] = "products",
) -> int:
    """List the products, or the users, or the orders, as they are now."""
    from marketsim.market.directory import read_catalog

    tables = ("products", "users", "orders")
    if what not in tables:
        raise InputError(f"a catalog has no {quoted(what)}", todo=nearest(what, tables))
    catalog, world = read_catalog(session.market)
    records: list[dict[str, Any]] = getattr(catalog, what)
    if session.json:
        session.emit({what: records})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        heads, right = _HEADS[what]
        rows = [[_cell(record.get(head, "")) for head in heads] for record in records]
        show_table(session.console(), heads, rows, right=right)
        told = what.removesuffix("s") if len(records) == 1 else what
        session.say(f"{len(records):,} {told}; prices in {world.currency}")
    return 0


@command(catalog_app, "show", example="marketsim catalog show laptop-1")
def show_record(session: Session, name: _Id) -> int:
    """Show one product, user or order, with every key that was brought."""
    from marketsim.market.directory import read_catalog

    catalog, _ = read_catalog(session.market)
    every = [*catalog.orders, *catalog.users, *catalog.products]
    found = {record["id"]: record for record in every if isinstance(record.get("id"), str)}
    if name not in found:
        raise InputError(f"the catalog has no {quoted(name)}", todo=nearest(name, found))
    if session.json:
        session.emit(found[name])
    else:
        for key, value in found[name].items():
            session.say(one_line(f"{key:<18} {_cell(value)}"))
    return 0


@command(
    catalog_app,
    "add",
    example="marketsim catalog add lamp-1 --name 'Desk lamp' --price 39.90 --stock 12",
    writes=True,
)
def add_product(
    session: Session,
    product: _ProductId,
    name: Annotated[str, typer.Option("--name", help="Its name.", show_default=False)],
    price: Annotated[str, typer.Option("--price", help="Its price, in major units.", show_default=False)],
    stock: Annotated[int, typer.Option("--stock", help="How many there are.")] = 0,
    category: Annotated[str, typer.Option("--category", help="Its category.", show_default=False)] = "",
    condition: Annotated[str, typer.Option("--condition", help="Its condition.", show_default=False)] = "",
) -> int:
    """Add a product to the catalog."""
    record: dict[str, Any] = {"id": product, "name": name, "price": _number(price), "inStock": stock}
    record |= {key: value for key, value in (("category", category), ("condition", condition)) if value}

    def add(records: list[dict[str, Any]]) -> None:
        if any(each["id"] == product for each in records):
            raise InputError(
                f"there is a product {quoted(product)} already", todo="add more of it: catalog restock"
            )
        records.append(record)

    return _edit(session, add, f"added {product}")


@command(catalog_app, "restock", example="marketsim catalog restock laptop-1 10", writes=True)
def restock(
    session: Session,
    product: _ProductId,
    units: Annotated[int, typer.Argument(help="How many units arrive, from 1 on.", show_default=False)],
) -> int:
    """Put more units of a product on sale."""
    if units < 1:
        raise InputError(f"{units} units cannot arrive", where="UNITS", todo="give 1 or more")

    def arrive(records: list[dict[str, Any]]) -> None:
        found = {record["id"]: record for record in records}
        if product not in found:
            raise InputError(f"there is no product {quoted(product)}", todo=nearest(product, found))
        found[product]["inStock"] += units

    return _edit(session, arrive, f"{units} more of {product}")


@command(catalog_app, "export", example="marketsim catalog export catalog-copy.json")
def export(
    session: Session,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; else standard output.", show_default=False)
    ] = None,
    output: Output = None,
    force: Force = False,
) -> int:
    """Write the catalog in the shape that `init --catalog` takes, kept keys included."""
    from marketsim.market.catalog import export_catalog
    from marketsim.market.directory import read_catalog

    catalog, _ = read_catalog(session.market)
    text = msgspec.json.format(msgspec.json.encode(export_catalog(catalog)), indent=2).decode() + "\n"
    write_output(session, [text], output or file, force)
    return 0


_HEADS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "products": (("id", "name", "price", "inStock", "category"), ("price", "inStock")),
    "users": (("id", "name", "email"), ()),
    "orders": (("id", "customer", "lines", "total", "currency", "transaction"), ("total",)),
}


def _edit(session: Session, change: Any, told: str) -> int:
    """Change the list of products in an open market, and have it checked and booked like a person's edit."""
    from marketsim.drivers.clock import now_us, stamp

    now = stamp(now_us())
    with session.writing() as market:
        try:
            market.edit(change, now)
        except CatalogError as wrong:  # Its place is in a file that was never written.
            raise InputError(wrong.what, todo=wrong.todo) from wrong
    if session.json:
        session.emit({"done": told})
    session.say(told)
    return 0


def _number(text: str) -> int | float:
    try:
        number = int(text) if text.strip().lstrip("-").isdigit() else float(text)
        if not math.isfinite(number):
            raise ValueError(text)
        return number
    except (ValueError, OverflowError):
        raise InputError(f"{quoted(text)} is no price", where="--price", todo="write it as 39.90") from None


def _cell(value: object) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
