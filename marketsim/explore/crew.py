"""Who runs the scripts of a round: this process alone, or several that know the same."""

import signal
from collections import deque
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_all_start_methods, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, TypeAlias

from marketsim.explore.budget import Left
from marketsim.explore.faults import Menus, menus_of
from marketsim.explore.known import Known
from marketsim.explore.model import Bound, Case
from marketsim.explore.trial import Tried, try_script
from marketsim.saga.events import JSONObject
from marketsim.simulate.crew import end_with_parent

__all__ = ["CHUNK", "Added", "Crew", "MadeBy", "made", "run_scripts"]

Added: TypeAlias = list[tuple[int, Left]]
MadeBy: TypeAlias = tuple[str, JSONObject]

CHUNK = 16
"""How many scripts are handed out at a time, at least: for fewer it is not worth it."""


class Crew:
    """Runs scripts against what is ``known`` at the beginning of a round, in so many processes.

    A process that dies costs no more than the scripts that it had: others, or this one, run them. Where
    processes cannot be forked, only a case that says by what it is made can be explored by several.
    """

    def __init__(self, case: Case, bound: Bound, menus: Menus, known: Known, processes: int = 1) -> None:
        self._case = case
        self._bound = bound
        self._menus = menus
        self._known = known
        self._hands: dict[Connection, BaseProcess] = {}
        forks = "fork" in get_all_start_methods()
        if processes > 1 and (forks or case.made_by):
            context: Any = get_context("fork" if forks else "spawn")
            for _ in range(processes):
                self._hire(context, case if forks else case.made_by)

    def _hire(self, context: Any, case: Case | MadeBy | None) -> None:
        here, there = context.Pipe()
        process = context.Process(target=_work, args=(there, case, self._bound), daemon=True)
        process.start()
        there.close()
        self._hands[here] = process

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for here in list(self._hands):
            self._dismiss(here)

    def _dismiss(self, here: Connection) -> None:
        process = self._hands.pop(here)
        here.close()
        process.terminate()
        process.join()

    def learn(self, added: Added) -> None:
        """Tell the others what was added to what is known."""
        for here in list(self._hands):
            try:
                here.send((added, []))
            except OSError:
                self._dismiss(here)

    def run(self, scripts: list[bytes]) -> list[Tried]:
        """What comes of these scripts, in their order."""
        chunks = deque((at, scripts[at : at + CHUNK]) for at in range(0, len(scripts), CHUNK))
        results: dict[int, list[Tried]] = {}
        if len(chunks) > 1:
            self._share(chunks, results)
        for at, chunk in chunks:
            results[at] = run_scripts(self._case, self._bound, self._menus, self._known, chunk)
        return [tried for at in sorted(results) for tried in results[at]]

    def _share(self, chunks: deque[tuple[int, list[bytes]]], results: dict[int, list[Tried]]) -> None:
        """Hand chunks out to whoever has nothing to do; what is left then nobody can run but this one."""
        busy: dict[Connection, tuple[int, list[bytes]]] = {}
        while True:
            for here in [each for each in self._hands if each not in busy]:
                if not chunks:
                    break
                busy[here] = chunks.popleft()
                with suppress(OSError):  # That it is gone shows when it does not answer.
                    here.send(([], busy[here][1]))
            if not busy:
                return
            for here in [each for each in wait(list(busy)) if isinstance(each, Connection)]:
                chunk = busy.pop(here)
                try:
                    results[chunk[0]] = here.recv()
                except (EOFError, OSError):
                    self._dismiss(here)
                    chunks.appendleft(chunk)


def run_scripts(case: Case, bound: Bound, menus: Menus, known: Known, scripts: list[bytes]) -> list[Tried]:
    """What comes of these scripts, in their order, against what is known."""
    seen = known if bound.reduction else None
    return [try_script(case, bound, menus, script, seen) for script in scripts]


def _work(there: Connection, case: Case | MadeBy, bound: Bound) -> None:
    """Be one of the crew until there is nobody to work for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Whoever began it ends it.
    end_with_parent()
    if not isinstance(case, Case):
        case = made(case)
    menus, known = menus_of(case, bound), Known()
    with suppress(EOFError, OSError):
        while True:
            added, scripts = there.recv()
            for state, left in added:
                known.add(state, left)
            if scripts:
                there.send(run_scripts(case, bound, menus, known, scripts))


def made(by: MadeBy) -> Case:
    """The case that a function makes, by ``module:function`` and its arguments."""
    module, _, function = by[0].partition(":")
    case: Case = getattr(import_module(module), function)(**by[1])
    return case
