"""The engine: a transaction as a generator that yields what it wants done and is sent what came of it.

There is no I/O in here and no clock. The generator yields

- an :class:`Event`, to be recorded before anything else happens;
- :class:`Ask`, to have the guardrails asked; it is sent the first broken ``(rule, reason)`` or None;
- :class:`Invoke` or :class:`Wait`, to be begun; several may be under way at once;
- ``None``, when it can go no further; it is sent the next :class:`Came`.

Whoever drives it may be a real process, a simulation, a replay or a recovery; the rules of
compensation are written here and nowhere else.
"""

from collections import deque
from collections.abc import Generator, Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from marketsim.saga.definition import Operation, Policy, Retry, Saga
from marketsim.saga.events import (
    CompensationFailed,
    CompensationPartial,
    CompensationRetryScheduled,
    CompensationSkipped,
    CompensationStarted,
    CompensationSucceeded,
    DeadLetterResolved,
    Event,
    JSONObject,
    OperationAborted,
    OperationFailed,
    OperationRetryScheduled,
    OperationStarted,
    OperationSucceeded,
    OperationUnknown,
    TransactionAbandoned,
    TransactionBegan,
    TransactionCommitted,
    TransactionCompensated,
    TransactionCompensating,
    TransactionRejected,
    TransactionStuck,
)
from marketsim.saga.tape import Tape

__all__ = ["Ask", "Came", "Engine", "Invoke", "Run", "Wait", "Want", "action_key", "revert_key"]

Outcome: TypeAlias = Literal["succeeded", "failed", "unknown", "aborted", "partial", "waited"]


class Ask(msgspec.Struct, frozen=True):
    """Ask the guardrails."""


class Invoke(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Call the action of an operation, or its revert; ``intent`` is recorded before the call."""

    operation: Operation
    attempt: int
    intent: OperationStarted | CompensationStarted
    revert: bool = False
    result: JSONObject | None = None
    reason: str = ""


class Wait(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Let ``delay_us`` microseconds pass before attempt ``attempt``."""

    operation: Operation
    attempt: int
    delay_us: int
    revert: bool = False


class Came(msgspec.Struct, gc=False):
    """What came of an Invoke or a Wait.

    ``again`` tells that a call was made again by a recovered process: whatever the answer is now,
    the first call may have landed.
    """

    want: Invoke | Wait
    outcome: Outcome
    result: JSONObject = {}
    code: str = ""
    reason: str = ""
    retry: str = "never"
    remains: JSONObject | None = None
    again: bool = False


Want: TypeAlias = Event | Ask | Invoke | Wait | None
Run: TypeAlias = Generator[Want, Any, None]


def action_key(transaction: str, operation: Operation) -> str:
    """The idempotency key of an operation: one for all its attempts."""
    return f"{transaction}:{operation.name}"


def revert_key(transaction: str, operation: Operation) -> str:
    """The idempotency key of the revert of an operation."""
    return f"{transaction}:{operation.name}:{operation.revert_name}"


class _Touched(msgspec.Struct, gc=False):
    """An operation that has started: what must be known to revert it."""

    operation: Operation
    landed: Literal["no", "maybe", "yes"] = "no"
    result: JSONObject | None = None


class Engine:
    """One transaction of a saga under a policy. ``results`` are those of the operations done so far."""

    def __init__(self, saga: Saga, policy: Policy, tape: Tape, began: TransactionBegan) -> None:
        self.saga = saga
        self.policy = policy
        self.tape = tape
        self.began = began
        self.transaction = began.transaction
        self.results: dict[str, JSONObject] = {}
        self._touched: dict[str, _Touched] = {}
        self._left: list[str] = []
        self._failed: tuple[str, str] | None = None
        self._under_way = 0

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
        for touched in reversed(self._touched.values()):
            name = touched.operation.name
            if name not in operations or touched.operation.revert is None:
                continue
            if not (yield from self._reverts([touched], reason, operations)):
                yield DeadLetterResolved(
                    transaction=self.transaction, operation=name, reason="the revert succeeded at last"
                )

    # Forward.

    def _forward(self) -> Run:
        followers, missing, ready = self.saga.followers, self.saga.waits.copy(), self.saga.first
        while ready or self._under_way:
            for operation in ready:
                self._touched[operation.name] = _Touched(operation)
                yield self._invoke(operation, 1)
            ready = []
            came: Came = yield None
            self._under_way -= 1
            if came.outcome == "succeeded":
                yield self._succeeded(came)
                done: Operation | None = came.want.operation
            else:
                done = yield from self._digest(came)
            if done is None:
                continue
            for follower in followers[done.name]:
                missing[follower.name] -= 1
                if not missing[follower.name] and self._failed is None:
                    ready.append(follower)

    def _invoke(self, operation: Operation, attempt: int) -> Invoke:
        self._under_way += 1
        return Invoke(
            operation,
            attempt,
            OperationStarted(
                transaction=self.transaction,
                operation=operation.name,
                attempt=attempt,
                key=f"{self.transaction}:{operation.name}",
                kind=operation.kind,
                service=operation.service,
            ),
        )

    def _succeeded(self, came: Came) -> OperationSucceeded:
        """Keep the result, and return what is to be recorded."""
        name, result = came.want.operation.name, came.result
        touched = self._touched[name]
        touched.landed, touched.result = "yes", result
        self.results[name] = result
        return OperationSucceeded(
            transaction=self.transaction, operation=name, attempt=came.want.attempt, result=result
        )

    def _digest(self, came: Came) -> Generator[Want, Any, Operation | None]:
        """Record why an attempt did not succeed; return the operation if it is done all the same."""
        operation, attempt = came.want.operation, came.want.attempt
        if came.outcome == "waited":
            if self._failed is None:
                yield self._invoke(operation, attempt)
            return None
        yield _outcome_event(self.transaction, came)
        if came.outcome == "unknown" or came.again:
            self._touched[operation.name].landed = "maybe"
        if self._failed is None and _worth_another(operation.retry, came):
            yield from self._schedule(operation, attempt + 1)
            return None
        if operation.kind == "retriable":
            self._left.append(operation.name)
            return operation
        self._failed = self._failed or (operation.name, came.code or came.reason)
        return None

    def _schedule(self, operation: Operation, attempt: int) -> Run:
        point = f"{self.transaction}/{operation.name}@{attempt}/pause"
        delay = operation.retry.pause_us(attempt - 1, self.tape, point)
        yield OperationRetryScheduled(
            transaction=self.transaction, operation=operation.name, attempt=attempt, delay_us=delay
        )
        self._under_way += 1
        yield Wait(operation, attempt, delay)

    # Back.

    def _back(self, failed: str, reason: str) -> Run:
        standing = self._in_order([each for each in self._touched.values() if self._stands(each, failed)])
        if self._past_pivot():
            left = dict.fromkeys([failed, *(each.operation.name for each in standing)])
            yield TransactionStuck(transaction=self.transaction, dead_letters=list(left))
            return
        if standing and not self.policy.compensate:
            yield TransactionAbandoned(transaction=self.transaction, operation=failed, reason=reason)
            return
        yield TransactionCompensating(transaction=self.transaction, operation=failed, reason=reason)
        stuck = yield from self._reverts(standing, reason)
        if stuck:
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

    def _stands(self, touched: _Touched, failed: str) -> bool:
        if touched.operation.revert is None:
            return False
        if touched.operation.name == failed and self.policy.revert_failed:
            return True
        return touched.landed == "yes" or (touched.landed == "maybe" and self.policy.revert_unknown)

    def _in_order(self, standing: list[_Touched]) -> list[_Touched]:
        """What is to be reverted, in the policy's order; it comes in the order of starting."""
        if self.policy.order == "newest_first":
            return standing[::-1]
        if self.policy.order == "ids_as_text":
            ids = {name: str(number) for number, name in enumerate(self.saga.operations, 1)}
            return sorted(standing, key=lambda each: ids[each.operation.name], reverse=True)
        return standing

    def _skip(self, operation: Operation) -> CompensationSkipped:
        return CompensationSkipped(
            transaction=self.transaction,
            operation=operation.name,
            compensation=operation.revert_name,
            reason="an earlier revert is stuck, and the policy halts there",
        )

    def _reverts(
        self, wanted: list[_Touched], reason: str, tried: Mapping[str, int] | None = None
    ) -> Generator[Want, Any, list[str]]:
        """Revert these, one after another or (as the policy has it) all at once; which of them are stuck.

        ``tried`` are the attempts that an earlier run has made at each.
        """
        waiting, stuck, under_way, before = deque(wanted), list[str](), 0, tried or {}
        while waiting or under_way:
            while waiting and (self.policy.at_once or not under_way):
                touched = waiting.popleft()
                if stuck and self.policy.halt_on_stuck:
                    yield self._skip(touched.operation)
                    stuck.append(touched.operation.name)
                    continue
                under_way += 1
                yield self._undo(touched, before.get(touched.operation.name, 0) + 1, reason)
            if not under_way:
                break
            came: Came = yield None
            undone = yield from self._digest_revert(came, before, reason)
            if undone is not None:
                under_way -= 1
                stuck += [] if undone else [came.want.operation.name]
        return stuck

    def _undo(self, touched: _Touched, attempt: int, reason: str) -> Invoke:
        operation = touched.operation
        intent = CompensationStarted(
            transaction=self.transaction,
            operation=operation.name,
            compensation=operation.revert_name,
            attempt=attempt,
            key=revert_key(self.transaction, operation),
            service=operation.service,
        )
        return Invoke(operation, attempt, intent, True, touched.result, reason)

    def _digest_revert(
        self, came: Came, before: Mapping[str, int], reason: str
    ) -> Generator[Want, Any, bool | None]:
        """Record what came of a revert: whether it is undone, or None while it is still being tried."""
        operation, attempt = came.want.operation, came.want.attempt
        if came.outcome == "waited":
            yield self._undo(self._touched[operation.name], attempt, reason)
            return None
        yield _revert_event(self.transaction, came)
        if came.outcome in ("succeeded", "partial"):
            return came.outcome == "succeeded"
        first = before.get(operation.name, 0) + 1
        if not _worth_another(self.policy.retry, came, first):
            return False
        point = f"{self.transaction}/{operation.revert_name}@{attempt + 1}/pause"
        delay = self.policy.retry.pause_us(attempt + 1 - first, self.tape, point)
        yield CompensationRetryScheduled(
            transaction=self.transaction,
            operation=operation.name,
            compensation=operation.revert_name,
            attempt=attempt + 1,
            delay_us=delay,
        )
        yield Wait(operation, attempt + 1, delay, True)
        return None


def _worth_another(retry: Retry, came: Came, first: int = 1) -> bool:
    """Whether an attempt that came to nothing is repeated: the class allows it, and so does the number.

    What is unknown is always safe to repeat, since the key is the same.
    """
    safe = came.outcome == "unknown" or (came.outcome == "failed" and came.retry == "safe")
    return safe and came.want.attempt - first + 1 < retry.attempts_max


def _outcome_event(transaction: str, came: Came) -> Event:
    name, attempt = came.want.operation.name, came.want.attempt
    if came.outcome == "unknown":
        return OperationUnknown(
            transaction=transaction, operation=name, attempt=attempt, code=came.code, reason=came.reason
        )
    if came.outcome == "aborted":
        return OperationAborted(
            transaction=transaction, operation=name, attempt=attempt, reason=came.reason, payload=came.result
        )
    return OperationFailed(
        transaction=transaction,
        operation=name,
        attempt=attempt,
        code=came.code,
        reason=came.reason,
        retry=came.retry,
    )


def _revert_event(transaction: str, came: Came) -> Event:
    operation = came.want.operation
    place = {
        "transaction": transaction,
        "operation": operation.name,
        "compensation": operation.revert_name,
        "attempt": came.want.attempt,
    }
    if came.outcome == "succeeded":
        return CompensationSucceeded(**place, result=came.result)  # type: ignore[arg-type]
    if came.outcome == "partial":
        return CompensationPartial(**place, result=came.result, remains=came.remains or {})  # type: ignore[arg-type]
    return CompensationFailed(
        **place,  # type: ignore[arg-type]
        code=came.code,
        reason=came.reason,
        outcome=came.outcome,
        retry=came.retry,
    )
