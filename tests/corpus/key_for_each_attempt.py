"""Each attempt makes a key of its own, like a uuid4() inside the retry loop: the card is charged twice."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.saga import Call, Saga

saga = Saga("key-for-each-attempt", "A subscription is charged.")


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money, once under a key that the attempt has for itself."""
    key = call.key if call.attempt == 1 else f"{call.key}#{call.attempt}"
    if key not in call.world.keys:
        call.post(money(100, card_of(call), TILL), part=call.attempt)
    return {"amount_minor": 100, "currency": "USD"}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="belief-is-truth", faults=1, shown_by=("charge_card:timeout_after@1",))
