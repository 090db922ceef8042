"""Right: done once, reverted as far as it stands, refused when it comes late, and all can be asked about."""

from corpus.bookshop import SHELF, SOLD, TILL, card_of, goods, money
from corpus.expected import Right

from marketsim.drivers.books import give_back, look, take
from marketsim.saga import Call, Saga

saga = Saga("right-once-and-back", "Books off the shelf, then the charge.")


@saga.operation(service="stockroom")
def take_books(call: Call) -> dict:
    """Take as many as were asked for."""
    take(call, goods(call.request["quantity"], SHELF, SOLD))
    return {"quantity": call.request["quantity"]}


@take_books.compensation
def put_back(call: Call) -> dict:
    """Put back what stands."""
    return give_back(call)


@take_books.status
def count_taken(call: Call) -> dict:
    """Ask what was taken."""
    look(call)
    return {"quantity": call.request["quantity"]}


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {"amount_minor": 100, "currency": "USD"}


@charge_card.compensation
def refund(call: Call) -> dict:
    """Give back what stands."""
    return give_back(call)


@charge_card.status
def find_charge(call: Call) -> dict:
    """Ask what was charged."""
    look(call)
    return {"amount_minor": 100, "currency": "USD"}


EXPECTED = Right(saga=saga, faults=2)
