"""The engine takes 'no answer' for 'not done', as most do: the money is gone, and nobody gives it back."""

from corpus.bookshop import SHELF, SOLD, TILL, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Retry, Saga

saga = Saga("unknown-left-alone", "Books off the shelf, then a charge that is asked for once.")


@saga.operation(service="stockroom")
def take_books(call: Call) -> dict:
    """Take as many as were asked for."""
    take(call, goods(call.request["quantity"], SHELF, SOLD))
    return {}


take_books.compensation(giving_back("put_back"))


@saga.operation(service="bank", retry=Retry(attempts_max=1))
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(
    saga=saga,
    rule="money-conserved",
    faults=1,
    shown_by=("charge_card:timeout_after",),
    policy="agent-saga",
)
