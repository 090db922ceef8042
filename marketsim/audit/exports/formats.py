"""The table of the forms in which a log is handed on."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from marketsim.audit.exports.chrome_trace import chrome_trace
from marketsim.audit.exports.cloudevents import cloudevents
from marketsim.audit.exports.lines import json, jsonl
from marketsim.audit.exports.ocel import ocel
from marketsim.audit.exports.otlp import otlp
from marketsim.audit.exports.parquet import parquet
from marketsim.audit.exports.rows import csv
from marketsim.audit.redaction import Record
from marketsim.saga.events import JSONObject

__all__ = ["FORMATS", "Format"]

Export = Callable[[Iterable[Record], JSONObject], Iterator[str] | Iterator[bytes]]
"""From events and an export's header to the pieces of a file; it takes no more events than it needs."""


class Format(msgspec.Struct, frozen=True):
    """One form: what makes it, a sentence, its media type, the end of a file's name, and what it is.

    ``is_text`` is False where the pieces are bytes, and ``is_json`` is True where they are one document.
    ``needs_ends`` where a transaction is kept in memory until it ends, so that no type may be left out.
    """

    export: Export
    sentence: str
    media_type: str
    suffix: str
    is_json: bool = True
    is_text: bool = True
    needs_ends: bool = False


FORMATS: dict[str, Format] = {
    "json": Format(json, "One document, to read back.", "application/json", ".json"),
    "jsonl": Format(jsonl, "An event a line, as in the log.", "application/jsonl", ".jsonl", is_json=False),
    "csv": Format(csv, "A table for a spreadsheet.", "text/csv", ".csv", is_json=False),
    "otlp": Format(
        otlp, "OpenTelemetry traces (OTLP/JSON).", "application/json", ".otlp.json", needs_ends=True
    ),
    "ocel": Format(ocel, "OCEL 2.0, for process mining.", "application/json", ".ocel.json"),
    "cloudevents": Format(
        cloudevents, "A batch of CloudEvents 1.0.", "application/cloudevents-batch+json", ".cloudevents.json"
    ),
    "chrome-trace": Format(
        chrome_trace, "A trace for Perfetto.", "application/json", ".trace.json", needs_ends=True
    ),
    "parquet": Format(
        parquet,
        "A table in columns; needs the extra parquet.",
        "application/vnd.apache.parquet",
        ".parquet",
        is_json=False,
        is_text=False,
    ),
}
"""Every form, by the name that ``--format`` takes."""
