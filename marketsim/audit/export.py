"""Events on their way out of a log and back in: one JSON document, or JSON Lines, whole or filtered."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import msgspec

from marketsim.audit.redaction import Record, unmarked
from marketsim.audit.segments import LINE_BYTES_MAX, reason
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import EVENT_TYPES, Event, JSONObject, encode

__all__ = [
    "EXPORT_BYTES_MAX",
    "FORMAT",
    "VERSION",
    "Exported",
    "Filter",
    "export_json",
    "export_jsonl",
    "json_document",
    "json_lines",
    "read_export",
    "stream_export",
]

FORMAT = "marketsim-events"
"""What ``format`` says in an exported document."""

VERSION = 1
"""The version of the document that is written, and the newest that is read."""

EXPORT_BYTES_MAX = 256 << 20
"""The largest file that is read back."""

_CHUNK_EVENTS = 1000
# A line in which something was redacted is longer than it was in the log: by a hash, and by its tokens.
_LINE_BYTES_MAX = 5 * LINE_BYTES_MAX
_TODO = "give a file as it was exported"
_OFFSET = re.compile(r"\(byte (\d+)\)")
_NUMBER = re.compile(r"[0-9]{1,18}")
_DATE_FIRST = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].{1,30})?")


class Exported(msgspec.Struct, frozen=True):
    """What was read back: the events, and the document's header (empty for JSON Lines).

    ``leaves`` has the number of each event in which something was redacted, with its hash in the log.
    """

    events: list[Event]
    header: JSONObject = {}
    leaves: dict[int, str] = {}


class Filter(msgspec.Struct, frozen=True):
    """Which events are wanted: those that meet every condition that is set.

    ``types`` are names of event types, or the first part of one (``operation``, ``operation.``).
    ``operations`` are names of operations or reverts, or of families of them (``reserve_stock`` for
    ``reserve_stock.laptop-1``). ``since`` and ``until`` are RFC 3339 times, or numbers of events; both
    ends are included. Raises InputError for a type that there is none of, and for what is no time.
    """

    transaction: str | None = None
    types: list[str] = []
    since: str | None = None
    operations: list[str] = []
    until: str | None = None

    def __post_init__(self) -> None:
        for kind in self.types:
            _check_type(kind)
        for end in (self.since, self.until):
            if end is not None and not _NUMBER.fullmatch(end):
                _instant(end)

    def matches(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if self.transaction is not None and getattr(event, "transaction", None) != self.transaction:
            return False
        if self.types and not any(_is_of(event.type, kind) for kind in self.types):
            return False
        if self.operations and not _is_about(event, self.operations):
            return False
        if self.since is not None and _side_of(event, self.since) < 0:
            return False
        return self.until is None or _side_of(event, self.until) <= 0


def export_json(events: Iterable[Event], header: JSONObject) -> Iterator[str]:
    """Yield one JSON document, in pieces: format, version, what ``header`` says, and an event a line.

    The header's own ``format``, ``version`` and ``events``, if it has them, are left out.
    """
    return json_document((encode(event).decode() for event in events), header)


def export_jsonl(events: Iterable[Event]) -> Iterator[str]:
    """Yield an event a line, in pieces of many lines: the same bytes as in the log."""
    return json_lines(encode(event).decode() for event in events)


def json_document(lines: Iterable[str], header: JSONObject) -> Iterator[str]:
    """The same as ``export_json``, of lines that are made already."""
    ours = {"format": FORMAT, "version": VERSION}
    rest = {key: value for key, value in header.items() if key not in {*ours, "events"}}
    yield msgspec.json.encode({**ours, **rest}).decode()[:-1] + ',"events":['
    before = "\n"
    left = iter(lines)
    while chunk := list(islice(left, _CHUNK_EVENTS)):
        yield before + ",\n".join(chunk)
        before = ",\n"
    yield "\n]}\n"


def json_lines(lines: Iterable[str]) -> Iterator[str]:
    """The same as ``export_jsonl``, of lines that are made already."""
    left = iter(lines)
    while chunk := list(islice(left, _CHUNK_EVENTS)):
        yield "\n".join(chunk) + "\n"


def read_export(path: Path) -> Exported:
    """Read what either export wrote, or one segment of a log; the events are decoded, not verified.

    Raises InputError, with file and line, for a file that cannot be read, is larger than
    EXPORT_BYTES_MAX, is no such export, or is one of a newer version.
    """
    data = _read(path)
    first_line = data[: LINE_BYTES_MAX + 1].partition(b"\n")[0]
    if "type" in (_members(first_line) or {}):
        return _exported(_records_of_lines(data.split(b"\n"), path))
    return _document(data, path)


def stream_export(path: Path) -> tuple[JSONObject, Iterator[tuple[int, Record]]]:
    """Read the same event by event, in flat memory: the header, and each event with its line's number.

    A document that was laid out anew is read whole. Raises InputError as ``read_export`` does, for a
    line as soon as it is come to.
    """
    first = _first_line(path)
    if "type" in (_members(first) or {}):
        return {}, _streamed(path, 0)
    if not first.endswith(b'"events":['):
        back = read_export(path)
        return back.header, ((0, (each, back.leaves.get(each.seq, ""))) for each in back.events)
    members = _members(first + b"]}") or {}
    _check_version(members, f"{path}:1")
    return _header_of(members, f"{path}:1"), _streamed(path, 1)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(EXPORT_BYTES_MAX + 1)
    except OSError as error:
        raise _unreadable(error, path) from error
    if len(data) > EXPORT_BYTES_MAX:
        todo = "export a part of it: one transaction, or what came since a time"
        raise InputError(f"the file is larger than {EXPORT_BYTES_MAX >> 20} MiB", where=str(path), todo=todo)
    if not data.strip():
        raise InputError("the file is empty", where=str(path), todo="give a file of exported events")
    return data


def _unreadable(error: OSError, path: Path) -> InputError:
    told = (error.strerror or type(error).__name__).lower()
    return InputError(f"the file cannot be read: {told}", where=str(path))


def _members(text: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return None


def _exported(records: Iterable[tuple[int, Record]], header: JSONObject | None = None) -> Exported:
    events, leaves = [], {}
    for _, (event, leaf) in records:
        events.append(event)
        if leaf:
            leaves[event.seq] = leaf
    return Exported(events, header or {}, leaves)


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.readline(EXPORT_BYTES_MAX + 1).rstrip(b"\r\n")
    except OSError as error:
        raise _unreadable(error, path) from error


def _streamed(path: Path, skipped: int) -> Iterator[tuple[int, Record]]:
    """The events of a file that has one a line, behind the lines of its header."""
    try:
        with path.open("rb") as file:
            for _ in range(skipped):
                file.readline()
            lines = iter(lambda: file.readline(_LINE_BYTES_MAX + 2), b"")
            if not skipped:
                yield from _records_of_lines((line.rstrip(b"\r\n") for line in lines), path)
                return
            inner = takewhile(lambda line: line.strip() != b"]}", lines)
            yield from _records_of_lines((line.rstrip(b"\r\n,") for line in inner), path, skipped)
            file.seek(-4, 2)
            if not file.read().rstrip().endswith(b"]}"):
                raise _not_ours("it is cut off: its end is missing", str(path))
    except OSError as error:
        raise _unreadable(error, path) from error


def _records_of_lines(lines: Iterable[bytes], path: Path, skipped: int = 0) -> Iterator[tuple[int, Record]]:
    for number, line in enumerate(lines, skipped + 1):
        if len(line) > (_LINE_BYTES_MAX if b'"leaf"' in line else LINE_BYTES_MAX):
            raise InputError(f"the line is longer than {LINE_BYTES_MAX} bytes", where=f"{path}:{number}")
        if not line.strip():
            continue
        try:
            yield number, unmarked(line)
        except (ValueError, RecursionError) as error:
            raise _no_event(error, f"{path}:{number}") from error


def _header_of(members: dict[str, msgspec.Raw], where: str) -> JSONObject:
    return {
        name: _member(members, name, Any, where)
        for name in members
        if name not in {"format", "version", "events"}
    }


def _document(data: bytes, path: Path) -> Exported:
    try:
        members = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError) as error:
        found = _OFFSET.search(str(error))
        line = _line_at(data, int(found[1])) if found else 1
        raise _not_ours(f"this is no JSON object: {reason(error)}", f"{path}:{line}") from error
    _check_version(members, str(path))
    header = _header_of(members, str(path))
    records, start = [], max(0, data.find(b'"events"'))
    for raw in _member(members, "events", list[msgspec.Raw], str(path)):
        try:
            records.append((0, unmarked(bytes(raw))))
        except (ValueError, RecursionError) as error:
            line = _line_at(data, data.find(bytes(raw), start))
            raise _no_event(error, f"{path}:{line}") from error
    return _exported(records, header)


def _check_version(members: dict[str, msgspec.Raw], where: str) -> None:
    if "format" not in members or _member(members, "format", str, where) != FORMAT:
        raise _not_ours(f'it does not say "format":"{FORMAT}"', where)
    version = _member(members, "version", int, where)
    if version > VERSION:
        todo = "read it with a newer marketsim"
        raise InputError(f"the file is of version {version}, newer than {VERSION}", where=where, todo=todo)
    if version < 1:
        raise _not_ours(f"there is no version {version}", where)


def _member(members: dict[str, msgspec.Raw], name: str, kind: Any, where: str) -> Any:
    if name not in members:
        raise _not_ours(f"{name} is missing", where)
    try:
        return msgspec.json.decode(members[name], type=kind)
    except (ValueError, RecursionError) as error:
        raise _not_ours(f"{quoted(name)} is wrong: {reason(error)}", where) from error


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, max(0, offset)) + 1


def _no_event(error: Exception, where: str) -> InputError:
    return InputError(
        f"this is no event: {reason(error)}", where=where, todo="give a file as it was exported"
    )


def _not_ours(what: str, where: str) -> InputError:
    return InputError(f"not an export of events: {what}", where=where, todo=_TODO)


def _is_of(name: str, kind: str) -> bool:
    return name == kind or name.startswith(kind.rstrip(".") + ".")


def _is_about(event: Event, operations: list[str]) -> bool:
    names = (getattr(event, "operation", ""), getattr(event, "compensation", ""))
    return any(_is_of(name, wanted) for name in names if name for wanted in operations)


def _side_of(event: Event, end: str) -> int:
    """Below 0 for an event before a number or a time, 0 for one at it, above 0 for one after it."""
    if _NUMBER.fullmatch(end):
        return event.seq - int(end)
    time, instant = event.time.removesuffix("Z"), _instant(end)
    time = time.rstrip("0").rstrip(".") if "." in time else time
    return (time > instant) - (time < instant)


def _check_type(kind: str) -> None:
    if any(_is_of(name, kind) for name in EVENT_TYPES):
        return
    families = {name.partition(".")[0] for name in EVENT_TYPES}
    todo = nearest(kind, families | set(EVENT_TYPES))
    raise InputError(f"there is no event type {quoted(kind)}", todo=todo)


@lru_cache(maxsize=16)
def _instant(text: str) -> str:
    """Spell a time as the stream does, in UTC and without the Z, so that text sorts as time."""
    from datetime import UTC, datetime  # only for those who ask for a time

    try:
        if not _DATE_FIRST.fullmatch(text):
            raise ValueError("it does not begin with a date")
        time = datetime.fromisoformat(text)
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        todo = "give a time, such as 2025-01-31T12:00:00Z, or the number of an event"
        raise InputError(f"{quoted(text)} is no time: {reason(error)}", todo=todo) from error
    spelt = time.replace(tzinfo=None).isoformat()
    return spelt.rstrip("0") if "." in spelt else spelt
