"""The world of a saga of one's own: what its services know is what stands in the stream."""

import pytest

from marketsim.audit.checks import examine
from marketsim.drivers.books import Books, give_back, look, take
from marketsim.drivers.memory import run_in_memory
from marketsim.saga import Call, Posting, Retry, Saga
from marketsim.saga.events import Event, LedgerPosted, decode, encode

TICKETS = [
    Posting("stock:available", product="ticket", quantity=-2),
    Posting("stock:sold", product="ticket", quantity=2),
]
PRICE = [
    Posting("money:customer:ann", amount_minor=-900, currency="EUR"),
    Posting("money:merchant", amount_minor=900, currency="EUR"),
]
OPENING = [
    Posting("stock:supplier", product="ticket", quantity=-5),
    Posting("stock:available", product="ticket", quantity=5),
]

concert = Saga("concert", "Two tickets, and then the bus.")


@concert.operation(service="box office", retry=Retry(attempts_max=2))
def buy_tickets(call: Call) -> dict:
    """Take the tickets and the money at once."""
    take(call, [*TICKETS, *PRICE])
    return {}


@buy_tickets.compensation
def return_tickets(call: Call) -> dict:
    """Give both back."""
    return give_back(call)


@buy_tickets.status
def find_tickets(call: Call) -> dict:
    """Ask for them."""
    look(call)
    return {}


@concert.operation(service="bus")
def book_bus(call: Call) -> dict:
    """Book two seats."""
    return {}


def bought(*faults: str) -> tuple[Books, list[Event]]:
    opening, books = LedgerPosted(postings=OPENING), Books()
    books.apply(opening)
    events = run_in_memory(concert, {}, faults=faults, world=books)
    assert examine([opening, *events]) == []
    return books, events


def test_what_was_posted_is_in_the_accounts_each_unit_by_itself() -> None:
    books, _ = bought()
    assert books.balance("stock:available", "ticket") == 3
    assert books.balance("money:merchant", "EUR") == 900
    assert books.balance("money:merchant", "ticket") == 0


@pytest.mark.parametrize(
    "fault", ["timeout_after@1", "crash_after_effect", "hanging@1", "new_key", "connection_reset"]
)
def test_it_is_taken_once_however_often_it_is_asked_for(fault: str) -> None:
    books, _ = bought(f"buy_tickets:{fault}")
    assert books.balance("stock:available", "ticket") == 3


@pytest.mark.parametrize("fault", ["timeout_after@1", "error@1", "crash_after_effect", "did_nothing@1"])
def test_all_that_stands_is_given_back_and_once(fault: str) -> None:
    books, events = bought("book_bus:abort", f"return_tickets:{fault}")
    assert books.balance("stock:available", "ticket") == 5
    assert books.balance("money:merchant", "EUR") == 0
    assert sum(isinstance(each, LedgerPosted) for each in events) == 2


def test_what_arrives_after_its_revert_is_refused() -> None:
    books, events = bought("buy_tickets:hanging@1", "buy_tickets:timeout_before@2", "find_tickets:error")
    assert books.balance("stock:available", "ticket") == 5
    assert [each.code for each in events if each.type == "operation.late"] == ["fenced"]


def test_the_books_of_another_process_are_the_same() -> None:
    books, events = bought("book_bus:abort")
    again = Books()
    again.apply(LedgerPosted(postings=OPENING))
    for event in events:
        again.apply(decode(encode(event)))
    assert again.balances == books.balances
    assert again.keys == books.keys
