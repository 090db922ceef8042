"""A transaction's events as rows of calls: what ran when, what struck it, what it did, and what undid it."""

from collections.abc import Callable, Iterable
from typing import Any

from marketsim.cli.render.html.moves import moves_of, road_words
from marketsim.cli.render.html.rows import Bar, Course, Mark, Milestone, Row, Wait
from marketsim.cli.render.theme import UNICODE
from marketsim.cli.render.words import duration, effect_words, elapsed_us, result_words
from marketsim.saga import events as e
from marketsim.saga.errors import NOTHING_STANDS

__all__ = ["course_of"]


def course_of(events: Iterable[e.Event]) -> Course:
    """The course of the one transaction whose events these are; what fits nowhere is left out."""
    reading = _Reading()
    for event in events:
        reading.see(event)
    return reading.finished()


class _Reading:
    """What is known so far, while the events are read."""

    def __init__(self) -> None:
        self.began: e.TransactionBegan | None = None
        self.rows: dict[tuple[str, str], Row] = {}
        self.milestones: list[Milestone] = []
        self.early: list[tuple[tuple[str, str], Mark]] = []
        self.injected: dict[tuple[str, str], str] = {}
        self.now_us = 0

    def see(self, event: e.Event) -> None:
        if isinstance(event, e.TransactionBegan) and self.began is None:
            self.began = event
        self.now_us = max(self.now_us, elapsed_us(self.began, event))
        if isinstance(event, e.EffectEvent):
            self.mark(event, "note" if isinstance(event, e.ServiceNoted) else "effect", _effect(event))
            return
        read = _READ.get(type(event))
        if read is not None:
            read(self, event)

    def finished(self) -> Course:
        for (operation, _), mark in self.early:
            self.milestones.append(
                Milestone(mark.seq, mark.at_us, mark.kind, "", f"{operation}: {mark.words}")
            )
        for row in self.rows.values():
            for bar in row.bars:
                bar.to_us = self.now_us if bar.to_us < 0 else bar.to_us
            self.settle(row)
        forward = [row for row in self.rows.values() if not row.back]
        ordered = [row for own in forward for row in self.rows.values() if row is own or _reverts(row, own)]
        placed = {id(row) for row in ordered}
        strays = [row for row in self.rows.values() if id(row) not in placed]
        milestones = sorted(self.milestones, key=lambda each: (each.at_us, each.seq))
        return Course([*ordered, *strays], milestones, self.now_us)

    # Rows.

    def row(self, event: Any) -> Row | None:
        return self.rows.get((event.operation, getattr(event, "compensation", "")))

    def begin(self, event: e.OperationStarted | e.CompensationStarted) -> None:
        back = isinstance(event, e.CompensationStarted)
        key = (event.operation, event.compensation if isinstance(event, e.CompensationStarted) else "")
        row = self.rows.get(key)
        if row is None:
            kind = event.kind if isinstance(event, e.OperationStarted) else ""
            row = Row(key[1] or key[0], event.operation, event.service, back, kind)
            self.rows[key] = row
            row.marks = [mark for place, mark in self.early if place == key]
            self.early = [each for each in self.early if each[0] != key]
        self.settle(row)
        self.close(row, "open", "")
        which = f", attempt {event.attempt}" if event.attempt > 1 else ""
        row.bars = [*row.bars, Bar(event.seq, self.now_us, -1, "open", f"{row.name}{which}")]
        row.style = "open"

    def close(self, row: Row, style: str, words: str) -> None:
        """End the call that is under way, if one is."""
        if row.bars and row.bars[-1].to_us < 0:
            bar = row.bars[-1]
            bar.to_us, bar.style = self.now_us, style
            bar.words += f": {words}" if words else ""
        if style != "open":
            row.style = style

    def answered(self, row: Row, style: str) -> None:
        """What waited for somebody's answer is as that answer was."""
        for bar in row.bars[-1:]:
            bar.style = style if bar.style == "waiting" else bar.style

    def settle(self, row: Row) -> None:
        """End the waiting: what was waited for is here, or comes no more."""
        row.waits = [
            Wait(each.seq, each.from_us, min(each.to_us, self.now_us), each.words) for each in row.waits
        ]

    def free_us(self, row: Row) -> int:
        """When the last thing in a row was over."""
        ends = [each.to_us for each in row.bars] + [each.to_us for each in row.waits]
        return min(max(ends, default=self.now_us), self.now_us)

    def mark(self, event: Any, kind: str, words: str, row: Row | None = None) -> None:
        mark = Mark(event.seq, self.now_us, kind, words)
        row = row or self.row(event)
        if row is None:
            self.early.append(((event.operation, getattr(event, "compensation", "")), mark))
            return
        row.marks = [*row.marks, mark]
        if kind in ("effect", "note"):
            self.say(row, words)

    def say(self, row: Row, words: str) -> None:
        row.said = [*row.said, words] if words else row.said

    def told(self, event: Any, code: str, reason: str) -> str:
        key = (event.operation, getattr(event, "compensation", ""))
        struck = self.injected.get(key, "")
        words = f"{code} {UNICODE.fault}" if struck and struck in code else code
        return f"{words} ({reason})" if reason and reason != code and not struck else words

    def milestone(self, event: e.Event, style: str, label: str, words: str = "") -> None:
        self.milestones.append(Milestone(event.seq, self.now_us, style, label, words or label))

    # What each event means.

    def succeeded(self, event: e.OperationSucceeded) -> None:
        row = self.row(event)
        if row is None:
            return
        words = "" if any(mark.kind == "effect" for mark in row.marks) else result_words(event.result)
        self.settle(row)
        waited = row.bars and row.bars[-1].to_us >= 0
        self.close(row, "forward", words)
        self.answered(row, "forward")
        self.say(row, words)
        if waited:
            self.mark(event, "end", f"{row.name} succeeded", row)

    def ended(self, event: Any, style: str, words: str) -> None:
        row = self.row(event)
        if row is None:
            return
        self.settle(row)
        waited = row.bars and row.bars[-1].to_us >= 0
        self.close(row, style, words)
        self.answered(row, style)
        self.say(row, words)
        if waited or not row.bars:
            self.mark(event, "end", f"{row.name}: {words}", row)

    def failed(self, event: e.OperationFailed) -> None:
        self.ended(event, "failed", self.told(event, event.code, event.reason))

    def unknown(self, event: e.OperationUnknown) -> None:
        self.ended(event, "unknown", f"no answer: {self.told(event, event.code, event.reason)}")

    def aborted(self, event: e.OperationAborted) -> None:
        self.ended(event, "failed", f"aborts: {event.reason}")

    def probed(self, event: e.OperationProbed) -> None:
        row = self.row(event)
        if row is None:
            return
        said = {"landed": "it had landed", "not_landed": "nothing had landed"}.get(event.outcome, "no answer")
        if event.outcome == "not_landed" and event.code != NOTHING_STANDS:
            said = event.reason
        words = f"asked: {said}"
        bar = Bar(
            event.seq, self.free_us(row), self.now_us, f"probe {event.outcome}", f"{event.probe}, {words}"
        )
        row.bars = [*row.bars, bar]
        self.say(row, words)

    def suspended(self, event: e.OperationSuspended) -> None:
        row = self.row(event)
        if row is None:
            return
        words = f"{self.told(event, event.code, event.reason)}, waits for an answer"
        self.close(row, "waiting", words)
        self.say(row, words)
        until = f"{words}, at most {duration(event.expires_us)}"
        row.waits = [*row.waits, Wait(event.seq, self.now_us, self.now_us + event.expires_us, until)]

    def waits(self, event: e.OperationRetryScheduled | e.CompensationRetryScheduled) -> None:
        row = self.row(event)
        if row is None:
            return
        then = "asks again" if getattr(event, "probe", "") else f"attempt {event.attempt}"
        words = f"waits {duration(event.delay_us)}, then {then}"
        row.waits = [*row.waits, Wait(event.seq, self.now_us, self.now_us + event.delay_us, words)]

    def late(self, event: e.OperationLate) -> None:
        row = self.row(event)
        words = f"late: {event.outcome}"
        self.mark(event, "late", f"{words}, of attempt {event.attempt}")
        if row is not None:
            self.say(row, words)

    def progress(self, event: e.OperationProgress) -> None:
        self.mark(event, "note", result_words(event.payload))

    def reverted(self, event: e.CompensationSucceeded) -> None:
        row = self.row(event)
        if row is None:
            return
        if not row.said:
            struck = self.injected.get((event.operation, event.compensation), "")
            words = f"says that it is done: {struck} {UNICODE.fault}" if struck else "nothing to undo"
            self.say(row, words)
        self.close(row, "revert", "reverted")

    def partly(self, event: e.CompensationPartial) -> None:
        self.ended(event, "failed", f"only a part; remains: {result_words(event.remains)}")

    def revert_failed(self, event: e.CompensationFailed) -> None:
        unknown = event.outcome == "unknown"
        words = self.told(event, event.code, event.reason)
        self.ended(event, "unknown" if unknown else "failed", f"no answer: {words}" if unknown else words)

    def not_tried(self, event: e.CompensationExpired | e.CompensationSkipped) -> None:
        what = "expired" if isinstance(event, e.CompensationExpired) else "skipped"
        if self.row(event) is None:
            own = self.rows.get((event.operation, ""))
            service = own.service if own is not None else ""
            row = Row(event.compensation, event.operation, service, back=True)
            self.rows[event.operation, event.compensation] = row
        self.ended(event, "failed", f"{what}: {event.reason}")

    def fault(self, event: e.FaultInjected) -> None:
        words = f"{event.fault} injected" + (f" into {event.probe}" if event.probe else "")
        self.injected[event.operation, event.compensation] = event.fault
        self.mark(event, "fault", words)
        if event.fault.startswith(("crash", "torn")):
            self.milestone(event, "failed", f"{UNICODE.crash} the process dies", words)

    def compensating(self, event: e.TransactionCompensating) -> None:
        why = f"{event.operation} failed: {event.reason}" if event.operation else event.reason
        self.milestone(event, "revert", "turns back", f"turns back: {why}")

    def cancel_requested(self, event: e.TransactionCancelRequested) -> None:
        what = "the deadline passes" if event.code == "deadline_exceeded" else "cancelled"
        self.milestone(event, "fault", what, f"{what}, and goes on all the same" if event.shielded else what)

    def recovered(self, event: e.ProcessRecovered) -> None:
        for row in self.rows.values():
            self.close(row, "open", "the process died")
        self.milestone(event, "fault", "taken over", "another process takes over")

    def letter_closed(self, event: e.DeadLetterResolved | e.DeadLetterIgnored) -> None:
        what = event.type.removeprefix("dead_letter.")
        self.milestone(event, "revert", what, f"{event.operation}: {what} by a person ({event.reason})")

    def ends(self, event: e.TransactionEvent) -> None:
        word = event.type.removeprefix("transaction.")
        bad = isinstance(event, e.TransactionStuck | e.TransactionAbandoned | e.TransactionRejected)
        good = isinstance(event, e.TransactionCommitted)
        self.milestone(event, "failed" if bad else "forward" if good else "revert", word)


def _effect(event: e.EffectEvent) -> str:
    if isinstance(event, e.LedgerPosted) and not event.reason:
        return ", ".join(map(road_words, moves_of(event)))
    return effect_words(event, UNICODE)


def _reverts(row: Row, own: Row) -> bool:
    return row.back and row.operation == own.operation


_READ: dict[type[e.Event], Callable[[_Reading, Any], None]] = {
    e.OperationStarted: _Reading.begin,
    e.OperationSucceeded: _Reading.succeeded,
    e.OperationFailed: _Reading.failed,
    e.OperationUnknown: _Reading.unknown,
    e.OperationAborted: _Reading.aborted,
    e.OperationProbed: _Reading.probed,
    e.OperationSuspended: _Reading.suspended,
    e.OperationLate: _Reading.late,
    e.OperationProgress: _Reading.progress,
    e.OperationRetryScheduled: _Reading.waits,
    e.CompensationStarted: _Reading.begin,
    e.CompensationSucceeded: _Reading.reverted,
    e.CompensationPartial: _Reading.partly,
    e.CompensationFailed: _Reading.revert_failed,
    e.CompensationExpired: _Reading.not_tried,
    e.CompensationSkipped: _Reading.not_tried,
    e.CompensationRetryScheduled: _Reading.waits,
    e.FaultInjected: _Reading.fault,
    e.ProcessRecovered: _Reading.recovered,
    e.TransactionCompensating: _Reading.compensating,
    e.TransactionCancelRequested: _Reading.cancel_requested,
    e.DeadLetterResolved: _Reading.letter_closed,
    e.DeadLetterIgnored: _Reading.letter_closed,
    **dict.fromkeys(e.ENDS, _Reading.ends),
}
