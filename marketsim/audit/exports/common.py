"""What the forms share: the log's name, moments, and lines in pieces of many."""

from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from itertools import islice
from re import compile as pattern
from typing import Any

import msgspec

from marketsim.saga.errors import LogDamaged, quoted
from marketsim.saga.events import Event, JSONObject

__all__ = ["CHUNK", "ENCODER", "listed", "members", "origin_of", "unix_ns"]

CHUNK = 1000
"""How many lines go out in one piece."""

ENCODER = msgspec.json.Encoder(order="sorted")
"""JSON with its keys in order, so that the same log gives the same file."""

_TIME = pattern(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?Z")
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_ENVELOPE = frozenset(("seq", "time", "type", "prev", "transaction"))


def origin_of(header: JSONObject) -> str:
    """The name of the log, from the head in an export's header; ``market`` where there is none."""
    head = header.get("head")
    return str(head["origin"]) if isinstance(head, dict) and head.get("origin") else "market"


@lru_cache(maxsize=1024)
def unix_ns(time: str) -> int:
    """Nanoseconds since 1970 UTC of a time in the stream; raises LogDamaged for what is no time."""
    found = _TIME.fullmatch(time)
    try:
        if found is None:
            raise ValueError(time)
        day, hour, minute, second, fraction = found.groups()
        seconds = (_day(day) * 24 + int(hour)) * 3600 + int(minute) * 60 + int(second)
    except ValueError:
        raise LogDamaged(f"{quoted(time)} is no time", todo="see: marketsim audit verify") from None
    return seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0"))


@lru_cache(maxsize=64)
def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal() - _EPOCH_DAY


def members(event: Event) -> JSONObject:
    """What an event says beside its envelope (number, time, type, hash, transaction): what is not empty."""
    said: dict[str, Any] = msgspec.to_builtins(event)
    return {key: value for key, value in said.items() if key not in _ENVELOPE}


def listed(before: str, items: Iterable[str], after: str) -> Iterator[str]:
    """A JSON array an item a line, with what comes before and after it, in pieces of many."""
    yield before
    first = True
    left = iter(items)
    while chunk := list(islice(left, CHUNK)):
        yield ("\n" if first else ",\n") + ",\n".join(chunk)
        first = False
    yield after
