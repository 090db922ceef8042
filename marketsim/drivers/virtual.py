"""The virtual driver: any number of transactions, interleaved at their boundaries on one clock."""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any, NoReturn, Protocol

import msgspec

from marketsim.drivers.clock import Clock
from marketsim.saga.definition import Call, Handler, Policy, Saga, plain
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


class Driver:
    """Carries out what engines want, in the order of virtual time; ties are broken by a counter.

    Each event is appended to ``log``, then applied to ``world``, then shown to ``watch``. A call
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
        self._append = log.append
        self._apply = world.apply
        self._watch = watch
        self._coming: list[tuple[int, int, Running, Came | None]] = []
        self._counter = 0

    def record(self, event: Event) -> None:
        """Write an event into the stream, and let it take effect."""
        event.time = self.clock.stamp()
        self._append(event)
        self._apply(event)
        if self._watch is not None:
            self._watch(event)

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
        running = Running(engine, engine.run(), plan or FaultPlan(), tape)
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
        coming = self._coming
        while coming:
            due_us, _, running, came = heappop(coming)
            self.clock.advance(due_us)
            self.pump(running, running.run.send(came))

    def pump(self, running: Running, want: Want) -> None:
        """Carry out what the engine wants, from ``want`` on, until it can go no further by itself."""
        send = running.run.send
        answer: object = None
        try:
            while want is not None:
                kind = type(want)
                if kind is Invoke:
                    self.invoke(running, want)  # type: ignore[arg-type]
                elif kind is Wait:
                    self.expect(running, Came(want, "waited"), want.delay_us)  # type: ignore[union-attr,arg-type]
                elif kind is Ask:
                    answer = self.ask(running)
                else:
                    self._conclude(running, want)  # type: ignore[arg-type]
                want = send(answer)
                answer = None
        except StopIteration:
            pass

    def ask(self, running: Running) -> tuple[str, str] | None:
        """Ask the guardrails; the first that is broken, by name, and why."""
        call = Call(running.engine.began, {}, self.world, self.record)
        for name, rule in running.engine.saga.guardrails.items():
            reason = rule(call)
            if reason is not None:
                return name, reason
        return None

    def invoke(self, running: Running, want: Invoke, *, again: bool = False) -> None:
        """Make a call: the intent first (unless it stands already), then the fault or the handler."""
        operation, tape = want.operation, running.tape
        fault = None
        if running.plan:
            fault = running.plan.strike(
                running.engine.transaction, operation, want.revert, want.attempt, tape
            )
        if fault is None:
            if not again:
                self.record(want.intent)
            came = self._call(running, want)
            slow = False
        else:
            came = self._struck(running, want, fault, again)
            slow = fault.slow
        came.again = again
        place = operation.revert_name if want.revert else operation.name
        took_us = (
            operation.time_limit_us
            if slow
            else tape.between(
                f"{running.engine.transaction}/{place}@{want.attempt}/latency", *operation.latency_us
            )
        )
        self.expect(running, came, took_us)

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
        engine, operation = running.engine, want.operation
        call = Call(
            engine.began,
            engine.results,
            self.world,
            self.record,
            operation=operation.name,
            compensation=operation.revert_name if want.revert else "",
            attempt=want.attempt,
            key=want.intent.key,
            action_key=action_key(engine.transaction, operation) if want.revert else want.intent.key,
            result=want.result,
            reason=want.reason,
        )
        handler = operation.revert if want.revert else operation.action
        assert handler is not None
        try:
            return _answer(want, handler, call)
        except Failed as failed:
            return Came(want, "failed", code=failed.code, reason=failed.reason, retry=failed.retry)
        except Unknown as unknown:
            return Came(want, "unknown", code=unknown.code, reason=unknown.reason)
        except MarketsimError:
            raise  # The stream itself refused: this is no answer of the service.
        except Exception as error:
            # Nobody can tell whether a handler that broke had already done its work.
            return Came(want, "unknown", code=type(error).__name__, reason=str(error)[:200])

    def _conclude(self, running: Running, event: Event) -> None:
        """Record an event of the engine, and die after it if a fault says so."""
        running.last = event
        self.record(event)
        dying = running.crash_after
        if dying is not None and getattr(event, "operation", "") == dying.operation.name:
            running.crash_after = None
            self.die()


def _answer(want: Invoke, handler: Handler, call: Call) -> Came:
    """Let the handler act. An action may abort, and a compensation may be partial, but not the other way."""
    try:
        return Came(want, "succeeded", plain(handler(call)))
    except Aborted as aborted:
        if want.revert:
            raise
        return Came(want, "aborted", plain(aborted.payload), code="aborted", reason=aborted.reason)
    except Partial as partial:
        if not want.revert:
            raise
        return Came(want, "partial", plain(partial.result), remains=plain(partial.remains))
