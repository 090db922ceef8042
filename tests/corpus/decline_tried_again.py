"""Every decline is tried again, as if it might go better: networks take a fee for asking an expired card."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Failed, Retry, Saga

FEE_MINOR = 5

saga = Saga("decline-tried-again", "A charge, and a loop around it.")


@saga.operation(service="bank", retry=Retry(attempts_max=3))
def charge_card(call: Call) -> dict:
    """Take the money; a card that has said no for good is not to be asked again."""
    if call.request["card"] == "expired":
        if call.attempt > 1:
            call.post(money(FEE_MINOR, TILL, "money:network"), part=call.attempt)
        raise Failed("expired_card", retry="safe")
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="money-conserved", requests=({"customer": "ann", "card": "expired"},))
