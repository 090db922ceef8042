"""The probe reads the table of requests and not that of payments: what was asked for is told as paid."""

from corpus.bookshop import SHELF, SOLD, TILL, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("probe-that-lies", "A charge that can be asked about, and the book.")


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {"amount_minor": 100, "currency": "USD"}


charge_card.compensation(giving_back("refund"))


@charge_card.status
def find_charge(call: Call) -> dict:
    """Look for the request: it was made, so there is one."""
    return {"amount_minor": 100, "currency": "USD"}


@saga.operation(service="stockroom")
def take_books(call: Call) -> dict:
    """Take as many as were asked for."""
    take(call, goods(call.request["quantity"], SHELF, SOLD))
    return {}


take_books.compensation(giving_back("put_back"))

EXPECTED = Wrong(saga=saga, rule="belief-is-truth", faults=1, shown_by=("charge_card:timeout_before",))
