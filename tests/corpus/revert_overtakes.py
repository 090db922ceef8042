"""The refund overtakes a charge that hangs in the network: without a fence it lands when all is over."""

from corpus.bookshop import TILL, card_of, money
from corpus.expected import Wrong

from marketsim.drivers.books import undoing
from marketsim.saga import Call, Retry, Saga

saga = Saga("revert-overtakes", "A charge that nobody waits for.")


@saga.operation(service="bank", retry=Retry(attempts_max=1))
def charge_card(call: Call) -> dict:
    """Take the money, once under a key, whatever was said of it before."""
    if call.key not in call.world.keys:
        call.post(money(100, card_of(call), TILL))
    return {}


@charge_card.compensation
def refund(call: Call) -> dict:
    """Give back what stands; there is nothing yet."""
    standing = call.world.standing(call)
    if standing:
        call.post(undoing(standing))
    return {}


EXPECTED = Wrong(saga=saga, rule="lifecycle", faults=1, shown_by=("charge_card:hanging",))
