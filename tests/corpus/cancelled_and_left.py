"""The customer closes the page: the task is cancelled, and with it the reverts that were due."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("cancelled-and-left", "A charge, and a courier.")


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))


@saga.operation(service="courier")
def book_courier(call: Call) -> dict:
    """Have it fetched."""
    return {}


book_courier.compensation(giving_back("cancel_courier"))

EXPECTED = Wrong(
    saga=saga,
    rule="money-conserved",
    faults=1,
    shown_by=("book_courier:cancel",),
    rules={"shielded": False},
)
