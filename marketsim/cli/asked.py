"""What was asked for on the command line, and whether it can be a request."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.requests import Line, request_of
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import JSONObject

if TYPE_CHECKING:
    from marketsim.market.world import World

__all__ = ["Request", "checked"]


class Request(msgspec.Struct, frozen=True):
    """What was asked for on the command line: units of products, and how it is to go.

    ``customer`` of None is the first there is. It is to be stopped or cancelled ``deadline_us`` or
    ``cancel_us`` microseconds after it begins (0: never).
    """

    saga: str
    lines: list[Line]
    customer: str | None
    faults: Sequence[str] = ()
    policy: str = "default"
    seed: int = 0
    real_time: bool = False
    gateway: str = DEFAULT_RULE
    deadline_us: int = 0
    cancel_us: int = 0


def checked(request: Request, world: "World") -> JSONObject:
    """The request, if it can be one: what does not exist is bad input and is never recorded.

    Raises InputError, with the nearest name.
    """
    for line in request.lines:
        if line.product not in world.products:
            todo = nearest(line.product, world.products)
            raise InputError(f"there is no product {quoted(line.product)}", todo=todo)
    customer = request.customer if request.customer is not None else next(iter(world.customers), "")
    if customer not in world.customers:
        todo = nearest(customer, world.customers)
        raise InputError(f"there is no customer {quoted(customer)}", where="--customer", todo=todo)
    return request_of(request.saga, customer, request.lines)
