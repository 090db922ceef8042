"""The virtual driver: any number of transactions, interleaved at their boundaries on one clock."""

from collections.abc import Callable, Container
from heapq import heappop, heappush
from typing import NoReturn, Protocol

import msgspec

from marketsim.drivers.calls import Calls, Running
from marketsim.drivers.clock import Clock
from marketsim.saga.definition import Call, Policy, Saga
from marketsim.saga.engine import Engine
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import Event, FaultInjected, TransactionBegan
from marketsim.saga.fault import SETTLED, SUSPENDED_MAX_US, Fault
from marketsim.saga.faults import FaultPlan
from marketsim.saga.tape import Tape
from marketsim.saga.wants import Ask, Came, Invoke, Stop, Wait, Want, late_event

__all__ = ["Arrival", "Driver", "Log", "NoWorld", "Running", "World"]


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


class Arrival(msgspec.Struct, frozen=True, eq=False):
    """What a service still has to say, or to do, about a call that is over for its caller.

    ``answer`` is what it said, if it was asked and will say it again.
    """

    want: Invoke
    fault: Fault
    answer: Came | None = None


def crashed(torn: bool) -> NoReturn:
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


class Driver(Calls):
    """Carries out what engines want, in the order of virtual time; ties are broken by a counter.

    ``record`` appends an event to ``log``, applies it to ``world``, and shows it to ``watch``. A call
    takes effect when it is made, and its answer arrives after its latency. ``die`` is what a crash
    does, told whether it leaves a torn record: it must not return.
    """

    def __init__(
        self,
        log: Log,
        world: World,
        clock: Clock,
        *,
        watch: Callable[[Event], None] | None = None,
        die: Callable[[bool], NoReturn] = crashed,
    ) -> None:
        super().__init__(world, clock, _recorder(log, world, clock, watch))
        self.die = die
        self._coming: list[tuple[int, int, Running, Came | Arrival | None]] = []
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
        self.stop_in_time(running, self.clock.now_us + delay_us)
        return running

    def stop_in_time(self, running: Running, began_us: int, asked: Container[str] = ()) -> None:
        """Ask it to stop when it is to be cancelled, or its deadline passes, unless it was asked already."""
        began = running.engine.began
        for code, after_us in (("deadline_exceeded", began.deadline_us), ("cancelled", began.cancel_us)):
            if after_us and code not in asked:
                due_us = max(0, began_us + after_us - self.clock.now_us)
                self.expect(running, Came(Stop(code, "as it was asked for"), "stopped"), due_us)

    def expect(self, running: Running, came: Came | Arrival | None, delay_us: int) -> None:
        """Have ``came`` reach the engine ``delay_us`` microseconds from now."""
        self._counter += 1
        heappush(self._coming, (self.clock.now_us + delay_us, self._counter, running, came))

    def forget(self) -> None:
        """Drop all that is under way, as a process does that dies."""
        self._coming.clear()

    def take(self) -> tuple[int, int, Running, Came | Arrival | None]:
        """The next of what is coming."""
        return heappop(self._coming)

    def run(self) -> None:
        """Go on until no transaction has anything under way."""
        coming, clock, take, pump = self._coming, self.clock, self.take, self.pump
        while coming:
            due_us, _, running, came = take()
            arrives = type(came) is Arrival
            # Whoever has ended waits for nothing: it must not hold up the clock.
            if running.last is not None and not arrives:
                continue
            if due_us > clock.now_us:
                clock.advance(due_us)
            if arrives:
                came = self._arrived(running, came)  # type: ignore[arg-type]
                if running.last is not None:
                    continue
            running.engine.now_us = clock.now_us
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
        transaction, tape = running.engine.transaction, running.tape
        fault = running.plan.strike(transaction, want.operation, want.role, want.attempt, tape)
        took_us = self.took_us(running, want, fault)
        if fault is None:
            if not again and want.intent is not None:
                self.record(want.intent)
            came = self.call(running, want)
        else:
            came = self._struck(running, want, fault, again, took_us)
        if want.verify:
            came = self.verified(running, want, came)
        if again:
            came.again = True
        # Nobody waits longer than the time limit, for no answer.
        self._counter += 1
        due_us = self.clock.now_us + min(took_us, want.operation.time_limit_us)
        heappush(self._coming, (due_us, self._counter, running, came))

    def _struck(self, running: Running, want: Invoke, fault: Fault, again: bool, took_us: int) -> Came:
        """Let a fault strike a call, and tell what the engine is told."""
        injected = FaultInjected(
            transaction=running.engine.transaction,
            operation=want.operation.name,
            compensation=want.operation.revert_name if want.role == "revert" else "",
            probe=want.operation.probe_name if want.role == "probe" else "",
            attempt=want.attempt,
            fault=fault.name,
        )
        if fault.moment == "intent":
            self.record(injected)
            self.die(False)
        if not again and want.intent is not None:
            self.record(want.intent)
        self.record(injected)
        reaches = fault.phase in ("within", "after") or (fault.phase == "answer" and fault.landed == "yes")
        landed = self.call(running, want, fault.name) if reaches else None
        if fault.outcome == "crash":
            if fault.moment != "record":
                self.die(fault.moment == "torn")
            running.crash_after = want
            return landed or Came(want, "unknown", code=fault.name)
        if fault.stops:
            self.expect(running, Came(Stop(fault.stops, fault.sentence), "stopped"), took_us // 2)
        return self._answered(running, want, fault, landed, took_us)

    def _answered(
        self, running: Running, want: Invoke, fault: Fault, landed: Came | None, took_us: int
    ) -> Came:
        """What the engine is told of a call that was struck; what it is not told now may arrive later."""
        late = took_us > want.operation.time_limit_us
        if want.role == "action" and (fault.arrives or late):
            self.arrive(running, want, fault, took_us, landed)
        if late:
            return Came(want, "unknown", code=fault.name, reason=fault.sentence)
        if fault.phase == "within" and landed is not None:
            return landed
        if fault.outcome == "succeeded":
            return landed or Came(want, "succeeded")
        came = Came(want, fault.outcome, code=fault.name, reason=fault.sentence, retry=fault.retry)  # type: ignore[arg-type]
        if fault.outcome == "suspended":
            came.expires_us = SUSPENDED_MAX_US
        if fault.outcome == "aborted":
            came.code, came.result = "aborted", {"because": fault.name}
        return came

    def arrive(
        self, running: Running, want: Invoke, fault: Fault, took_us: int, answer: Came | None = None
    ) -> None:
        """Have what a service still has to say reach the engine: ``took_us`` from now, and a while."""
        point = f"{running.engine.transaction}/{want.operation.name}@{want.attempt}/arrival"
        delay_us = max(0, took_us + running.tape.between(point, *fault.arrives_us))
        self.expect(running, Arrival(want, fault, answer), delay_us)

    def _arrived(self, running: Running, arrival: Arrival) -> Came:
        """Let happen what arrives late; whoever has ended is not told, and it is only recorded."""
        want, fault = arrival.want, arrival.fault
        match fault.arrives:
            case "answer" | "landing":
                came = self.call(running, want, SETTLED if fault.arrives == "landing" else "")
            case "refusal" | "failure" | "contradiction":
                came = Came(want, "failed", code=fault.name, reason=fault.sentence)
            case _:
                done = running.engine.results.get(want.operation.name, {})
                came = arrival.answer or Came(want, "succeeded", done)
        if running.last is not None:
            self.record(late_event(running.engine.transaction, want, came))
        return came

    def _die_after(self, running: Running, event: Event) -> None:
        """Die after the outcome was recorded, if a fault said so."""
        dying = running.crash_after
        if dying is not None and getattr(event, "operation", "") == dying.operation.name:
            running.crash_after = None
            self.die(False)
