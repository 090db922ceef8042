"""A hold can be voided for half a minute, and the next step is waited for a whole one: the revert expires."""

from corpus.bookshop import HOLD, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import take
from marketsim.saga import Call, Retry, Saga

SECOND_US = 1_000_000

saga = Saga("refund-too-late", "A hold on the card, and a printer that takes its time.")


@saga.operation(service="bank", revert_ttl_us=30 * SECOND_US)
def hold_money(call: Call) -> dict:
    """Hold the money."""
    take(call, money(100, card_of(call), HOLD))
    return {}


hold_money.compensation(giving_back("void"))


@saga.operation(service="printer", retry=Retry(attempts_max=1), time_limit_us=60 * SECOND_US)
def print_book(call: Call) -> dict:
    """Have it printed, and pay."""
    if call.key not in call.world.keys:
        call.post(money(100, HOLD, "money:merchant"))
    return {}


print_book.compensation(giving_back("stop_printing"))

EXPECTED = Wrong(saga=saga, rule="quiescence", faults=1, shown_by=("print_book:timeout_before",))
