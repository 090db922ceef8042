"""Subscribers: functions that are told of events as they are recorded, and can break nothing."""

from collections.abc import Callable
from typing import TypeVar

from marketsim.saga.errors import DefinitionError, nearest, quoted
from marketsim.saga.events import EVENT_TYPES, Event

__all__ = ["FAILURES_MAX", "Subscribers"]

FAILURES_MAX = 1000
"""How many failures are kept: the first ones."""

_Function = TypeVar("_Function", bound=Callable[[Event], object])


class Subscribers:
    """Functions by the types of events that they want; give it to a driver as its ``watch``.

    A subscriber that raises breaks no transaction: ``failures`` keeps the event and the exception, of
    the first FAILURES_MAX. It is told of what is recorded and may look at it, but not change it.
    """

    def __init__(self) -> None:
        self.failures: list[tuple[Event, Exception]] = []
        self._wanted: list[tuple[str, Callable[[Event], object]]] = []

    def on(self, what: str) -> Callable[[_Function], _Function]:
        """Declare a subscriber of a type, or of a family such as ``transaction``.

        Raises DefinitionError if there is no such type.
        """
        families = {name.partition(".")[0] for name in EVENT_TYPES}
        if what not in EVENT_TYPES and what not in families:
            todo = nearest(what, [*EVENT_TYPES, *families])
            raise DefinitionError(f"there is no event type {quoted(what)}", todo=todo)

        def subscribe(function: _Function) -> _Function:
            self._wanted.append((what, function))
            return function

        return subscribe

    def __call__(self, event: Event) -> None:
        """Tell whoever wants it, in the order in which they subscribed."""
        for what, function in self._wanted:
            if event.type == what or event.type.startswith(f"{what}."):
                try:
                    function(event)
                except Exception as error:
                    if len(self.failures) < FAILURES_MAX:
                        self.failures.append((event, error))
