"""The built-in sagas by name."""

from collections.abc import Mapping
from typing import Any

import msgspec

from marketsim.market.checkout import checkout_of
from marketsim.market.purchase import purchase
from marketsim.market.requests import CART_LINES_MAX, lines_of
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import TransactionBegan

__all__ = ["SAGAS", "saga_for", "saga_named", "saga_of"]

SAGAS: dict[str, Saga] = {saga.name: saga for saga in (purchase, checkout_of(()))}
"""Every saga; that of a checkout as a pattern, since a cart has an operation for each of its products."""


def saga_named(name: str) -> Saga:
    """The built-in saga of this name, or its pattern. Raises InputError, naming the nearest one."""
    saga = SAGAS.get(name)
    if saga is None:
        raise InputError(f"no saga is called {quoted(name)}", todo=nearest(name, SAGAS))
    return saga


def saga_for(name: str, request: Mapping[str, Any]) -> Saga:
    """The saga that serves a request. Raises InputError for an unknown name, and for a cart that is none."""
    saga = saga_named(name)
    if name != "checkout":
        return saga
    try:
        products = tuple(dict.fromkeys(line.product for line in lines_of(request)))
    except msgspec.ValidationError:
        raise InputError("a checkout without a cart", where=name) from None
    # A cart that is too long is rejected before any of its operations begins.
    return checkout_of(products[: CART_LINES_MAX + 1])


def saga_of(began: TransactionBegan) -> Saga:
    """The saga of a transaction that has begun. Raises InputError if there is none."""
    return saga_for(began.saga, began.request)
