"""Behind the point of no return a step is tried once, and what it was to do is left: paid, and never sent."""

from corpus.bookshop import HELD, SENT, SHELF, TILL, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Retry, Saga

saga = Saga("gives-up-shipping", "A book is held, paid and sent.")


@saga.operation(service="stockroom")
def hold_book(call: Call) -> dict:
    """Put it aside."""
    take(call, goods(1, SHELF, HELD))
    return {}


hold_book.compensation(giving_back("release"))


@saga.operation(service="bank", kind="pivot")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))


@saga.operation(service="courier", kind="retriable", retry=Retry(attempts_max=1))
def send_book(call: Call) -> dict:
    """Send it."""
    take(call, goods(1, HELD, SENT))
    return {}


EXPECTED = Wrong(saga=saga, rule="stock-conserved", faults=1, shown_by=("send_book:gateway_down",))
