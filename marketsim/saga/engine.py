"""The engine: a transaction as a generator that yields what it wants done and is sent what came of it.

There is no I/O in here and no clock. The generator yields

- an :class:`Event <marketsim.saga.events.Event>`, to be recorded before anything else happens;
- :class:`Ask`, to have the guardrails asked; it is sent the first broken ``(rule, reason)`` or None;
- :class:`Invoke` or :class:`Wait`, to be begun; several may be under way at once;
- ``None``, when it can go no further; it is sent the next :class:`Came`.

Whoever drives it may be a real process, a simulation, a replay or a recovery; the rules of
compensation are written here and nowhere else.
"""

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any, Literal

from marketsim.saga.definition import Operation
from marketsim.saga.events import (
    CompensationExpired,
    CompensationRetryScheduled,
    CompensationSkipped,
    CompensationStarted,
    DeadLetterResolved,
    JSONObject,
    OperationProbed,
    OperationRetryScheduled,
    OperationStarted,
    OperationSucceeded,
    TransactionAbandoned,
    TransactionCommitted,
    TransactionCompensated,
    TransactionCompensating,
    TransactionRejected,
    TransactionStuck,
)
from marketsim.saga.under_way import Touched, UnderWay, is_of
from marketsim.saga.wants import (
    Ask,
    Came,
    Invoke,
    Run,
    Stop,
    Wait,
    Want,
    outcome_event,
    revert_event,
    revert_key,
)

__all__ = ["AT_LAST", "Engine"]

AT_LAST = "the revert succeeded at last"
"""Why a dead letter is resolved whose revert was tried again, and succeeded."""


class Engine(UnderWay):
    """One transaction, forward and back. ``results`` are those of the operations done so far."""

    def run(self) -> Run:
        """The whole transaction, from ``transaction.began`` to the event that ends it."""
        yield self.began
        broken = yield Ask()
        if broken is not None:
            yield TransactionRejected(transaction=self.transaction, rule=broken[0], reason=broken[1])
            return
        yield from self._forward()
        if self._failed is None:
            yield TransactionCommitted(transaction=self.transaction, left=self._left)
        else:
            yield from self._back(*self._failed)

    def again(self, operations: Mapping[str, int], reason: str) -> Run:
        """Try the reverts of these operations once more, newest first.

        For an engine whose run has ended with something left; the numbers are those of the last
        attempt at each. What succeeds is recorded as resolved.
        """
        self._turned = True
        for touched in reversed(self._touched.values()):
            name = touched.operation.name
            if name not in operations or touched.operation.revert is None:
                continue
            touched.tries = touched.tries_before = operations[name]
            if not (yield from self._reverts([touched], reason)):
                yield DeadLetterResolved(transaction=self.transaction, operation=name, reason=AT_LAST)

    # Forward.

    def _forward(self) -> Run:
        followers, missing, ready = self.saga.followers, self.saga.waits.copy(), self.saga.first
        waited_for = self._open
        while ready or waited_for:
            if self.called_back is not None:
                stop, self.called_back = self.called_back, None
                yield from self._stop(stop)
                ready = ready if self._failed is None else []
                continue
            for operation in ready:
                self._touched[operation.name] = Touched(operation, self.now_us)
                yield self._invoke(operation, 1)
            ready = []
            came: Came = yield None
            want = came.want
            if came.outcome == "succeeded" and want in waited_for and want.role == "action":  # type: ignore[union-attr]
                waited_for.remove(want)
                yield self._succeeded(want.operation, want.attempt, came.result)  # type: ignore[union-attr]
                done: Operation | None = want.operation  # type: ignore[union-attr]
            else:
                done = yield from self._digest(came)
            if self._failed is not None:
                yield from self._give_up_suspended()
            if done is None:
                continue
            for follower in followers[done.name]:
                missing[follower.name] -= 1
                if not missing[follower.name] and self._failed is None:
                    ready.append(follower)

    def _invoke(self, operation: Operation, attempt: int) -> Invoke:
        key = f"{self.transaction}:{operation.name}"
        want = Invoke(
            operation,
            attempt,
            OperationStarted(
                transaction=self.transaction,
                operation=operation.name,
                attempt=attempt,
                key=f"{key}#{attempt}" if self.policy.new_keys and attempt > 1 else key,
                kind=operation.kind,
                service=operation.service,
            ),
        )
        self._open.add(want)
        return want

    def _succeeded(self, operation: Operation, attempt: int, result: JSONObject) -> OperationSucceeded:
        """Keep the result, and return what is to be recorded."""
        name = operation.name
        touched = self._touched[name]
        touched.landed, touched.result, touched.landed_us = "yes", result, self.now_us
        self.results[name] = result
        return OperationSucceeded(
            transaction=self.transaction, operation=name, attempt=attempt, result=result
        )

    def _digest(self, came: Came) -> Generator[Want, Any, Operation | None]:
        """Record what else came; return the operation if that means that it is done."""
        if isinstance(came.want, Stop) or came.want not in self._open:
            outcome = yield from self._unawaited(came)
            if outcome is None:
                return None
            came = outcome
        want = came.want
        assert not isinstance(want, Stop)
        touched = self._touched[want.operation.name]
        if came.outcome == "suspended" and isinstance(want, Invoke):
            yield from self._suspend(touched, want, came)
            return None
        self._open.remove(want)
        if isinstance(want, Wait):
            if self._failed is None:
                asks = want.role == "probe"
                yield self._ask(touched) if asks else self._invoke(want.operation, want.attempt)
            return None
        if want.role == "probe":
            return (yield from self._probed(touched, came))
        yield outcome_event(self.transaction, want, came)
        touched.attempt, touched.code = want.attempt, came.code
        if came.outcome == "aborted":
            self._payload = came.result
        if came.outcome in ("unknown", "aborted") or came.again:
            touched.landed, touched.landed_us = "maybe", self.now_us
        if came.outcome == "unknown" and self._may_ask(touched):
            touched.asked_before = touched.asked
            yield self._ask(touched)
            return None
        return (yield from self._tried(touched, came))

    def _tried(self, touched: Touched, came: Came) -> Generator[Want, Any, Operation | None]:
        """Repeat an attempt that came to nothing, or give the operation up."""
        operation, attempt = touched.operation, touched.attempt + 1
        if self._stopping and operation.kind == "pivot" and self._failed is None:
            self._failed = (operation.name, self._stopping)
        if self._failed is None and not (operation.one_shot and came.outcome == "unknown"):
            point = f"{self.transaction}/{operation.name}@{attempt}/pause"
            delay_us = self._pause_us(operation.retry, came, attempt - 1, touched.since_us, point)
            if delay_us is not None:
                yield OperationRetryScheduled(
                    transaction=self.transaction, operation=operation.name, attempt=attempt, delay_us=delay_us
                )
                yield self._wait(Wait(operation, attempt, delay_us))
                return None
        if operation.kind == "retriable":
            self._left.append(operation.name)
            return operation
        self._failed = self._failed or (operation.name, came.code or came.reason)
        return None

    # Asking what came of a call.

    def _may_ask(self, touched: Touched) -> bool:
        return self.policy.probe and touched.operation.probe is not None and self._failed is None

    def _ask(self, touched: Touched) -> Invoke:
        touched.asked += 1
        want = Invoke(touched.operation, touched.asked, None, "probe")
        self._open.add(want)
        return want

    def _probed(self, touched: Touched, came: Came) -> Generator[Want, Any, Operation | None]:
        """Record what the probe says: it landed, it did not and may be asked for again, or nobody knows."""
        operation, verdict = touched.operation, _verdict(came)
        yield OperationProbed(
            transaction=self.transaction,
            operation=operation.name,
            attempt=touched.asked,
            probe=operation.probe_name,
            outcome=verdict,
            code=came.code,
            reason=came.reason,
            result=came.result,
        )
        if verdict == "landed":
            yield self._succeeded(operation, touched.attempt, came.result)
            return operation
        if verdict == "not_landed":
            # It may still be on its way, and what must not be made twice is not.
            again = "never" if operation.one_shot else "safe"
            return (
                yield from self._tried(touched, Came(came.want, "failed", code=touched.code, retry=again))
            )
        if self._failed is None and (yield from self._asked_later(touched, came)):
            return None
        # Whether the key is still known to a service that does not answer, nobody can tell.
        retriable = operation.kind == "retriable"
        given_up = Came(came.want, "unknown" if retriable else "failed", code=touched.code)
        return (yield from self._tried(touched, given_up))

    def _asked_later(self, touched: Touched, came: Came) -> Generator[Want, Any, bool]:
        """Have the probe asked again after a pause, if it may be; whether it is."""
        operation, number = touched.operation, touched.asked + 1
        asked = touched.asked - touched.asked_before
        point = f"{self.transaction}/{operation.probe_name}@{number}/pause"
        delay_us = self._pause_us(operation.retry, Came(came.want, "unknown"), asked, self.now_us, point)
        if delay_us is None:
            return False
        yield OperationRetryScheduled(
            transaction=self.transaction,
            operation=operation.name,
            attempt=number,
            delay_us=delay_us,
            probe=operation.probe_name,
        )
        yield self._wait(Wait(operation, number, delay_us, "probe"))
        return True

    # Back.

    def _back(self, failed: str, reason: str) -> Run:
        standing = self._in_order([each for each in self._touched.values() if self._stands(each, failed)])
        if self._past_pivot():
            left = dict.fromkeys([failed, *(each.operation.name for each in standing)])
            yield TransactionStuck(transaction=self.transaction, dead_letters=[name for name in left if name])
            return
        abandoned = TransactionAbandoned(transaction=self.transaction, operation=failed, reason=reason)
        if standing and (self._dropped or not self.policy.compensate):
            yield abandoned
            return
        self._turned, self._dropped = True, False
        yield TransactionCompensating(transaction=self.transaction, operation=failed, reason=reason)
        stuck = yield from self._reverts(standing, reason)
        if self._dropped:
            yield abandoned
        elif stuck:
            yield TransactionStuck(transaction=self.transaction, dead_letters=stuck)
        else:
            yield TransactionCompensated(transaction=self.transaction)

    def _past_pivot(self) -> bool:
        """Whether the pivot was done, or may have been and has no revert: there is no way back then."""
        pivots = [each for each in self._touched.values() if each.operation.kind == "pivot"]
        return any(
            each.landed == "yes" or (each.landed == "maybe" and each.operation.revert is None)
            for each in pivots
        )

    def _stands(self, touched: Touched, failed: str) -> bool:
        operation = touched.operation
        if operation.revert is None:
            return False
        if operation.name == failed and self.policy.revert_failed:
            return True
        unknown = self.policy.revert_unknown or operation.one_shot
        return touched.landed == "yes" or (touched.landed == "maybe" and unknown)

    def _in_order(self, standing: list[Touched]) -> list[Touched]:
        """What is to be reverted, in the policy's order; it comes in the order of starting."""
        if self.policy.order == "newest_first":
            return standing[::-1]
        if self.policy.order == "ids_as_text":
            ids = {name: str(number) for number, name in enumerate(self.saga.operations, 1)}
            return sorted(standing, key=lambda each: ids[each.operation.name], reverse=True)
        return standing

    def _reverts(self, wanted: list[Touched], reason: str) -> Generator[Want, Any, list[str]]:
        """Revert these, one after another or (as the policy has it) all at once; which of them are stuck."""
        waiting, stuck = deque(wanted), list[str]()
        while True:
            for touched in [each for each in self._touched.values() if each.overtaken]:
                if not any(is_of(want, touched) for want in self._open) and touched not in waiting:
                    touched.overtaken = False
                    stuck = [name for name in stuck if name != touched.operation.name]
                    waiting.append(touched)
            while waiting and (self.policy.at_once or not self._open):
                yield from self._begin_revert(waiting.popleft(), reason, stuck)
            if self._dropped:
                waiting.clear()
            if not self._open and not waiting:
                if not self._awaits_late():
                    return stuck
                if self._watch is None:
                    yield self._begin_watch()
            came: Came = yield None
            yield from self._digest_revert(came, reason, stuck)

    def _begin_revert(self, touched: Touched, reason: str, stuck: list[str]) -> Run:
        operation, place = touched.operation, self._place(touched.operation)
        if stuck and self.policy.halt_on_stuck and touched.tries == touched.tries_before:
            why = "an earlier revert is stuck, and the policy halts there"
            yield CompensationSkipped(**place, reason=why)
            stuck.append(operation.name)
        elif self._expired(touched):
            why = "the time in which it could be reverted has passed"
            yield CompensationExpired(**place, reason=why)
            stuck.append(operation.name)
        else:
            yield self._undo(touched, reason)

    def _expired(self, touched: Touched) -> bool:
        # Counted from each attempt anew, as some engines do, the time is never over.
        ttl_us = touched.operation.revert_ttl_us
        if not ttl_us or touched.landed == "no" or self.policy.expiry == "from_attempt":
            return False
        return self.now_us - touched.landed_us > ttl_us

    def _place(self, operation: Operation) -> dict[str, Any]:
        return {
            "transaction": self.transaction,
            "operation": operation.name,
            "compensation": operation.revert_name,
        }

    def _undo(self, touched: Touched, reason: str) -> Invoke:
        operation = touched.operation
        touched.tries += 1
        if touched.tries == touched.tries_before + 1:
            touched.tries_since_us = self.now_us
        intent = CompensationStarted(
            transaction=self.transaction,
            operation=operation.name,
            compensation=operation.revert_name,
            attempt=touched.tries,
            key=revert_key(self.transaction, operation),
            service=operation.service,
        )
        verify = self.policy.verify and operation.probe is not None
        want = Invoke(
            operation, touched.tries, intent, "revert", touched.result, reason, self._payload, verify
        )
        self._open.add(want)
        return want

    def _digest_revert(self, came: Came, reason: str, stuck: list[str]) -> Run:
        """Record what came of a revert, and try again what is worth another attempt."""
        want = came.want
        if want is self._watch:
            self._watch = None
            return
        if isinstance(want, Stop) or want not in self._open:
            yield from self._unawaited(came)
            return
        self._open.remove(want)
        touched = self._touched[want.operation.name]
        if isinstance(want, Wait):
            yield from self._begin_revert(touched, reason, stuck)
            return
        yield revert_event(self.transaction, want, came)
        if came.outcome == "succeeded":
            # A service that knows of a result which is still to come says how long to wait for it.
            wait_us = came.result.get("awaits_us", 0) if self.policy.await_late else 0
            touched.awaited_us = self.now_us + wait_us if isinstance(wait_us, int) and wait_us else 0
            return
        yield from self._retry_revert(touched, came, stuck)

    def _retry_revert(self, touched: Touched, came: Came, stuck: list[str]) -> Run:
        operation, made = touched.operation, touched.tries - touched.tries_before
        point = f"{self.transaction}/{operation.revert_name}@{touched.tries + 1}/pause"
        delay_us = self._pause_us(self.policy.retry, came, made, touched.tries_since_us, point)
        if delay_us is None or self._dropped:
            stuck.append(operation.name)
            return
        yield CompensationRetryScheduled(
            **self._place(operation), attempt=touched.tries + 1, delay_us=delay_us
        )
        yield self._wait(Wait(operation, touched.tries + 1, delay_us, "revert"))

    def _awaits_late(self) -> bool:
        return any(touched.awaited_us > self.now_us for touched in self._touched.values())

    def _begin_watch(self) -> Wait:
        last = max(self._touched.values(), key=lambda touched: touched.awaited_us)
        self._watch = Wait(last.operation, 0, last.awaited_us - self.now_us, "late")
        return self._watch


def _verdict(came: Came) -> Literal["landed", "not_landed", "unknown"]:
    """What a probe's answer says of its operation: ``landed``, ``not_landed``, or ``unknown``.

    A failure that may be tried again is one of the question, and says nothing of what was asked about.
    """
    if came.outcome == "succeeded":
        return "landed"
    return "not_landed" if came.outcome == "failed" and came.retry == "never" else "unknown"
