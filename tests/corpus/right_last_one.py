"""Right: two customers want the last book, and it is looked at and taken in one step."""

from corpus.bookshop import SHELF, SOLD, TILL, card_of, giving_back, goods, looking, money, on_shelf
from corpus.expected import BOB, CEM, Right

from marketsim.drivers.books import take
from marketsim.saga import Call, Failed, Saga

saga = Saga("right-last-one", "The book, and then the charge.")


@saga.operation(service="stockroom")
def take_book(call: Call) -> dict:
    """Take one, if there is one."""
    if call.key not in call.world.keys and on_shelf(call) < 1:
        raise Failed("sold_out")
    take(call, goods(1, SHELF, SOLD))
    return {}


take_book.compensation(giving_back("put_back"))
take_book.status(looking("find_book"))


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))
charge_card.status(looking("find_charge"))

EXPECTED = Right(saga=saga, faults=1, preemptions=1, requests=(BOB, CEM), units=1)
