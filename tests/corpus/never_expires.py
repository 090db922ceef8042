"""The time for a revert counts from each attempt anew: it is never over for the engine, but for the bank."""

from corpus.bookshop import HOLD, TILL, card_of, giving_back, money
from corpus.expected import Wrong

from marketsim.drivers.books import give_back, take
from marketsim.saga import Call, Retry, Saga

VOID_MAX_US = 30_000_000

saga = Saga("never-expires", "A hold on the card, and a printer that takes its time.")


@saga.operation(service="bank", revert_ttl_us=VOID_MAX_US)
def hold_money(call: Call) -> dict:
    """Hold the money."""
    take(call, money(100, card_of(call), HOLD))
    return {"held_us": call.now_us}


@hold_money.compensation
def void(call: Call) -> dict:
    """Let go of it; too late, the bank says yes and does nothing."""
    assert call.result is not None
    late = call.now_us - call.result["held_us"] > VOID_MAX_US
    return {} if late else give_back(call)


@saga.operation(service="printer", retry=Retry(attempts_max=1), time_limit_us=2 * VOID_MAX_US)
def print_book(call: Call) -> dict:
    """Have it printed, and pay."""
    take(call, money(100, HOLD, TILL))
    return {}


print_book.compensation(giving_back("stop_printing"))

EXPECTED = Wrong(
    saga=saga,
    rule="belief-is-truth",
    faults=1,
    shown_by=("print_book:timeout_before",),
    policy="orra",
)
