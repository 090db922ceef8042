"""Histories of other engines, as they write them, for tests to make wrong on purpose."""

import json
from pathlib import Path
from typing import Any


def second(number: float) -> str:
    return f"2026-01-01T00:00:{number:06.3f}Z"


class Temporal:
    """A workflow's history in the making."""

    def __init__(self, name: str = "trip-1") -> None:
        self.events: list[dict[str, Any]] = []
        self.add("WorkflowExecutionStarted", workflowType={"name": "BookTrip"}, workflowId=name)

    def add(self, kind: str, **attributes: Any) -> str:
        number = len(self.events) + 1
        key = f"{kind[0].lower()}{kind[1:]}EventAttributes"
        self.events.append(
            {"eventId": str(number), "eventTime": second(number), "eventType": kind, key: attributes}
        )
        return str(number)

    def schedule(self, name: str) -> str:
        told = {"activityId": "a", "activityType": {"name": name}, "taskQueue": {"name": "orders"}}
        scheduled = self.add("ActivityTaskScheduled", **told)
        self.add("ActivityTaskStarted", scheduledEventId=scheduled, attempt=1)
        return scheduled

    def do(self, *names: str) -> "Temporal":
        for name in names:
            self.add("ActivityTaskCompleted", scheduledEventId=self.schedule(name))
        return self

    def fail(self, name: str, *, sure: bool = True) -> "Temporal":
        told = {"type": "Declined", "nonRetryable": sure}
        failure = {"message": "no", "applicationFailureInfo": told}
        self.add("ActivityTaskFailed", scheduledEventId=self.schedule(name), failure=failure)
        return self

    def time_out(self, name: str, kind: str = "START_TO_CLOSE") -> "Temporal":
        failure = {"message": "too long", "timeoutFailureInfo": {"timeoutType": f"TIMEOUT_TYPE_{kind}"}}
        self.add("ActivityTaskTimedOut", scheduledEventId=self.schedule(name), failure=failure)
        return self

    def end(self, kind: str = "Failed") -> "Temporal":
        self.add(f"WorkflowExecution{kind}")
        return self

    def text(self) -> str:
        return json.dumps({"events": self.events})


class Orra:
    """An orchestration's log in the making."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def add(self, kind: str, name: str, producer: str, value: Any = None, attempt: int = 0) -> None:
        number = len(self.entries)
        self.entries.append(
            {
                "offset": number,
                "entryType": kind,
                "id": name,
                "logValue": value if value is not None else {},
                "timestamp": second(number),
                "producerId": producer,
                "attemptNum": attempt,
            }
        )

    def do(self, *tasks: str, revertible: bool = True) -> "Orra":
        for task in tasks:
            told = {"taskId": task, "status": "processing", "serviceId": f"s_{task}"}
            self.add("task_status", f"evt_{task}_u1", task, told)
            if revertible:
                self.add("compensation_stored", f"comp_data_{task}", f"s_{task}")
            self.add("task_output", task, f"s_{task}", {"done": True})
        return self

    def fail(self, task: str) -> "Orra":
        self.add("task_failure", f"task_fail_{task}_u2", f"s_{task}", {"failure": "no"}, 1)
        return self

    def revert(self, *tasks: str, answer: str = "complete") -> "Orra":
        for task in tasks:
            told = {"id": f"comp_attempt_{task}_u3", "taskId": task}
            self.add("compensation_attempted", f"comp_attempt_{task}_u3", task, told, 1)
            place = "comp_complete" if answer in ("complete", "partial") else "comp_fail"
            self.add(f"compensation_{answer}", f"{place}_{task}", task, {"status": answer}, 1)
        return self

    def text(self) -> str:
        return json.dumps(self.entries)


class Trace:
    """A trace in the making; calls follow one another, a second each."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.root = self.span("BookTrip", None)

    def span(self, name: str, parent: str | None, **attributes: Any) -> dict[str, Any]:
        number = len(self.spans)
        span = {
            "traceId": "ab" * 16,
            "spanId": f"{number:016x}",
            "parentSpanId": parent or "",
            "name": name,
            "startTimeUnixNano": str((1_767_225_600 + number) * 10**9),
            "endTimeUnixNano": str((1_767_225_601 + number) * 10**9),
            "attributes": [attribute(key, value) for key, value in attributes.items()],
            "status": {},
        }
        self.spans.append(span)
        return span

    def do(self, *names: str) -> "Trace":
        for name in names:
            self.span(name, self.root["spanId"], **{"saga.operation": name})
        return self

    def fail(self, name: str, code: str = "") -> "Trace":
        more = {"error.type": code} if code else {}
        span = self.span(name, self.root["spanId"], **{"saga.operation": name}, **more)
        span["status"] = {"code": 2, "message": "no"}
        return self

    def revert(self, name: str, operation: str) -> "Trace":
        self.span(name, self.root["spanId"], **{"saga.operation": operation, "saga.compensation": name})
        return self

    def end(self, *, failed: bool = True) -> "Trace":
        self.root["endTimeUnixNano"] = str((1_767_225_602 + len(self.spans)) * 10**9)
        self.root["status"] = {"code": "STATUS_CODE_ERROR"} if failed else {}
        return self

    def text(self) -> str:
        resource = {"attributes": [attribute("service.name", "orders")]}
        scope = {"scope": {"name": "x"}, "spans": self.spans}
        return json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def attribute(key: str, value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"key": key, "value": {"boolValue": value}}
    return {"key": key, "value": {"stringValue": str(value)}}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "history.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
