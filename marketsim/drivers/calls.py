"""One call: the handler is let act, told what to do wrong, and what it raised becomes an answer."""

from collections.abc import Callable
from typing import Any

import msgspec

from marketsim.drivers.clock import Clock
from marketsim.saga.definition import Call, plain
from marketsim.saga.engine import Engine
from marketsim.saga.errors import (
    NEVER_ARRIVED,
    NOTHING_STANDS,
    RETURNED_TOO_MUCH,
    Aborted,
    Expired,
    Failed,
    MarketsimError,
    Partial,
    Unknown,
)
from marketsim.saga.events import Event
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultPlan
from marketsim.saga.tape import Tape
from marketsim.saga.wants import Came, Invoke, Run, action_key

__all__ = ["Calls", "Running"]

_WORDS_LENGTH_MAX = 1000


class Running(msgspec.Struct, eq=False):
    """A transaction under way: its engine, the faults that strike it, and (once it has ended) its last event.

    ``crash_after`` is the call after the record of whose outcome the process dies, if one is to.
    """

    engine: Engine
    run: Run
    plan: FaultPlan
    tape: Tape
    crash_after: Invoke | None = None
    last: Event | None = None


class Calls:
    """Makes calls: on ``world``, at the ``clock``'s time, with effects that go through ``record``."""

    def __init__(self, world: Any, clock: Clock, record: Callable[[Event], None]) -> None:
        self.world = world
        self.clock = clock
        self.record = record

    def took_us(self, running: Running, want: Invoke, fault: Fault | None) -> int:
        """How long the answer to a call takes, in microseconds."""
        operation = want.operation
        if fault is not None and fault.slow:
            return operation.time_limit_us
        least_us, most_us = operation.latency_us
        if fault is not None and fault.name == "slow":
            least_us, most_us = 5 * least_us, 100 * most_us
        point = f"{running.engine.transaction}/{operation.point(want.role)}@{want.attempt}/latency"
        return running.tape.between(point, least_us, most_us)

    def call(self, running: Running, want: Invoke, fault: str = "") -> Came:
        """Let the handler of the action, the revert or the probe act, told of ``fault``; what came of it."""
        operation, engine = want.operation, running.engine
        done_under = key = want.intent.key if want.intent is not None else ""
        handler, compensation = operation.action, ""
        if want.role != "action":
            found = operation.probe
            if want.role == "revert":
                found, compensation = operation.revert, operation.revert_name
            assert found is not None
            handler, done_under = found, action_key(engine.transaction, operation)
        call = Call(
            engine.began,
            engine.results,
            self.world,
            self.record,
            operation.name,
            compensation,
            want.attempt,
            f"{key}#{want.attempt}" if fault == "new_key" else key,
            done_under,
            want.result,
            want.reason,
            want.payload,
            fault,
            self.clock.now_us,
        )
        try:
            return Came(want, "succeeded", plain(handler(call)))
        except (Exception, SystemExit, GeneratorExit) as error:  # A handler ends nothing but its own call.
            return _unhappy(want, error)

    def verified(self, running: Running, want: Invoke, came: Came) -> Came:
        """What came of a revert, held against what the service says still stands."""
        if came.outcome not in ("succeeded", "unknown"):
            return came
        # Where the operation may still be on its way, its revert must arrive, or nothing is fenced.
        if came.outcome == "unknown" and want.result is None:
            return came
        found = self.call(running, Invoke(want.operation, want.attempt, None, "probe"))
        if found.outcome == "unknown":
            return came
        # A service that fences, and has seen neither, has not seen the revert of what may still arrive.
        if found.code == NOTHING_STANDS or (found.code == NEVER_ARRIVED and want.result is not None):
            result = came.result if came.outcome == "succeeded" else {"confirmed": want.operation.probe_name}
            return Came(want, "succeeded", result)
        if found.code == RETURNED_TOO_MUCH:
            return Came(want, "failed", code=found.code, reason=found.reason)
        if came.outcome == "unknown":
            return came
        never = found.code == NEVER_ARRIVED
        reason = "the service has not seen it" if never else "the service says that it still stands"
        return Came(want, "failed", code="not_reverted", reason=reason, retry="safe")


def _unhappy(want: Invoke, error: BaseException) -> Came:
    """What came of a call whose handler raised ``error``.

    An action may abort, and a compensation may be partial, but not the other way round.
    """
    try:
        match error:
            case Failed():
                return Came(
                    want, "failed", code=_said(error.code), reason=_said(error.reason), retry=error.retry
                )
            case Unknown():
                return Came(want, "unknown", code=_said(error.code), reason=_said(error.reason))
            case Aborted() if want.role == "action":
                return Came(want, "aborted", plain(error.payload), code="aborted", reason=_said(error.reason))
            case Partial() if want.role == "revert":
                return Came(want, "partial", plain(error.result), remains=plain(error.remains))
            case Expired() if want.role == "revert":
                return Came(want, "expired", code="expired", reason=_said(error.reason))
            case MarketsimError():
                raise error  # The stream itself refused: this is no answer of the service.
    except TypeError as wrong:
        error = wrong
    # Nobody can tell whether a handler that broke had already done its work.
    return Came(want, "unknown", code=type(error).__name__, reason=_said(error)[:200])


def _said(words: object) -> str:
    """What somebody's own code says, as a line of a stream can hold it."""
    return str(words)[:_WORDS_LENGTH_MAX].encode(errors="backslashreplace").decode()
