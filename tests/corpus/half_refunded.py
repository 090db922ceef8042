"""The provider refunds 50 at most at a time, and its 'ok' is taken for the whole."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

AT_MOST_MINOR = 50

saga = Saga("half-refunded", "A charge, and a courier.")


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(80, card_of(call), TILL))
    return {}


@charge_card.compensation
def refund(call: Call) -> dict:
    """Give it back, as far as the provider does so at once."""
    owed_minor = sum(line.amount for line in call.world.standing(call) if line.account == TILL)
    if owed_minor and call.key not in call.world.keys:
        call.post(money(min(owed_minor, AT_MOST_MINOR), TILL, card_of(call)))
    return {"status": "ok"}


@saga.operation(service="courier")
def book_courier(call: Call) -> dict:
    """Have it fetched."""
    return {}


book_courier.compensation(giving_back("cancel_courier"))

EXPECTED = Wrong(saga=saga, rule="money-conserved", faults=1, shown_by=("book_courier:abort",))
