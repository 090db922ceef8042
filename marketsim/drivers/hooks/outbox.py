"""The outbox, which is the stream itself: what an endpoint is still to be told, and whether anyone waits."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from marketsim.audit.checkpoint import CHECKPOINT, read_checkpoint
from marketsim.audit.log import LogReader, Position, read_events
from marketsim.drivers.hooks.endpoints import SETTINGS, Endpoint, lock_of, read_settings
from marketsim.saga.errors import MarketError, quoted
from marketsim.saga.events import (
    ENDS,
    CompensationSucceeded,
    Event,
    OrderCancelled,
    OrderPlaced,
    TransactionBegan,
)

__all__ = [
    "DELIVERING",
    "Facts",
    "Step",
    "anybody_waits",
    "due",
    "endpoints_behind",
    "head_of",
    "settled_size",
]

DELIVERING = "webhooks.delivering"
"""The lock, in the market's folder, of the one process that delivers."""

_LOOKED_AT_MAX = 100


class Facts(msgspec.Struct):
    """What the stream says of a transaction up to one of its events."""

    began: TransactionBegan
    orders: dict[str, OrderPlaced] = {}
    reverted: list[str] = []

    def take_in(self, event: Event) -> None:
        """Go on to a later event of the same transaction."""
        match event:
            case OrderPlaced():
                self.orders[event.order] = event
            case OrderCancelled():
                self.orders.pop(event.order, None)
            case CompensationSucceeded():
                self.reverted.append(event.compensation)


class Step(msgspec.Struct, frozen=True):
    """An event that is due, with its facts; the last step has none, and says how far the log was read."""

    seq: int
    position: Position
    event: Event | None = None
    facts: Facts | None = None


def settled_size(market: Path) -> int:
    """How many events stand for good: those that the head of the log covers.

    What lies behind it is being written, or was left by a crash, and may yet be cut off again.
    """
    head = read_checkpoint(market / "audit" / CHECKPOINT)
    return head.size if head is not None else 0


def head_of(market: Path) -> tuple[int, Position]:
    """After which event everything is new, and a place from which to read on; all of the log is read."""
    settled = settled_size(market)
    reader = LogReader(market / "audit")
    for event in reader:
        if event.seq > settled:
            break
    return settled, reader.position


def endpoints_behind(market: Path) -> list[Endpoint]:
    """The endpoints that have not been told everything, and want to be.

    Raises MarketError where one was told more than there is, and LogDamaged for a malformed head.
    """
    endpoints = read_settings(market)  # Before the head is: that one only grows.
    settled = settled_size(market)
    for each in endpoints:
        if each.seq > settled:
            what = f"{quoted(each.url)} was told up to event {each.seq}, and the log ends at {settled}"
            todo = "if the log was restored from a copy, remove the webhook and add it again"
            raise MarketError(what, where=str(market / SETTINGS), todo=todo)
    return [each for each in endpoints if not each.disabled and each.seq < settled]


def due(market: Path, endpoint: Endpoint, settled: int) -> Iterator[Step]:
    """What an endpoint is still to be told, in order, and at the end how far that was.

    The facts are those of the stream alone, so that what is sent twice is the same. Raises LogDamaged.
    """
    reader = LogReader(market / "audit", endpoint.position)
    known: dict[str, Facts] = {}
    for event in reader:
        if event.seq > settled:
            break
        name = getattr(event, "transaction", "")
        if isinstance(event, TransactionBegan):
            known[name] = Facts(event)
        elif name in known:
            known[name].take_in(event)
        if event.seq > endpoint.seq and event.type in endpoint.events:
            facts = known[name] if name in known else _facts_of(market, event, name)
            yield Step(event.seq, reader.position, event, facts)
        if isinstance(event, ENDS):
            known.pop(name, None)
    yield Step(max(settled, endpoint.seq), reader.position)


def _facts_of(market: Path, until: Event, transaction: str) -> Facts | None:
    """The facts of a transaction that began before what was told last: a crash or a person came between."""
    facts = None
    for event in read_events(market / "audit"):
        if getattr(event, "transaction", "") == transaction:
            if isinstance(event, TransactionBegan):
                facts = Facts(event)
            elif facts is not None:
                facts.take_in(event)
        if event.seq >= until.seq:
            break
    return facts


def anybody_waits(market: Path) -> bool:
    """Whether something is due that may be sent now and nobody is sending: then begin to.

    Cheap, for it is asked after every command: where much would have to be read, it says yes.
    Raises MarketError or LogDamaged.
    """
    behind = [each for each in endpoints_behind(market) if not each.waits_us]
    if not behind:
        return False
    with lock_of(market, DELIVERING, 0) as mine:
        if not mine:
            return False
    return any(_is_due(market, each) for each in behind)


def _is_due(market: Path, endpoint: Endpoint) -> bool:
    for count, event in enumerate(read_events(market / "audit", endpoint.position)):
        if count >= _LOOKED_AT_MAX or (event.seq > endpoint.seq and event.type in endpoint.events):
            return True
    return False
