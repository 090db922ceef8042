"""A balance is paid out to one while the deposit of another in it may still bounce, and then it does."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import give_back, take
from marketsim.saga import Call, Failed, Saga

saga = Saga("paid-out-again", "A till that is paid into and out of.")


@saga.operation(service="bank")
def book(call: Call) -> dict:
    """Pay in, or out of what there is."""
    if call.request["pays"] == "in":
        take(call, money(100, card_of(call), TILL))
    elif call.world.balance(TILL, "USD") < 100:
        raise Failed("empty_till")
    else:
        take(call, money(100, TILL, card_of(call)))
    return {}


@book.compensation
def book_back(call: Call) -> dict:
    """Pay it back, whatever has become of it."""
    return give_back(call)


@saga.operation(service="police")
def check_identity(call: Call) -> dict:
    """Ask who it is."""
    return {}


check_identity.compensation(giving_back("forget_identity"))

EXPECTED = Wrong(
    saga=saga,
    rule="money-conserved",
    faults=1,
    preemptions=1,
    turns={"tx-1/book@1/turn": 1},
    requests=({"customer": "ann", "pays": "in"}, {"customer": "bob", "pays": "out"}),
    shown_by=("check_identity:abort",),
)
