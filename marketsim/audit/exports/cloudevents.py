"""The log as a batch of CloudEvents 1.0, each with the whole event as its data."""

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from marketsim.audit.exports.common import ENCODER, listed, origin_of
from marketsim.audit.redaction import Record
from marketsim.saga.events import Event, JSONObject

__all__ = ["TYPE_PREFIX", "cloudevents"]

TYPE_PREFIX = "marketsim."
"""What stands before the type of an event to make it a CloudEvents type."""


def cloudevents(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield one JSON array (the JSON batch format of CloudEvents 1.0, section 4), in pieces.

    ``source`` is ``/marketsim/`` and the log's name; with it ``id``, the event's number, is unique.
    ``subject`` is the transaction, if there is one, and the extension ``sequence`` is the number again,
    with zeros before it, so that it sorts as text. The extension ``leafhash`` stands where something
    was redacted.
    """
    source = "/marketsim/" + quote(origin_of(header), safe="")
    return listed("[", (ENCODER.encode(_one(each, leaf, source)).decode() for each, leaf in records), "\n]\n")


def _one(event: Event, leaf: str, source: str) -> dict[str, Any]:
    one: dict[str, Any] = {
        "specversion": "1.0",
        "id": str(event.seq),
        "source": source,
        "type": TYPE_PREFIX + event.type,
        "time": event.time,
        "datacontenttype": "application/json",
        "sequence": f"{event.seq:020d}",
        "data": event,
    }
    if subject := getattr(event, "transaction", ""):
        one["subject"] = subject
    if leaf:
        one["leafhash"] = leaf
    return one
