"""The log as OTLP/JSON traces: a trace a transaction, a span an operation, each revert linked to its own."""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any

import msgspec

from marketsim import __version__
from marketsim.audit.exports.common import ENCODER, listed, members, origin_of, unix_ns
from marketsim.audit.redaction import Record
from marketsim.saga.events import (
    ENDS,
    CompensationEvent,
    CompensationRetryScheduled,
    CompensationStarted,
    CompensationSucceeded,
    EffectEvent,
    Event,
    FaultInjected,
    JSONObject,
    OperationAborted,
    OperationEvent,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationUnknown,
    TransactionBegan,
    TransactionCommitted,
)

__all__ = ["otlp", "span_id", "trace_id"]

_OF_A_CALL = (OperationEvent, CompensationEvent, EffectEvent, FaultInjected)
_STARTS = (OperationStarted, CompensationStarted)
_OUTCOMES = (OperationSucceeded, OperationFailed, OperationUnknown, OperationAborted)
_INTERNAL, _CLIENT = 1, 3
_OK, _ERROR = 1, 2
_INTEGER_MAX = 2**63


class _Span(msgspec.Struct):
    """A span that is being collected; ``open`` while an attempt has no outcome yet."""

    name: str
    id: str
    parent: str
    start_ns: int
    end_ns: int
    attributes: JSONObject
    kind: int = _CLIENT
    events: list[JSONObject] = []
    link: str = ""
    status: int = 0
    message: str = ""
    open: bool = True


class _Trace(msgspec.Struct):
    """A transaction that has not ended, or (without a ``root``) what is still done about one that has."""

    id: str
    root: _Span | None = None
    spans: dict[tuple[str, str], _Span] = {}


def trace_id(origin: str, transaction: str) -> str:
    """The id of a transaction's trace: 16 bytes of SHA-256 over the log's name and its own, in hex."""
    return sha256(f"{origin}\n{transaction}".encode()).hexdigest()[:32]


def span_id(origin: str, transaction: str, *place: str) -> str:
    """The id of a span, 8 bytes in hex: of the transaction itself, or of an operation or revert in it."""
    return sha256("\n".join([origin, transaction, "span", *place]).encode()).hexdigest()[:16]


def otlp(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield one ``TracesData`` document in the JSON encoding of OTLP 1.x, a span a line, in pieces.

    A trace is a transaction. Its root span goes from its beginning to its end, and has a child for each
    operation, from its first attempt to its last outcome, and for each revert, which is linked to the
    span of its operation. Attempts, retries, faults and effects are events of the span that they belong
    to. An event of no transaction is a span of its own, without duration, and so is what happens to a
    transaction after its end; the two, and a transaction that has no end yet, hide nothing.

    Only transactions without an end are kept in memory.
    """
    resource = {"attributes": _attributes({"service.name": origin_of(header)}, "")}
    scope = {"name": "marketsim", "version": __version__}
    before = (
        '{"resourceSpans":[{"resource":'
        + ENCODER.encode(resource).decode()
        + ',"scopeSpans":[{"scope":'
        + ENCODER.encode(scope).decode()
        + ',"spans":['
    )
    return listed(before, _Traces(origin_of(header)).spans(records), "\n]}]}]}\n")


class _Traces:
    """Sorts events into spans, and lets a span go when its transaction ends."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.under_way: dict[str, _Trace] = {}

    def spans(self, records: Iterable[Record]) -> Iterator[str]:
        for event, leaf in records:
            name = getattr(event, "transaction", "")
            trace = self.under_way.get(name)
            if isinstance(event, TransactionBegan) and trace is None:
                self.under_way[name] = self.begun(event, leaf)
            elif trace is None and not (name and isinstance(event, _STARTS)):
                yield self.alone(event, leaf)
            else:
                if trace is None:
                    trace = self.under_way[name] = _Trace(trace_id(self.origin, name), spans={})
                self.take(trace, event, leaf)
                if self.is_over(trace, event):
                    yield from self.written(self.under_way.pop(name))
        for trace in self.under_way.values():
            yield from self.written(trace)

    def begun(self, event: TransactionBegan, leaf: str) -> _Trace:
        root = self.span(event, leaf, event.saga, span_id(self.origin, event.transaction))
        root.kind, root.parent = _INTERNAL, ""
        return _Trace(trace_id(self.origin, event.transaction), root, {})

    def span(self, event: Event, leaf: str, name: str, its_id: str) -> _Span:
        at, transaction = unix_ns(event.time), getattr(event, "transaction", "")
        said = {"seq": event.seq, "transaction": transaction, "leaf": leaf, **members(event)}
        parent = span_id(self.origin, transaction) if transaction else ""
        return _Span(name, its_id, parent, at, at, said, events=[])

    def alone(self, event: Event, leaf: str) -> str:
        """What belongs to no transaction that is under way, as a span without duration."""
        name = getattr(event, "transaction", "")
        own = span_id(self.origin, name, "event", str(event.seq))
        of = name or f"event {event.seq}"
        span = self.span(event, leaf, event.type, own)
        span.kind, span.open = _INTERNAL, False
        return _encoded(trace_id(self.origin, of), span)

    def take(self, trace: _Trace, event: Event, leaf: str) -> None:
        span = self.place(trace, event, leaf)
        if span is None:
            return
        at = unix_ns(event.time)
        said = {"seq": event.seq, "leaf": leaf, **members(event)}
        span.events.append(
            {"timeUnixNano": str(at), "name": event.type, "attributes": _attributes(said, "marketsim.")}
        )
        if isinstance(event, _STARTS):
            span.open = True
        if span is trace.root and isinstance(event, ENDS):
            good = isinstance(event, TransactionCommitted)
            _close(span, at, good, getattr(event, "reason", "") or event.type.partition(".")[2])
        elif isinstance(event, _OUTCOMES) or _ends_revert(event):
            good = isinstance(event, OperationSucceeded | CompensationSucceeded)
            code = getattr(event, "code", "") or event.type.partition(".")[2]
            _close(span, at, good, f"{code}: {getattr(event, 'reason', '')}".removesuffix(": "))

    def place(self, trace: _Trace, event: Event, leaf: str) -> _Span | None:
        """The span that an event is to be written into; None if it was the one that began it."""
        if not isinstance(event, _OF_A_CALL):
            return trace.root or next(iter(trace.spans.values()), None)
        operation, revert = event.operation, getattr(event, "compensation", "")
        found = trace.spans.get((operation, revert))
        if found is None and isinstance(event, _STARTS):
            trace.spans[operation, revert] = self.call(event, leaf)
            return None
        other = trace.spans.get((operation, ""))
        return found or other or trace.root or next(iter(trace.spans.values()), None)

    def call(self, event: OperationStarted | CompensationStarted, leaf: str) -> _Span:
        target = span_id(self.origin, event.transaction, event.operation)
        if isinstance(event, OperationStarted):
            return self.span(event, leaf, event.operation, target)
        # A revert may be tried again after the end: the number of its first event tells the two apart.
        own = span_id(self.origin, event.transaction, event.operation, event.compensation, str(event.seq))
        span = self.span(event, leaf, event.compensation, own)
        span.link = target
        return span

    def is_over(self, trace: _Trace, event: Event) -> bool:
        if trace.root is not None:
            return isinstance(event, ENDS)
        return not any(span.open for span in trace.spans.values())

    def written(self, trace: _Trace) -> Iterator[str]:
        if trace.root is not None:
            yield _encoded(trace.id, trace.root)
        for span in trace.spans.values():
            yield _encoded(trace.id, span)


def _ends_revert(event: Event) -> bool:
    goes_on = (CompensationStarted, CompensationRetryScheduled)
    # Skipped without having been tried, it says something about the operation and ends nothing.
    skipped = event.type == "compensation.skipped"
    return isinstance(event, CompensationEvent) and not isinstance(event, goes_on) and not skipped


def _close(span: _Span, at: int, good: bool, message: str) -> None:
    span.end_ns, span.open = at, False
    span.status, span.message = (_OK, "") if good else (_ERROR, message)


def _encoded(trace: str, span: _Span) -> str:
    last = max([span.end_ns, *(int(each["timeUnixNano"]) for each in span.events)]) if span.open else 0
    spelt: dict[str, Any] = {
        "traceId": trace,
        "spanId": span.id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(max(span.end_ns, last)),
        "attributes": _attributes(span.attributes | {"open": span.open}, "marketsim."),
    }
    if span.parent and span.parent != span.id:
        spelt["parentSpanId"] = span.parent
    if span.events:
        spelt["events"] = span.events
    if span.link:
        reverts = _attributes({"link": "reverts"}, "marketsim.")
        spelt["links"] = [{"traceId": trace, "spanId": span.link, "attributes": reverts}]
    if span.status:
        message = {"message": span.message} if span.message else {}
        spelt["status"] = {"code": span.status, **message}
    return ENCODER.encode(spelt).decode()


def _attributes(said: JSONObject, prefix: str) -> list[JSONObject]:
    return [
        {"key": prefix + key, "value": _value(value)}
        for key, value in said.items()
        if value not in ("", [], {}, None) and value is not False
    ]


def _value(value: Any) -> JSONObject:
    """An ``AnyValue``: integers as decimal text, and what has a shape of its own as JSON."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -_INTEGER_MAX <= value < _INTEGER_MAX:
        return {"intValue": str(value)}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return {"arrayValue": {"values": [{"stringValue": each} for each in value]}}
    return {"stringValue": ENCODER.encode(value).decode()}
