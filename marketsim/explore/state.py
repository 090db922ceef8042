"""When two runs stand at the same place: all that the rest of a run can depend on, as one number.

That is for each transaction where its engine stands, what its services did and its checks may ask for;
the world; and what is under way, in its order. Left out is what nobody looks at again: which attempt of
an operation succeeded that is done, in which words a call failed, and at what time of day.
"""

from collections import deque
from collections.abc import Callable, Iterable
from hashlib import blake2b
from types import FrameType
from typing import Any

import msgspec

from marketsim.drivers.calls import Running
from marketsim.drivers.virtual import Arrival
from marketsim.saga.definition import Operation, Retry
from marketsim.saga.events import (
    CompensationExpired,
    CompensationFailed,
    CompensationPartial,
    CompensationSkipped,
    CompensationStarted,
    CompensationSucceeded,
    Event,
    LedgerPosted,
    NotificationSent,
    OperationAborted,
    OperationFailed,
    OperationLate,
    OperationStarted,
    OperationSucceeded,
    OperationSuspended,
    OperationUnknown,
    OrderCancelled,
    OrderPlaced,
    ProcessRecovered,
    ServiceNoted,
)
from marketsim.saga.under_way import Touched, is_of
from marketsim.saga.wants import Came, Invoke, Stop, Wait

__all__ = ["Deeds", "digest", "engine_state", "pending_state", "plain_state", "still_coming"]

_AGES_US = 15 * 60 * 1_000_000
"""Ages are told apart by quarters of an hour: services forget a key after half an hour or a day."""

_SHARES = 8
"""In how many parts a time limit is divided to say how much of it has passed."""

_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def digest(state: object) -> int:
    """The state as a number of 64 bits (BLAKE2b, RFC 7693): of a million states two are alike by chance
    in one exploration out of thirty million.
    """
    return int.from_bytes(blake2b(_encode(state), digest_size=8).digest(), "big")


class Deeds:
    """What one transaction did so far, as services and checks may ask for it."""

    __slots__ = ("effects", "outcomes", "turns")

    def __init__(self) -> None:
        self.effects: list[tuple[Any, ...]] = []
        self.outcomes: dict[str, set[str]] = {}
        self.turns: dict[str, str] = {}

    def see(self, event: Event, now_us: int) -> None:
        """Take in the next event of the transaction."""
        kind = type(event)
        done = _DONE.get(kind)
        if done is not None:
            self.effects.append((event.operation, event.compensation, event.key, done(event), now_us))  # type: ignore[attr-defined]
        elif kind is OperationSucceeded:
            self.outcomes.pop(event.operation, None)  # type: ignore[attr-defined]
        elif kind in _OUTCOMES:
            self.outcomes.setdefault(event.operation, set()).add(kind.__name__)  # type: ignore[attr-defined]
        elif kind is CompensationStarted:
            self.turns.setdefault(event.operation, "")  # type: ignore[attr-defined]
        elif kind in _VERDICTS:
            self.turns[event.operation] = kind.__name__  # type: ignore[attr-defined]
        elif kind is ProcessRecovered:
            for outcomes in self.outcomes.values():
                outcomes.add(kind.__name__)

    def state(self, now_us: int) -> object:
        """All of it."""
        effects = [(*effect[:4], (now_us - effect[4]) // _AGES_US) for effect in self.effects]
        outcomes = [(name, sorted(each)) for name, each in self.outcomes.items()]
        return effects, outcomes, list(self.turns.items())


def _posted(event: LedgerPosted) -> object:
    lines = [(line.account, line.unit, line.amount) for line in event.postings]
    return lines, event.reason if event.unasked else ""


_DONE: dict[type[Event], Callable[[Any], object]] = {
    LedgerPosted: _posted,
    ServiceNoted: lambda event: event.note,
    NotificationSent: lambda event: event.message,
    OrderPlaced: lambda event: event.order,
    OrderCancelled: lambda event: event.order,
}
_OUTCOMES = (
    OperationStarted,
    OperationFailed,
    OperationUnknown,
    OperationAborted,
    OperationSuspended,
    OperationLate,
)
_VERDICTS = (
    CompensationSucceeded,
    CompensationFailed,
    CompensationPartial,
    CompensationExpired,
    CompensationSkipped,
)


# The engine.


def engine_state(running: Running, now_us: int) -> object:
    """Where the engine of a transaction stands, and what it knows."""
    engine = running.engine
    retry = engine.policy.retry
    return (
        [_touched(each, now_us, engine._open, retry) for each in engine._touched.values()],
        sorted(_want(want) for want in engine._open),
        engine._left,
        None if engine._failed is None else engine._failed[0],
        engine._payload,
        (engine._turned, bool(engine._stopping), engine._dropped, engine._watch is not None),
        engine.called_back is not None,
        running.crash_after is not None,
        list(_standing(running.run)),
    )


def _touched(touched: Touched, now_us: int, opened: set[Any], retry: Retry) -> object:
    operation = touched.operation
    going = touched.landed != "yes" or any(is_of(want, touched) for want in opened)
    return (
        operation.name,
        touched.landed,
        touched.result,
        (touched.attempt, touched.asked, touched.asked_before) if going else 0,
        _share(now_us - touched.since_us, operation.retry.elapsed_max_us) if going else 0,
        _share(now_us - touched.landed_us, operation.revert_ttl_us) if touched.landed != "no" else 0,
        (touched.tries, touched.tries_before),
        _share(now_us - touched.tries_since_us, retry.elapsed_max_us) if touched.tries else 0,
        touched.suspended is not None and touched.suspended in opened,
        max(0, touched.awaited_us - now_us).bit_length() if touched.awaited_us else 0,
        touched.overtaken,
    )


def _share(passed_us: int, of_us: int) -> int:
    """How much of a time limit has passed, in parts of it; nothing looks at what has no limit."""
    return min(passed_us * _SHARES // of_us, _SHARES) if of_us else 0


def _standing(run: Any) -> Iterable[object]:
    """Where a generator stands, and those that it waits for: the instruction, and what they keep there."""
    while run is not None:
        inner = run.gi_yieldfrom
        frame = run.gi_frame
        if frame is None:
            return
        yield frame.f_code.co_name, frame.f_lasti, _kept(frame, inner is not None)
        run = inner if hasattr(inner, "gi_frame") else None


def _kept(frame: FrameType, waits: bool) -> list[object]:
    """What a frame has still to do: the lists of operations in it.

    A single one matters in a frame that waits for another: one that listens keeps it of the round before.
    """
    kept: list[object] = []
    for name, value in frame.f_locals.items():
        kind = type(value)
        if kind in (list, tuple, deque):
            kept.append((name, [_plain_or_name(each) for each in value]))
        elif kind is bool or kind is int or (waits and kind in (Operation, Touched)):
            kept.append((name, _plain_or_name(value)))
    return kept


def _plain_or_name(value: object) -> object:
    if isinstance(value, Touched):
        return value.operation.name
    if isinstance(value, Operation):
        return value.name
    return value if isinstance(value, str | int | None) else type(value).__name__


def _want(want: Invoke | Wait | Stop) -> tuple[str, str, str, int]:
    if isinstance(want, Stop):
        return "stop", want.code, "", 0
    kind = "wait" if isinstance(want, Wait) else "call"
    return kind, want.operation.name, want.role, want.attempt


# What is under way.


def pending_state(coming: list[Any], now_us: int, moved: Running | None) -> object:
    """What is to come, in its order, about how soon, and who of them ``moved`` last, and so is on turn."""
    return [
        (
            entry[2].engine.transaction,
            _came(entry[3]),
            max(0, entry[0] - now_us).bit_length(),
            entry[2] is moved,
        )
        for entry in still_coming(coming)
    ]


def still_coming(coming: list[Any]) -> list[Any]:
    """What is to come, in its order, but for what whoever has ended was waiting for."""
    return [entry for entry in sorted(coming) if entry[2].last is None or type(entry[3]) is Arrival]


def _came(came: Came | Arrival | None) -> object:
    if came is None:
        return None
    if isinstance(came, Arrival):
        return _want(came.want), came.fault.name
    told = (came.outcome, came.result, came.retry, came.remains, came.again, came.expires_us)
    return _want(came.want), told


# Any world.


def plain_state(value: Any, _of: frozenset[int] = frozenset()) -> object:
    """What any object holds, as far as it can be told: its attributes, and theirs."""
    if value is None or isinstance(value, bool | int | str | float | bytes):
        return value
    if id(value) in _of or isinstance(value, Callable):  # type: ignore[arg-type]
        return type(value).__name__
    of = _of | {id(value)}
    if isinstance(value, dict):
        return sorted(([repr(key), plain_state(each, of)] for key, each in value.items()), key=repr)
    if isinstance(value, set | frozenset):
        return sorted((plain_state(each, of) for each in value), key=repr)
    if isinstance(value, Event):
        kept = msgspec.structs.asdict(value)
        return [(name, plain_state(each, of)) for name, each in kept.items() if name not in _PASSING]
    if isinstance(value, Iterable):
        return [plain_state(each, of) for each in value]
    if isinstance(value, msgspec.Struct):
        return [(name, plain_state(getattr(value, name), of)) for name in value.__struct_fields__]
    return plain_state(getattr(value, "__dict__", {}), of) or type(value).__name__


_PASSING = ("seq", "time", "prev", "attempt")
