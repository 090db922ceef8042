"""The payment is pending, the refund finds nothing to give back, and then the payment settles after all."""

from corpus.bookshop import TILL, card_of, money
from corpus.expected import Wrong

from marketsim.drivers.books import give_back, take
from marketsim.saga import Call, Retry, Saga, Unknown
from marketsim.saga.fault import SETTLED

saga = Saga("settles-later", "A bank transfer, which takes its time.")


@saga.operation(service="bank", retry=Retry(attempts_max=1))
def transfer(call: Call) -> dict:
    """Have the money sent; a bank does not ask who has given up since."""
    if call.fault == "late_success":
        call.note("pending")
        raise Unknown("pending")
    if call.fault == SETTLED:
        call.post(money(100, card_of(call), TILL))
    else:
        take(call, money(100, card_of(call), TILL))
    return {}


@transfer.compensation
def send_back(call: Call) -> dict:
    """Send back what has come; nobody waits for what has not."""
    return give_back(call)


EXPECTED = Wrong(saga=saga, rule="lifecycle", faults=1, shown_by=("transfer:late_success",))
