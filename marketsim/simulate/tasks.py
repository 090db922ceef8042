"""A task and what came of it: what every place of work shares, whether it is this process or a cluster."""

import traceback
from collections.abc import Callable
from typing import TypeAlias, TypeVar

import msgspec

from marketsim.saga.errors import MarketsimError

__all__ = ["DEATHS_MAX", "Broke", "Named", "TaskFailed", "lost", "result_of", "tried"]

Task = TypeVar("Task")
Result = TypeVar("Result")

Named: TypeAlias = Callable[[int], str]
"""What a person calls the task of this index."""

DEATHS_MAX = 3
"""How many workers a task may take with it before it is held to be what kills them."""


class TaskFailed(MarketsimError):
    """A task raised what no user is meant to see, or ended every worker that took it up."""


class Broke(msgspec.Struct, frozen=True):
    """The exception that a task ended with, in a form that every process can read."""

    what: str
    trace: str
    error: MarketsimError | None = None


def tried(work: Callable[[Task], Result], task: Task) -> Result | Broke:
    """The result of the work, or what it broke with; what interrupts the process goes through."""
    try:
        return work(task)
    except MarketsimError as error:
        return Broke(str(error), traceback.format_exc(), error)
    except Exception as error:
        return Broke(f"{type(error).__name__}: {error}", traceback.format_exc())


def result_of(outcome: Result | Broke, index: int, named: Named) -> Result:
    """The result. Raises the MarketsimError that the task raised, or TaskFailed, with the task's name."""
    if not isinstance(outcome, Broke):
        return outcome
    name = named(index)
    error: MarketsimError = outcome.error or TaskFailed(outcome.what)
    error.where = f"{name}: {error.where}" if error.where else name
    error.add_note(outcome.trace)
    raise error


def lost(name: str, how: str = "") -> TaskFailed:
    """The error of a task that killed one worker after the other; ``how`` tells of the last one."""
    what = f"{DEATHS_MAX} workers died of it" + (f" ({how})" if how else "")
    return TaskFailed(what, where=name, todo="is there memory enough? try --on here")
