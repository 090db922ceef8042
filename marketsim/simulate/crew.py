"""Worker processes on this machine: they are started, given tasks, replaced when they die, and ended."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_all_start_methods, get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from marketsim.simulate.tasks import DEATHS_MAX, Broke, Named, lost, result_of, tried

__all__ = ["end_with_parent", "interrupts_held", "work_in_processes"]

Task = TypeVar("Task")
Result = TypeVar("Result")

_LEAVE_S = 2.0
"""How long a worker may take to end when it is told to, before it is killed."""


def work_in_processes(
    work: Callable[[Task], Result], due: Iterator[tuple[int, Task]], workers: int, named: Named
) -> Iterator[tuple[int, Result]]:
    """Each result with its index, as they are finished by at most so many processes at once.

    They are forked from a server that has loaded the module of the work once: as cheap as to fork this
    process, and safe beside its threads, of which a progress bar is one.
    """
    crew = _Crew(work, due)
    try:
        for _ in range(workers):
            crew.hire()
        while crew.busy:
            for connection in wait(list(crew.busy)):
                index, outcome = crew.receive(connection, named)  # type: ignore[arg-type]
                if index is not None:
                    yield index, result_of(outcome, index, named)
    finally:
        crew.dismiss()


class _Crew(Generic[Task, Result]):
    """The workers, each with the task at its hand; ``again`` are those that a dead worker left."""

    def __init__(self, work: Callable[[Task], Result], due: Iterator[tuple[int, Task]]) -> None:
        self.busy: dict[Connection, tuple[BaseProcess, int, Task]] = {}
        self._work, self._due = work, due
        self._again: list[tuple[int, Task]] = []
        self._deaths: dict[int, int] = {}
        self._context: Any = get_context(_method())
        if hasattr(self._context, "set_forkserver_preload"):
            self._context.set_forkserver_preload([work.__module__])

    def hire(self) -> None:
        """Start a worker, if there is a task for it."""
        taken = self._next()
        if taken is None:
            return
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        with interrupts_held():
            process.start()
        theirs.close()
        self._give(process, ours, taken)

    def receive(self, connection: Connection, named: Named) -> tuple[int | None, Any]:
        """What a worker answered; (None, None) if it died, and another has its task now."""
        process, index, _ = self.busy[connection]
        try:
            outcome = connection.recv()
        except (EOFError, OSError):
            self._bury(connection, named)
            return None, None
        taken = self._next()
        if taken is None:
            del self.busy[connection]
            connection.close()  # This is how it is told to end.
            process.join(_LEAVE_S)
        else:
            self._give(process, connection, taken)
        return index, outcome

    def dismiss(self) -> None:
        """End whoever is still at work."""
        for process, _, _ in self.busy.values():
            process.terminate()
        for connection, (process, _, _) in self.busy.items():
            process.join(_LEAVE_S)
            if process.exitcode is None:
                process.kill()
                process.join()
            connection.close()
        self.busy.clear()

    def _next(self) -> tuple[int, Task] | None:
        return self._again.pop() if self._again else next(self._due, None)

    def _give(self, process: BaseProcess, connection: Connection, taken: tuple[int, Task]) -> None:
        self.busy[connection] = (process, *taken)
        with suppress(OSError):  # Whoever died before it had the task is found when it should answer.
            connection.send(taken[1])

    def _bury(self, connection: Connection, named: Named) -> None:
        process, index, task = self.busy.pop(connection)
        connection.close()
        process.join(_LEAVE_S)
        deaths = self._deaths[index] = self._deaths.get(index, 0) + 1
        if deaths >= DEATHS_MAX:
            raise lost(named(index), _how(process.exitcode))
        self._again.append((index, task))
        self.hire()


def _serve(connection: Connection, work: Callable[[Task], Result]) -> None:
    """Answer every task until there are no more: what a worker does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gave the work: that ends the workers.
    end_with_parent()
    while True:
        try:
            task = connection.recv()
        except (EOFError, OSError):
            return
        outcome = tried(work, task)
        try:
            connection.send(outcome)
        except OSError:
            return
        except Exception as error:
            connection.send(Broke(f"the result cannot be sent: {error}", ""))


def end_with_parent() -> None:
    """End this process when its parent has ended: no long task outlives who waits for it."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _method() -> str:
    return "forkserver" if "forkserver" in get_all_start_methods() else "spawn"


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until a process is started, which inherits that: it never sees one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # Python lets interrupts in when it starts this one with the process.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return f"by {signal.Signals(-code).name}"
    return f"exit code {code}"
