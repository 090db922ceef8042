"""A log in numbers: what happened how often, how long it took, and why transactions were reverted."""

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec

from marketsim.audit.quantiles import RELATIVE_ERROR_PPM, Histogram
from marketsim.saga import events as e

__all__ = ["NAMES_MAX", "OPEN_MAX", "Cause", "Durations", "Numbers", "Stats"]

NAMES_MAX = 1_000
"""How many operations, and how many causes, are told apart; what comes after is counted as OTHERS."""

OPEN_MAX = 100_000
"""How many transactions may be open at once; of any beyond, the durations and causes are not known."""

OTHERS = "(others)"

Call = tuple[str, str, int]

_ANSWERS = (
    e.OperationSucceeded,
    e.OperationFailed,
    e.OperationUnknown,
    e.OperationAborted,
    e.CompensationSucceeded,
    e.CompensationPartial,
    e.CompensationFailed,
)
_STANDS = (e.OperationSucceeded, e.CompensationSucceeded)


class Durations(msgspec.Struct, frozen=True):
    """How long calls of one name took, from the intent to the answer, in microseconds.

    ``failed`` counts the answers that were no success; ``buckets`` are for a chart: the least and the
    greatest duration in each, and how many.
    """

    name: str
    count: int
    failed: int
    p50_us: int
    p95_us: int
    p99_us: int
    max_us: int
    buckets: list[tuple[int, int, int]] = []


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
    """What the statistics came to. A rate is a share of the transactions that ended, in parts per million."""

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


class _Open:
    """What is known of a transaction that has not ended."""

    __slots__ = ("began_us", "calls", "cause", "failures")

    def __init__(self, began_us: int | None) -> None:
        self.began_us = began_us
        self.calls: dict[Call, int] = {}
        self.failures: dict[str, str] = {}
        self.cause: tuple[str, str] | None = None


class _Timed:
    """The durations of the calls of one name."""

    __slots__ = ("failed", "lengths")

    def __init__(self) -> None:
        self.lengths, self.failed = Histogram(), 0

    def told(self, name: str) -> Durations:
        lengths = self.lengths
        return Durations(
            name=name,
            count=lengths.count,
            failed=self.failed,
            p50_us=lengths.quantile(500),
            p95_us=lengths.quantile(950),
            p99_us=lengths.quantile(990),
            max_us=lengths.largest,
            buckets=list(lengths.buckets()),
        )


class Stats:
    """Takes in a stream, event by event, in time linear in it.

    Memory is bounded by what is open at once (OPEN_MAX), by the names there are (NAMES_MAX), and by the
    buckets of their durations. An event that is not ``counted`` is known and not counted: the intent of
    a call whose answer is.
    """

    def __init__(self) -> None:
        self._types: Counter[type[e.Event]] = Counter()
        self._ends: Counter[type[e.Event]] = Counter()
        self._open: dict[str, _Open] = {}
        self._operations: dict[str, _Timed] = {}
        self._reverts: dict[str, _Timed] = {}
        self._whole = _Timed()
        self._causes: dict[tuple[str, str], Counter[type[e.Event]]] = {}
        self._first = self._last = ""
        self._untracked = 0

    def see(self, event: e.Event, *, counted: bool = True) -> None:
        """Take in the next event."""
        if counted:
            self._types[type(event)] += 1
            self._first = self._first or event.time
            self._last = event.time
        if not isinstance(event, e.TransactionEvent) or isinstance(event, e.EffectEvent):
            return
        if isinstance(event, e.TransactionBegan):
            self._begin(event)
        elif isinstance(event, e.ENDS):
            self._end(event, counted)
        elif (open_one := self._open.get(event.transaction)) is not None:
            self._follow(open_one, event, counted)

    def told(self) -> Numbers:
        """The numbers as far as the stream was seen."""
        ended = sum(self._ends.values())
        return Numbers(
            events=sum(self._types.values()),
            first=self._first,
            last=self._last,
            types=dict(sorted((_name(kind), count) for kind, count in self._types.items())),
            outcomes={_name(kind).partition(".")[2]: self._ends[kind] for kind in e.ENDS if self._ends[kind]},
            open=len(self._open),
            reverted_ppm=_share(self._ends[e.TransactionCompensated] + self._ends[e.TransactionStuck], ended),
            transactions=self._whole.told("transaction"),
            operations=[timed.told(name) for name, timed in sorted(self._operations.items())],
            reverts=[timed.told(name) for name, timed in sorted(self._reverts.items())],
            causes=self._told_causes(ended),
            untracked=self._untracked,
        )

    def _begin(self, event: e.TransactionBegan) -> None:
        if len(self._open) < OPEN_MAX:
            self._open.setdefault(event.transaction, _Open(_instant_us(event.time)))
        else:
            self._untracked += 1

    def _follow(self, open_one: _Open, event: e.TransactionEvent, counted: bool) -> None:
        if isinstance(event, e.OperationStarted | e.CompensationStarted):
            open_one.calls[_call(event)] = _instant_us(event.time)
        elif isinstance(event, _ANSWERS):
            self._answer(open_one, event, counted)
        elif isinstance(event, e.TransactionCompensating):
            code = open_one.failures.get(event.operation) or event.reason
            open_one.cause = event.operation, code

    def _answer(self, open_one: _Open, event: Any, counted: bool) -> None:
        began_us = open_one.calls.pop(_call(event), None)
        revert = isinstance(event, e.CompensationEvent)
        if not revert and not isinstance(event, _STANDS):
            open_one.failures[event.operation] = getattr(event, "code", "") or "aborted"
        if not counted:
            return
        names = self._reverts if revert else self._operations
        timed = _kept(names, event.compensation if revert else event.operation, _Timed)
        timed.failed += not isinstance(event, _STANDS)
        if began_us is not None:
            timed.lengths.add(_instant_us(event.time) - began_us)

    def _end(self, event: Any, counted: bool) -> None:
        open_one = self._open.pop(event.transaction, None)
        if not counted:
            return
        self._ends[type(event)] += 1
        if open_one is None:
            return
        self._whole.failed += not isinstance(event, e.TransactionCommitted)
        if open_one.began_us is not None:
            self._whole.lengths.add(_instant_us(event.time) - open_one.began_us)
        cause = open_one.cause
        if isinstance(event, e.TransactionAbandoned) and cause is None:
            cause = event.operation, open_one.failures.get(event.operation) or event.reason
        if cause is not None:
            _kept(self._causes, cause, Counter, (OTHERS, ""))[type(event)] += 1

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


def _kept(table: dict[Any, Any], name: Any, make: Any, others: Any = OTHERS) -> Any:
    if name not in table and len(table) >= NAMES_MAX:
        name = others
    if name not in table:
        table[name] = make()
    return table[name]


def _call(event: Any) -> Call:
    return event.operation, getattr(event, "compensation", ""), event.attempt


def _name(kind: type[e.Event]) -> str:
    return str(kind.__struct_config__.tag)


def _share(part: int, whole: int) -> int:
    return part * 1_000_000 // whole if whole else 0


_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def _instant_us(time: str) -> int:
    """Microseconds since 1970; 0 for what is no time."""
    try:
        passed = datetime.fromisoformat(time) - _EPOCH
    except (ValueError, TypeError):
        return 0
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
