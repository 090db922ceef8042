"""Right: a payment that is pending is waited for, and sent back when it has come."""

from corpus.bookshop import TILL, card_of, money
from corpus.expected import Right

from marketsim.drivers.books import give_back, look, take
from marketsim.saga import Call, Retry, Saga, Unknown
from marketsim.saga.fault import SETTLED

PENDING_MAX_US = 15 * 60 * 1_000_000

saga = Saga("right-pending", "A bank transfer, which takes its time.")


@saga.operation(service="bank", retry=Retry(attempts_max=1))
def transfer(call: Call) -> dict:
    """Have the money sent."""
    if call.fault == "late_success":
        call.note("pending")
        raise Unknown("pending")
    if call.fault == SETTLED:
        call.note("settled")
        if call.key not in call.world.keys:
            call.post(money(100, card_of(call), TILL))
    else:
        take(call, money(100, card_of(call), TILL))
    return {}


def pending(call: Call) -> bool:
    """Whether the bank has still to say what came of it."""
    return call.world.noted(call, "pending") and not call.world.noted(call, "settled")


@transfer.compensation
def send_back(call: Call) -> dict:
    """Send back what has come, and say how long to wait for what has not."""
    give_back(call)
    return {"awaits_us": PENDING_MAX_US} if pending(call) else {}


@transfer.status
def find_transfer(call: Call) -> dict:
    """Ask whether it has come."""
    if pending(call):
        raise Unknown("pending")
    look(call)
    return {}


EXPECTED = Right(saga=saga, faults=1)
