"""What cannot be called back goes out before the money is in: the licence is mailed, the card declined."""

from corpus.bookshop import SENT, SHELF, TILL, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("sent-before-paid", "A licence key by mail, and then the charge.")


@saga.operation(service="mail")
def mail_licence(call: Call) -> dict:
    """Mail the key; whoever has read it has it."""
    take(call, goods(1, SHELF, SENT))
    return {}


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="stock-conserved", faults=1, shown_by=("charge_card:card_declined",))
