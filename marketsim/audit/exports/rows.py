"""The log as a table and as CSV: the same columns for every event, and the rest of it as JSON."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from marketsim.audit.exports.common import CHUNK, ENCODER
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
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "'")


def rows(records: Iterable[Record]) -> Iterator[list[Any]]:
    """Yield one row an event: integers, texts, and None for what an event does not have."""
    for event, leaf in records:
        kind = type(event)
        row = [getattr(event, name, None) for name in COLUMNS]
        rest = {name: each for name in _REST[kind] if (each := getattr(event, name)) not in ("", 0, [], {})}
        row[-2:] = (leaf or None), (ENCODER.encode(rest).decode() if rest else None)
        yield [None if each == "" or (each == 0 and each is not False) else each for each in row]


def csv(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield CSV (RFC 4180) with a row of names, in pieces of many rows.

    A cell that a spreadsheet would take for a formula (it begins with = + - @, a tab or the end of a
    line) has an apostrophe before it, and so has one that begins with an apostrophe: take the first
    away, and the text is there again.
    """
    from csv import writer  # only for this form
    from io import StringIO
    from itertools import islice

    buffer = StringIO()
    put = writer(buffer, lineterminator="\r\n").writerow
    put(COLUMNS)
    left = rows(records)
    while True:
        for row in islice(left, CHUNK):
            put([None if each is None else _inert(str(each)) for each in row])
        if not (piece := buffer.getvalue()):
            return
        yield piece
        buffer.seek(0)
        buffer.truncate()


def _inert(cell: str) -> str:
    return "'" + cell if cell.startswith(_FORMULA) else cell
