"""The rules for a saga's times: how long an answer, a retry and a way back may take, at the worst."""

from collections.abc import Iterator

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.explore.lint.shape import ancestors_of, found, pivot_of
from marketsim.saga.definition import SECOND_US, Operation, Policy, Retry, Saga

__all__ = ["KEYS_KEPT_US", "retries_end", "takes_us", "time_to_answer", "time_to_revert"]

KEYS_KEPT_US = 24 * 3600 * SECOND_US
"""For how long payment providers promise to remember an idempotency key, in microseconds: 24 hours."""


def takes_us(retry: Retry, call_us: int) -> int:
    """How long all attempts together take at the most, in microseconds, if each takes ``call_us``."""
    total_us = call_us
    for attempt in range(1, retry.attempts_max):
        pause_us = min(retry.delay_us * int(retry.factor ** min(attempt - 1, 40)), retry.delay_max_us)
        total_us += pause_us + pause_us * retry.jitter_percent // 100 + call_us
    if retry.elapsed_max_us:
        total_us = min(total_us, retry.elapsed_max_us + call_us)
    return total_us


def time_to_answer(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """A call is waited for as long as it takes."""
    for operation in saga.operations.values():
        (least_us, most_us), limit_us = operation.latency_us, operation.time_limit_us
        if least_us > most_us:
            severity, message = ERROR, f"the least latency of {operation.name} is above the most"
        elif limit_us < least_us:
            severity, message = ERROR, f"{operation.name} is never waited for as long as it takes"
        elif limit_us < most_us:
            severity, message = WARNING, f"{operation.name} is given up at times that are usual for it"
        else:
            continue
        yield found(
            "time-to-answer",
            severity,
            operation,
            message,
            expected=f"a time limit of {_text(most_us)} or more",
            actual=f"a time limit of {_text(limit_us)}; it takes {_text(least_us)} to {_text(most_us)}",
            remedy="raise time_limit_us, or mend latency_us",
        )


def retries_end(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """All attempts are over while services still remember the key."""
    for operation in saga.operations.values():
        longest_us = takes_us(operation.retry, operation.time_limit_us)
        if longest_us > KEYS_KEPT_US:
            yield found(
                "retries-end",
                ERROR,
                operation,
                f"{operation.name} may be tried again after {_text(longest_us)}, its key forgotten",
                expected=f"{_text(KEYS_KEPT_US)} at the most",
                actual=_text(longest_us),
                remedy="give its Retry an elapsed_max_us, or fewer attempts",
            )


def time_to_revert(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """A time-to-live lasts until all later retries, and those of the reverts that come first, are over."""
    if not policy.compensate or policy.expiry == "from_attempt":
        return
    for operation in saga.operations.values():
        if operation.revert is None or not operation.revert_ttl_us or _is_behind_the_pivot(saga, operation):
            continue
        begins_us = _forward_us(saga, operation, policy) + _back_us(saga, operation, policy)
        ends_us = begins_us + takes_us(policy.retry, operation.time_limit_us) - operation.time_limit_us
        if operation.revert_ttl_us < ends_us:
            late = "its revert" if operation.revert_ttl_us < begins_us else "the last try of its revert"
            yield found(
                "time-to-revert",
                ERROR if operation.revert_ttl_us < begins_us else WARNING,
                operation,
                f"{operation.name} can be reverted for {_text(operation.revert_ttl_us)}, and {late} may come "
                f"after {_text(begins_us if operation.revert_ttl_us < begins_us else ends_us)}",
                expected=f"revert_ttl_us of {_text(ends_us)} or more",
                actual=_text(operation.revert_ttl_us),
                remedy="let what comes later give up sooner (elapsed_max_us), or do it before",
            )


def _is_behind_the_pivot(saga: Saga, operation: Operation) -> bool:
    pivot = pivot_of(saga)
    return pivot is not None and pivot.name in ancestors_of(saga, operation)


def _later(saga: Saga, operation: Operation) -> list[Operation]:
    """What may be under way when the operation is done, and may lead to its revert."""
    before = ancestors_of(saga, operation)
    return [
        each
        for each in saga.operations.values()
        if each is not operation and each.name not in before and not _is_behind_the_pivot(saga, each)
    ]


def _forward_us(saga: Saga, operation: Operation, policy: Policy) -> int:
    """How long the way forward goes on, at the most: the longest chain of what is later."""
    ends_us: dict[str, int] = {}
    for each in _later(saga, operation):
        begins_us = max((ends_us.get(name, 0) for name in each.after), default=0)
        ends_us[each.name] = begins_us + _call_us(each, policy)
    return max(ends_us.values(), default=0)


def _call_us(operation: Operation, policy: Policy) -> int:
    """All attempts at an operation, each followed by all the questions that its probe may be asked."""
    once_us = operation.time_limit_us
    if policy.probe and operation.probe is not None:
        once_us += takes_us(operation.retry, operation.time_limit_us)
    return takes_us(operation.retry, once_us)


def _back_us(saga: Saga, operation: Operation, policy: Policy) -> int:
    """How long the reverts take, at the most, that the policy makes before this one."""
    before = ancestors_of(saga, operation)
    others = [each for each in saga.operations.values() if each is not operation and each.revert is not None]
    others = [each for each in others if not _is_behind_the_pivot(saga, each)]
    if policy.at_once:
        others = []
    elif policy.order == "newest_first":
        others = [each for each in others if each.name not in before]
    elif policy.order == "oldest_first":
        others = [each for each in others if each.name in before]
    return sum(takes_us(policy.retry, each.time_limit_us) for each in others)


def _text(span_us: int) -> str:
    """A length of time for a person."""
    for unit, size_us in (("d", 86_400 * SECOND_US), ("h", 3600 * SECOND_US), ("min", 60 * SECOND_US)):
        if span_us >= 2 * size_us:
            return f"{span_us / size_us:.3g} {unit}"
    return f"{span_us / SECOND_US:.3g} s" if span_us >= SECOND_US else f"{span_us / 1000:.3g} ms"
