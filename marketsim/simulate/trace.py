"""A trace: the orders of a real shop, read from a file with a line for each."""

from pathlib import Path

import msgspec

from marketsim.market.requests import Line
from marketsim.simulate.model import Columns

__all__ = ["Order", "Trace", "read_trace"]


class Order(msgspec.Struct, frozen=True):
    """One order of a trace; its moment in microseconds since 1970."""

    moment_us: int
    customer: str
    line: Line


class Trace(msgspec.Struct, frozen=True):
    """The orders of a trace in order of time, the prices of its products and how many of each are ordered."""

    orders: list[Order]
    prices_minor: dict[str, int]
    units: dict[str, int]
    customers: list[str]


def read_trace(path: Path, columns: Columns, currency: str) -> Trace:
    """Read a trace. Raises InputError with the line of the first thing that is none."""
    raise NotImplementedError
