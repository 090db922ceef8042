"""Ctrl-C that waits for a good moment: what is under way is finished first, unless it comes again."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["interrupts_waiting"]


@contextmanager
def interrupts_waiting() -> Iterator[Callable[[], None]]:
    """What is to be called at each good moment: it raises KeyboardInterrupt if Ctrl-C came meanwhile.

    A second Ctrl-C does not wait.
    """
    came = False

    def stop(signal_number: int, frame: object) -> None:
        nonlocal came
        if came:
            raise KeyboardInterrupt
        came = True

    def look() -> None:
        if came:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, before)
