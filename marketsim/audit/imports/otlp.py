"""Traces in OTLP/JSON: a span that names an operation is a call, one that is marked so, a revert."""

from pathlib import Path
from typing import Any

import msgspec

from marketsim.audit.imports.history import Call, Course, Imported, Mapping, Rest, name_of
from marketsim.audit.imports.source import decoded, decoded_lines
from marketsim.audit.imports.translate import translated
from marketsim.saga.errors import InputError
from marketsim.saga.events import EVENT_TYPES

__all__ = ["COMPENSATION_ATTRIBUTES", "OPERATION_ATTRIBUTES", "SPAN_NAME", "looks_like", "read"]

OPERATION_ATTRIBUTES = ("marketsim.operation", "saga.operation")
"""The attributes that name a span's operation (of a revert: the one that it undoes)."""

COMPENSATION_ATTRIBUTES = ("marketsim.compensation", "saga.compensation")
"""The attributes that mark a revert: their value is its name, or true."""

SPAN_NAME = "name"
"""The attribute that stands for the name of the span itself, where no attribute names the operation."""

_TRANSACTION = ("marketsim.transaction", "saga.transaction")
_SAGA = ("marketsim.saga", "saga.name")
_OUTCOME = ("marketsim.outcome", "saga.outcome")
_KIND = ("marketsim.kind", "saga.kind")
_KINDS = ("read_only", "compensatable", "pivot", "retriable")
_OPEN = ("marketsim.open",)
_WHAT = "OTLP in JSON"
_TIMEOUTS = ("timeout", "deadline_exceeded", "timeouterror")
_UNNAMED = "no attribute names its operation"
_OUTCOMES = ("operation.succeeded", "operation.failed", "operation.unknown", "operation.aborted")
_TOLD_BY_STATUS = ("operation.", "compensation.", "transaction.")
_FAILED = (2, "STATUS_CODE_ERROR")
_BAD_ENDS = ("compensated", "stuck", "abandoned", "failed")


class _Attribute(msgspec.Struct, frozen=True):
    key: str
    value: dict[str, Any] = {}


class _Resource(msgspec.Struct, frozen=True):
    attributes: list[_Attribute] = []


class _Status(msgspec.Struct, frozen=True):
    code: int | str = 0
    message: str = ""


class _Link(msgspec.Struct, rename="camel", frozen=True):
    span_id: str = ""


class _SpanEvent(msgspec.Struct, frozen=True):
    name: str = ""
    attributes: list[_Attribute] = []


class _Span(msgspec.Struct, rename="camel", frozen=True):
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    name: str = ""
    start_time_unix_nano: int | str = 0
    end_time_unix_nano: int | str = 0
    attributes: list[_Attribute] = []
    status: _Status = _Status()
    events: list[_SpanEvent] = []
    links: list[_Link] = []


class _Scope(msgspec.Struct, frozen=True):
    spans: list[_Span] = []


class _ResourceSpans(msgspec.Struct, rename="camel", frozen=True):
    resource: _Resource = _Resource()
    scope_spans: list[_Scope] = []


class _Request(msgspec.Struct, rename="camel", frozen=True):
    resource_spans: list[_ResourceSpans]


class _Told(msgspec.Struct):
    """A span with what its attributes say."""

    span: _Span
    attributes: dict[str, Any]
    service: str
    turn: int
    start_ns: int
    end_ns: int
    operation: str = ""
    compensation: str = ""


def looks_like(head: bytes) -> bool:
    """Whether a file that begins like this is such a trace."""
    return b'"resourceSpans"' in head


def read(data: bytes, path: Path, mapping: Mapping) -> Imported:
    """Take in traces: one document, or one a line.

    A trace is a transaction. A span is a call if an attribute names its operation; it is a revert if an
    attribute marks it as one: then the operation is the one that it undoes, by the attribute, by
    ``mapping.pairs``, or by its link to that operation's span. An error is a failure, unless ``error.type``
    tells of a timeout: then nobody knows. A span without an end waits for its answer. A span without a
    parent is the whole transaction, and ends it. Raises InputError for what is no such file, and where no
    span names an operation.
    """
    rest, told = Rest(), _spans(data, path)
    traces: dict[str, list[_Told]] = {}
    for each in told:
        _map(each, mapping)
        traces.setdefault(each.span.trace_id, []).append(each)
    named = {each.span.span_id: each.operation for each in told if each.operation and not each.compensation}
    for each in told:
        if each.compensation and not each.operation:
            linked = (named.get(link.span_id, "") for link in each.span.links)
            each.operation = mapping.pairs.get(each.compensation) or next(filter(None, linked), "")
    courses = [_course(trace, spans, rest, path) for trace, spans in traces.items()]
    for course in courses:
        if not course.calls:
            rest.add("trace", "no span in it names an operation", f"{path}: trace {name_of(course.name)}")
    courses = [course for course in courses if course.calls]
    if not courses:
        todo = f"name the attribute with --operation-key, or give {SPAN_NAME} for the spans' own names"
        raise InputError("no span names its operation", where=str(path), todo=todo)
    return Imported(translated(courses, mapping, "otlp"), rest.listed())


def _spans(data: bytes, path: Path) -> list[_Told]:
    first = data.lstrip().partition(b"\n")[0].rstrip()
    lines = first.endswith(b"}") and len(data.strip()) > len(first)
    requests = decoded_lines(data, _Request, path, _WHAT) if lines else [decoded(data, _Request, path, _WHAT)]
    told: list[_Told] = []
    for request in requests:
        for resource in request.resource_spans:
            service = str(_attributes(resource.resource.attributes).get("service.name", ""))
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                start_ns = _nanos(span.start_time_unix_nano, path)
                end_ns = _nanos(span.end_time_unix_nano, path)
                told.append(
                    _Told(span, _attributes(span.attributes), service, len(told) + 1, start_ns, end_ns)
                )
    return told


def _nanos(value: int | str, path: Path) -> int:
    text = str(value or 0)
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise InputError(f"{text[:40]!r} is no time in nanoseconds", where=str(path))
    return int(text)


def _attributes(listed: list[_Attribute]) -> dict[str, Any]:
    """Strings, booleans and integers by key; of anything else the text."""
    found: dict[str, Any] = {}
    for each in listed:
        for kind, value in each.value.items():
            found[each.key] = value if kind in ("stringValue", "boolValue") else str(value)
    return found


def _map(told: _Told, mapping: Mapping) -> None:
    own, span = told.attributes, told.span
    operation_keys = (mapping.operation_attribute,) if mapping.operation_attribute else OPERATION_ATTRIBUTES
    compensation_keys = (
        (mapping.compensation_attribute,) if mapping.compensation_attribute else COMPENSATION_ATTRIBUTES
    )
    # What our own export tells of an event that is no call is a span that is named after its type.
    told.operation = _first(own, operation_keys) if span.name not in EVENT_TYPES else ""
    if mapping.operation_attribute == SPAN_NAME and SPAN_NAME not in own and span.parent_span_id:
        told.operation = span.name
    mark = _first(own, compensation_keys) if span.name not in EVENT_TYPES else ""
    if mark and mark.lower() != "false":
        told.compensation = span.name if mark.lower() == "true" else mark
    if told.operation in mapping.pairs:  # It names the revert, and a person says what that undoes.
        told.compensation, told.operation = told.operation, mapping.pairs[told.operation]
    elif told.compensation and told.operation in (told.compensation, span.name):
        told.operation = ""  # It names the revert itself; the link or the pairs tell the operation.


def _first(attributes: dict[str, Any], keys: tuple[str, ...]) -> str:
    value = next((attributes[key] for key in keys if key in attributes), "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def _course(trace: str, spans: list[_Told], rest: Rest, path: Path) -> Course:
    ids = {each.span.span_id for each in spans}
    root = next((each for each in spans if each.span.parent_span_id not in ids and not each.operation), None)
    course = Course(name=trace, saga="trace", began_ns=min(each.start_ns for each in spans), ordered=False)
    for each in spans:
        where = f"{path}: span {name_of(each.span.span_id)}"
        if each is root:
            continue
        if each.compensation and not each.operation:
            rest.add(f"revert {each.compensation}", "nothing says which operation it undoes", where)
        elif each.operation:
            course.calls.append(_call(each, rest, where))
        else:
            rest.add(f"span {each.span.name}", _UNNAMED, where)
    named = [_first(each.attributes, _TRANSACTION) for each in spans]
    course.name = next(filter(None, named), trace)
    _set_end(course, root)
    return course


def _call(told: _Told, rest: Rest, where: str) -> Call:
    span = told.span
    call = Call(
        told.compensation or told.operation,
        told.start_ns,
        told.turn,
        reverts=told.operation if told.compensation else "",
        service=told.service,
        ended_ns=told.end_ns,
        end_turn=told.turn,
    )
    kind = _first(told.attributes, _KIND)
    call.kind = kind if kind in _KINDS and not told.compensation else ""
    if not told.end_ns or _first(told.attributes, _OPEN) == "true":
        call.ended_ns = 0
        return call
    exceptions = [_attributes(each.attributes) for each in span.events if each.name == "exception"]
    for each in span.events:
        if each.name != "exception" and not each.name.startswith(_TOLD_BY_STATUS):
            rest.add(f"span event {each.name}", "it is no answer to a call", where)
    why = exceptions[-1] if exceptions else {}
    call.outcome = "failed" if span.status.code in _FAILED else "succeeded"
    if call.outcome == "failed":
        call.code = str(told.attributes.get("error.type") or why.get("exception.type") or "failed")
        call.reason = span.status.message or str(why.get("exception.message") or "")
        if call.code.lower().rpartition(".")[2] in _TIMEOUTS or _is_unknown(span):
            call.outcome = "unknown"
    return call


def _is_unknown(span: _Span) -> bool:
    """Whether our own export says so: the last outcome among the events of the span tells."""
    outcomes = [each.name for each in span.events if each.name in _OUTCOMES]
    return bool(outcomes) and outcomes[-1] == "operation.unknown"


def _set_end(course: Course, root: _Told | None) -> None:
    last = {call.name: call.outcome for call in course.calls if not call.reverts}
    course.failed = any(outcome not in ("", "succeeded") for outcome in last.values())
    if root is None:
        ended = all(call.outcome for call in course.calls)
        course.ended_ns = max(call.ended_ns for call in course.calls) if ended and course.calls else None
        return
    course.saga = _first(root.attributes, _SAGA) or root.span.name or "trace"
    course.ended_ns = root.end_ns or None
    outcome = _first(root.attributes, _OUTCOME)
    course.failed = root.span.status.code in _FAILED or outcome in _BAD_ENDS
    course.reason = root.span.status.message
