"""The exit codes, and which error ends in which."""

from collections.abc import Iterable
from enum import IntEnum

from marketsim.audit.findings import ERROR, Finding
from marketsim.saga.errors import Diverged, InputError, LogDamaged, MarketsimError
from marketsim.saga.events import (
    Event,
    TransactionAbandoned,
    TransactionCommitted,
    TransactionStuck,
)

__all__ = ["Exit", "exit_of_end", "exit_of_error"]


class Exit(IntEnum):
    """What a command's end means; scripts may rely on each."""

    OK = 0
    FINDING = 1
    BAD_INPUT = 2
    NOT_PURCHASED = 3
    STUCK = 4
    INCOMPLETE = 5
    NOT_REPRODUCIBLE = 6
    INTERRUPTED = 130


_OF_ERRORS: tuple[tuple[type[MarketsimError], Exit], ...] = (
    (InputError, Exit.BAD_INPUT),
    (LogDamaged, Exit.FINDING),
    (Diverged, Exit.NOT_REPRODUCIBLE),
    (MarketsimError, Exit.BAD_INPUT),
)


def exit_of_error(error: MarketsimError) -> Exit:
    """The exit code of a command that this error ended."""
    return next(code for kind, code in _OF_ERRORS if isinstance(error, kind))


def exit_of_end(end: Event | None, findings: Iterable[Finding] = ()) -> Exit:
    """The exit code of a purchase, by the event that ended its transaction (None: it is open).

    What claims to be consistent and is not, by the findings of the checks, is a finding.
    """
    if end is None:
        return Exit.INCOMPLETE
    if isinstance(end, TransactionStuck | TransactionAbandoned):
        return Exit.STUCK
    if any(finding.severity == ERROR for finding in findings):
        return Exit.FINDING
    return Exit.OK if isinstance(end, TransactionCommitted) else Exit.NOT_PURCHASED
