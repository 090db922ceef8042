"""The point of no return stands too early: the money is taken for good, and then the printer says no."""

from corpus.books import TILL, card_of, giving_back, money, take
from corpus.expected import Wrong

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
EXPECTED = Wrong(saga=saga, rule="quiescence", faults=1, shown_by=("print_book:card_declined",))
