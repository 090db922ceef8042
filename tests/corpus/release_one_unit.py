"""The release gives back one unit, whatever was reserved, as in many a tutorial where one is bought."""

from corpus.bookshop import SHELF, SOLD, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("release-one-unit", "Books off the shelf, then the charge.")


@saga.operation(service="stockroom")
def take_books(call: Call) -> dict:
    """Take as many as were asked for."""
    take(call, goods(call.request["quantity"], SHELF, SOLD))
    return {"quantity": call.request["quantity"]}


@take_books.compensation
def put_back(call: Call) -> dict:
    """Put one back on the shelf."""
    if call.world.standing(call):
        call.post(goods(1, SOLD, SHELF))
    return {}


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100 * call.request["quantity"], card_of(call), "money:merchant"))
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="stock-conserved", faults=1, shown_by=("charge_card:card_declined",))
