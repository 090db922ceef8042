"""No key is looked at: a process dies between the write and its record, and the next one writes again."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.saga import Call, Failed, Retry, Saga

saga = Saga("effect-without-key", "A charge that is asked for once, if nobody dies.")


@saga.operation(service="bank", retry=Retry(attempts_max=1))
def charge_card(call: Call) -> dict:
    """Take the money."""
    if call.world.noted(call, "fenced"):
        raise Failed("fenced")
    call.post(money(100, card_of(call), TILL))
    return {"amount_minor": 100, "currency": "USD"}


charge_card.compensation(giving_back("refund"))

EXPECTED = Wrong(saga=saga, rule="idempotency", crashes=1, shown_by=("charge_card:crash_after_effect",))
