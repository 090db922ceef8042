"""Work on a Dask cluster: one that is started on this machine for the time being, or one that exists."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from multiprocessing import active_children
from multiprocessing.process import BaseProcess
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from marketsim import __version__
from marketsim.saga.errors import InputError, MarketsimError, reason_of
from marketsim.simulate.crew import interrupts_held
from marketsim.simulate.tasks import DEATHS_MAX, Named, lost, result_of, tried

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["cluster_client", "finished_there", "work_on_cluster"]

Task = TypeVar("Task")
Result = TypeVar("Result")

ANSWER_S = 10
"""How long a cluster may take to answer, in seconds."""

EMPTY_S = 60
"""How long all of its workers may be away while there is work for them."""

_LOOPBACK = "127.0.0.1"
_SILENT = logging.CRITICAL + 1
_SETTINGS = {
    "distributed.admin.large-graph-warning-threshold": "1TB",
    "distributed.scheduler.allowed-failures": DEATHS_MAX - 1,
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
}

_LOOK_S = 1.0
"""How often it is looked after, in seconds."""

_AHEAD = 4
"""How many tasks wait at the cluster for each of its threads, so that none is idle."""


def work_on_cluster(
    work: Callable[[Task], Result],
    due: Iterator[tuple[int, Task]],
    address: str | None,
    workers: int,
    named: Named,
) -> Iterator[tuple[int, Result]]:
    """Each result with its index, as they are finished by a cluster: without address, one of so many workers.

    Raises InputError if the library is missing, the cluster does not answer within ANSWER_S, or its
    workers have another version of this program; MarketsimError if it goes away.
    """
    with cluster_client(address, workers) as client:
        yield from finished_there(client, work, due, named)


def finished_there(
    client: "Client",
    work: Callable[[Task], Result],
    due: Iterator[tuple[int, Task]],
    named: Named,
    preferred: Sequence[str] = (),
) -> Iterator[tuple[int, Result]]:
    """Each result with its index, as they are finished by the cluster of a client.

    The ``preferred`` workers have the tasks in turn, by the index, as long as they are there.
    """
    suspects: list[tuple[int, Task]] = []
    yield from _round(client, work, due, _AHEAD * _threads(client), named, suspects, preferred)
    # A cluster blames whatever waited at a worker that died; one by one, only what kills it is left.
    yield from _round(client, work, iter(suspects), 1, named, None)


def _round(
    client: "Client",
    work: Callable[[Task], Result],
    due: Iterator[tuple[int, Task]],
    ahead: int,
    named: Named,
    suspects: list[tuple[int, Task]] | None,
    preferred: Sequence[str] = (),
) -> Iterator[tuple[int, Result]]:
    """The results of the tasks that are due, ``ahead`` at once; those that are blamed go to ``suspects``."""
    finished: SimpleQueue[Future] = SimpleQueue()
    underway: dict[Any, tuple[int, Task, Future]] = {}
    while True:
        for index, task in islice(due, ahead - len(underway)):
            place = [preferred[index % len(preferred)]] if preferred else None
            future = client.submit(
                tried, work, task, pure=False, workers=place, allow_other_workers=place is not None
            )
            underway[future.key] = index, task, future
            future.add_done_callback(finished.put)
        if not underway:
            return
        future = _next(finished, client)
        index, task, _ = underway.pop(future.key)
        outcome = _outcome(future)
        if outcome is not None:
            yield index, result_of(outcome[0], index, named)
        elif suspects is None:
            raise lost(named(index))
        else:
            suspects.append((index, task))


def _next(finished: "SimpleQueue[Future]", client: "Client") -> "Future":
    """The next task that is over, however it ended; a cluster that went away in the meantime is an error."""
    idle_s = 0.0
    while idle_s < EMPTY_S:
        with suppress(Empty):
            return finished.get(timeout=_LOOK_S)
        there = client.status == "running" and _threads(client)
        idle_s = 0.0 if there else idle_s + _LOOK_S
    raise _gone()


def _outcome(future: "Future") -> tuple[Any] | None:
    """What came of a task; None if the workers died that had it."""
    from distributed import CancelledError, KilledWorker

    try:
        return (future.result(timeout=EMPTY_S),)
    except KilledWorker:
        return None
    except (CancelledError, OSError, TimeoutError):
        raise _gone() from None


def _gone() -> MarketsimError:
    return MarketsimError("the cluster went away", where="--on", todo="go on with --resume, if it was kept")


def _threads(client: "Client") -> int:
    """How many tasks the cluster works on at once."""
    return sum(client.nthreads().values())


@contextmanager
def cluster_client(address: str | None, workers: int) -> "Iterator[Client]":
    """Somebody who speaks for us to a cluster that is there and fits; nothing of it stays behind.

    Without address it is one of so many workers on this machine. Raises what ``work_on_cluster`` raises.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        todo = "install it: pip install 'marketsim[dask]'"
        raise InputError("Dask is not installed", where=f"--on {address or 'dask'}", todo=todo) from None

    logging.getLogger("distributed").setLevel(_SILENT)  # What goes wrong is told as an error of ours.
    with dask.config.set(_SETTINGS):
        if address is not None:
            with _reached(address) as client:
                yield client
            return
        before = set(active_children())
        with interrupts_held():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host=_LOOPBACK,
                dashboard_address=f"{_LOOPBACK}:0",
                memory_limit=0,
                silence_logs=_SILENT,
            )
        try:
            with Client(cluster) as client:
                yield client
        finally:
            with suppress(AssertionError):  # A worker that is just being started anew cannot be waited for.
                cluster.close(timeout=ANSWER_S)
            _end(before)


def _end(before: set[BaseProcess]) -> None:
    """End the workers that a cluster has left behind, which happens when one is just being started anew."""
    while left := set(active_children()) - before:
        for process in left:
            process.kill()
            process.join()


@contextmanager
def _reached(address: str) -> "Iterator[Client]":
    from distributed import Client

    _check_answers(address)
    try:
        client = Client(address, timeout=ANSWER_S)
    except (OSError, TimeoutError) as error:
        raise _silent(address) from error
    try:
        _check_workers(client, address)
        yield client
    finally:
        client.close(timeout=ANSWER_S)


def _check_answers(address: str) -> None:
    """See that somebody is there who speaks as a cluster does: a client would try again without an end."""
    import asyncio
    import socket

    from distributed.comm import connect

    async def shake_hands() -> None:
        comm = await asyncio.wait_for(connect(address, timeout=ANSWER_S), ANSWER_S)
        comm.abort()

    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()
        asyncio.run(shake_hands())
    except TimeoutError:
        raise _silent(address) from None
    except OSError as error:
        raise _silent(address, reason_of(error)) from error
    except Exception as error:  # Whatever the library makes of what it does not understand.
        raise _silent(address, "something else does") from error


def _silent(address: str, reason: str = "") -> InputError:
    what = f"no cluster answers there: {reason}" if reason else f"no cluster answers within {ANSWER_S} s"
    todo = "start one with: dask scheduler, and dask worker HOST:PORT"
    return InputError(what, where=f"--on {address}", todo=todo)


def _check_workers(client: "Client", address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=ANSWER_S)
    except TimeoutError:
        todo = "start one with: dask worker HOST:PORT"
        raise InputError("the cluster has no workers", where=f"--on {address}", todo=todo) from None
    for worker, version in client.run(_version, on_error="return").items():
        if version != __version__:
            found = f"marketsim {version}" if isinstance(version, str) else "no marketsim"
            todo = f"install marketsim {__version__} there"
            raise InputError(f"the worker at {worker} has {found}", where=f"--on {address}", todo=todo)


def _version() -> str:
    return __version__
