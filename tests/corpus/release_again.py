"""The release does not look whether it was done: asked again after a timeout, it gives back twice."""

from corpus.bookshop import SHELF, SOLD, TILL, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import give_back, take, undoing
from marketsim.saga import Call, Saga

saga = Saga("release-again", "Books off the shelf, then the charge.")


@saga.operation(service="stockroom")
def take_books(call: Call) -> dict:
    """Take as many as were asked for."""
    take(call, goods(call.request["quantity"], SHELF, SOLD))
    return {"quantity": call.request["quantity"]}


@take_books.compensation
def put_back(call: Call) -> dict:
    """Put back what was taken, each time."""
    taken = call.world.done(call)
    if not taken:
        return give_back(call)
    call.post(undoing(taken))
    return {}


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {"amount_minor": 100}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(
    saga=saga,
    rule="reverted-once",
    faults=2,
    shown_by=("charge_card:card_declined", "put_back:timeout_after@1"),
    only=("card_declined", "timeout_after"),
)
