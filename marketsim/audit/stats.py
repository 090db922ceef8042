"""A log in numbers: what happened how often, how long it took, and why transactions were reverted."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import reduce
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.quantiles import RELATIVE_ERROR_PPM, Histogram
from marketsim.saga import events as e

__all__ = ["NAMES_MAX", "OPEN_MAX", "Cause", "Durations", "Handler", "Numbers", "Open", "Stats", "moments"]

NAMES_MAX = 1_000
"""How many operations, and how many causes, are told apart; what comes after is counted as OTHERS."""

OPEN_MAX = 100_000
"""How many transactions may be open at once; of any beyond, the durations and causes are not known."""

OTHERS = "(others)"

Handler: TypeAlias = Callable[..., None]
"""What takes in an event of one type, and its moment in microseconds."""

_ANSWERS = (e.OperationFailed, e.OperationUnknown, e.OperationAborted)
_REVERT_ANSWERS = (e.CompensationPartial, e.CompensationFailed)


class Durations(msgspec.Struct, frozen=True):
    """How long calls of one name took, from the intent to the answer, in microseconds.

    ``failed`` counts the answers that were no success, ``retries`` the attempts after the first;
    ``buckets`` are for a chart: the least and the greatest duration in each, and how many.
    """

    name: str
    count: int
    failed: int
    p50_us: int
    p95_us: int
    p99_us: int
    max_us: int
    buckets: list[tuple[int, int, int]] = []
    retries: int = 0
    min_us: int = 0

    @classmethod
    def of(cls, name: str, lengths: Histogram, *, failed: int = 0, retries: int = 0) -> "Durations":
        """What a histogram of microseconds tells."""
        return cls(
            name=name,
            count=lengths.count,
            failed=failed,
            p50_us=lengths.quantile(500),
            p95_us=lengths.quantile(950),
            p99_us=lengths.quantile(990),
            max_us=lengths.largest,
            buckets=list(lengths.buckets()),
            retries=retries,
            min_us=lengths.smallest,
        )

    def and_those(self, other: "Durations") -> "Durations":
        """Both together, under this name."""
        lengths = Histogram()
        for each in (self, other):
            lengths.take(each.buckets, each.min_us, each.max_us)
        failed, retries = self.failed + other.failed, self.retries + other.retries
        return Durations.of(self.name, lengths, failed=failed, retries=retries)


class Cause(msgspec.Struct, frozen=True):
    """Why transactions turned back, or were given up: how many did, and how those ended."""

    operation: str
    code: str
    count: int
    rate_ppm: int
    compensated: int
    stuck: int
    abandoned: int


class Numbers(msgspec.Struct, frozen=True):
    """What the statistics came to. A rate is a share of the transactions that ended, in parts per million.

    ``ends`` are the durations of ``transactions`` by how they ended.
    """

    events: int
    first: str
    last: str
    types: dict[str, int]
    outcomes: dict[str, int]
    open: int
    reverted_ppm: int
    transactions: Durations
    operations: list[Durations]
    reverts: list[Durations]
    causes: list[Cause]
    relative_error_ppm: int = RELATIVE_ERROR_PPM
    untracked: int = 0
    ends: list[Durations] = []


class Open:
    """What is known of a transaction that has not ended; who wants to know more of it extends this."""

    __slots__ = ("began", "began_us", "calls", "cause", "failures")

    def __init__(self, began: e.TransactionBegan, began_us: int) -> None:
        self.began, self.began_us = began, began_us
        self.calls: dict[str, int] = {}
        self.failures: dict[str, str] | None = None
        self.cause: tuple[str, str] | None = None


class _Timed:
    """The durations of the calls of one name."""

    __slots__ = ("failed", "lengths", "retries")

    def __init__(self) -> None:
        self.lengths, self.failed, self.retries = Histogram(), 0, 0

    def told(self, name: str) -> Durations:
        return Durations.of(name, self.lengths, failed=self.failed, retries=self.retries)


class Stats:
    """Takes in a stream, event by event, in time linear in it.

    Memory is bounded by what is open at once (OPEN_MAX), by the names there are (NAMES_MAX), and by the
    buckets of their durations. An event that is not ``counted`` is known and not counted: the intent of
    a call whose answer is. ``wants`` are the types that transactions are told by, each with what takes
    it in: it may be called instead of :meth:`see`, with the event and its moment. ``open`` are the
    transactions that have not ended, each as ``known`` makes it.
    """

    def __init__(self, known: type[Open] = Open) -> None:
        self.open: dict[str, Any] = {}
        self._known = known
        self._types: Counter[type[e.Event]] = Counter()
        self._operations: dict[str, _Timed] = {}
        self._reverts: dict[str, _Timed] = {}
        self._ends = {kind: _Timed() for kind in e.ENDS}
        self._ended: Counter[type[e.Event]] = Counter()
        self._causes: dict[tuple[str, str], Counter[type[e.Event]]] = {}
        self._first = self._last = ""
        self._untracked = 0
        self._moment_us = moments()
        self.wants: dict[type[e.Event], Handler] = {
            e.TransactionBegan: self._begin,
            e.TransactionCompensating: self._turn_back,
            e.OperationStarted: self._start,
            e.OperationSucceeded: self._succeed,
            e.CompensationStarted: self._start_revert,
            e.CompensationSucceeded: self._succeed_revert,
        }
        self.wants |= dict.fromkeys(_ANSWERS, self._fail)
        self.wants |= dict.fromkeys(_REVERT_ANSWERS, self._fail_revert)
        self.wants |= dict.fromkeys(e.ENDS, self._end)

    def see(self, event: e.Event, *, counted: bool = True) -> None:
        """Take in the next event."""
        if counted:
            self._types[type(event)] += 1
            self._first = self._first or event.time
            self._last = event.time
        wanted = self.wants.get(type(event))
        if wanted is not None:
            wanted(event, self._moment_us(event.time), counted)

    def told(self) -> Numbers:
        """The numbers as far as the stream was seen."""
        ended = sum(self._ended.values())
        ends = [timed.told(_end_name(kind)) for kind, timed in self._ends.items() if timed.lengths.count]
        return Numbers(
            events=sum(self._types.values()),
            first=self._first,
            last=self._last,
            types=dict(sorted((_name(kind), count) for kind, count in self._types.items())),
            outcomes={_end_name(kind): self._ended[kind] for kind in e.ENDS if self._ended[kind]},
            open=len(self.open),
            reverted_ppm=_share(
                self._ended[e.TransactionCompensated] + self._ended[e.TransactionStuck], ended
            ),
            transactions=reduce(Durations.and_those, ends, Durations.of("transaction", Histogram())),
            operations=[timed.told(name) for name, timed in sorted(self._operations.items())],
            reverts=[timed.told(name) for name, timed in sorted(self._reverts.items())],
            causes=self._told_causes(ended),
            untracked=self._untracked,
            ends=ends,
        )

    def _begin(self, event: e.TransactionBegan, now_us: int, counted: bool = True) -> None:
        if len(self.open) >= OPEN_MAX:
            self._untracked += 1
        elif event.transaction not in self.open:
            self.open[event.transaction] = self._known(event, now_us)

    def _start(self, event: e.OperationStarted, now_us: int, counted: bool = True) -> None:
        open_one = self.open.get(event.transaction)
        if open_one is not None:
            open_one.calls[event.operation] = now_us

    def _start_revert(self, event: e.CompensationStarted, now_us: int, counted: bool = True) -> None:
        open_one = self.open.get(event.transaction)
        if open_one is not None:
            open_one.calls[event.compensation] = now_us

    def _succeed(self, event: e.OperationSucceeded, now_us: int, counted: bool = True) -> None:
        # Most events that count are these: what _answer does, without calling it.
        open_one, timed = self.open.get(event.transaction), self._operations.get(event.operation)
        if open_one is None or timed is None or event.attempt > 1 or not counted:
            self._answer(self._operations, event.operation, event, now_us, counted)
        elif (began_us := open_one.calls.pop(event.operation, None)) is not None:
            timed.lengths.add(now_us - began_us)

    def _fail(self, event: Any, now_us: int, counted: bool = True) -> None:
        timed = self._answer(self._operations, event.operation, event, now_us, counted)
        open_one = self.open.get(event.transaction)
        if open_one is not None:
            open_one.failures = open_one.failures or {}
            open_one.failures[event.operation] = getattr(event, "code", "") or "aborted"
        if timed is not None:
            timed.failed += 1

    def _succeed_revert(self, event: e.CompensationSucceeded, now_us: int, counted: bool = True) -> None:
        self._answer(self._reverts, event.compensation, event, now_us, counted)

    def _fail_revert(self, event: Any, now_us: int, counted: bool = True) -> None:
        timed = self._answer(self._reverts, event.compensation, event, now_us, counted)
        if timed is not None:
            timed.failed += 1

    def _answer(
        self, names: dict[str, _Timed], name: str, event: Any, now_us: int, counted: bool
    ) -> _Timed | None:
        """Time the answer from its intent; what is known of the calls of this name, if it counts."""
        open_one = self.open.get(event.transaction)
        if open_one is None:
            return None
        began_us = open_one.calls.pop(name, None)
        if not counted:
            return None
        timed: _Timed = names.get(name) or _kept(names, name, _Timed)
        if event.attempt > 1:
            timed.retries += 1
        if began_us is not None:
            timed.lengths.add(now_us - began_us)
        return timed

    def _turn_back(self, event: e.TransactionCompensating, now_us: int, counted: bool = True) -> None:
        open_one = self.open.get(event.transaction)
        if open_one is not None:
            open_one.cause = event.operation, _code(open_one, event)

    def _end(self, event: Any, now_us: int, counted: bool = True) -> None:
        open_one, kind = self.open.pop(event.transaction, None), type(event)
        if not counted:
            return
        self._ended[kind] += 1
        if open_one is None:
            return
        timed = self._ends[kind]
        timed.lengths.add(now_us - open_one.began_us)
        if kind is e.TransactionCommitted:
            return
        timed.failed += 1
        cause = open_one.cause
        if kind is e.TransactionAbandoned and cause is None:
            cause = event.operation, _code(open_one, event)
        if cause is not None:
            _kept(self._causes, cause, Counter, (OTHERS, ""))[kind] += 1

    def _told_causes(self, ended: int) -> list[Cause]:
        causes = [
            Cause(
                operation,
                code,
                count := sum(ends.values()),
                _share(count, ended),
                ends[e.TransactionCompensated],
                ends[e.TransactionStuck],
                ends[e.TransactionAbandoned],
            )
            for (operation, code), ends in self._causes.items()
        ]
        return sorted(causes, key=lambda cause: (-cause.count, cause.operation, cause.code))


def _code(open_one: Open, event: Any) -> str:
    """What the operation failed with that the event names."""
    return (open_one.failures or {}).get(event.operation) or str(event.reason)


def _kept(table: dict[Any, Any], name: Any, make: Any, others: Any = OTHERS) -> Any:
    if name not in table and len(table) >= NAMES_MAX:
        name = others
    if name not in table:
        table[name] = make()
    return table[name]


def _name(kind: type[e.Event]) -> str:
    return str(kind.__struct_config__.tag)


def _end_name(kind: type[e.Event]) -> str:
    return _name(kind).partition(".")[2]


def _share(part: int, whole: int) -> int:
    return part * 1_000_000 // whole if whole else 0


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def moments() -> Callable[[str], int]:
    """A reader of the times in a stream: microseconds since 1970; 0 for what is no time."""
    last, last_us, second, second_us = "", 0, "", 0

    def moment_us(time: str) -> int:
        nonlocal last, last_us, second, second_us
        if time == last:  # What happens at one moment stands together,
            return last_us
        last = time
        if len(time) == _STAMP_LENGTH and time[:19] == second:  # and so do the moments of a second.
            last_us = second_us + int(time[20:26])
        else:
            last_us = _instant_us(time)
            if len(time) == _STAMP_LENGTH and time[19] == "." and time[26] == "Z":
                second, second_us = time[:19], last_us // 1_000_000 * 1_000_000
        return last_us

    return moment_us


_STAMP_LENGTH = len("2026-01-31T12:00:00.000000Z")


def _instant_us(time: str) -> int:
    try:
        passed = datetime.fromisoformat(time) - _EPOCH
    except (ValueError, TypeError):
        return 0
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
