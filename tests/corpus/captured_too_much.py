"""The price is held, and the price with the postage captured: more than was ever authorized."""

from corpus.bookshop import HOLD, TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

PRICE_MINOR, POSTAGE_MINOR = 100, 7

saga = Saga("captured-too-much", "A hold, and its capture when the parcel has been weighed.")


@saga.operation(service="bank")
def authorize(call: Call) -> dict:
    """Hold the price."""
    take(call, money(PRICE_MINOR, card_of(call), HOLD))
    return {"amount_minor": PRICE_MINOR, "currency": "USD"}


authorize.compensation(giving_back("void"))


@saga.operation(service="bank", kind="pivot")
def capture(call: Call) -> dict:
    """Take the price and the postage."""
    take(call, money(PRICE_MINOR + POSTAGE_MINOR, HOLD, TILL))
    return {"amount_minor": PRICE_MINOR + POSTAGE_MINOR, "currency": "USD"}


capture.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="money-conserved")
