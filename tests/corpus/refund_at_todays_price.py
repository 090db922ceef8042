"""The refund is computed anew from the price of today, which the next customer's purchase has raised."""

from corpus.bookshop import SHELF, TILL, card_of, giving_back, goods, money, on_shelf
from corpus.expected import ANN, BOB, Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("refund-at-todays-price", "The fewer are left, the dearer they are.")


def price_minor(call: Call) -> int:
    """What a book costs now."""
    return 100 - 10 * on_shelf(call)


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the price."""
    take(call, money(price_minor(call), card_of(call), TILL))
    return {}


@charge_card.compensation
def refund(call: Call) -> dict:
    """Give the price back."""
    if call.world.standing(call):
        call.post(money(price_minor(call), TILL, card_of(call)))
    return {}


@saga.operation(service="stockroom")
def take_book(call: Call) -> dict:
    """Take it."""
    take(call, goods(1, SHELF, "stock:sold"))
    return {}


take_book.compensation(giving_back("put_back"))

EXPECTED = Wrong(
    saga=saga,
    rule="reverted-once",
    faults=1,
    preemptions=1,
    turns={"tx-1/charge_card@1/turn": 1},
    requests=(ANN, BOB),
    shown_by=("take_book:card_declined",),
)
