"""What is asked for: the lines of a request, be it for one product or for a cart."""

from collections.abc import Mapping
from typing import Any

import msgspec

from marketsim.saga.events import JSONObject

__all__ = ["CART_LINES_MAX", "Line", "is_request", "lines_of", "request_of"]

CART_LINES_MAX = 20
"""The most products in one cart."""


class Line(msgspec.Struct, frozen=True):
    """So many units of a product."""

    product: str
    quantity: int


def lines_of(request: Mapping[str, Any]) -> list[Line]:
    """The lines of a request: those of its cart, or the one product of a purchase.

    Raises msgspec.ValidationError for what is no request.
    """
    if "cart" in request:
        return msgspec.convert(request["cart"], list[Line])
    return [msgspec.convert(request, Line)]


def is_request(request: Mapping[str, Any]) -> bool:
    """Whether it has lines that can be read; another saga's request, or one in a strange log, may not."""
    try:
        return all(line.product and line.quantity for line in lines_of(request))
    except msgspec.ValidationError:
        return False


def request_of(saga: str, customer: str, lines: list[Line]) -> JSONObject:
    """What a saga is asked, as it stands in a stream; all but a checkout take the first line alone."""
    if saga == "checkout":
        cart = [{"product": line.product, "quantity": line.quantity} for line in lines]
        return {"customer": customer, "cart": cart}
    return {"product": lines[0].product, "customer": customer, "quantity": lines[0].quantity}
