"""A crew on a Dask cluster: a round is a few tasks, for workers that remember what is known of a search."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from marketsim.explore.crew import CHUNK, Added, MadeBy, made, run_scripts
from marketsim.explore.faults import Menus, menus_of
from marketsim.explore.known import Known
from marketsim.explore.model import Bound, Case
from marketsim.explore.trial import Tried
from marketsim.saga.errors import InputError
from marketsim.simulate.cluster import cluster_client, finished_there

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["ClusterCrew", "crew_on_cluster"]

_SEARCHES_MAX = 4
"""Of how many searches a worker remembers what is known."""


class _Part(msgspec.Struct, frozen=True):
    """Some scripts of a round, and what makes a worker know what is known ``now``.

    It is ``added`` to what was known ``before``; both are how much had been added by then since the search
    began, so that 0 is nothing at all.
    """

    search: str
    made_by: MadeBy
    bound: Bound
    before: int
    added: Added
    now: int
    scripts: list[bytes]


class ClusterCrew:
    """Runs scripts against what is ``known`` at the beginning of a round, on the cluster of a client."""

    def __init__(self, client: "Client", case: Case, bound: Bound, menus: Menus, known: Known) -> None:
        self._client = client
        self._case = case
        self._bound = bound
        self._menus = menus
        self._known = known
        # Not a digest of case and bound: who explores them again must not know what the first one found.
        self._search = uuid4().hex
        self._before = self._now = 0
        self._added: Added = []

    def learn(self, added: Added) -> None:
        """Take in what was added to what is known."""
        self._before, self._now, self._added = self._now, self._now + len(added), added

    def run(self, scripts: list[bytes]) -> list[Tried]:
        """What comes of these scripts, in their order."""
        if len(scripts) <= CHUNK:
            return run_scripts(self._case, self._bound, self._menus, self._known, scripts)
        # The same workers every time, as far as they are there: they were told what was added before.
        workers = sorted(self._client.nthreads())
        size = max(CHUNK, -(-len(scripts) // max(1, len(workers))))
        parts = {at // size: scripts[at : at + size] for at in range(0, len(scripts), size)}
        results = self._finished(parts, workers, self._before, self._added)
        behind = {number: part for number, part in parts.items() if results[number] is None}
        if behind:
            results |= self._finished(behind, workers, 0, self._known.each())
        return [tried for number, part in parts.items() for tried in _all_of(part, results[number])]

    def _finished(
        self, parts: dict[int, list[bytes]], workers: list[str], before: int, added: Added
    ) -> dict[int, list[Tried] | None]:
        assert self._case.made_by is not None
        common = (self._search, self._case.made_by, self._bound, before, added, self._now)
        due = ((number, _Part(*common, part)) for number, part in parts.items())
        return dict(finished_there(self._client, _work, due, _named, workers))


@contextmanager
def crew_on_cluster(
    case: Case, bound: Bound, menus: Menus, known: Known, workers: int, cluster: str
) -> Iterator[ClusterCrew]:
    """A crew on the cluster at this address, or on one of so many workers on this machine (``dask``).

    Raises InputError if there is none, and for a case that does not say how it is made.
    """
    if case.made_by is None:
        todo = "give its Case a made_by, or take --on processes"
        raise InputError(f"{case.name} does not say how others make it", where=f"--on {cluster}", todo=todo)
    with cluster_client(None if cluster == "dask" else cluster, workers) as client:
        yield ClusterCrew(client, case, bound, menus, known)


def _all_of(scripts: list[bytes], results: list[Tried] | None) -> list[Tried]:
    assert results is not None
    assert len(results) == len(scripts)
    return results


def _named(number: int) -> str:
    return f"part {number + 1} of a round"


# What follows happens at a worker.


class _Memory:
    """What a worker knows of a search: so much of what was ``told`` since it began."""

    def __init__(self, part: _Part) -> None:
        self.case = made(part.made_by)
        self.menus = menus_of(self.case, part.bound)
        self.known = Known()
        self.told = 0


_MEMORIES: OrderedDict[str, _Memory] = OrderedDict()
_LOCK = threading.Lock()
"""A worker may have several threads; one at a time is no slower, since they would wait for each other."""


def _work(part: _Part) -> list[Tried] | None:
    """What comes of the scripts; None if this worker was not told what was known before."""
    with _LOCK:
        memory = _MEMORIES.pop(part.search, None)
        if memory is None or memory.told not in (part.before, part.now):
            if part.before:
                return None
            memory = _Memory(part)
        for state, left in part.added if memory.told != part.now else ():
            memory.known.add(state, left)
        memory.told = part.now
        _MEMORIES[part.search] = memory
        if len(_MEMORIES) > _SEARCHES_MAX:
            _MEMORIES.popitem(last=False)
        return run_scripts(memory.case, part.bound, memory.menus, memory.known, part.scripts)
