"""The engine reverts the failed step, too, and the revert does not look whether there is anything to undo."""

from corpus.bookshop import SHELF, SOLD, goods
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("undoes-what-failed", "Books off the shelf.")


@saga.operation(service="stockroom")
def take_books(call: Call) -> dict:
    """Take as many as were asked for."""
    take(call, goods(call.request["quantity"], SHELF, SOLD))
    return {}


@take_books.compensation
def put_back(call: Call) -> dict:
    """Put as many back."""
    if call.key not in call.world.keys:
        call.post(goods(call.request["quantity"], SOLD, SHELF))
    return {}


EXPECTED = Wrong(
    saga=saga,
    rule="stock-conserved",
    faults=1,
    shown_by=("take_books:out_of_stock",),
    policy="saga-py",
)
