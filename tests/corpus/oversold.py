"""The stock is checked in one step and taken in another: two customers see the last one, and both get it."""

from corpus.bookshop import SHELF, SOLD, giving_back, goods, on_shelf
from corpus.expected import BOB, CEM, Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Failed, Saga

saga = Saga("oversold", "A look at the shelf, and then the book.")


@saga.operation(service="stockroom", kind="read_only")
def look_at_shelf(call: Call) -> dict:
    """See whether there is one."""
    if on_shelf(call) < 1:
        raise Failed("sold_out")
    return {}


@saga.operation(service="stockroom")
def take_book(call: Call) -> dict:
    """Take it: it was there."""
    take(call, goods(1, SHELF, SOLD))
    return {"quantity": 1}


take_book.compensation(giving_back("put_back"))

EXPECTED = Wrong(
    saga=saga,
    rule="stock-conserved",
    preemptions=1,
    turns={"tx-1/look_at_shelf@1/turn": 1},
    requests=(BOB, CEM),
    units=1,
)
