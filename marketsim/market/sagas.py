"""The built-in sagas by name."""

from marketsim.market.purchase import purchase
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["SAGAS", "saga_named"]

SAGAS: dict[str, Saga] = {purchase.name: purchase}


def saga_named(name: str) -> Saga:
    """The built-in saga of this name. Raises InputError, naming the nearest one."""
    saga = SAGAS.get(name)
    if saga is None:
        raise InputError(f"no saga is called {quoted(name)}", todo=nearest(name, SAGAS))
    return saga
