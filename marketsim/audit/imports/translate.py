"""From the courses of another engine to a stream of events, numbered and chained as a log has them."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.imports.history import Call, Course, Mapping, name_of, stamp_of
from marketsim.audit.story import FOREIGN
from marketsim.saga import events as e

__all__ = ["NO_CURRENCY", "translated"]

NO_CURRENCY = "XXX"
"""The code of ISO 4217 for where no currency is involved."""

_REASON_LENGTH_MAX = 500

Placed: TypeAlias = tuple[tuple[int, ...], e.Event]
"""An event and what it is sorted by: time, phase, and place among those of the same moment."""


def translated(courses: Iterable[Course], mapping: Mapping, origin: str) -> list[e.Event]:
    """The stream of these transactions, in the order of time.

    - An intent stands where the call was made, its outcome where the answer came.
    - Operations of the same name are numbered, ``charge``, ``charge.2``, unless the earlier one had failed.
    - A revert belongs to the newest operation of its name that may have landed and is not reverted yet; if
      there is none, to the one that was reverted last.
    - The way back begins before the first revert, or where a transaction fails.
    - What has failed or reverted anything ends as compensated, or as stuck where a revert never succeeded:
      whether all was reverted that should have been is for the checks to say.
    """
    courses = list(courses)
    reverted = {call.reverts for course in courses for call in course.calls if call.reverts}
    reverted |= set(mapping.pairs.values())
    names: dict[str, int] = {}
    placed: list[Placed] = []
    for course in courses:
        number = names[course.name] = names.get(course.name, 0) + 1
        transaction = name_of(course.name if number == 1 else f"{course.name}.{number}")
        placed += _Telling(course, transaction, mapping, reverted).events()
    placed.sort(key=lambda each: each[0])
    first = e.MarketCreated(origin=origin, currency=NO_CURRENCY)
    first.time = placed[0][1].time if placed else stamp_of(0)
    return _chained([first, *(event for _, event in placed)])


def _chained(events: list[e.Event]) -> list[e.Event]:
    prev = e.GENESIS
    for seq, event in enumerate(events, 1):
        event.seq, event.prev = seq, prev
        prev = e.leaf_hash(e.encode(event))
    return events


class _Instance(msgspec.Struct):
    """One operation of a transaction under a name of its own; ``open`` while it may have to be reverted."""

    name: str
    calls: list[Call]
    open: bool = False


class _Telling:
    """Tells one transaction."""

    def __init__(self, course: Course, transaction: str, mapping: Mapping, reverted: set[str]) -> None:
        self.course, self.transaction = course, transaction
        self.mapping, self.reverted = mapping, reverted
        self.instances: list[_Instance] = []
        self.latest: dict[tuple[str, str], _Instance] = {}
        self.counts: dict[str, int] = {}
        self.open: dict[str, list[_Instance]] = {}
        self.undone: dict[str, _Instance] = {}
        self.undoing = {call.reverts for call in course.calls if call.reverts}
        self.attempts: dict[tuple[str, str], int] = {}
        self.verdicts: dict[str, bool] = {}
        self.placed: list[Placed] = []

    def events(self) -> list[Placed]:
        """Every event of the transaction; only ``seq`` and ``prev`` are missing."""
        calls = sorted(self.course.calls, key=self._started_at)
        began_ns = min([self.course.began_ns, *(call.started_ns for call in calls)])
        began = e.TransactionBegan(
            transaction=self.transaction,
            saga=name_of(self.course.saga),
            policy=FOREIGN,
            request={},
            seed=0,
        )
        self._put(began, began_ns, 0, 0)
        first = next((call for call in calls if call.reverts), None)
        for call in calls:
            if call is first:
                self._turn_back(call.started_ns, 1, call.turn)
            if call.reverts:
                self._revert(call)
            else:
                self._operation(call)
        self._end(calls, turned=first is not None)
        return self.placed

    def _started_at(self, call: Call) -> tuple[int, ...]:
        # Where times decide, what had ended by then comes before what begins at the same moment.
        return (call.turn,) if self.course.ordered else (call.started_ns, call.turn)

    def _put(self, event: e.Event, time_ns: int, phase: int, turn: int, sub: int = 0, later: int = 1) -> None:
        event.time = stamp_of(time_ns)
        self.placed.append(((time_ns, phase, 1 if self.course.ordered else later, turn, sub), event))

    def _operation(self, call: Call) -> None:
        instance = self._instance(call)
        instance.calls.append(call)
        if not instance.open and (call.outcome != "failed" or not call.certain):
            instance.open = True
            self.open.setdefault(call.name, []).append(instance)
        place: dict[str, Any] = {"transaction": self.transaction, "operation": instance.name}
        place_attempt = self._attempt(instance.name, "")
        started = e.OperationStarted(
            **place,
            attempt=place_attempt,
            key=f"{self.transaction}:{instance.name}",
            kind=self._kind(call),
            service=name_of(call.service or "unknown"),
        )
        self._put(started, call.started_ns, 1, call.turn)
        outcome: e.Event | None = None
        if call.outcome == "succeeded":
            outcome = e.OperationSucceeded(**place, attempt=place_attempt)
        elif call.outcome == "unknown" or (call.outcome == "failed" and self._distrusted(call)):
            outcome = e.OperationUnknown(**place, attempt=place_attempt, **_told(call))
        elif call.outcome:
            outcome = e.OperationFailed(**place, attempt=place_attempt, **_told(call), retry=_retry(call))
        self._answer(call, outcome)

    def _distrusted(self, call: Call) -> bool:
        """Whether the other engine reverts what failed for no certain reason: to it, it may have landed."""
        return not call.certain and call.name in self.undoing

    def _revert(self, call: Call) -> None:
        operation = self._target(call)
        place: dict[str, Any] = {"transaction": self.transaction, "operation": operation}
        place["compensation"] = name_of(call.name)
        self.verdicts.setdefault(operation, False)
        if call.outcome == "succeeded":
            self.verdicts[operation] = True
        if call.outcome == "expired" and call.started_ns == call.ended_ns:
            self._answer(call, e.CompensationExpired(**place, reason=_told(call)["reason"]))
            return
        attempt = self._attempt(operation, place["compensation"])
        started = e.CompensationStarted(
            **place,
            attempt=attempt,
            key=f"{self.transaction}:{operation}:{place['compensation']}",
            service=name_of(call.service or "unknown"),
        )
        self._put(started, call.started_ns, 1, call.turn)
        self._answer(call, _verdict(call, place, attempt))

    def _answer(self, call: Call, event: e.Event | None) -> None:
        if event is not None:
            ended_ns = max(call.started_ns, call.ended_ns)
            self._put(event, ended_ns, 1, call.end_turn or call.turn, 1, int(ended_ns == call.started_ns))

    def _instance(self, call: Call) -> _Instance:
        """The operation that is tried again, or a new one."""
        last = self.latest.get((call.name, call.key))
        if last is not None and (call.key or self._had_failed(last.calls[-1], call)):
            return last
        number = self.counts[call.name] = self.counts.get(call.name, 0) + 1
        name = name_of(call.name) if number == 1 else f"{name_of(call.name)}.{number}"
        made = self.latest[call.name, call.key] = self.latest[call.name, ""] = _Instance(name, [])
        self.instances.append(made)
        return made

    def _had_failed(self, earlier: Call, call: Call) -> bool:
        if earlier.outcome in ("", "succeeded"):
            return False
        if self.course.ordered:
            return (earlier.end_turn or earlier.turn) < call.turn
        return earlier.ended_ns <= call.started_ns

    def _target(self, call: Call) -> str:
        """The operation that a revert undoes."""
        waiting = self.open.get(call.reverts, [])
        instance = (
            (self.latest.get((call.reverts, call.key)) if call.key else None)
            or (waiting[-1] if waiting else None)
            or self.undone.get(call.reverts)
            or self.latest.get((call.reverts, ""))
        )
        if instance is None:
            return name_of(call.reverts)
        if call.outcome == "succeeded":
            self.undone[call.reverts] = instance
            if waiting and waiting[-1] is instance:
                waiting.pop()
        return instance.name

    def _attempt(self, operation: str, compensation: str) -> int:
        number = self.attempts[operation, compensation] = self.attempts.get((operation, compensation), 0) + 1
        return number

    def _kind(self, call: Call) -> str:
        if call.name in self.mapping.read_only or call.revertible is False:
            return "read_only"
        if call.kind:
            return call.kind
        return "compensatable" if call.revertible or call.name in self.reverted else ""

    def _turn_back(self, time_ns: int, phase: int, turn: int) -> None:
        bad = [
            (call.ended_ns, call.end_turn, instance.name, call)
            for instance in self.instances
            for call in instance.calls
            if call.outcome not in ("", "succeeded")
        ]
        operation, reason = "", self.course.reason or "it failed"
        if bad:
            _, _, operation, call = max(bad, key=lambda each: each[:2])
            reason = call.code or call.reason or reason
        event = e.TransactionCompensating(
            transaction=self.transaction, operation=operation, reason=_short(reason)
        )
        self._put(event, time_ns, phase, turn, -1)

    def _end(self, calls: list[Call], *, turned: bool) -> None:
        if self.course.ended_ns is None:
            return
        ended_ns = max([self.course.ended_ns, *(max(call.started_ns, call.ended_ns) for call in calls)])
        letters = [operation for operation, undone in self.verdicts.items() if not undone]
        if self.course.failed and not turned:
            self._turn_back(ended_ns, 2, 0)
        end: e.Event = e.TransactionCommitted(transaction=self.transaction)
        if letters:
            end = e.TransactionStuck(transaction=self.transaction, dead_letters=letters)
        elif turned or self.course.failed:
            end = e.TransactionCompensated(transaction=self.transaction)
        self._put(end, ended_ns, 2, 1)


def _verdict(call: Call, place: dict[str, Any], attempt: int) -> e.Event | None:
    if call.outcome == "succeeded":
        return e.CompensationSucceeded(**place, attempt=attempt)
    if call.outcome == "partial":
        remains = {"reason": _told(call)["reason"]}
        return e.CompensationPartial(**place, attempt=attempt, result={}, remains=remains)
    if call.outcome == "expired":
        return e.CompensationExpired(**place, attempt=attempt, reason=_told(call)["reason"])
    if call.outcome:
        told = _told(call)
        return e.CompensationFailed(
            **place, attempt=attempt, **told, outcome=call.outcome, retry=_retry(call)
        )
    return None


def _told(call: Call) -> dict[str, Any]:
    code = call.code or call.outcome
    return {"code": name_of(code), "reason": _short(call.reason or code)}


def _retry(call: Call) -> str:
    return "never" if call.certain else "safe"


def _short(text: str) -> str:
    return text if len(text) <= _REASON_LENGTH_MAX else text[: _REASON_LENGTH_MAX - 1] + "…"
