"""How far a simulation is: its purchases, and how fast virtual and real time pass."""

import time
from typing import TextIO

from marketsim.cli.render.words import duration
from marketsim.simulate.run import Progress

__all__ = ["Counting"]

_EVERY_S = 0.1


class Counting:
    """Writes one line on a terminal, again and again; ``total`` is how many purchases there will be."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        self._stream, self._total = stream, total
        self._began = self._told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told < _EVERY_S:
            return
        self._told = now
        passed_s = now - self._began
        of = f" of {self._total:,}" if self._total else ""
        share = f" ({progress.purchases / self._total:.0%})" if self._total else ""
        rate = f"{progress.purchases / passed_s:,.0f} a second"
        virtual = f"{duration(progress.virtual_us)} in {passed_s:.0f} s"
        self._stream.write(f"\r\x1b[K{progress.purchases:,}{of} purchases{share}, {rate}; {virtual}")
        self._stream.flush()

    def close(self) -> None:
        """Wipe the line."""
        self._stream.write("\r\x1b[K")
        self._stream.flush()
