"""A 500 of the bank is taken for a decline, and it was answered after the money had moved."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Failed, Saga

saga = Saga("error-500-is-no", "A charge over HTTP.")


def post_charge(call: Call) -> int:
    """The status that the bank answers."""
    take(call, money(100, card_of(call), TILL))
    return 500 if call.fault == "cached_error" else 200


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money; anything but a 200 is a no."""
    if post_charge(call) != 200:
        raise Failed("declined", "the bank did not answer 200")
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="belief-is-truth", faults=1, shown_by=("charge_card:cached_error",))
