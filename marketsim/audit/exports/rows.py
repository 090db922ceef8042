"""The log as a table and as CSV: the same columns for every event, and the rest of it as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from marketsim.audit.exports.common import ENCODER
from marketsim.audit.exports.tables import csv_of
from marketsim.audit.redaction import Record
from marketsim.saga.events import EVENT_TYPES, JSONObject

__all__ = ["COLUMNS", "NUMBERS", "csv", "rows"]

NUMBERS = ("seq", "attempt", "total_minor", "delay_us")
"""The columns that hold integers; all others hold text."""

COLUMNS = (
    *("seq", "time", "type", "transaction", "operation", "compensation", "attempt", "service", "kind"),
    *("outcome", "code", "reason", "fault", "delay_us", "order", "customer", "total_minor", "currency"),
    *("key", "prev", "leaf", "rest"),
)
"""The columns, in order. ``leaf`` is filled where something was redacted; ``rest`` is a JSON object."""

_OWN = frozenset(COLUMNS)
_REST = {
    kind: [field.name for field in msgspec.structs.fields(kind) if field.name not in _OWN]
    for kind in EVENT_TYPES.values()
}


def rows(records: Iterable[Record]) -> Iterator[list[Any]]:
    """Yield one row an event: integers, texts, and None for what an event does not have."""
    for event, leaf in records:
        kind = type(event)
        row = [getattr(event, name, None) for name in COLUMNS]
        rest = {name: each for name in _REST[kind] if (each := getattr(event, name)) not in ("", 0, [], {})}
        row[-2:] = (leaf or None), (ENCODER.encode(rest).decode() if rest else None)
        yield [None if each == "" or (each == 0 and each is not False) else each for each in row]


def csv(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield CSV, as ``csv_of`` writes it; every cell is a text, a number too."""
    return csv_of(COLUMNS, ([None if each is None else str(each) for each in row] for row in rows(records)))
