"""The log as marketsim reads it back: one JSON document, or JSON Lines, byte for byte as in the log."""

from collections.abc import Iterable, Iterator

from marketsim.audit.export import json_document, json_lines
from marketsim.audit.redaction import Record, marked
from marketsim.saga.events import JSONObject

__all__ = ["json", "jsonl"]


def json(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield one document, with the header and an event a line."""
    return json_document(map(_line, records), header)


def jsonl(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield an event a line; there is no place for a header."""
    return json_lines(map(_line, records))


def _line(record: Record) -> str:
    return marked(record).decode()
