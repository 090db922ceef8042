"""The checks of time and of retries: time runs forward, and attempts come when and as often as they may."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.story import Deed, Story, found
from marketsim.audit.watches import Watch
from marketsim.saga.definition import Policy
from marketsim.saga.errors import InputError
from marketsim.saga.events import (
    CompensationStarted,
    CompensationSucceeded,
    Event,
    OperationFailed,
    OperationStarted,
)
from marketsim.saga.policies import policy_of

__all__ = ["TimeWatch", "retries_as_declared"]

_RULE = "retries-as-declared"


class TimeWatch(Watch):
    """No event is earlier than the one before it."""

    def __init__(self) -> None:
        self._last = ""

    def saw(self, event: Event) -> Iterable[Finding]:
        """What is wrong with the time of this event; RFC 3339 in UTC is in order as text."""
        if not event.time or event.time >= self._last:
            self._last = event.time or self._last
            return
        yield found(
            "time-runs-forward",
            ERROR,
            f"{event.type} is earlier than the event before it",
            event,
            expected=f"{self._last} or later",
            actual=event.time,
        )


def retries_as_declared(story: Story) -> Iterator[Finding]:
    """An attempt is scheduled, waits as long as it was to, and does not repeat what must not be repeated.

    A revert is tried as often, and after such pauses, as the transaction's policy says.
    """
    for deed in story.deeds.values():
        yield from _attempts(story, deed)
        yield from _tries(story, deed)


def _attempts(story: Story, deed: Deed) -> Iterator[Finding]:
    for start in deed.starts:
        if start.attempt == 1:
            continue
        yield from _scheduled(story, start, (deed.operation, "", start.attempt))
        before = [each for each in deed.outcomes if each.attempt == start.attempt - 1]
        last = before[-1] if before else None
        if isinstance(last, OperationFailed) and last.retry == "never":
            yield found(
                _RULE,
                ERROR,
                f"{deed.operation} was tried again after {last.code}, which must not be repeated",
                start,
                expected="no attempt after a failure of the class never",
                actual=f"attempt {start.attempt}",
            )


def _tries(story: Story, deed: Deed) -> Iterator[Finding]:
    policy, made = _policy(story), 0
    undone = {each.attempt for each in deed.verdicts if isinstance(each, CompensationSucceeded)}
    for start in deed.reverts:
        if story.end is not None and start.seq > story.end.seq:
            return  # From there on a person decides.
        made += 1
        if start.attempt - 1 in undone or start.attempt == 1:
            made = 1  # It landed late, and is reverted once more.
            continue
        call = (deed.operation, start.compensation, start.attempt)
        yield from _scheduled(story, start, call)
        if policy is not None:
            yield from _as_the_policy_says(story, start, call, policy, made)


def _policy(story: Story) -> Policy | None:
    try:
        return policy_of(story.began) if story.began is not None else None
    except InputError:
        return None  # A policy of a stranger: its rules are not known here.


def _scheduled(
    story: Story, start: OperationStarted | CompensationStarted, call: tuple[str, str, int]
) -> Iterator[Finding]:
    pause = story.pauses.get(call)
    if pause is None:
        what = f"attempt {start.attempt} of {call[1] or call[0]} began, and was never scheduled"
        yield found(_RULE, ERROR, what, start, expected="a retry_scheduled before it", actual="none")
        return
    waited_us = _elapsed_us(pause.time, start.time)
    if waited_us is not None and waited_us < pause.delay_us:
        yield found(
            _RULE,
            ERROR,
            f"attempt {start.attempt} of {call[1] or call[0]} began too early",
            start,
            expected=f"{pause.delay_us} us after it was scheduled",
            actual=f"{waited_us} us",
            difference=f"{pause.delay_us - waited_us} us",
        )


def _as_the_policy_says(
    story: Story, start: CompensationStarted, call: tuple[str, str, int], policy: Policy, made: int
) -> Iterator[Finding]:
    retry, pause = policy.retry, story.pauses.get(call)
    if made > retry.attempts_max:
        what = f"{start.compensation} was tried more often than policy {policy.name} allows"
        most, tries = f"at most {retry.attempts_max} attempts", f"attempt {made}"
        yield found(_RULE, ERROR, what, start, expected=most, actual=tries)
    base_us = min(retry.delay_us * int(retry.factor ** min(made - 2, 40)), retry.delay_max_us)
    spread_us = base_us * retry.jitter_percent // 100
    if pause is not None and not base_us - spread_us <= pause.delay_us <= base_us + spread_us:
        yield found(
            _RULE,
            ERROR,
            f"the pause before attempt {start.attempt} of {start.compensation} is not policy {policy.name}'s",
            pause,
            expected=f"{base_us - spread_us} to {base_us + spread_us} us",
            actual=f"{pause.delay_us} us",
        )


def _elapsed_us(earlier: str, later: str) -> int | None:
    """Microseconds between two times of the stream, or None if one of them is none."""
    try:
        passed = datetime.fromisoformat(later) - datetime.fromisoformat(earlier)
    except ValueError:
        return None
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
