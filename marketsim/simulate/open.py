"""The transactions that are open, each with its events, for whoever takes them over or keeps them."""

from collections.abc import Callable

from marketsim.saga.events import ENDS, Event, TransactionBegan, TransactionCommitted

__all__ = ["OpenTransactions"]


class OpenTransactions:
    """Holds the events of each transaction until it has ended; then, if it failed, ``keep`` is given them."""

    def __init__(self, keep: Callable[[list[Event]], None] | None = None) -> None:
        self._keep = keep
        self._events: dict[str, list[Event]] = {}

    def see(self, event: Event) -> None:
        """Take in the next event of the stream."""
        if type(event) is TransactionBegan:
            self._events[event.transaction] = [event]
            return
        events = self._events.get(getattr(event, "transaction", ""))
        if events is None:
            return
        events.append(event)
        if isinstance(event, ENDS):
            del self._events[event.transaction]
            if self._keep is not None and type(event) is not TransactionCommitted:
                self._keep(events)

    def all(self) -> list[list[Event]]:
        """Those that are open now, in the order in which they began."""
        return list(self._events.values())
