"""The undo is known only from the answer: where that was lost, there is nothing to undo the charge by."""

from corpus.bookshop import TILL, card_of, money
from corpus.expected import Wrong

from marketsim.drivers.books import take, undoing
from marketsim.saga import Call, Retry, Saga

saga = Saga("refund-by-receipt", "A charge that is refunded by the receipt it gave.")


@saga.operation(service="bank", retry=Retry(attempts_max=1))
def charge_card(call: Call) -> dict:
    """Take the money, and give a receipt."""
    take(call, money(100, card_of(call), TILL))
    return {"receipt": call.key}


@charge_card.compensation
def refund(call: Call) -> dict:
    """Refund the receipt, if there is one."""
    if call.result is not None and call.key not in call.world.keys:
        call.post(undoing(call.world.standing(call)))
    return {}


EXPECTED = Wrong(saga=saga, rule="money-conserved", faults=1, shown_by=("charge_card:timeout_after",))
