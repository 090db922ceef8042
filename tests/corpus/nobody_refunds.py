"""The charge has no revert: it was the last step once, and then somebody added one behind it."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("nobody-refunds", "A charge, and a courier.")


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


@saga.operation(service="courier")
def book_courier(call: Call) -> dict:
    """Have it fetched."""
    return {}


book_courier.compensation(giving_back("cancel_courier"))

EXPECTED = Wrong(saga=saga, rule="money-conserved", faults=1, shown_by=("book_courier:abort",))
