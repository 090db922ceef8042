"""Temporal's histories in JSON: activities are operations, and those that undo others are their reverts."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from marketsim.audit.imports.history import Call, Course, Imported, Mapping, Rest, instant_ns
from marketsim.audit.imports.source import decoded
from marketsim.audit.imports.translate import translated
from marketsim.saga.errors import InputError

__all__ = ["looks_like", "read", "reverts_among"]

_REVERT_FIRST = frozenset(["abort", "cancel", "compensate", "delete", "free", "refund", "release", "remove"])
_REVERT_FIRST |= frozenset(["restore", "reverse", "revert", "rollback", "unbook", "undo", "unlock", "void"])
_REVERT_LAST = frozenset(["compensation", "compensate", "revert", "reversal", "rollback", "undo"])
_FILLERS = frozenset(["activity", "task", "step"])
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_UNSTARTED = ("SCHEDULE_TO_START", "ScheduleToStart")
_SILENT = "says nothing of an operation"
_MORE_ATTEMPTS = "the history keeps the last attempt only"


class _Name(msgspec.Struct, frozen=True):
    name: str = ""


class _Application(msgspec.Struct, rename="camel", frozen=True):
    type: str = ""
    non_retryable: bool = False


class _Timeout(msgspec.Struct, rename="camel", frozen=True):
    timeout_type: str = ""


class _Failure(msgspec.Struct, rename="camel", frozen=True):
    message: str = ""
    application_failure_info: _Application = _Application()
    timeout_failure_info: _Timeout = _Timeout()


class _Began(msgspec.Struct, rename="camel", frozen=True):
    workflow_type: _Name = _Name()
    workflow_id: str = ""
    original_execution_run_id: str = ""


class _Scheduled(msgspec.Struct, rename="camel", frozen=True):
    activity_type: _Name = _Name()
    activity_id: str = ""
    task_queue: _Name = _Name()


class _Answer(msgspec.Struct, rename="camel", frozen=True):
    scheduled_event_id: int | str = ""
    attempt: int = 0
    failure: _Failure = _Failure()


class _Ended(msgspec.Struct, rename="camel", frozen=True):
    failure: _Failure = _Failure()
    reason: str = ""


class _Event(msgspec.Struct, rename="camel", frozen=True):
    event_id: int | str
    event_type: str
    event_time: str = ""
    workflow_execution_started_event_attributes: _Began = _Began()
    activity_task_scheduled_event_attributes: _Scheduled = _Scheduled()
    activity_task_started_event_attributes: _Answer = _Answer()
    activity_task_completed_event_attributes: _Answer = _Answer()
    activity_task_failed_event_attributes: _Answer = _Answer()
    activity_task_timed_out_event_attributes: _Answer = _Answer()
    activity_task_canceled_event_attributes: _Answer = _Answer()
    workflow_execution_failed_event_attributes: _Ended = _Ended()
    workflow_execution_terminated_event_attributes: _Ended = _Ended()


class _History(msgspec.Struct, frozen=True):
    events: list[_Event]


class _Wrapped(msgspec.Struct, frozen=True):
    history: _History


_ENDS = {
    "WorkflowExecutionCompleted": False,
    "WorkflowExecutionFailed": True,
    "WorkflowExecutionTimedOut": True,
    "WorkflowExecutionCanceled": True,
    "WorkflowExecutionTerminated": True,
}


def looks_like(head: bytes) -> bool:
    """Whether a file that begins like this is such a history."""
    return b'"eventType"' in head and (b"WorkflowExecutionStarted" in head or b"WORKFLOW_EXECUTION" in head)


def read(data: bytes, path: Path, mapping: Mapping) -> Imported:
    """Take in a history ``{"events": […]}``, or a list of them.

    ActivityTaskScheduled is the intent of a call; Completed, Failed, TimedOut and Canceled are its answer:
    succeeded, failed, unknown (failed where it never started), unknown. A failure that is not marked
    nonRetryable counts as unknown if the workflow reverts that operation: to its author it may have
    landed. An activity is a revert if ``mapping.pairs`` says so, or by its name, as reverts_among tells.
    Raises InputError for what is no such history.
    """
    rest = Rest()
    courses = [_course(history.events, rest, path) for history in _histories(data, path)]
    for course in courses:
        undone = reverts_among(call.name for call in course.calls) | mapping.pairs
        for call in course.calls:
            call.reverts = undone.get(call.name, "")
    return Imported(translated(courses, mapping, "temporal"), rest.listed())


def reverts_among(names: Iterable[str]) -> dict[str, str]:
    """Which of these activities undo another one of them, by the words in their names, and which.

    ``CancelHotel`` undoes ``BookHotel``, ``refund_payment`` undoes ``charge_payment``, ``UndoBookHotel``
    and ``BookHotelCompensation`` undo ``BookHotel``.
    """
    split = {name: tuple(_words(name)) for name in names}
    whole: dict[tuple[str, ...], str] = {}
    things: dict[tuple[str, ...], str] = {}
    for name, words in split.items():
        whole.setdefault(words, name)
        if words[0] not in _REVERT_FIRST and words[-1] not in _REVERT_LAST:
            things.setdefault(words[1:], name)
    found: dict[str, str] = {}
    for name, words in split.items():
        operation = ""
        if len(words) > 1 and words[-1] in _REVERT_LAST:
            operation = whole.get(words[:-1], "")
        elif len(words) > 1 and words[0] in _REVERT_FIRST:
            operation = whole.get(words[1:]) or things.get(words[1:], "")
        if operation and operation != name:
            found[name] = operation
    return found


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name) if word.lower() not in _FILLERS] or [name]


def _histories(data: bytes, path: Path) -> Iterator[_History]:
    what = "history of Temporal"
    opening = data.lstrip()[:1]
    if opening == b"[":
        raw = decoded(data, list[msgspec.Raw], path, what)
        if raw and b'"eventId"' in bytes(raw[0]) and b'"events"' not in bytes(raw[0])[:200]:
            yield _History(decoded(data, list[_Event], path, what))
        else:
            yield from decoded(data, list[_History], path, what)
        return
    members = decoded(data, dict[str, msgspec.Raw], path, what)
    if "history" in members:
        yield decoded(data, _Wrapped, path, what).history
    else:
        yield decoded(data, _History, path, what)


def _course(events: list[_Event], rest: Rest, path: Path) -> Course:
    course = Course(name="", saga="", began_ns=0)
    calls: dict[str, Call] = {}
    latest_ns = 0
    for turn, event in enumerate(events, 1):
        where = f"{path}: event {event.event_id}"
        latest_ns = max(latest_ns, instant_ns(event.event_time, lambda where=where: where))  # type: ignore[misc]
        kind = _kind(event.event_type)
        if kind == "WorkflowExecutionStarted":
            began = event.workflow_execution_started_event_attributes
            course.name = began.workflow_id or began.original_execution_run_id or "workflow"
            course.saga, course.began_ns = began.workflow_type.name or "workflow", latest_ns
        elif kind in _ENDS:
            failed = event.workflow_execution_failed_event_attributes
            ended = event.workflow_execution_terminated_event_attributes
            course.ended_ns, course.failed = latest_ns, _ENDS[kind]
            course.reason = failed.failure.message or ended.reason or kind
        elif kind == "ActivityTaskScheduled":
            calls[str(event.event_id)] = _scheduled(event, latest_ns, turn)
        elif not _answered(event, kind, calls, latest_ns, turn, rest, where):
            rest.add(kind, _SILENT, where)
    if not course.name:
        todo = "bring the history from its beginning"
        raise InputError("the history has no WorkflowExecutionStarted", where=str(path), todo=todo)
    course.calls = list(calls.values())
    return course


def _scheduled(event: _Event, time_ns: int, turn: int) -> Call:
    told = event.activity_task_scheduled_event_attributes
    name = told.activity_type.name or told.activity_id or f"activity {event.event_id}"
    return Call(name, time_ns, turn, service=told.task_queue.name)


def _answered(
    event: _Event, kind: str, calls: dict[str, Call], time_ns: int, turn: int, rest: Rest, where: str
) -> bool:
    """Whether this is the answer to an activity, or its start, or was told to be neither."""
    answers = {
        "ActivityTaskStarted": event.activity_task_started_event_attributes,
        "ActivityTaskCompleted": event.activity_task_completed_event_attributes,
        "ActivityTaskFailed": event.activity_task_failed_event_attributes,
        "ActivityTaskTimedOut": event.activity_task_timed_out_event_attributes,
        "ActivityTaskCanceled": event.activity_task_canceled_event_attributes,
    }
    if kind not in answers:
        return False
    answer = answers[kind]
    call = calls.get(str(answer.scheduled_event_id))
    if call is None:
        rest.add(kind, "it names an activity that was never scheduled", where)
    elif kind == "ActivityTaskStarted":
        if answer.attempt > 1:
            rest.add(f"earlier attempts of {call.name}", _MORE_ATTEMPTS, where, answer.attempt - 1)
    elif call.outcome:
        rest.add(kind, "the activity had its answer already", where)
    else:
        call.ended_ns, call.end_turn = time_ns, turn
        _set_outcome(call, kind, answer.failure)
    return True


def _set_outcome(call: Call, kind: str, failure: _Failure) -> None:
    application, timeout = failure.application_failure_info, failure.timeout_failure_info.timeout_type
    call.reason = failure.message
    if kind == "ActivityTaskCompleted":
        call.outcome = "succeeded"
    elif kind == "ActivityTaskFailed":
        call.outcome, call.certain = "failed", application.non_retryable
        call.code = application.type or "failed"
    elif kind == "ActivityTaskTimedOut":
        call.outcome = "failed" if timeout.endswith(_UNSTARTED) else "unknown"
        call.code = timeout.removeprefix("TIMEOUT_TYPE_").lower() or "timed_out"
    else:
        call.outcome, call.code = "unknown", "canceled"


def _kind(event_type: str) -> str:
    if not event_type.startswith("EVENT_TYPE_"):
        return event_type
    return "".join(word.capitalize() for word in event_type.removeprefix("EVENT_TYPE_").split("_"))
