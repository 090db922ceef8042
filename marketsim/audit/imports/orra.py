"""The log entries of orra: tasks are operations, and what is tried with their compensation data, reverts."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from marketsim.audit.imports.history import Call, Course, Imported, Mapping, Outcome, Rest, instant_ns
from marketsim.audit.imports.source import decoded, decoded_lines
from marketsim.audit.imports.translate import translated
from marketsim.saga.errors import InputError

__all__ = ["looks_like", "read"]

_WHAT = "log of orra"
_PREFIX = re.compile(r"(task_fail|comp_(data|attempt|complete|partial|fail(ure)?|expired)|evt)_")
_SUFFIXED = ("task_failure", "compensation_attempted", "task_status")
_INPUT = "task0"
_ANSWERS: dict[str, Outcome] = {
    "compensation_complete": "succeeded",
    "compensation_partial": "partial",
    "compensation_failure": "failed",
    "compensation_expired": "expired",
}
_UNWANTED = {
    "task_status": "the task's output or failure tells the same",
    "result": "it is the input of the whole, or what was made of the results",
}


class _Entry(msgspec.Struct, rename="camel", frozen=True):
    entry_type: str
    id: str
    timestamp: str
    offset: int = 0
    log_value: Any = None
    value: Any = None
    producer_id: str = ""
    attempt_num: int = 0
    orchestration_id: str = ""


class _Document(msgspec.Struct, rename="camel", frozen=True):
    entries: list[_Entry] = []
    orchestration_id: str = ""
    id: str = ""


def looks_like(head: bytes) -> bool:
    """Whether a file that begins like this is such a log."""
    return b'"entryType"' in head and b'"producerId"' in head


def read(data: bytes, path: Path, mapping: Mapping) -> Imported:
    """Take in entries: a list of them, ``{"orchestrationId", "entries"}``, lists by orchestration, or lines.

    ``task_output`` and ``task_failure`` answer a task, which began with its ``task_status`` processing, else
    with its answer. ``compensation_stored`` makes it one that is to be reverted; a task without it is none.
    ``compensation_attempted`` begins a revert, and complete, partial, failure and expired answer it. The
    entries hold no end: a history ends with its last entry, unless a task or a revert waits for its answer.
    Raises InputError for what is no such log.
    """
    rest = Rest()
    courses = [_Telling(name, path, rest).course(entries) for name, entries in _logs(data, path)]
    if not any(course.calls for course in courses):
        raise InputError("no entry is of a task", where=str(path), todo="bring the log of an orchestration")
    return Imported(translated(courses, mapping, "orra"), rest.listed())


def _logs(data: bytes, path: Path) -> Iterator[tuple[str, list[_Entry]]]:
    first = data.lstrip().partition(b"\n")[0]
    if data.lstrip()[:1] == b"[":
        yield from _by_orchestration(decoded(data, list[_Entry], path, _WHAT))
    elif _is_entry(first):
        yield from _by_orchestration(decoded_lines(data, _Entry, path, _WHAT))
    else:
        members = decoded(data, dict[str, msgspec.Raw], path, _WHAT)
        if "entries" in members:
            document = decoded(data, _Document, path, _WHAT)
            yield document.orchestration_id or document.id or "orchestration", document.entries
        else:
            yield from decoded(data, dict[str, list[_Entry]], path, _WHAT).items()


def _is_entry(line: bytes) -> bool:
    try:
        return "entryType" in msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return False


def _by_orchestration(entries: list[_Entry]) -> Iterator[tuple[str, list[_Entry]]]:
    logs: dict[str, list[_Entry]] = {}
    for entry in entries:
        logs.setdefault(entry.orchestration_id or "orchestration", []).append(entry)
    yield from logs.items()


class _Telling:
    """Tells one orchestration."""

    def __init__(self, name: str, path: Path, rest: Rest) -> None:
        self.name, self.path, self.rest = name, path, rest
        self.calls: list[Call] = []
        self.waiting: dict[tuple[str, bool], Call] = {}
        self.revertible: set[str] = set()
        self.time_ns = 0

    def course(self, entries: list[_Entry]) -> Course:
        began_ns = 0
        # Places count from 1, so that none is 0, which stands for no place.
        for turn, entry in enumerate(sorted(entries, key=lambda each: each.offset), 1):
            where = f"{self.path}: entry {entry.offset}"
            self.time_ns = max(self.time_ns, instant_ns(entry.timestamp, lambda where=where: where))  # type: ignore[misc]
            began_ns = began_ns or self.time_ns
            self._take(entry, turn, where)
        for call in self.calls:
            call.revertible = call.key in self.revertible
        last = {call.key: call.outcome for call in self.calls if not call.reverts}
        failed = any(outcome != "succeeded" for outcome in last.values())
        ended_ns = None if self.waiting else self.time_ns
        return Course(self.name, "orchestration", began_ns, ended_ns, failed, "", True, self.calls)

    def _take(self, entry: _Entry, turn: int, where: str) -> None:
        task = _task_of(entry)
        kind, value = entry.entry_type, entry.log_value if entry.log_value is not None else entry.value
        told = value if isinstance(value, dict) else {}
        if kind == "task_output" and task in (_INPUT, "result_aggregator"):
            self.rest.add(entry.id, _UNWANTED["result"], where)
        elif kind == "task_status":
            if str(told.get("status")).lower() == "processing":
                self._begin(task, False, turn, str(told.get("serviceId") or ""))
            else:
                self.rest.add(f"task_status {told.get('status')}", _UNWANTED["task_status"], where)
        elif kind in ("task_output", "task_failure"):
            outcome: Outcome = "succeeded" if kind == "task_output" else "failed"
            self._answer(task, False, turn, outcome, entry, str(told.get("failure") or ""))
        elif kind == "compensation_stored":
            self.revertible.add(task)
        elif kind == "compensation_attempted":
            self._begin(task, True, turn, entry.producer_id)
        elif kind in _ANSWERS:
            self._answer(
                task, True, turn, _ANSWERS[kind], entry, str(told.get("error") or told.get("status") or "")
            )
        else:
            self.rest.add(kind, "no such type of entry is known", where)

    def _begin(self, task: str, revert: bool, turn: int, service: str) -> Call:
        name = f"revert_{task}" if revert else task
        call = Call(name, self.time_ns, turn, task if revert else "", service, task)
        self.calls.append(call)
        self.waiting[task, revert] = call
        return call

    def _answer(
        self, task: str, revert: bool, turn: int, outcome: Outcome, entry: _Entry, reason: str
    ) -> None:
        call = self.waiting.pop((task, revert), None) or self._begin(task, revert, turn, entry.producer_id)
        self.waiting.pop((task, revert), None)
        call.service = call.service if call.service not in ("", task) else entry.producer_id
        call.ended_ns, call.end_turn, call.outcome = self.time_ns, turn, outcome
        call.reason, call.certain = reason, True


def _task_of(entry: _Entry) -> str:
    """The task that an entry is about; orra writes its id in lower case into those of the entries."""
    value = entry.log_value if entry.log_value is not None else entry.value
    named = value.get("taskId") if isinstance(value, dict) else None
    if isinstance(named, str) and named:
        return named.lower()
    name = _PREFIX.sub("", entry.id, count=1) if _PREFIX.match(entry.id) else entry.id
    if name != entry.id and entry.entry_type in _SUFFIXED:
        name = name.rpartition("_")[0] or name  # What follows is drawn by lot, for each entry anew.
    return name.lower()
