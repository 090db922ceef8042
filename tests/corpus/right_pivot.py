"""Right: a hold that can be voided, its capture as the point of no return, and what is to follow it."""

from corpus.bookshop import HELD, HOLD, SENT, SHELF, SOLD, TILL, card_of, giving_back, goods, looking, money
from corpus.expected import Right

from marketsim.drivers.books import take
from marketsim.saga import Call, Retry, Saga

saga = Saga("right-pivot", "A book and the money are held, captured, and sent.")


@saga.operation(service="stockroom")
def hold_book(call: Call) -> dict:
    """Put it aside."""
    take(call, goods(1, SHELF, HELD))
    return {}


hold_book.compensation(giving_back("release"))
hold_book.status(looking("find_held"))


@saga.operation(service="bank")
def authorize(call: Call) -> dict:
    """Hold the money."""
    take(call, money(100, card_of(call), HOLD))
    return {}


authorize.compensation(giving_back("void"))
authorize.status(looking("find_hold"))


@saga.operation(service="bank", kind="pivot")
def capture(call: Call) -> dict:
    """Take the money that is held: the book is sold."""
    take(call, [*money(100, HOLD, TILL), *goods(1, HELD, SOLD)])
    return {}


capture.compensation(giving_back("refund"))
capture.status(looking("find_capture"))


@saga.operation(service="courier", kind="retriable", retry=Retry(attempts_max=10))
def send_book(call: Call) -> dict:
    """Send it."""
    take(call, goods(1, SOLD, SENT))
    return {}


EXPECTED = Right(saga=saga, faults=1)
