"""The virtual driver: any number of transactions, interleaved at their boundaries on one clock."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NoReturn, Protocol

import msgspec

from marketsim.drivers.clock import Clock
from marketsim.saga.definition import Call, Policy, Saga, plain
from marketsim.saga.engine import Ask, Came, Engine, Invoke, Run, Wait, Want, action_key
from marketsim.saga.errors import Aborted, Failed, MarketsimError, Partial, ProcessCrashed, Unknown
from marketsim.saga.events import Event, FaultInjected, TransactionBegan
from marketsim.saga.faults import Fault, FaultPlan
from marketsim.saga.tape import Tape

__all__ = ["Driver", "Log", "NoWorld", "Running", "World"]


class Log(Protocol):
    """Where events go: numbered and kept in the order in which they are appended."""

    def append(self, event: Event) -> None:
        """Number the event and keep it."""
        ...


class World(Protocol):
    """What the services act on: a fold over the stream, told of each event once it is recorded."""

    def apply(self, event: Event) -> None:
        """Let the event take effect."""
        ...


class NoWorld:
    """The world of a saga whose handlers keep their own."""

    def apply(self, event: Event) -> None:
        """Nothing to do."""


class Running(msgspec.Struct, eq=False):
    """A transaction under way: its engine, what it wants to break, and how it ended."""

    engine: Engine
    run: Run
    plan: FaultPlan
    tape: Tape
    crash_after: Invoke | None = None
    last: Event | None = None


def crashed() -> NoReturn:
    """Die in memory: nothing of the process survives but what was appended to the log."""
    raise ProcessCrashed


def _recorder(
    log: Log, world: World, clock: Clock, watch: Callable[[Event], None] | None
) -> Callable[[Event], None]:
    """What writes an event into the stream and lets it take effect."""
    append, apply, stamp = log.append, world.apply, clock.stamp
    time_us, time = -1, ""

    def record(event: Event) -> None:
        # Everything passes through here: names are bound once, and a time that has not moved is kept.
        nonlocal time_us, time
        if clock.now_us != time_us:
            time_us, time = clock.now_us, stamp()
        event.time = time
        append(event)
        apply(event)
        if watch is not None:
            watch(event)

    return record


class Driver:
    """Carries out what engines want, in the order of virtual time; ties are broken by a counter.

    ``record`` appends an event to ``log``, applies it to ``world``, and shows it to ``watch``. A call
    takes effect when it is made, and its answer arrives after its latency. ``die`` is what a crash
    does: it must not return.
    """

    def __init__(
        self,
        log: Log,
        world: World,
        clock: Clock,
        *,
        watch: Callable[[Event], None] | None = None,
        die: Callable[[], NoReturn] = crashed,
    ) -> None:
        self.world: Any = world
        self.clock = clock
        self.die = die
        self.record = _recorder(log, world, clock, watch)
        self._coming: list[tuple[int, int, Running, Came | None]] = []
        self._counter = 0

    def begin(
        self,
        saga: Saga,
        policy: Policy,
        tape: Tape,
        began: TransactionBegan,
        plan: FaultPlan | None = None,
        *,
        delay_us: int = 0,
    ) -> Running:
        """Have a transaction begin ``delay_us`` microseconds from now, once :meth:`run` is called."""
        engine = Engine(saga, policy, tape, began)
        running = Running(engine, engine.run(), plan if plan is not None else FaultPlan(), tape)
        self.expect(running, None, delay_us)
        return running

    def expect(self, running: Running, came: Came | None, delay_us: int) -> None:
        """Have ``came`` reach the engine ``delay_us`` microseconds from now."""
        self._counter += 1
        heappush(self._coming, (self.clock.now_us + delay_us, self._counter, running, came))

    def forget(self) -> None:
        """Drop all that is under way, as a process does that dies."""
        self._coming.clear()

    def run(self) -> None:
        """Go on until no transaction has anything under way."""
        coming, clock, pump = self._coming, self.clock, self.pump
        while coming:
            due_us, _, running, came = heappop(coming)
            if due_us > clock.now_us:
                clock.advance(due_us)
            pump(running, running.run.send(came))

    def pump(self, running: Running, want: Want) -> None:
        """Carry out what the engine wants, from ``want`` on, until it can go no further by itself."""
        send, record, invoke, last = running.run.send, self.record, self.invoke, want
        try:
            while want is not None:
                kind = type(want)
                if kind is Invoke:
                    invoke(running, want)  # type: ignore[arg-type]
                elif kind is Wait:
                    self.expect(running, Came(want, "waited"), want.delay_us)  # type: ignore[union-attr,arg-type]
                elif kind is Ask:
                    want = send(self.ask(running))
                    continue
                else:
                    last = want
                    record(want)  # type: ignore[arg-type]
                    if running.crash_after is not None:
                        self._die_after(running, want)  # type: ignore[arg-type]
                want = send(None)
        except StopIteration:
            running.last = last  # type: ignore[assignment]

    def ask(self, running: Running) -> tuple[str, str] | None:
        """Ask the guardrails; the first that is broken, by name, and why."""
        call = Call(running.engine.began, {}, self.world, self.record)
        for name, rule in running.engine.saga.guardrails.items():
            reason = rule(call)
            if reason is not None:
                return name, reason
        judge = running.engine.saga.judge
        return judge(call) if judge is not None else None

    def invoke(self, running: Running, want: Invoke, *, again: bool = False) -> None:
        """Make a call: the intent first (unless it stands already), then the fault or the handler."""
        operation, revert, attempt, tape = want.operation, want.revert, want.attempt, running.tape
        transaction = running.engine.transaction
        fault = running.plan.strike(transaction, operation, revert, attempt, tape)
        if fault is None:
            if not again:
                self.record(want.intent)
            came = self._call(running, want)
        else:
            came = self._struck(running, want, fault, again)
        if again:
            came.again = True
        if fault is not None and fault.slow:
            took_us = operation.time_limit_us
        else:
            place = operation.revert_name if revert else operation.name
            least_us, most_us = operation.latency_us
            took_us = tape.between(f"{transaction}/{place}@{attempt}/latency", least_us, most_us)
        self._counter += 1
        heappush(self._coming, (self.clock.now_us + took_us, self._counter, running, came))

    def _struck(self, running: Running, want: Invoke, fault: Fault, again: bool) -> Came:
        """Let a fault strike a call, and tell what the engine is told."""
        injected = FaultInjected(
            transaction=running.engine.transaction,
            operation=want.operation.name,
            compensation=want.operation.revert_name if want.revert else "",
            attempt=want.attempt,
            fault=fault.name,
        )
        if fault.moment == "intent":
            self.record(injected)
            self.die()
        if not again:
            self.record(want.intent)
        self.record(injected)
        landed = self._call(running, want) if fault.phase == "after" else None
        if fault.outcome == "crash":
            if fault.moment != "record":
                self.die()
            running.crash_after = want
            return landed or Came(want, "unknown", code=fault.name)
        if fault.outcome == "succeeded":
            return Came(want, "succeeded")
        return Came(want, fault.outcome, code=fault.name, reason=fault.sentence, retry=fault.retry)

    def _call(self, running: Running, want: Invoke) -> Came:
        """Let the handler act."""
        operation, engine, key = want.operation, running.engine, want.intent.key
        handler, compensation, done_under = operation.action, "", key
        if want.revert:
            assert operation.revert is not None
            handler, compensation = operation.revert, operation.revert_name
            done_under = action_key(engine.transaction, operation)
        call = Call(
            engine.began,
            engine.results,
            self.world,
            self.record,
            operation.name,
            compensation,
            want.attempt,
            key,
            done_under,
            want.result,
            want.reason,
        )
        try:
            return Came(want, "succeeded", plain(handler(call)))
        except Exception as error:
            return _unhappy(want, error)

    def _die_after(self, running: Running, event: Event) -> None:
        """Die after the outcome was recorded, if a fault said so."""
        dying = running.crash_after
        if dying is not None and getattr(event, "operation", "") == dying.operation.name:
            running.crash_after = None
            self.die()


def _unhappy(want: Invoke, error: Exception) -> Came:
    """What came of a call whose handler raised ``error``.

    An action may abort, and a compensation may be partial, but not the other way round.
    """
    try:
        match error:
            case Failed():
                return Came(want, "failed", code=error.code, reason=error.reason, retry=error.retry)
            case Unknown():
                return Came(want, "unknown", code=error.code, reason=error.reason)
            case Aborted() if not want.revert:
                return Came(want, "aborted", plain(error.payload), code="aborted", reason=error.reason)
            case Partial() if want.revert:
                return Came(want, "partial", plain(error.result), remains=plain(error.remains))
            case MarketsimError():
                raise error  # The stream itself refused: this is no answer of the service.
    except TypeError as wrong:
        error = wrong
    # Nobody can tell whether a handler that broke had already done its work.
    return Came(want, "unknown", code=type(error).__name__, reason=str(error)[:200])
