"""What is under way: the state of a transaction, and how it takes in what it was not waiting for."""

from collections.abc import Generator
from typing import Any, Literal

import msgspec

from marketsim.saga.definition import Operation, Policy, Retry, Saga
from marketsim.saga.events import JSONObject, OperationSuspended, TransactionBegan, TransactionCancelRequested
from marketsim.saga.tape import Tape
from marketsim.saga.wants import Came, Invoke, Run, Stop, Wait, Want, late_event, outcome_event

__all__ = ["Touched", "UnderWay", "is_of"]


class Touched(msgspec.Struct, gc=False):
    """An operation that has started: what must be known to ask again, or to revert it.

    ``landed`` is what is believed of its effect, ``result`` what it returned; ``attempt`` is the last
    one whose outcome came, from 1, and ``code`` that of its failure. ``asked`` counts the questions of
    its probe, ``asked_before`` those about earlier attempts; ``tries`` the attempts at its revert, of
    which ``tries_before`` were made by an earlier run. ``suspended`` is the call that waits for somebody,
    and ``overtaken`` says that a late result came when the revert had begun.

    Moments, in microseconds since 1970: ``since_us`` is when its first attempt began, ``landed_us`` when
    it succeeded or was last unknown, ``tries_since_us`` when its first revert of this run began, and
    ``awaited_us`` until when a late result may come (0: none is awaited).
    """

    operation: Operation
    since_us: int = 0
    attempt: int = 1
    landed: Literal["no", "maybe", "yes"] = "no"
    landed_us: int = 0
    result: JSONObject | None = None
    asked: int = 0
    asked_before: int = 0
    tries: int = 0
    tries_before: int = 0
    tries_since_us: int = 0
    code: str = ""
    suspended: Invoke | None = None
    awaited_us: int = 0
    overtaken: bool = False


class UnderWay:
    """A transaction of a saga under a policy: what it has touched, and what it waits for.

    Its driver keeps ``now_us`` at the present moment (microseconds since 1970). What is sent to it and
    was not being waited for comes late: it is recorded, and reverted if nobody would otherwise. Who
    resumes it only to have it reverted sets ``called_back``, which is heard before anything new begins.
    """

    def __init__(self, saga: Saga, policy: Policy, tape: Tape, began: TransactionBegan) -> None:
        self.saga = saga
        self.policy = policy
        self.tape = tape
        self.began = began
        self.transaction = began.transaction
        self.results: dict[str, JSONObject] = {}
        self.now_us = 0
        self.called_back: Stop | None = None
        self._touched: dict[str, Touched] = {}
        self._open: set[Invoke | Wait | Stop] = set()
        self._left: list[str] = []
        self._failed: tuple[str, str] | None = None
        self._payload: JSONObject = {}
        self._turned = False
        self._stopping = ""
        self._dropped = False
        self._watch: Wait | None = None

    @property
    def failure(self) -> tuple[str, str] | None:
        """The operation that failed for good, and the code of why; None while nothing has."""
        return self._failed

    def _wait(self, wait: Wait) -> Wait:
        self._open.add(wait)
        return wait

    def _pause_us(self, retry: Retry, came: Came, made: int, since_us: int, point: str) -> int | None:
        """How long to pause after ``made`` attempts, or None if there is to be no other one.

        The class of the failure must allow it, and so must the number and the time since the first. What
        is unknown is always safe to repeat, since the key is the same.
        """
        safe = came.outcome == "unknown" or (came.outcome == "failed" and came.retry == "safe")
        if not safe or made >= retry.attempts_max:
            return None
        pause_us = retry.pause_us(made, self.tape, point)
        if retry.elapsed_max_us and self.now_us - since_us + pause_us > retry.elapsed_max_us:
            return None
        return pause_us

    # What nobody was waiting for.

    def _unawaited(self, came: Came) -> Generator[Want, Any, Came | None]:
        """Deal with what nobody was waiting for; return what it comes to, if that is an outcome."""
        want = came.want
        if isinstance(want, Stop):
            yield from self._stop(want)
        elif isinstance(want, Wait):
            suspended = self._touched[want.operation.name].suspended
            if want.role == "expiry" and suspended in self._open and suspended is not None:
                reason = "nobody answered in time"
                return Came(suspended, "failed", code="suspension_expired", reason=reason)
        elif want.role == "action":
            yield late_event(self.transaction, want, came)
            self._learn(self._touched[want.operation.name], came)
        return None

    def _learn(self, touched: Touched, came: Came) -> None:
        """Take in a late result: what succeeded after all must be reverted if the others are."""
        if came.outcome != "succeeded":
            return
        touched.awaited_us = 0
        if touched.landed == "yes":
            return
        touched.landed, touched.landed_us = "yes", self.now_us
        touched.result = came.result if touched.result is None else touched.result
        touched.overtaken = self._turned and touched.operation.revert is not None

    def _suspend(self, touched: Touched, want: Invoke, came: Came) -> Run:
        touched.suspended, touched.attempt = want, want.attempt
        touched.landed, touched.landed_us = "maybe", self.now_us
        yield OperationSuspended(
            transaction=self.transaction,
            operation=want.operation.name,
            attempt=want.attempt,
            code=came.code,
            reason=came.reason,
            expires_us=came.expires_us,
        )
        yield Wait(want.operation, want.attempt, came.expires_us, "expiry")

    def _give_up_suspended(self) -> Run:
        """Wait for nobody any more: the transaction has failed meanwhile."""
        for touched in self._touched.values():
            want = touched.suspended
            if want is not None and want in self._open:
                self._open.remove(want)
                reason = "the transaction failed while it waited"
                came = Came(want, "failed", code="given_up", reason=reason)
                yield outcome_event(self.transaction, want, came)

    def _stop(self, stop: Stop) -> Run:
        """End it, unless it is on its way back already, or past its pivot."""
        shielded = self._pivot_begun() or self._failed is not None
        if self._turned:
            shielded, self._dropped = self.policy.shielded, not self.policy.shielded
        yield TransactionCancelRequested(
            transaction=self.transaction, code=stop.code, reason=stop.reason, shielded=shielded
        )
        # A pivot that is still on its way may turn out not to have been done.
        self._stopping = stop.code
        if not shielded and not self._turned:
            self._failed = ("", stop.code)
            self._dropped = not self.policy.shielded

    def _pivot_begun(self) -> bool:
        """Whether the pivot was done, or may be being done: there is no calling back then."""
        return any(
            touched.operation.kind == "pivot"
            and (touched.landed != "no" or any(is_of(want, touched) for want in self._open))
            for touched in self._touched.values()
        )


def is_of(want: Invoke | Wait | Stop, touched: Touched) -> bool:
    """Whether what is wanted is about this operation."""
    return not isinstance(want, Stop) and want.operation is touched.operation
