"""The log as a Chrome trace for Perfetto: a process a service, an arrow from an operation to its revert."""

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.exports.common import ENCODER, listed, members, origin_of, unix_ns
from marketsim.audit.redaction import Record
from marketsim.saga.events import (
    ENDS,
    CompensationEvent,
    CompensationRetryScheduled,
    CompensationStarted,
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
)

__all__ = ["chrome_trace"]

_TRANSACTIONS = 1
_STARTS = (OperationStarted, CompensationStarted)
_OUTCOMES = (OperationSucceeded, OperationFailed, OperationUnknown, OperationAborted)
_OF_A_CALL = (OperationEvent, CompensationEvent, EffectEvent, FaultInjected)

_Call: TypeAlias = tuple[str, str]
"""An operation, and the compensation that reverts it or nothing."""


class _Slice(msgspec.Struct):
    """A call or a transaction that is drawn as a bar on a lane of its process."""

    name: str
    pid: int
    lane: int
    start_us: int
    args: JSONObject


class _Course(msgspec.Struct):
    """A transaction under way: its own bar, the bars of its calls, and where its operations were drawn."""

    own: _Slice | None
    calls: dict[_Call, _Slice] = {}
    drawn: dict[str, _Slice] = {}


def chrome_trace(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield one JSON document in the Trace Event Format, an entry a line, in pieces.

    Each service is a process, and has as many threads (lanes) as it had calls at the same time; the
    transactions are a process of their own. An attempt is a complete event (``X``), a fault or an effect
    an instant (``i``) on it, and a revert has a flow (``s``, ``f``) that comes from its operation. Times
    are microseconds since 1970. Only what is under way is kept in memory.
    """
    return listed('{"displayTimeUnit":"ms","traceEvents":[', _entries(records, header), "\n]}\n")


def _entries(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    drawing = _Drawing(origin_of(header))
    for event, leaf in records:
        drawing.draw(event, leaf)
        yield from drawing.taken()
    drawing.end()
    yield from drawing.taken()


class _Drawing:
    """Puts calls on lanes, and writes each bar when its end is known."""

    def __init__(self, origin: str) -> None:
        self.entries: list[JSONObject] = []
        self.processes: dict[str, int] = {}
        self.lanes: dict[int, list[int]] = {}
        self.lanes_made: dict[int, int] = {}
        self.courses: dict[str, _Course] = {}
        self.now_us = 0
        self.process(f"transactions of {origin}")

    def taken(self) -> list[str]:
        entries, self.entries = self.entries, []
        return [ENCODER.encode(each).decode() for each in entries]

    def process(self, name: str) -> int:
        if name not in self.processes:
            pid = self.processes[name] = len(self.processes) + 1
            self.lanes[pid] = []
            self.add("M", "process_name", pid, 0, args={"name": name})
            self.add("M", "process_sort_index", pid, 0, args={"sort_index": pid})
        return self.processes[name]

    def add(self, phase: str, name: str, pid: int, lane: int, **rest: Any) -> None:
        self.entries.append({"ph": phase, "name": name, "pid": pid, "tid": lane, **rest})

    def take_lane(self, pid: int) -> int:
        if self.lanes[pid]:
            return heappop(self.lanes[pid])
        lane = self.lanes_made[pid] = self.lanes_made.get(pid, 0) + 1
        self.add("M", "thread_name", pid, lane, args={"name": f"lane {lane}"})
        return lane

    def open(self, name: str, pid: int, event: Event, leaf: str) -> _Slice:
        args = {"seq": event.seq, "transaction": getattr(event, "transaction", ""), **members(event)}
        return _Slice(name, pid, self.take_lane(pid), self.now_us, args | ({"leaf": leaf} if leaf else {}))

    def close(self, bar: _Slice, said: JSONObject) -> None:
        duration_us = max(0, self.now_us - bar.start_us)
        args = bar.args | {key: value for key, value in said.items() if value not in ("", [], {})}
        self.add("X", bar.name, bar.pid, bar.lane, ts=bar.start_us, dur=duration_us, args=args)
        heappush(self.lanes[bar.pid], bar.lane)

    def draw(self, event: Event, leaf: str) -> None:
        self.now_us = max(self.now_us, unix_ns(event.time) // 1000)
        name = getattr(event, "transaction", "")
        course = self.courses.get(name)
        if isinstance(event, TransactionBegan) and course is None:
            bar = self.open(f"{event.transaction} {event.saga}", _TRANSACTIONS, event, leaf)
            self.courses[name] = _Course(bar, {}, {})
            return
        if course is None and name and isinstance(event, _STARTS):
            course = self.courses[name] = _Course(None, {}, {})
        if isinstance(event, _STARTS) and course is not None:
            self.start(course, event, leaf)
        elif course is not None and _is_outcome(event) and self.finish(course, event):
            if course.own is None and not course.calls:
                del self.courses[name]
        elif course is not None and isinstance(event, ENDS):
            self.finish_all(
                self.courses.pop(name), {"outcome": event.type, "seq_end": event.seq, **members(event)}
            )
        else:
            self.instant(course, event, leaf)

    def start(self, course: _Course, event: OperationStarted | CompensationStarted, leaf: str) -> None:
        call = event.operation, getattr(event, "compensation", "")
        if (before := course.calls.pop(call, None)) is not None:
            self.close(before, {"outcome": "not known: the process died"})
        name = (call[1] or call[0]) + (f" {event.attempt}" if event.attempt > 1 else "")
        bar = course.calls[call] = self.open(name, self.process(event.service), event, leaf)
        if not call[1]:
            course.drawn[event.operation] = bar
        elif (origin := course.drawn.get(event.operation)) is not None:
            flow = {"cat": "revert", "id": event.seq}
            self.add("s", "revert", origin.pid, origin.lane, ts=origin.start_us, **flow)
            self.add("f", "revert", bar.pid, bar.lane, ts=bar.start_us, bp="e", **flow)

    def finish(self, course: _Course, event: Event) -> bool:
        """Close the bar of a call; False if it has none."""
        call = getattr(event, "operation", ""), getattr(event, "compensation", "")
        bar = course.calls.pop(call, None)
        if bar is not None:
            said = {key: value for key, value in members(event).items() if key not in bar.args}
            self.close(bar, {"outcome": event.type, "seq_end": event.seq, **said})
        return bar is not None

    def finish_all(self, course: _Course, said: JSONObject) -> None:
        for bar in course.calls.values():
            self.close(bar, {"outcome": "not known"})
        if course.own is not None:
            self.close(course.own, said)

    def instant(self, course: _Course | None, event: Event, leaf: str) -> None:
        bar = None
        if course is not None:
            bar = course.own
            if isinstance(event, _OF_A_CALL):
                call = event.operation, getattr(event, "compensation", "")
                bar = course.calls.get(call) or course.calls.get((event.operation, "")) or bar
        pid, lane = (bar.pid, bar.lane) if bar is not None else (_TRANSACTIONS, 0)
        args = {"seq": event.seq, "transaction": getattr(event, "transaction", ""), **members(event)}
        args |= {"leaf": leaf} if leaf else {}
        self.add("i", event.type, pid, lane, ts=self.now_us, s="t", args=args)

    def end(self) -> None:
        for course in self.courses.values():
            self.finish_all(course, {"outcome": "open"})


def _is_outcome(event: Event) -> bool:
    goes_on = (CompensationStarted, CompensationRetryScheduled)
    return isinstance(event, _OUTCOMES) or (
        isinstance(event, CompensationEvent) and not isinstance(event, goes_on)
    )
