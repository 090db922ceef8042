"""All reverts begin at once, in no order: the release runs before the cancellation that it depends on."""

from corpus.bookshop import HELD, SHELF, SOLD, TILL, card_of, giving_back, goods, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("all-at-once", "A book is held, ordered and paid.")


@saga.operation(service="stockroom")
def hold_book(call: Call) -> dict:
    """Put it aside."""
    take(call, goods(1, SHELF, HELD))
    return {}


@hold_book.compensation
def release(call: Call) -> dict:
    """Put it back on the shelf, if it is still held."""
    if call.key not in call.world.keys and call.world.balance(HELD, "book"):
        call.post(goods(1, HELD, SHELF))
    return {}


@saga.operation(service="desk")
def place_order(call: Call) -> dict:
    """Sell what is held."""
    take(call, goods(1, HELD, SOLD))
    return {}


place_order.compensation(giving_back("cancel_order"))


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(
    saga=saga,
    rule="stock-conserved",
    faults=1,
    shown_by=("charge_card:card_declined",),
    policy="camunda",
)
