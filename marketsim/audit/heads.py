"""Logs that keep no events: one that only numbers them, and one that has their tree's head as well."""

from hashlib import sha256

from marketsim.audit.checkpoint import Checkpoint
from marketsim.audit.merkle import Frontier
from marketsim.saga.events import GENESIS, Event, encode

__all__ = ["CountingLog", "HeadLog"]

_GROUP_EVENTS = 1000
# To copy a hash that was begun costs less than to begin one and to join its input.
_leaf = sha256(b"\x00").copy


class CountingLog:
    """A log that numbers events and forgets them."""

    __slots__ = ("size",)

    def __init__(self) -> None:
        self.size = 0

    def append(self, event: Event) -> None:
        """Number the event."""
        event.seq = self.size = self.size + 1


class HeadLog:
    """A log that numbers and chains events as a log on the disk does, and keeps the tree's head alone.

    The same events give the same head as :class:`LogWriter <marketsim.audit.log.LogWriter>` writes.
    """

    __slots__ = ("_frontier", "_hashes", "_last", "size")

    def __init__(self) -> None:
        self.size = 0
        self._last = GENESIS
        self._hashes: list[str] = []
        self._frontier = Frontier()

    def append(self, event: Event) -> None:
        """Number, chain and hash the event."""
        event.seq = self.size = self.size + 1
        event.prev = self._last
        digest = _leaf()
        digest.update(encode(event))
        self._last = digest.hexdigest()
        self._hashes.append(self._last)
        if len(self._hashes) >= _GROUP_EVENTS:
            self._fold()

    def head(self, origin: str) -> Checkpoint:
        """The head of the tree over all events so far, under a log's name."""
        self._fold()
        return Checkpoint(origin, self.size, self._frontier.root())

    def _fold(self) -> None:
        self._frontier.extend_joined(bytes.fromhex("".join(self._hashes)))
        self._hashes.clear()
