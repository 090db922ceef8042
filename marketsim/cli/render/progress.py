"""Progress on standard error, for whatever turns out to take more than a second, if anybody watches."""

import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

__all__ = ["tracked"]

T = TypeVar("T")

_SHOW_AFTER_S = 1.0
_LOOK_EVERY = 2_000


def tracked(items: Iterable[T], what: str, stream: TextIO, *, total: int | None = None) -> Iterator[T]:
    """The same items; a bar (or, without a total, a count) appears once a second has passed.

    Nothing is drawn where the stream is no terminal.
    """
    if not stream.isatty():
        yield from items
        return
    began, count, bar = time.monotonic(), 0, None
    try:
        for item in items:
            yield item
            count += 1
            if count % _LOOK_EVERY:
                continue
            if bar is None and time.monotonic() - began > _SHOW_AFTER_S:
                bar = _bar(stream)
                task = bar.add_task(what, total=total)
                bar.start()
            if bar is not None:
                bar.update(task, completed=count)
    finally:
        if bar is not None:
            bar.stop()


def _bar(stream: TextIO):  # type: ignore[no-untyped-def]
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(file=stream), transient=True)
