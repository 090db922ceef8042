"""What an engine wants done, what came of it, and how that is recorded."""

from collections.abc import Generator
from typing import Any, Literal, TypeAlias

import msgspec

from marketsim.saga.definition import Operation, Role
from marketsim.saga.events import (
    CompensationExpired,
    CompensationFailed,
    CompensationPartial,
    CompensationStarted,
    CompensationSucceeded,
    Event,
    JSONObject,
    OperationAborted,
    OperationFailed,
    OperationLate,
    OperationStarted,
    OperationUnknown,
)

__all__ = [
    "Ask",
    "Came",
    "Invoke",
    "Run",
    "Stop",
    "Wait",
    "Want",
    "action_key",
    "late_event",
    "outcome_event",
    "revert_event",
    "revert_key",
    "role_of",
]

Outcome: TypeAlias = Literal[
    "succeeded", "failed", "unknown", "suspended", "aborted", "partial", "expired", "waited", "stopped"
]


class Ask(msgspec.Struct, frozen=True):
    """Ask the guardrails."""


class Invoke(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Call the action of an operation, its revert, or its probe.

    ``intent`` is recorded before the call; a probe has none, since it changes nothing. With ``verify``
    a revert is believed only when the probe finds nothing left.
    """

    operation: Operation
    attempt: int
    intent: OperationStarted | CompensationStarted | None
    role: Role = "action"
    result: JSONObject | None = None
    reason: str = ""
    payload: JSONObject = {}
    verify: bool = False


class Wait(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Let ``delay_us`` microseconds pass.

    Before attempt ``attempt`` of that role; until a suspended call expires; or for a late result.
    """

    operation: Operation
    attempt: int
    delay_us: int
    role: Literal["action", "revert", "probe", "expiry", "late"] = "action"


class Stop(msgspec.Struct, frozen=True, eq=False):
    """Somebody outside wants the transaction to end; its driver sends this, unasked."""

    code: str
    reason: str = ""


class Came(msgspec.Struct, gc=False):
    """What came of an Invoke or a Wait, or a Stop.

    ``again`` tells that a call was made again by a recovered process: whatever the answer is now,
    the first call may have landed. A call that is ``suspended`` has its outcome later, within
    ``expires_us`` microseconds.
    """

    want: Invoke | Wait | Stop
    outcome: Outcome
    result: JSONObject = {}
    code: str = ""
    reason: str = ""
    retry: str = "never"
    remains: JSONObject | None = None
    again: bool = False
    expires_us: int = 0


Want: TypeAlias = Event | Ask | Invoke | Wait | None
Run: TypeAlias = Generator[Want, Any, None]


def action_key(transaction: str, operation: Operation) -> str:
    """The idempotency key of an operation: one for all its attempts."""
    return f"{transaction}:{operation.name}"


def revert_key(transaction: str, operation: Operation) -> str:
    """The idempotency key of the revert of an operation."""
    return f"{transaction}:{operation.name}:{operation.revert_name}"


def role_of(event: Event) -> Role:
    """In which role the service was called, of whose call the event tells."""
    if getattr(event, "compensation", ""):
        return "revert"
    return "probe" if getattr(event, "probe", "") else "action"


def late_event(transaction: str, want: Invoke, came: Came) -> OperationLate:
    """The record of a result that nobody was waiting for any more."""
    return OperationLate(
        transaction=transaction,
        operation=want.operation.name,
        attempt=want.attempt,
        outcome=came.outcome,
        code=came.code,
        reason=came.reason,
        result=came.result,
    )


def outcome_event(transaction: str, want: Invoke, came: Came) -> Event:
    """The record of what came of an attempt at an operation, unless it succeeded."""
    name, attempt = want.operation.name, want.attempt
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


def revert_event(transaction: str, want: Invoke, came: Came) -> Event:
    """The record of what came of an attempt at a revert."""
    place: dict[str, Any] = {
        "transaction": transaction,
        "operation": want.operation.name,
        "compensation": want.operation.revert_name,
        "attempt": want.attempt,
    }
    if came.outcome == "succeeded":
        return CompensationSucceeded(**place, result=came.result)
    if came.outcome == "partial":
        return CompensationPartial(**place, result=came.result, remains=came.remains or {})
    if came.outcome == "expired":
        return CompensationExpired(**place, reason=came.reason)
    return CompensationFailed(
        **place, code=came.code, reason=came.reason, outcome=came.outcome, retry=came.retry
    )
