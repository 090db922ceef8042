"""The bookshop of the corpus: its accounts, how things move between them, and its opening."""

from marketsim.drivers.books import Books, give_back, look
from marketsim.saga import Call, Posting
from marketsim.saga.definition import Handler
from marketsim.saga.events import Event, LedgerPosted

SUPPLIER, SHELF, HELD = "stock:supplier", "stock:available", "stock:reserved"
SOLD, SENT = "stock:sold", "stock:shipped"
HOLD, TILL = "money:authorized", "money:merchant"


def shop(units: int) -> tuple[Books, list[Event]]:
    """The books of a shop that opens with so many copies on the shelf, and how they came there."""
    books, opening = Books(), LedgerPosted(postings=goods(units, SUPPLIER, SHELF), reason="opening stock")
    books.apply(opening)
    return books, [opening]


def goods(quantity: int, source: str, target: str) -> list[Posting]:
    """Move copies of the one book that there is."""
    return [
        Posting(source, product="book", quantity=-quantity),
        Posting(target, product="book", quantity=quantity),
    ]


def money(amount_minor: int, source: str, target: str) -> list[Posting]:
    """Move money."""
    return [
        Posting(source, amount_minor=-amount_minor, currency="USD"),
        Posting(target, amount_minor=amount_minor, currency="USD"),
    ]


def card_of(call: Call) -> str:
    """The account of the customer's money."""
    return f"money:customer:{call.request['customer']}"


def on_shelf(call: Call) -> int:
    """How many copies are on the shelf."""
    return int(call.world.balance(SHELF, "book"))


def giving_back(name: str) -> Handler:
    """A revert of this name that gives back what stands."""

    def revert(call: Call) -> dict:
        """Undo what stands."""
        return give_back(call)

    revert.__name__ = name
    return revert


def looking(name: str) -> Handler:
    """A probe of this name, for an operation that returns nothing."""

    def probe(call: Call) -> dict:
        """Ask what stands."""
        look(call)
        return {}

    probe.__name__ = name
    return probe
