"""Right: a ticket machine that knows no keys is asked once, and asked about when it does not answer."""

from corpus.bookshop import SHELF, SOLD, TILL, card_of, giving_back, goods, looking, money
from corpus.expected import Right

from marketsim.drivers.books import take
from marketsim.saga import Call, Failed, Saga
from marketsim.saga.fault import SETTLED

saga = Saga("right-one-shot", "A ticket that must not be asked for twice, and the charge.")


@saga.operation(service="machine", one_shot=True)
def draw_ticket(call: Call) -> dict:
    """Draw one; each call draws another, unless it was called off before."""
    if call.fault == SETTLED:
        return {}  # Nothing is ever pending here.
    if call.world.noted(call, "fenced"):
        raise Failed("fenced")
    call.post(goods(1, SHELF, SOLD))
    return {}


draw_ticket.compensation(giving_back("return_ticket"))
draw_ticket.status(looking("find_ticket"))


@saga.operation(service="bank")
def charge_card(call: Call) -> dict:
    """Take the money."""
    take(call, money(100, card_of(call), TILL))
    return {}


charge_card.compensation(giving_back("refund"))
charge_card.status(looking("find_charge"))

EXPECTED = Right(saga=saga, faults=1)
