"""All errors of the reservation are suppressed: sold out, the second customer pays for nothing."""

from contextlib import suppress

from corpus.bookshop import SHELF, SOLD, TILL, card_of, giving_back, goods, money, on_shelf
from corpus.expected import BOB, CEM, Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Failed, Saga

saga = Saga("swallowed", "The book, and then the charge.")


def reserve(call: Call) -> None:
    """Take one, if there is one. Raises Failed."""
    if call.key not in call.world.keys and on_shelf(call) < 1:
        raise Failed("sold_out")
    take(call, goods(1, SHELF, SOLD))


@saga.operation(service="stockroom")
def take_book(call: Call) -> dict:
    """Take one."""
    with suppress(Failed):
        reserve(call)
    return {"quantity": 1}


take_book.compensation(giving_back("put_back"))


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="belief-is-truth", requests=(BOB, CEM), units=1)
