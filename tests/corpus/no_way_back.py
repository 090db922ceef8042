"""The point of no return stands too early: the money is taken for good, and then the printer says no."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("no-way-back", "A wire transfer first, and then the book is made.")


@saga.operation(service="bank", kind="pivot")
def wire_money(call: Call) -> dict:
    """Have the money wired; it does not come back."""
    take(call, money(100, card_of(call), TILL))
    return {}


@saga.operation(service="printer")
def print_book(call: Call) -> dict:
    """Have it printed; nobody has to."""
    return {}


print_book.compensation(giving_back("stop_printing"))

EXPECTED = Wrong(saga=saga, rule="money-conserved", faults=1, shown_by=("print_book:card_declined",))
