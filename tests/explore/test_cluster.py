"""The search on a Dask cluster: the same to the number, whoever dies and whoever comes late."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from multiprocessing import active_children
from typing import Any

import msgspec
import pytest
from explore.small import RIGHT, small_case

from marketsim.explore import cluster as crews
from marketsim.explore.faults import menus_of
from marketsim.explore.known import Known
from marketsim.explore.marketplace import market_case
from marketsim.explore.model import Bound, Exploration, Progress
from marketsim.explore.search import explore
from marketsim.saga.errors import InputError
from marketsim.simulate import cluster as clusters

CASE = market_case("purchase", policy="none")
BOUND = Bound(faults=1, crashes=1, customers=1)


@pytest.fixture
def dask() -> Iterator[None]:
    pytest.importorskip("distributed")
    yield
    assert [child for child in active_children() if "Dask" in child.name] == []


@pytest.fixture
def address(dask) -> Iterator[str]:
    """Of a cluster of two workers that are threads of this process, and remember in common."""
    import distributed

    with distributed.LocalCluster(
        n_workers=2,
        processes=False,
        threads_per_worker=2,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as cluster:
        yield str(cluster.scheduler_address)


def told(exploration: Exploration) -> Exploration:
    """All of it but the time it took."""
    return msgspec.structs.replace(exploration, seconds=0)


HERE = told(explore(CASE, BOUND, wanted=0))


def test_two_workers_of_a_local_cluster_give_what_one_and_two_processes_give(dask):
    assert HERE.exhausted
    assert HERE.counterexamples
    assert HERE.runs > 1000
    assert told(explore(CASE, BOUND, wanted=0, processes=2)) == HERE
    assert told(explore(CASE, BOUND, wanted=0, processes=2, cluster="dask")) == HERE


def test_a_worker_that_is_killed_costs_a_rerun_and_its_heir_is_told_everything(dask):
    killed: list[int] = []

    def kill() -> None:
        os.kill(killed[0], signal.SIGKILL)

    def kill_in_the_next_round(so_far: Progress) -> None:
        # Two rounds in, so that the one that takes its place lacks what the first round added.
        if not killed and so_far.runs > 256:
            killed.extend(child.pid for child in active_children() if "Dask" in child.name and child.pid)
            threading.Timer(0.03, kill).start()

    found = explore(CASE, BOUND, wanted=0, processes=2, cluster="dask", progress=kill_in_the_next_round)
    assert len(killed) == 2
    assert told(found) == HERE


def test_who_explores_the_same_again_at_the_same_cluster_knows_nothing_of_the_first(address):
    for _ in range(2):
        assert told(explore(CASE, BOUND, wanted=0, cluster=address)) == HERE


def test_a_worker_that_was_restarted_between_rounds_is_told_everything(address, monkeypatch):
    asked: list[int] = []
    finished = crews.ClusterCrew._finished

    def watched(self: Any, parts: Any, workers: Any, before: int, added: Any) -> Any:
        asked.append(before)
        return finished(self, parts, workers, before, added)

    monkeypatch.setattr(crews.ClusterCrew, "_finished", watched)
    found = explore(CASE, BOUND, wanted=0, cluster=address, progress=lambda _: crews._MEMORIES.clear())
    assert told(found) == HERE
    assert asked.count(0) > 1
    assert any(asked)


def test_what_was_left_goes_on_at_a_cluster(address, tmp_path):
    little = msgspec.structs.replace(BOUND, runs_max=150)
    explore(CASE, little, wanted=0, checkpoint=tmp_path / "search.json")
    found = explore(CASE, BOUND, wanted=0, cluster=address, resume=tmp_path / "search.json")
    assert (found.runs, found.states, found.exhausted) == (HERE.runs, HERE.states, True)
    assert found.counterexamples == HERE.counterexamples


def test_a_worker_forgets_the_searches_that_were_long_ago(monkeypatch):
    monkeypatch.setattr(crews, "_MEMORIES", crews.OrderedDict())
    assert CASE.made_by is not None
    for number in range(9):
        part = crews._Part(f"search-{number}", CASE.made_by, BOUND, 0, [], 0, [b""])
        assert crews._work(part)
    assert list(crews._MEMORIES) == [f"search-{number}" for number in range(5, 9)]
    assert crews._work(crews._Part("search-0", CASE.made_by, BOUND, 7, [], 7, [b""])) is None


def test_a_case_that_does_not_say_how_it_is_made_is_refused():
    with pytest.raises(InputError, match=r"--on dask: small does not say how others make it \(give its Case"):
        explore(small_case(RIGHT), cluster="dask")


def test_a_cluster_that_is_not_there_is_told_at_once(dask):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(InputError, match="no cluster answers there: connection refused"):
        explore(CASE, BOUND, cluster=f"tcp://127.0.0.1:{port}")


def test_somebody_who_never_answers_is_not_waited_for(dask, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(InputError, match=r"no cluster answers within 0.5 s"):
            explore(CASE, BOUND, cluster=address)


def test_few_scripts_are_run_here(dask):
    crew = crews.ClusterCrew(None, CASE, BOUND, menus_of(CASE, BOUND), Known())  # type: ignore[arg-type]
    assert len(crew.run([b""])) == 1
