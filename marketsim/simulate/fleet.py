"""Many runs on many cores and machines: the same results to the bit, whoever worked them out."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

import msgspec

from marketsim.audit.stretches import cores
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.simulate.tasks import Named, result_of, tried

__all__ = ["PLACES", "WORKERS_MAX", "Gathered", "check_place", "gathered", "run_all"]

Task = TypeVar("Task")
Result = TypeVar("Result")

PLACES = ("here", "processes", "dask")
"""Where work is done, beside ``tcp://HOST:PORT``: this process, this machine, and a Dask cluster on it."""

WORKERS_MAX = 1024
"""How many workers one machine may be asked for."""


class Gathered(msgspec.Struct, Generic[Result]):
    """The results that there are, by the index of their task; ``partial`` if Ctrl-C cut the rest off."""

    results: dict[int, Result] = {}
    partial: bool = False


def run_all(
    work: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    on: str = "processes",
    workers: int | None = None,
    done: Mapping[int, Result] = {},
    progress: Callable[[int], None] | None = None,
    named: Named | None = None,
) -> Iterator[tuple[int, Result]]:
    """Each result with the index of its task, as they are finished: first what is ``done`` already.

    ``work`` is a function of a module, from a task to a result that both can be pickled, and pure: a task
    whose worker died is run again, on another. ``tasks`` are taken one by one, as workers are free; to hand
    one over costs a fifth of a millisecond (a few on a cluster), so that one should be worth ten or more.
    ``on`` is one of PLACES or the address of a Dask cluster; ``workers`` is how many there may be (all
    cores, or all that a cluster has). ``progress`` is told how many are finished, ``named`` what a person
    calls a task.

    Raises InputError at once for a place that does not exist, and for a cluster that is not there at the
    first result; the error of a task, with its name, if it raised one; TaskFailed if it raised anything
    else, or killed DEATHS_MAX workers. Whichever way it ends, by ``close()`` and Ctrl-C too, the workers
    are ended first.
    """
    check_place(on, workers)
    due = ((index, task) for index, task in enumerate(tasks) if index not in done)
    return _told(sorted(done.items()), _finished(work, due, on, workers, named or _numbered), progress)


def gathered(
    results: Iterator[tuple[int, Result]], keep: Callable[[int, Result], None] | None = None
) -> Gathered[Result]:
    """All results of ``run_all``; at Ctrl-C those that were finished by then, marked as partial.

    ``keep`` is called with each as it comes.
    """
    found: Gathered[Result] = Gathered({})
    try:
        for index, result in results:
            if keep is not None:
                keep(index, result)
            found.results[index] = result
    except KeyboardInterrupt:
        found.partial = True
    finally:
        if hasattr(results, "close"):
            results.close()
    return found


def check_place(on: str, workers: int | None = None) -> None:
    """Raise InputError for a place where no work can be done, or a number of workers that cannot be."""
    if workers is not None and not 1 <= workers <= WORKERS_MAX:
        raise InputError(f"{workers} workers", where="--workers", todo=f"give 1 to {WORKERS_MAX:,}")
    scheme, found, address = on.partition("://")
    if found and scheme == "tcp":
        host, _, port = address.rpartition(":")
        if host and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536:
            return
        raise InputError(f"{quoted(on)} is no address", where="--on", todo="write tcp://HOST:PORT")
    if on not in PLACES:
        todo = nearest(on, [*PLACES, "tcp://HOST:PORT"])
        raise InputError(f"no work is done on {quoted(on)}", where="--on", todo=todo)


def _finished(
    work: Callable[[Task], Result],
    due: Iterator[tuple[int, Task]],
    on: str,
    workers: int | None,
    named: Named,
) -> Iterator[tuple[int, Result]]:
    if on == "here":
        for index, task in due:
            yield index, result_of(tried(work, task), index, named)
    elif on == "processes":
        from marketsim.simulate.crew import work_in_processes

        yield from work_in_processes(work, due, workers or _workers_here(), named)
    else:
        from marketsim.simulate.cluster import work_on_cluster

        address = None if on == "dask" else on
        yield from work_on_cluster(work, due, address, workers or _workers_here(), named)


def _told(
    done: list[tuple[int, Result]],
    finished: Iterator[tuple[int, Result]],
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[int, Result]]:
    yield from done
    count = len(done)
    if progress is not None and count:
        progress(count)
    for index, result in finished:
        count += 1
        if progress is not None:
            progress(count)
        yield index, result


def _numbered(index: int) -> str:
    return f"task {index + 1}"


def _workers_here() -> int:
    return min(cores(), WORKERS_MAX)
