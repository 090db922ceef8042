"""What got no answer from one card is paid with another, and the order that costs 100 was paid twice."""

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga
from marketsim.saga.events import OrderPlaced

saga = Saga("second-card", "Two cards of the customer, in case that one does not work.")


def first_card_pays(call: Call) -> bool:
    """Whether the bank says so; it may answer a 500 instead, after the money has moved."""
    take(call, money(100, card_of(call), TILL))
    return call.fault != "cached_error"


@saga.operation(service="bank")
def charge_a_card(call: Call) -> dict:
    """Take the money from the first card, or else from the second."""
    if not first_card_pays(call) and f"{call.key}#2" not in call.world.keys:
        call.post(money(100, f"{card_of(call)}:second", TILL), part=2)
    return {}


charge_a_card.compensation(giving_back("refund"))


@saga.operation(service="desk", kind="pivot")
def place_order(call: Call) -> dict:
    """Write the order."""
    if call.key not in call.world.keys:
        lines = [{"product": "book", "quantity": 1}]
        placed = OrderPlaced(
            **call.place, order="order-1", customer="ann", lines=lines, total_minor=100, currency="USD"
        )
        call.record(placed)
    return {}


EXPECTED = Wrong(saga=saga, rule="money-conserved", faults=1, shown_by=("charge_a_card:cached_error@1",))
