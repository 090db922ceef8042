"""Books kept from the stream alone: a world for a saga of one's own, and what a careful service does."""

from collections.abc import Iterable

from marketsim.saga.definition import Call
from marketsim.saga.errors import NEVER_ARRIVED, NOTHING_STANDS, Failed
from marketsim.saga.events import EffectEvent, Event, JSONObject, LedgerPosted, Posting, ServiceNoted

__all__ = ["Books", "give_back", "look", "take", "undoing"]


class Books:
    """A world that is a fold over the stream: balances, keys, and what stands of each operation.

    ``keys`` are those under which something was done. Whatever its services know stands in events, so a
    process that died forgets nothing, and a run that begins anew begins with nothing.
    """

    def __init__(self) -> None:
        self.balances: dict[tuple[str, str], int] = {}
        self.keys: set[str] = set()
        self._moves: dict[tuple[str, str], list[tuple[str, Posting]]] = {}
        self._notes: set[tuple[str, str, str]] = set()

    def apply(self, event: Event) -> None:
        """Let an effect take effect."""
        if isinstance(event, EffectEvent) and not isinstance(event, ServiceNoted):
            self.keys.add(event.key)
        if isinstance(event, LedgerPosted):
            moves = self._moves.setdefault((event.transaction, event.operation), [])
            for line in event.postings:
                place = line.account, line.unit
                self.balances[place] = self.balances.get(place, 0) + line.amount
                moves.append((event.compensation, line))
        elif isinstance(event, ServiceNoted):
            self._notes.add((event.transaction, event.operation, event.note))

    def balance(self, account: str, unit: str) -> int:
        """How much of a product (in units), or of a currency (in minor units), is in an account."""
        return self.balances.get((account, unit), 0)

    def done(self, call: Call) -> list[Posting]:
        """The lines that the call's operation posted, whatever was given back."""
        return [line for compensation, line in self._of(call) if not compensation]

    def standing(self, call: Call) -> list[Posting]:
        """What the call's operation moved, less what was given back; a line for each account and unit."""
        left: dict[tuple[str, str], Posting] = {}
        for _, line in self._of(call):
            place = line.account, line.unit
            before = left[place].amount if place in left else 0
            left[place] = _with_amount(line, before + line.amount)
        return [line for line in left.values() if line.amount]

    def noted(self, call: Call, note: str) -> bool:
        """Whether a service keeps this in mind about the call's operation."""
        return (call.transaction, call.operation, note) in self._notes

    def _of(self, call: Call) -> list[tuple[str, Posting]]:
        return self._moves.get((call.transaction, call.operation), [])


def take(call: Call, postings: Iterable[Posting]) -> None:
    """Post this for an operation: once, whatever key it comes under.

    Raises Failed if its revert was here first.
    """
    books: Books = call.world
    if not books.done(call):
        if books.noted(call, "fenced"):
            raise Failed("fenced", "its revert was here first")
        call.post(postings)


def give_back(call: Call) -> JSONObject:
    """Undo what stands of an operation; one that has not come yet is refused when it comes."""
    books: Books = call.world
    standing = books.standing(call)
    if standing:
        call.post(undoing(standing))
    elif not books.done(call) and not books.noted(call, "fenced"):
        call.note("fenced")
    return {}


def look(call: Call) -> None:
    """Ask for a probe whether anything stands of an operation. Raises Failed if nothing does."""
    books: Books = call.world
    if not books.standing(call):
        seen = books.done(call) or books.noted(call, "fenced")
        raise Failed(NOTHING_STANDS if seen else NEVER_ARRIVED)


def undoing(postings: Iterable[Posting]) -> list[Posting]:
    """The lines that undo these."""
    return [_with_amount(line, -line.amount) for line in postings]


def _with_amount(line: Posting, amount: int) -> Posting:
    if line.currency:
        return Posting(line.account, amount_minor=amount, currency=line.currency)
    return Posting(line.account, product=line.product, quantity=amount)
