"""The timeline: operations step to the right, reverts walk back to the left, line by line as it happens."""

from collections.abc import Callable, Iterable
from typing import Any, TextIO

import msgspec
from rich.console import Console
from rich.text import Text

from marketsim.cli.render.text import printable, wrapped
from marketsim.cli.render.theme import Glyphs, console, glyphs_for
from marketsim.cli.render.words import duration, effect_words, elapsed_us, moment, request_words, result_words
from marketsim.saga.engine import AT_LAST
from marketsim.saga.errors import NEVER_ARRIVED, NOTHING_STANDS
from marketsim.saga.events import (
    CompensationExpired,
    CompensationFailed,
    CompensationPartial,
    CompensationRetryScheduled,
    CompensationSkipped,
    CompensationStarted,
    CompensationSucceeded,
    DeadLetterIgnored,
    DeadLetterResolved,
    EffectEvent,
    Event,
    FaultInjected,
    OperationAborted,
    OperationFailed,
    OperationLate,
    OperationProbed,
    OperationProgress,
    OperationRetryScheduled,
    OperationStarted,
    OperationSucceeded,
    OperationSuspended,
    OperationUnknown,
    ProcessRecovered,
    ServiceNoted,
    TransactionBegan,
    TransactionCancelRequested,
    TransactionCompensating,
    TransactionRejected,
)
from marketsim.saga.taxonomy import FAULTS

__all__ = ["Timeline"]

_OUTCOMES = (OperationSucceeded, OperationFailed, OperationUnknown, OperationAborted)
_MAY_STAND = (OperationSucceeded, OperationUnknown, OperationAborted, OperationSuspended)
_NAME_WIDTH = 27
_TIME_WIDTH = 10
_UNSEEN = "unseen by the engine"


class _Attempt(msgspec.Struct):
    """What is known of an attempt before its outcome comes."""

    started: Event
    fault: str = ""
    landed: bool = False
    effects: list[str] = []
    told: int = 0
    earlier: list[str] = []


class Timeline:
    """Draws the events of one transaction, each as soon as it is known. Other transactions are passed over.

    ``title`` is put behind the transaction's name. The lines fit the console's width; what does not fit
    goes on below, indented.
    """

    def __init__(
        self, stream: TextIO, *, title: str = "", on: Console | None = None, glyphs: Glyphs | None = None
    ) -> None:
        self.console = on or console(stream)
        self.glyphs = glyphs or glyphs_for(stream)
        self.title = title
        self.transaction = ""
        self._began: TransactionBegan | None = None
        self._depth: dict[str, int] = {}
        self._attempts: dict[tuple[str, str], _Attempt] = {}
        self._asked: dict[str, _Attempt] = {}
        self._under_way: list[str] = []
        self._kinds: dict[str, str] = {}
        self._may_stand = False

    def show(self, event: Event) -> None:
        """Draw an event, or keep it until the line it belongs to is complete."""
        transaction = getattr(event, "transaction", "")
        if isinstance(event, TransactionBegan) and not self.transaction:
            self._head(event)
        elif not transaction or transaction != self.transaction:
            return
        if isinstance(event, EffectEvent):
            self._keep_effect(event)
            return
        if isinstance(event, _OUTCOMES) and event.operation in self._under_way:
            self._under_way.remove(event.operation)
        if isinstance(event, _MAY_STAND) and self._kinds[event.operation] == "compensatable":
            self._may_stand = True
        draw = _DRAW.get(type(event))
        if draw is not None:
            draw(self, event)
        if isinstance(event, _OUTCOMES) and (attempt := self._attempts.get((event.operation, ""))):
            attempt.told = len(attempt.effects)

    def show_all(self, events: Iterable[Event]) -> None:
        """Draw these events."""
        for event in events:
            self.show(event)

    def take_in(self, events: Iterable[Event]) -> None:
        """Know these events without drawing them, since what follows builds on them."""
        loud, self.console = self.console, Console(quiet=True, width=self.console.width)
        self.show_all(events)
        self.console = loud

    # The lines.

    def _head(self, event: TransactionBegan) -> None:
        self.transaction, self._began = event.transaction, event
        head = Text.assemble(
            (printable(event.transaction), "name"),
            "  ",
            printable(self.title or f"{event.saga}: {request_words(event.request, self.glyphs)}"),
        )
        self.console.print(head)
        rules = f" but {result_words(event.rules)}" if event.rules else ""
        services = f", {result_words(event.services)}" if event.services else ""
        facts = f"policy {event.policy}{rules}{services}, seed {event.seed}, {event.time}"
        self.console.print(Text(f"  {printable(facts)}", "faint"))
        for fault in event.faults:
            self.console.print(Text(f"  to be injected: {printable(fault)}", "fault"))
        self.console.print()

    def _keep_effect(self, event: EffectEvent) -> None:
        attempt = self._attempts.get((event.operation, event.compensation))
        if attempt is not None:
            attempt.effects = [*attempt.effects, effect_words(event, self.glyphs)]
            attempt.landed = attempt.landed or not isinstance(event, ServiceNoted)

    def _operation_started(self, event: OperationStarted) -> None:
        if event.operation not in self._depth:
            beside = [self._depth[name] for name in self._under_way]
            self._depth[event.operation] = beside[0] if beside else max(self._depth.values(), default=-1) + 1
        self._under_way.append(event.operation)
        self._kinds[event.operation] = event.kind
        self._attempts[event.operation, ""] = self._attempt(event, "")

    def _compensation_started(self, event: CompensationStarted) -> None:
        self._attempts[event.operation, event.compensation] = self._attempt(event, event.compensation)

    def _attempt(self, event: OperationStarted | CompensationStarted, compensation: str) -> _Attempt:
        before = self._attempts.get((event.operation, compensation))
        if before is None:
            return _Attempt(event)
        return _Attempt(event, landed=before.landed, earlier=[*before.earlier, *before.effects])

    def _fault(self, event: FaultInjected) -> None:
        self._depth.setdefault(event.operation, max(self._depth.values(), default=-1) + 1)
        attempt = self._attempts.get((event.operation, event.compensation))
        fault = FAULTS.get(event.fault)
        if fault is not None and fault.outcome == "crash":
            place = event.probe or event.compensation or event.operation
            what = f"the process dies here: {event.fault}"
            self._line(event, self.glyphs.crash, place, what, "fault", injected=True)
        elif event.probe:
            self._asked[event.operation] = _Attempt(event, fault=event.fault)
        elif attempt is not None:
            attempt.fault = event.fault

    def _succeeded(self, event: OperationSucceeded) -> None:
        attempt = self._attempts.get((event.operation, ""))
        known = attempt is not None and attempt.told and attempt.told == len(attempt.effects)
        words = (result_words(event.result) if known else self._effects(event)) or result_words(event.result)
        words += "" if known else self._mark(attempt)
        self._line(event, self.glyphs.forward, event.operation, words, "forward")

    def _failed(self, event: OperationFailed) -> None:
        words = self._told(event, event.code, event.reason)
        self._line(event, self.glyphs.failed, event.operation, words, "failed")

    def _unknown(self, event: OperationUnknown) -> None:
        landed = self._effects(event)
        words = self._told(event, f"no answer ({event.code})", "")
        if landed:
            words += f"; {_UNSEEN}: {landed}"
        self._line(event, self.glyphs.unknown, event.operation, words, "unknown")

    def _aborted(self, event: OperationAborted) -> None:
        words = f"aborts: {event.reason}{self._mark(self._attempts.get((event.operation, '')))}"
        self._line(event, self.glyphs.failed, event.operation, words, "failed")

    def _progress(self, event: OperationProgress) -> None:
        self._line(event, self.glyphs.bar, event.operation, result_words(event.payload), "faint")

    def _probed(self, event: OperationProbed) -> None:
        words = {"landed": "it had landed", "not_landed": "nothing had landed"}
        said = words.get(event.outcome, f"no answer ({event.code})")
        if event.outcome == "not_landed" and event.code not in (NOTHING_STANDS, NEVER_ARRIVED):
            said = event.reason
        said = f"asked: {said}{self._mark(self._asked.pop(event.operation, None))}"
        said += f", {result_words(event.result)}" if event.result else ""
        glyph = self.glyphs.unknown if event.outcome == "unknown" else self.glyphs.again
        self._line(event, glyph, event.probe, said, "unknown")

    def _suspended(self, event: OperationSuspended) -> None:
        words = self._told(event, event.code, event.reason)
        words += f"; waits for an answer, at most {duration(event.expires_us)}"
        self._line(event, self.glyphs.wait, event.operation, words, "waiting")

    def _late(self, event: OperationLate) -> None:
        attempt = self._attempts.get((event.operation, ""))
        landed = "; ".join(attempt.effects[attempt.told :]) if attempt is not None else ""
        words = f"late, of attempt {event.attempt}: {event.outcome}"
        words += f" ({event.code})" if event.code else ""
        words += f"; {landed}" if landed else ""
        style = "unknown" if event.outcome == "succeeded" else "faint"
        self._line(event, self.glyphs.again, event.operation, words, style)

    def _cancel_requested(self, event: TransactionCancelRequested) -> None:
        what = "the deadline passes" if event.code == "deadline_exceeded" else "somebody cancels it"
        shielded = ": it goes on all the same" if event.shielded else ""
        self._rule(f"{what}{shielded}", "fault")

    def _expired(self, event: CompensationExpired) -> None:
        # Without an attempt it was not tried (again): what struck an earlier one is told there.
        words = self._told(event, "expired", event.reason) if event.attempt else f"expired: {event.reason}"
        self._line(event, self.glyphs.failed, event.compensation, words, "failed")

    def _waits(self, event: OperationRetryScheduled | CompensationRetryScheduled) -> None:
        then = "asks again" if getattr(event, "probe", "") else f"attempt {event.attempt}"
        words = f"waits {duration(event.delay_us)}, then {then}"
        self._line(event, self.glyphs.wait, "", words, "waiting")

    def _compensating(self, event: TransactionCompensating) -> None:
        back = "back the way it came" if self._may_stand else "there is nothing to revert"
        what = f"{event.operation} failed for good ({event.reason})" if event.operation else event.reason
        self._rule(f"{what}: {back}", "revert")

    def _reverted(self, event: CompensationSucceeded) -> None:
        attempt = self._attempts[event.operation, event.compensation]
        action = self._attempts.get((event.operation, ""))
        landed = action is not None and action.landed
        nothing = "nothing is left to undo" if landed else "nothing had landed, nothing to undo"
        words = self._effects(event) or nothing
        if "confirmed" in event.result:
            words = f"no answer; asked, the service has nothing left{self._mark(attempt)}"
        elif attempt.fault and not attempt.effects:
            words = f"says that it is done{self._mark(attempt)}"
        else:
            words += self._mark(attempt)
        self._line(event, self.glyphs.back, event.compensation, words, "revert")

    def _mark(self, attempt: _Attempt | None) -> str:
        """What was injected into an attempt, to be put behind its words."""
        return f": {attempt.fault} {self.glyphs.fault} injected" if attempt and attempt.fault else ""

    def _partly(self, event: CompensationPartial) -> None:
        words = (
            f"only a part: {result_words(event.result) or 'nothing'}; remains: {result_words(event.remains)}"
        )
        words += self._mark(self._attempts.get((event.operation, event.compensation)))
        self._line(event, self.glyphs.failed, event.compensation, words, "failed")

    def _revert_failed(self, event: CompensationFailed) -> None:
        told = f"no answer ({event.code})" if event.outcome == "unknown" else event.code
        landed = self._effects(event) if event.outcome == "unknown" else ""
        words = self._told(event, told, event.reason) + (f"; {_UNSEEN}: {landed}" if landed else "")
        unknown = event.outcome == "unknown"
        glyph, style = (self.glyphs.unknown, "unknown") if unknown else (self.glyphs.failed, "failed")
        self._line(event, glyph, event.compensation, words, style)

    def _skipped(self, event: CompensationSkipped) -> None:
        self._line(event, self.glyphs.dash, event.compensation, f"skipped: {event.reason}", "unknown")

    def _recovered(self, event: ProcessRecovered) -> None:
        asked = ", ".join(key.rpartition(":")[2] for key in event.asked_again)
        words = "another process takes over" + (f" and asks again: {asked}" if asked else "")
        self._rule(f"{self.glyphs.again} {words}", "fault")

    def _closed(self, event: DeadLetterResolved | DeadLetterIgnored) -> None:
        what = event.type.removeprefix("dead_letter.")
        by = "" if event.reason == AT_LAST else " by a person"
        self._rule(f"{event.operation}: {what}{by} ({event.reason})", "revert")

    def _rejected(self, event: TransactionRejected) -> None:
        self._line(event, self.glyphs.failed, event.rule, f"rejected: {event.reason}", "failed")

    # How a line is drawn.

    def _told(
        self,
        event: OperationFailed
        | OperationUnknown
        | OperationSuspended
        | CompensationFailed
        | CompensationExpired,
        code: str,
        reason: str,
    ) -> str:
        attempt = self._attempts.get((event.operation, getattr(event, "compensation", "")))
        injected = attempt is not None and attempt.fault and attempt.fault in code
        number = f"attempt {event.attempt}: " if event.attempt > 1 or injected else ""
        mark = f" {self.glyphs.fault} injected" if injected else self._mark(attempt)
        why = f" ({reason})" if reason and not injected and reason != code else ""
        return f"{number}{code}{mark}{why}" if injected else f"{number}{code}{why}{mark}"

    def _effects(self, event: Event) -> str:
        place = (getattr(event, "operation", ""), getattr(event, "compensation", ""))
        attempt = self._attempts.get(place)
        if attempt is None or attempt.effects or not attempt.earlier:
            return "; ".join(attempt.effects) if attempt is not None else ""
        return f"an earlier attempt had landed, once: {'; '.join(attempt.earlier)}"

    def _line(
        self, event: Event, glyph: str, name: str, words: str, style: str, *, injected: bool = False
    ) -> None:
        operation = getattr(event, "operation", "")
        depth = self._depth.get(operation, 0)
        lanes = f"{self.glyphs.bar} " * depth
        at = moment(elapsed_us(self._began, event))
        lead = Text.assemble((f"{at:>{_TIME_WIDTH}}  ", "faint"))
        lead.append(lanes, "faint")
        lead.append(f"{glyph} ", style)
        lead.append(printable(name), style if style != "waiting" else "faint")
        body_from = _TIME_WIDTH + 2 + _NAME_WIDTH
        gap = max(1, body_from - lead.cell_len)
        mark = f" {self.glyphs.fault} injected" if injected else ""
        self._wrapped(
            lead, gap, f"{printable(words)}{mark}", "faint" if style == "waiting" else "", body_from, lanes
        )

    def _wrapped(self, lead: Text, gap: int, words: str, style: str, body_from: int, lanes: str) -> None:
        width = max(self.console.width, 60)
        body = Text(words, style)
        body.highlight_regex(rf"{self.glyphs.fault} injected".replace("!", r"\!"), "fault")
        first, *rest = wrapped(body, self.console, max(20, width - max(body_from, lead.cell_len + gap)))
        self.console.print(Text.assemble(lead, " " * gap, first), no_wrap=True, overflow="ignore", crop=False)
        for each in rest:
            margin = Text(" " * (_TIME_WIDTH + 2) + lanes, "faint")
            line = Text.assemble(margin, " " * max(1, body_from - margin.cell_len), each)
            self.console.print(line, no_wrap=True, overflow="ignore", crop=False)

    def _rule(self, words: str, style: str) -> None:
        margin = " " * (_TIME_WIDTH + 2)
        for line in wrapped(
            Text(printable(words), style), self.console, max(40, self.console.width - len(margin))
        ):
            self.console.print(Text.assemble(margin, line), no_wrap=True, overflow="ignore", crop=False)


_DRAW: dict[type[Event], Callable[[Timeline, Any], None]] = {
    OperationStarted: Timeline._operation_started,
    OperationSucceeded: Timeline._succeeded,
    OperationFailed: Timeline._failed,
    OperationUnknown: Timeline._unknown,
    OperationAborted: Timeline._aborted,
    OperationProbed: Timeline._probed,
    OperationSuspended: Timeline._suspended,
    OperationLate: Timeline._late,
    OperationProgress: Timeline._progress,
    OperationRetryScheduled: Timeline._waits,
    CompensationStarted: Timeline._compensation_started,
    CompensationSucceeded: Timeline._reverted,
    CompensationPartial: Timeline._partly,
    CompensationFailed: Timeline._revert_failed,
    CompensationExpired: Timeline._expired,
    CompensationSkipped: Timeline._skipped,
    CompensationRetryScheduled: Timeline._waits,
    DeadLetterResolved: Timeline._closed,
    DeadLetterIgnored: Timeline._closed,
    FaultInjected: Timeline._fault,
    ProcessRecovered: Timeline._recovered,
    TransactionRejected: Timeline._rejected,
    TransactionCancelRequested: Timeline._cancel_requested,
    TransactionCompensating: Timeline._compensating,
}
