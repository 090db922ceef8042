"""The transactions that are open, each with its events, for whoever takes them over or keeps them."""

from collections.abc import Callable, Iterable

from marketsim.saga.events import ENDS, Event, TransactionBegan, TransactionCommitted, TransactionEvent

__all__ = ["OpenTransactions"]

_ENDS = frozenset(ENDS)


class OpenTransactions:
    """Holds the events of each transaction until it has ended; then, if it failed, ``keep`` is given them."""

    def __init__(self, keep: Callable[[list[Event]], None] | None = None) -> None:
        self._keep = keep
        self._events: dict[str, list[Event]] = {}

    def see_all(self, events: Iterable[Event]) -> None:
        """Take in the next events of the stream."""
        open_one, ends = self._events.get, _ENDS
        for event in events:
            heard = open_one(getattr(event, "transaction", ""))
            if heard is not None:
                heard.append(event)
                if type(event) in ends:
                    self._end(event, heard)  # type: ignore[arg-type]
            elif type(event) is TransactionBegan:
                self._events[event.transaction] = [event]

    def _end(self, event: TransactionEvent, heard: list[Event]) -> None:
        del self._events[event.transaction]
        if self._keep is not None and type(event) is not TransactionCommitted:
            self._keep(heard)

    def all(self) -> list[list[Event]]:
        """Those that are open now, in the order in which they began."""
        return list(self._events.values())
