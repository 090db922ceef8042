"""A handler throws dice of its own: which run went wrong nobody can tell, since it never comes again."""

import random

from corpus.bookshop import TILL, card_of, giving_back, money
from corpus.expected import OffTape

from marketsim.drivers.books import take
from marketsim.saga import Call, Saga

saga = Saga("draws-lots", "A voucher of a surprising amount.")


@saga.operation(service="desk")
def open_account(call: Call) -> dict:
    """Open an account."""
    return {}


open_account.compensation(giving_back("close_account"))


@saga.operation(service="bank")
def sell_voucher(call: Call) -> dict:
    """Sell one that is worth what the dice say."""
    amount_minor = random.randrange(1, 1_000_000)
    take(call, money(amount_minor, card_of(call), TILL))
    return {"amount_minor": amount_minor, "currency": "USD"}


sell_voucher.compensation(giving_back("refund"))

EXPECTED = OffTape(saga=saga, operation="sell_voucher")
