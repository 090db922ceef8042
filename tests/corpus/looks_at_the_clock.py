"""A handler looks at the wall clock, not at the time of its call: tomorrow's run is not that of today."""

import time

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import OffTape

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("looks-at-the-clock", "A parking meter.")


@saga.operation(service="desk")
def read_plate(call: Call) -> dict:
    """See whose car it is."""
    return {}


read_plate.compensation(giving_back("forget_plate"))


@saga.operation(service="meter")
def pay_parking(call: Call) -> dict:
    """Take a fee that depends on the time."""
    fee_minor = 1 + time.time_ns() % 1_000_000_007
    take(call, money(fee_minor, card_of(call), TILL))
    return {"amount_minor": fee_minor, "currency": "USD"}


pay_parking.compensation(giving_back("refund"))

EXPECTED = OffTape(saga=saga, operation="pay_parking")
