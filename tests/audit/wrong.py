"""Ways to make a stream wrong: where an event stands, and what becomes of it; the rest is numbered anew."""

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from marketsim.saga.events import Event, Posting

__all__ = [
    "Change",
    "Spot",
    "again",
    "all_of",
    "at",
    "change",
    "drop",
    "halved",
    "insert",
    "line",
    "move",
    "scale",
    "settled",
]

Change: TypeAlias = Callable[[list[Event]], list[Event]]
"""A mutation: from the events of a right stream to those of a wrong one."""

Spot: TypeAlias = Callable[[list[Event]], int]
"""Where an event stands in a stream."""


def _place(event: Event) -> str:
    """The revert that an event belongs to, or the operation."""
    return getattr(event, "compensation", "") or getattr(event, "operation", "")


def at(kind: type[Event], place: str = "", **fields: Any) -> Spot:
    """The first event of a type, of an operation or a revert (``place``), with these fields."""

    def spot(events: list[Event]) -> int:
        for index, event in enumerate(events):
            said = type(event) is kind and place in ("", _place(event))
            if said and all(getattr(event, name) == value for name, value in fields.items()):
                return index
        raise LookupError(f"no {kind.__name__} of {place or 'anything'} with {fields}")

    return spot


def drop(spot: Spot) -> Change:
    """The event is not there."""

    def made(events: list[Event]) -> list[Event]:
        del events[spot(events)]
        return events

    return made


def change(spot: Spot, **fields: Any) -> Change:
    """The event says something else; a function is given what it said."""

    def made(events: list[Event]) -> list[Event]:
        index = spot(events)
        said = {
            name: value(getattr(events[index], name)) for name, value in fields.items() if callable(value)
        }
        events[index] = msgspec.structs.replace(events[index], **(fields | said))
        return events

    return made


def insert(event: Event, *, after: Spot | None = None, before: Spot | None = None) -> Change:
    """Something happens that did not, at the time of the event before it; at the end if no place is named."""

    def made(events: list[Event]) -> list[Event]:
        index = after(events) + 1 if after else before(events) if before else len(events)
        return [*events[:index], msgspec.structs.replace(event), *events[index:]]

    return made


def again(spot: Spot, **fields: Any) -> Change:
    """It happens twice, the second time right after the first, and perhaps with other fields."""

    def made(events: list[Event]) -> list[Event]:
        return insert(msgspec.structs.replace(events[spot(events)], time="", **fields), after=spot)(events)

    return made


def move(first: Spot, last: Spot, *, before: Spot) -> Change:
    """The events from the one to the other happen earlier or later, at the times of their new neighbours."""

    def made(events: list[Event]) -> list[Event]:
        start, end, target = first(events), last(events) + 1, before(events)
        block = [msgspec.structs.replace(event, time="") for event in events[start:end]]
        rest = events[:start] + events[end:]
        index = target if target <= start else target - len(block)
        return rest[:index] + block + rest[index:]

    return made


def all_of(*changes: Change) -> Change:
    """One change after another."""

    def made(events: list[Event]) -> list[Event]:
        for each in changes:
            events = each(events)
        return events

    return made


def scale(factor: int) -> Callable[[list[Posting]], list[Posting]]:
    """The lines of a posting, so many times."""
    return lambda lines: [
        msgspec.structs.replace(
            each, amount_minor=each.amount_minor * factor, quantity=each.quantity * factor
        )
        for each in lines
    ]


def halved(lines: list[Posting]) -> list[Posting]:
    """Half of the lines of a posting of even amounts."""
    return [
        msgspec.structs.replace(each, amount_minor=each.amount_minor // 2, quantity=each.quantity // 2)
        for each in lines
    ]


def line(index: int, **fields: Any) -> Callable[[list[Posting]], list[Posting]]:
    """The lines of a posting, one of which says something else."""
    return lambda lines: [
        msgspec.structs.replace(each, **fields) if each is lines[index] else each for each in lines
    ]


def settled(events: list[Event]) -> list[Event]:
    """The events as a log would hold them: numbered from 1, and what has no time at that of its neighbour."""
    made: list[Event] = []
    for seq, event in enumerate(events, 1):
        time = event.time or (made[-1].time if made else events[seq].time)
        made.append(msgspec.structs.replace(event, seq=seq, time=time, prev=""))
    return made
