"""Right: a flight and a hotel side by side, neither of which looks at the other, and then the bill."""

from corpus.bookshop import TILL, card_of, giving_back, looking, money
from corpus.expected import Right

from marketsim.drivers.books import take
from marketsim.saga import Call, Posting, Saga

saga = Saga("right-in-parallel", "A flight and a hotel at once, and one bill.")


def seat(call: Call) -> list[Posting]:
    """A seat of the plane, or a room."""
    return money(40, card_of(call), f"money:vendor:{call.operation}")


@saga.operation(service="airline", after=[])
def book_flight(call: Call) -> dict:
    """Book a seat."""
    take(call, seat(call))
    return {}


book_flight.compensation(giving_back("cancel_flight"))
book_flight.status(looking("find_flight"))


@saga.operation(service="hotel", after=[])
def book_hotel(call: Call) -> dict:
    """Book a room."""
    take(call, seat(call))
    return {}


book_hotel.compensation(giving_back("cancel_hotel"))
book_hotel.status(looking("find_hotel"))


@saga.operation(service="bank", after=[book_flight, book_hotel])
def pay_fee(call: Call) -> dict:
    """Take the agency's fee."""
    take(call, money(10, card_of(call), TILL))
    return {}


pay_fee.compensation(giving_back("refund_fee"))
pay_fee.status(looking("find_fee"))

EXPECTED = Right(saga=saga, faults=1)
