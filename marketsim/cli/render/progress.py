"""Progress on standard error, for whatever turns out to take more than a second, if anybody watches."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TextIO, TypeVar

__all__ = ["Counter", "StatusLine", "advancing", "tracked"]

T = TypeVar("T")

_SHOW_AFTER_S = 1.0
_LOOK_EVERY = 2_000
_REFRESH_S = 0.2
_WIDTH = 79


class StatusLine:
    """One line on a terminal that is written over as it changes, and wiped in the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown_s = time.monotonic()
        self._dirty = False

    def show(self, words: Callable[[], str]) -> None:
        """Write what the line says now, unless it was written a moment ago."""
        now_s = time.monotonic()
        if now_s - self._shown_s >= _REFRESH_S:
            self._shown_s, self._dirty = now_s, True
            self._stream.write(f"\r\x1b[K{words()[:_WIDTH]}")
            self._stream.flush()

    def close(self) -> None:
        """Wipe the line."""
        if self._dirty:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


class Counter(Generic[T]):
    """Calls ``see`` with each item, and counts on a terminal once that has taken more than a second."""

    def __init__(self, what: str, stream: TextIO, see: Callable[[T], None]) -> None:
        self._see, self._what, self._stream = see, what, stream
        self._began, self._count = time.monotonic(), 0

    def __call__(self, item: T) -> None:
        self._see(item)
        self._count += 1
        if self._count % (10 * _LOOK_EVERY) == 0 and time.monotonic() - self._began > _SHOW_AFTER_S:
            self._stream.write(f"\r{self._what}: {self._count:,} events")
            self._stream.flush()

    def close(self) -> None:
        """Wipe the line."""
        self._stream.write("\r\x1b[K")


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


@contextmanager
def advancing(what: str, stream: TextIO, total: int) -> Iterator[Callable[[int], None]]:
    """What draws a bar when it is told how much is done."""
    bar = _bar(stream)
    task = bar.add_task(what, total=total)
    with bar:
        yield lambda done: bar.update(task, completed=done)


def _bar(stream: TextIO):  # type: ignore[no-untyped-def]
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(file=stream), transient=True)
