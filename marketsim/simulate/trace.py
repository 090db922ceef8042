"""A trace: the orders of a real shop, read from a file with a line for each."""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import UNSET

from marketsim.market.catalog import PRODUCTS_MAX, USERS_MAX
from marketsim.market.money import AMOUNT_MAX_MINOR, currency_digits
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.simulate.model import Columns, TraceFile
from marketsim.simulate.rows import Rows, column_of, read_rows

__all__ = ["Order", "Trace", "read_trace"]

_NAMES = {
    "time": "time date datetime timestamp day invoicedate invoice_date order_date orderdate ordered",
    "customer": "customer customer_id customerid customer_number user user_id userid buyer client",
    "product": "product product_id productid stockcode sku item item_id itemid article",
    "quantity": "quantity qty units count number_of_units",
    "price": "price unitprice unit_price",
    "amount": "amount total value sum revenue dollars dollar_value",
}
"""The names that a header gives to each column, if nothing is said."""

_USUAL = {"customer": 0, "time": 1, "quantity": 2, "amount": 3}
"""The columns of a file of four without a header: number of the customer, date, quantity, amount."""

_QUANTITY_MAX = 10**9


class Order(msgspec.Struct, frozen=True, gc=False):
    """One order of a trace; its moment is in microseconds since 1970."""

    moment_us: int
    customer: str
    product: str
    quantity: int


class Trace(msgspec.Struct, frozen=True):
    """The orders of a trace in order of time.

    ``prices_minor`` and ``units`` have what its products cost, and how many of each are ordered;
    ``customers`` is everybody who orders. ``returned`` counts the lines that were passed over, since
    they take something back: their quantity is below 1, or their price below 0.
    """

    orders: list[Order]
    prices_minor: dict[str, int]
    units: dict[str, int]
    customers: list[str]
    returned: int


def read_trace(path: Path, said: TraceFile, currency: str, known: Collection[str] = ()) -> Trace:
    """The orders in a file, their dates as they are; lines that are out of order are sorted by time.

    A product that the catalog knows (``known``) is sold as it stands there. For any other the price is
    that of the line, or its amount divided by its quantity; at another price it is a product of its own
    (``mug-2.55``), so that every amount stays what it was to the minor unit. A file without products has
    one for each price (``item-11.77``). An amount that cannot be divided is one unit of a bundle
    (``mug-3-for-10.00``). A file without customers has a new one for each line.

    Raises InputError, with the line, for what is no such file.
    """
    rows = read_rows(path)
    reader = _Reader(rows, _columns(rows, said.columns), said.dates, currency, known)
    for line, cells in rows.cells:
        try:
            reader.read(cells)
        except InputError as wrong:
            raise InputError(wrong.what, where=f"{rows.name}:{line}", todo=wrong.todo) from None
    if not reader.orders:
        raise InputError("there is no order in this file", where=rows.name)
    reader.orders.sort(key=lambda order: order.moment_us)
    return Trace(reader.orders, reader.prices_minor, reader.units, list(reader.customers), reader.returned)


def _columns(rows: Rows, said: Columns) -> dict[str, int]:
    """The index of each column that there is."""
    named = {what: column for what in _NAMES if (column := getattr(said, what)) is not UNSET}
    if not named and not rows.header and rows.width == len(_USUAL):
        return _USUAL
    found = {what: column_of(rows, column, what) for what, column in named.items()}
    for what, names in _NAMES.items():
        if what not in found:
            folded = [name.casefold().replace(" ", "_") for name in rows.header]
            index = next((folded.index(name) for name in names.split() if name in folded), None)
            if index is not None and index not in found.values():
                found[what] = index
    if "time" not in found:
        todo = nearest("time", rows.header) if rows.header else "give the number of each column, from 1"
        raise InputError("it is not said which column is the time", where=rows.name, todo=todo)
    return found


class _Reader:
    """Reads one row after another; its errors have no place yet."""

    def __init__(
        self, rows: Rows, columns: dict[str, int], dates: str, currency: str, known: Collection[str]
    ) -> None:
        self.columns = columns
        self.width = max(columns.values()) + 1
        self.dates = dates
        self.digits = currency_digits(currency)
        self.known = known
        self.orders: list[Order] = []
        self.prices_minor: dict[str, int] = {}
        self.first_minor: dict[str, int] = {}
        self.units: dict[str, int] = {}
        self.customers: dict[str, None] = {}
        self.returned = 0

    def read(self, cells: Sequence[str]) -> None:
        """Take up one row."""
        if len(cells) < self.width:
            raise InputError(f"has {len(cells)} of the {self.width} columns that are needed")
        found = {what: cells[index] for what, index in self.columns.items()}
        quantity = _whole(found.get("quantity", "1"))
        price_minor = self._minor(found["price"]) if found.get("price") else None
        amount_minor = self._minor(found["amount"]) if found.get("amount") else None
        if quantity < 1 or (price_minor or 0) < 0 or (amount_minor or 0) < 0:
            self.returned += 1
            return
        moment_us = _moment_us(found["time"].strip(), self.dates)
        product, quantity = self._product(found.get("product"), quantity, price_minor, amount_minor)
        customer = _id(found["customer"]) if "customer" in found else f"customer-{len(self.orders) + 1}"
        self.customers[customer] = None
        self.units[product] = self.units.get(product, 0) + quantity
        if len(self.customers) > USERS_MAX or len(self.units) > PRODUCTS_MAX:
            raise InputError(f"more than {USERS_MAX:,} different customers or products")
        self.orders.append(Order(moment_us, customer, product, quantity))

    def _product(
        self, said: str | None, quantity: int, price_minor: int | None, amount_minor: int | None
    ) -> tuple[str, int]:
        """Which product it is, and how many of it."""
        if said is not None and said.strip() in self.known:
            return said.strip(), quantity
        name = _id(said) if said is not None else "item"
        bundled = False
        if price_minor is None:
            if amount_minor is None:
                raise InputError(
                    f"there is no price of {quoted(name)}", todo="name the column of the price, or the amount"
                )
            price_minor, rest = divmod(amount_minor, quantity)
            bundled = rest > 0
        if bundled:
            assert amount_minor is not None
            price_minor, name = amount_minor, f"{name}-{quantity}-for-{self._major(amount_minor)}"
            quantity = 1
        elif said is None or self.first_minor.setdefault(name, price_minor) != price_minor:
            name = f"{name}-{self._major(price_minor)}"
        if self.prices_minor.setdefault(name, price_minor) != price_minor or name in self.known:
            raise InputError(f"two products would be called {quoted(name)}", todo="rename one of them")
        return name, quantity

    def _major(self, minor: int) -> str:
        whole, rest = divmod(minor, 10**self.digits)
        return f"{whole}.{rest:0{self.digits}}" if self.digits else str(whole)

    def _minor(self, text: str) -> int:
        return _minor(text, self.digits)


@lru_cache(maxsize=10_000)
def _minor(text: str, digits: int) -> int:
    """An amount in minor units; more decimals than the currency has are rounded, half to even."""
    plain = text.strip().lstrip("$€£ ")
    if "." in plain:
        plain = re.sub(r",(?=[0-9]{3})", "", plain)
    plain = plain.replace(",", ".")
    if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{0,10})?", plain):
        raise InputError(f"{quoted(text)} is not an amount of money", todo="write it as 11.77")
    minor = round(Decimal(plain).scaleb(digits))
    if abs(minor) > AMOUNT_MAX_MINOR:
        raise InputError(f"{quoted(text)} is too much money")
    return minor


def _whole(text: str) -> int:
    plain = text.strip()
    if not re.fullmatch(r"-?[0-9]{1,12}(\.0+)?", plain):
        raise InputError(f"{quoted(text)} is not a number of units", todo="write a whole number")
    quantity = int(plain.partition(".")[0])
    if quantity > _QUANTITY_MAX:
        raise InputError(f"{quoted(text)} are too many units")
    return quantity


@lru_cache(maxsize=100_000)
def _id(text: str) -> str:
    """A name as an id: what is no letter, digit, dot or dash becomes a dash."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", text.strip())[:40]
    if not name:
        raise InputError("a customer or product without a name")
    return name if name[0].isalnum() else f"x{name}"


# Times.


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPES = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_EPOCH_UNITS_US = {10: 1_000_000, 13: 1_000, 16: 1}
_SLASHED = re.compile(
    r"([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4})(?:[ T]([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?"
)


@lru_cache(maxsize=100_000)
def _moment_us(text: str, dates: str) -> int:
    """The moment in a text, in microseconds since 1970 UTC.

    It is an RFC 3339 time or date; YYYYMMDD, with hhmm or hhmmss behind it or not; 31/12/2010 or
    12/31/2010 as ``dates`` says, with 8:26 or 08:26:30 or not; or seconds, milliseconds or microseconds
    since 1970, told apart by their 10, 13 or 16 digits.
    """
    try:
        if text.isascii() and text.isdigit():
            if unit_us := _EPOCH_UNITS_US.get(len(text)):
                return int(text) * unit_us
            moment = datetime.strptime(text, _SHAPES[len(text)])
        elif slashed := _SLASHED.fullmatch(text):
            moment = _slashed([int(part or 0) for part in slashed.groups()], dates)
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, KeyError, OverflowError) as wrong:
        todo = "write 2026-01-31T12:00:00Z, 20260131 or 31/01/2026 12:00"
        if _SLASHED.fullmatch(text):
            todo = "say dates: month_first, or day_first"
        raise InputError(f"{quoted(text)} is not a time", todo=todo) from wrong
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH
    moment_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if moment_us < 0:
        raise InputError(f"{quoted(text)} is before 1970")
    return moment_us


def _slashed(parts: list[int], dates: str) -> datetime:
    first, second, year, hour, minute, seconds = parts
    day, month = (first, second) if dates == "day_first" else (second, first)
    return datetime(year, month, day, hour, minute, seconds)
