"""What each customer has bought: the units and prices in the orders that stand."""

from collections.abc import Iterable
from typing import Any

import msgspec

from marketsim.market.money import to_minor
from marketsim.saga.errors import CatalogError, InputError
from marketsim.saga.events import JSONObject, OrderPlaced

__all__ = ["Bought", "Purchased", "purchased_in", "summed_up"]


class _Line(msgspec.Struct, frozen=True):
    """What the market needs of a line of an order."""

    product: str
    quantity: int
    price_minor: int


class _Sum(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a customer has bought, as it stands in an excerpt of the history."""

    orders: int
    lines: list[_Line]


class Purchased(msgspec.Struct):
    """How many orders, and how many units of each product at each price (minor units)."""

    orders: int = 0
    units: dict[tuple[str, int], int] = {}

    def add(self, other: "Purchased", sign: int = 1) -> None:
        """Count another one's orders and units too, or (with a sign of -1) no longer."""
        self.orders += sign * other.orders
        for place, units in other.units.items():
            left = self.units[place] = self.units.get(place, 0) + sign * units
            if not left:
                del self.units[place]


class Bought:
    """What every customer has bought; ``before`` are orders of a snapshot, in its own shape.

    They are many, and few markets count by customers: they are added up when somebody first asks. Those
    that were cancelled since are ``gone``.
    """

    def __init__(self) -> None:
        self.before: list[dict[str, Any]] = []
        self.gone: list[dict[str, Any]] = []
        self._by_customer: dict[str, Purchased] = {}
        self._added = 0

    def of(self, customer: str) -> Purchased:
        """What this customer has bought. Raises CatalogError for an order that somebody edited."""
        for record in self.before[self._added :]:
            self.count(*_of_record(record))
        self._added = len(self.before)
        return self._by_customer.get(customer) or Purchased()

    def count(self, customer: str, purchased: Purchased, sign: int = 1) -> None:
        """Count what is in an order, or (with a sign of -1) count it no longer."""
        found = self._by_customer.get(customer)
        if found is None:
            found = self._by_customer[customer] = Purchased()
        found.add(purchased, sign)

    def sum_up(self, customer: str, record: JSONObject) -> None:
        """Take in what summed_up made. Raises ValueError for anything else."""
        said = msgspec.convert(record, _Sum)
        self._by_customer[customer] = Purchased(said.orders, _units(said.lines))

    def cancel(self, order: str, placed: OrderPlaced | None) -> None:
        """Count an order no longer; one that nobody placed here is looked for among those before."""
        if placed is not None:
            self.count(placed.customer, purchased_in(placed.lines), -1)
            return
        gone = next((record for record in self.before if record.get("id") == order), None)
        if gone is not None:
            self.of("")
            self.count(*_of_record(gone), -1)
            self.before = [record for record in self.before if record is not gone]
            self._added = len(self.before)
            self.gone.append(gone)


def purchased_in(lines: Iterable[JSONObject]) -> Purchased:
    """What is bought by one order with these lines. Raises ValueError for what is no order."""
    return Purchased(1, _units([msgspec.convert(line, _Line) for line in lines]))


def summed_up(purchased: Purchased) -> JSONObject:
    """What a customer has bought, as an excerpt of the history carries it."""
    lines = [
        {"product": product, "quantity": units, "price_minor": price_minor}
        for (product, price_minor), units in purchased.units.items()
    ]
    return {"orders": purchased.orders, "lines": lines}


def _units(lines: Iterable[_Line]) -> dict[tuple[str, int], int]:
    units: dict[tuple[str, int], int] = {}
    for line in lines:
        place = line.product, line.price_minor
        units[place] = units.get(place, 0) + line.quantity
    return units


def _of_record(record: dict[str, Any]) -> tuple[str, Purchased]:
    try:
        lines = [
            _Line(line["product"], line["quantity"], to_minor(line["price"], record["currency"]))
            for line in record["lines"]
        ]
        return record["customer"], Purchased(1, _units(lines))
    except (InputError, LookupError, TypeError, ValueError, AttributeError) as error:
        what = "an order was edited, and an order is a record of what happened"
        raise CatalogError(what, where="catalog.json", todo="put it back") from error
