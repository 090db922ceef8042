"""Work on many cores and machines: the same results wherever it is done, whoever dies meanwhile."""

import ast
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import active_children
from pathlib import Path

import pytest
from simulate import interrupted, labour

import marketsim
from marketsim.saga.errors import InputError, MarketsimError
from marketsim.simulate import cluster as clusters
from marketsim.simulate import crew
from marketsim.simulate.fleet import PLACES, check_place, gathered, run_all
from marketsim.simulate.tasks import TaskFailed

TASKS = [f"task {number}".encode() for number in range(60)]
HERE = {index: labour.digest(task) for index, task in enumerate(TASKS)}
PATH = os.pathsep.join(str(Path(module.__file__).parents[1]) for module in (marketsim, labour))


@pytest.fixture
def dask() -> Iterator[None]:
    pytest.importorskip("distributed")
    yield
    assert [child for child in active_children() if "Dask" in child.name] == []


def workers_of(folder: Path, count: int) -> list[int]:
    """The processes that noted themselves in a folder, once there are so many and a result is kept."""
    for _ in range(1000):
        found = [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
        if len(found) >= count and (folder / "kept").exists():
            return found
        time.sleep(0.02)
    raise AssertionError("the workers never came")


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    # One that is dead already and only waits to be noticed does not count.
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


def all_end(processes: list[int]) -> bool:
    for _ in range(500):
        if not any(map(alive, processes)):
            return True
        time.sleep(0.02)
    return False


# The same results.


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_processes_give_what_this_process_gives(workers):
    assert gathered(run_all(labour.digest, TASKS, on="processes", workers=workers)).results == HERE
    assert active_children() == []


def test_where_processes_cannot_be_forked_they_are_started_anew(monkeypatch):
    monkeypatch.setattr(crew, "get_all_start_methods", lambda: ["spawn"])
    assert gathered(run_all(labour.digest, TASKS, workers=2)).results == HERE


def test_the_fleet_knows_no_market_and_loads_what_it_needs():
    code = (
        "import sys; from marketsim.simulate import fleet\n"
        "list(fleet.run_all(len, [[]], on='here'))\n"
        "print(sorted(name for name in sys.modules if name.startswith('marketsim.') or '.' not in name))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": PATH},
    )
    loaded = set(ast.literal_eval(child.stdout))
    assert {
        "multiprocessing",
        "distributed",
        "asyncio",
        "marketsim.market",
        "marketsim.drivers",
    } & loaded == set()


def test_this_process_works_in_order():
    assert list(run_all(labour.digest, TASKS, on="here")) == list(HERE.items())


def test_a_local_dask_cluster_gives_what_this_process_gives(dask):
    assert gathered(run_all(labour.digest, TASKS, on="dask", workers=2)).results == HERE


def test_no_tasks_give_no_results():
    assert list(run_all(labour.digest, [], on="processes")) == []


def test_tasks_are_taken_as_workers_are_free_and_a_caller_may_stop_at_any_result():
    taken = []

    def endless() -> Iterator[bytes]:
        while True:
            taken.append(len(taken))
            yield b"task"

    results = run_all(labour.digest, endless(), workers=2)
    assert [next(results)[1] for _ in range(10)] == [labour.digest(b"task")] * 10
    results.close()
    assert len(taken) <= 12
    assert active_children() == []


def test_what_is_done_is_not_done_again_and_is_told_first():
    done = {3: b"as it was", 7: b"this too"}
    told: list[int] = []
    results = list(run_all(labour.digest, TASKS[:9], done=done, workers=2, progress=told.append))
    assert results[:2] == [(3, b"as it was"), (7, b"this too")]
    assert dict(results) == {index: HERE[index] for index in range(9)} | done
    assert told == [2, 3, 4, 5, 6, 7, 8, 9]


def test_each_result_is_kept_as_it_comes():
    kept: list[tuple[int, bytes]] = []
    found = gathered(run_all(labour.digest, TASKS, workers=2), lambda *each: kept.append(each))
    assert dict(kept) == found.results == HERE
    assert not found.partial


# Deaths.


def test_a_worker_that_is_killed_costs_a_rerun():
    results = run_all(labour.slow, TASKS, workers=2)
    found = dict([next(results)])
    victim = active_children()[0].pid
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    found.update(results)
    assert found == HERE
    assert not alive(victim)


def test_every_worker_may_die_once_of_every_third_task(tmp_path):
    names = [f"mortal-{number}" if number % 3 == 0 else f"task-{number}" for number in range(12)]
    tasks = [f"{tmp_path}/{name}".encode() for name in names]
    found = gathered(run_all(labour.mortal, tasks, workers=2)).results
    assert found == {index: labour.digest(name.encode()) for index, name in enumerate(names)}
    assert len(list(tmp_path.iterdir())) == 4


def test_a_dask_worker_that_is_killed_costs_a_rerun(dask, tmp_path):
    names = ["task-0", "mortal-1", *(f"task-{number}" for number in range(2, 12))]
    tasks = [f"{tmp_path}/{name}".encode() for name in names]
    found = gathered(run_all(labour.mortal, tasks, on="dask", workers=2)).results
    assert found == {index: labour.digest(name.encode()) for index, name in enumerate(names)}
    assert (tmp_path / "mortal-1").exists()


@pytest.mark.parametrize("on", ["processes", "dask"])
def test_a_task_that_kills_every_worker_is_named(on, request):
    if on == "dask":
        request.getfixturevalue("dask")
    tasks, kept = [b"a", b"deadly", *[b"b"] * 5], dict[int, bytes]()
    with pytest.raises(TaskFailed, match=r"^number 1: 3 workers died of it") as told:
        gathered(run_all(labour.deadly, tasks, on=on, workers=2, named="number {}".format), kept.__setitem__)
    assert ("SIGKILL" in str(told.value)) == (on == "processes")
    assert active_children() == []
    # Dask blames whatever waited there, too: some of that may come after the one that kills.
    assert kept
    assert 1 not in kept


# What a task raises.


@pytest.mark.parametrize("on", PLACES)
def test_a_mistake_in_a_task_is_told_with_the_task_and_its_traceback(on, request):
    if on == "dask":
        request.getfixturevalue("dask")
    with pytest.raises(TaskFailed) as told:
        gathered(run_all(labour.picky, [b"fine", b"bug"], on=on, workers=1))
    assert str(told.value) == "task 2: ZeroDivisionError: one by nothing"
    assert "in picky" in "".join(told.value.__notes__)


@pytest.mark.parametrize("on", ["here", "processes"])
def test_what_a_user_did_wrong_stays_what_it_is(on):
    with pytest.raises(InputError) as told:
        gathered(run_all(labour.picky, [b"wrong"], on=on))
    assert str(told.value) == "task 1: order.yaml:3: no such product (did you mean 'laptop-1'?)"


def test_a_result_that_cannot_leave_its_process_is_told():
    with pytest.raises(TaskFailed, match="task 1: the result cannot be sent"):
        gathered(run_all(labour.unspeakable, [b"a"], workers=1))


# Ctrl-C, and the death of whoever waits.


def started(on: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, interrupted.__file__, on, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": PATH},
    )


def test_no_interrupt_comes_in_while_the_first_process_is_started():
    program = """
import os, signal
from multiprocessing import get_context
from marketsim.simulate.crew import interrupts_held

with interrupts_held():
    process = get_context("forkserver").Process(target=os.getpid)
    process.start()
    held = signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
process.join()
print(held, process.exitcode)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": PATH},
        timeout=60,
    )
    assert ran.stdout == "True 0\n", ran.stderr


@pytest.mark.parametrize("on", ["processes", "dask"])
def test_ctrl_c_keeps_what_is_finished_and_ends_the_workers(on, tmp_path, request):
    if on == "dask":
        request.getfixturevalue("dask")
    child = started(on, tmp_path)
    workers = workers_of(tmp_path, 2)
    os.killpg(child.pid, signal.SIGINT)  # As a terminal does: everyone in the foreground hears it.
    out, err = child.communicate(timeout=30)
    assert json.loads(out) == {"partial": True, "results": {"0": "quick"}}
    assert (child.returncode, err) == (130, "")
    assert all_end(workers)


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    child = started("processes", tmp_path)
    workers = workers_of(tmp_path, 2)
    child.kill()
    child.communicate(timeout=30)
    assert all_end(workers)


def test_an_interrupt_in_the_middle_of_the_callers_own_work_is_partial_too():
    def keep(index: int, result: bytes) -> None:
        if len(kept) == 5:
            raise KeyboardInterrupt
        kept[index] = result

    kept: dict[int, bytes] = {}
    found = gathered(run_all(labour.slow, TASKS, workers=2), keep)
    assert found.partial
    assert found.results == kept == {index: HERE[index] for index in kept}
    assert active_children() == []


# Places.


@pytest.mark.parametrize(
    ("on", "told"),
    [
        ("proceses", "did you mean 'processes'?"),
        ("", "known: "),
        ("tcp://", "write tcp://HOST:PORT"),
        ("tcp://host", "write tcp://HOST:PORT"),
        ("tcp://host:0", "write tcp://HOST:PORT"),
        ("tcp://host:65536", "write tcp://HOST:PORT"),
        ("tcp://host:" + "9" * 400, "write tcp://HOST:PORT"),
        ("http://host:80", "known: "),
    ],
)
def test_a_place_that_does_not_exist_is_refused_before_anything_runs(on, told):
    with pytest.raises(InputError, match="--on") as wrong:
        run_all(labour.digest, TASKS, on=on)
    assert told in str(wrong.value)


@pytest.mark.parametrize("workers", [0, -1, 1025])
def test_a_number_of_workers_that_cannot_be_is_refused(workers):
    with pytest.raises(InputError, match=r"--workers: .* \(give 1 to 1,024\)"):
        run_all(labour.digest, TASKS, workers=workers)


def test_places_that_exist_are_taken():
    for on in (*PLACES, "tcp://127.0.0.1:8786", "tcp://[::1]:8786"):
        check_place(on, 2)


def refused(on: str) -> str:
    with pytest.raises(MarketsimError) as wrong:
        gathered(run_all(labour.digest, TASKS, on=on))
    assert isinstance(wrong.value, InputError)
    return str(wrong.value)


@pytest.mark.parametrize("on", ["dask", "tcp://127.0.0.1:9"])
def test_without_the_library_it_says_what_to_install(on, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert refused(on) == f"--on {on}: Dask is not installed (install it: pip install 'marketsim[dask]')"


def test_a_cluster_that_is_not_there_is_told_at_once(dask):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refused(f"tcp://127.0.0.1:{port}").startswith(
        f"--on tcp://127.0.0.1:{port}: no cluster answers there: connection refused"
    )


def test_somebody_else_who_never_answers_is_not_waited_for(dask, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "no cluster answers within 0.5 s" in refused(f"tcp://127.0.0.1:{port}")


def test_somebody_else_who_speaks_otherwise_is_no_cluster(dask):
    def greet() -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].sendall(b"220 mail.example ready\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=greet, daemon=True).start()
        port = server.getsockname()[1]
        assert "no cluster answers there: something else does" in refused(f"tcp://127.0.0.1:{port}")
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cluster(dask, monkeypatch) -> Iterator[Callable[[int], str]]:
    """Starts a cluster of so many workers, as threads of this process, and says its address."""
    import distributed

    with distributed.LocalCluster(
        n_workers=0,
        processes=False,
        threads_per_worker=1,
        protocol="tcp",
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as started:

        def address(workers: int) -> str:
            started.scale(workers)
            return str(started.scheduler_address)

        address.close = started.close  # type: ignore[attr-defined]
        yield address


def test_a_cluster_that_exists_does_the_work_and_stays(cluster):
    address = cluster(2)
    for _ in range(2):
        assert gathered(run_all(labour.digest, TASKS, on=address)).results == HERE


def test_a_cluster_without_workers_is_not_waited_for(cluster, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_S", 0.5)
    assert "the cluster has no workers" in refused(cluster(0))


def test_workers_of_another_version_are_refused(cluster, monkeypatch):
    monkeypatch.setattr(clusters, "__version__", "99.0")
    monkeypatch.setattr(clusters, "_version", lambda: "98.0")
    told = refused(cluster(1))
    assert "has marketsim 98.0 (install marketsim 99.0 there)" in told


def test_a_cluster_that_goes_away_is_an_error_and_no_endless_wait(cluster, monkeypatch):
    monkeypatch.setattr(clusters, "ANSWER_S", 0.5)
    monkeypatch.setattr(clusters, "EMPTY_S", 1)
    address = cluster(1)
    results = run_all(labour.slow, TASKS, on=address)
    assert next(results)[1] in HERE.values()
    closing = threading.Thread(target=cluster.close)
    closing.start()
    with pytest.raises(MarketsimError, match="the cluster went away"):
        list(results)
    closing.join(30)
