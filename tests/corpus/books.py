"""What the sagas of the corpus act on: books kept from the stream alone, and services that do it right."""

from marketsim.saga import NEVER_ARRIVED, NOTHING_STANDS, Call, Failed, Posting
from marketsim.saga.definition import Handler
from marketsim.saga.events import Event, LedgerPosted, ServiceNoted

SUPPLIER, SHELF, HELD = "stock:supplier", "stock:available", "stock:reserved"
SOLD, SENT = "stock:sold", "stock:shipped"
HOLD, TILL = "money:authorized", "money:merchant"

Lines = list[Posting]


class Books:
    """Balances, the keys that had their effect, what each operation moved, and what services noted."""

    def __init__(self) -> None:
        self.balances: dict[str, int] = {}
        self.keys: set[str] = set()
        self.moves: dict[tuple[str, str], list[tuple[str, Posting]]] = {}
        self.notes: set[tuple[str, str, str]] = set()

    def apply(self, event: Event) -> None:
        """Let an effect take effect."""
        if isinstance(event, LedgerPosted):
            self.keys.add(event.key)
            moves = self.moves.setdefault((event.transaction, event.operation), [])
            for line in event.postings:
                self.balances[line.account] = self.balances.get(line.account, 0) + line.amount
                moves.append((event.compensation, line))
        elif isinstance(event, ServiceNoted):
            self.notes.add((event.transaction, event.operation, event.note))

    def balance(self, account: str) -> int:
        """What is in an account: units of stock, or minor units of money."""
        return self.balances.get(account, 0)

    def done(self, call: Call) -> Lines:
        """What the call's operation moved, whatever was given back."""
        return [line for compensation, line in self._moves(call) if not compensation]

    def standing(self, call: Call) -> Lines:
        """What the call's operation moved, less what was given back."""
        left: dict[str, Posting] = {}
        for _, line in self._moves(call):
            sum_ = line.amount + (left[line.account].amount if line.account in left else 0)
            left[line.account] = _line(line.account, sum_, money=bool(line.currency))
        return [line for line in left.values() if line.amount]

    def noted(self, call: Call, note: str) -> bool:
        """Whether a service keeps this in mind about the call's operation."""
        return (call.transaction, call.operation, note) in self.notes

    def _moves(self, call: Call) -> list[tuple[str, Posting]]:
        return self.moves.get((call.transaction, call.operation), [])


def shop(units: int) -> tuple[Books, list[Event]]:
    """Books of a shop that opens with so many on the shelf, and the event by which they came there."""
    books, opening = Books(), LedgerPosted(postings=goods(units, SUPPLIER, SHELF), reason="opening stock")
    books.apply(opening)
    return books, [opening]


def goods(quantity: int, source: str, target: str) -> Lines:
    """Move books."""
    return [_line(source, -quantity), _line(target, quantity)]


def money(amount_minor: int, source: str, target: str) -> Lines:
    """Move money."""
    return [_line(source, -amount_minor, money=True), _line(target, amount_minor, money=True)]


def _line(account: str, amount: int, *, money: bool = False) -> Posting:
    if money:
        return Posting(account, amount_minor=amount, currency="USD")
    return Posting(account, product="book", quantity=amount)


def card_of(call: Call) -> str:
    """The account of the customer's money."""
    return f"money:customer:{call.request['customer']}"


def undoing(lines: Lines) -> Lines:
    """The lines that undo these."""
    return [_line(line.account, -line.amount, money=bool(line.currency)) for line in lines]


# How a service does it right: once, back all that stands, and not after its own revert.


def take(call: Call, lines: Lines) -> None:
    """Move it, once for an operation, whatever key it comes under. Raises Failed if its revert was first."""
    if not call.world.done(call):
        if call.world.noted(call, "fenced"):
            raise Failed("fenced", "its revert was here first")
        call.post(lines)


def give_back(call: Call) -> dict[str, object]:
    """Undo what stands of the operation; what has not come yet is refused when it comes."""
    standing = call.world.standing(call)
    if standing:
        call.post(undoing(standing))
    elif not call.world.done(call) and not call.world.noted(call, "fenced"):
        call.note("fenced")
    return {}


def look(call: Call) -> None:
    """For a probe: raises Failed where nothing stands of the operation."""
    if not call.world.standing(call):
        seen = call.world.done(call) or call.world.noted(call, "fenced")
        raise Failed(NOTHING_STANDS if seen else NEVER_ARRIVED)


def giving_back(name: str) -> Handler:
    """A revert of this name that gives back what stands."""

    def revert(call: Call) -> dict[str, object]:
        """Undo what stands."""
        return give_back(call)

    revert.__name__ = name
    return revert


def looking(name: str) -> Handler:
    """A probe of this name, for an operation that returns nothing."""

    def probe(call: Call) -> dict[str, object]:
        """Ask what stands."""
        look(call)
        return {}

    probe.__name__ = name
    return probe
