"""How far a simulation is: its purchases, and how fast virtual and real time pass."""

import time
from typing import TextIO

from marketsim.cli.render.progress import StatusLine
from marketsim.cli.render.words import duration
from marketsim.simulate.run import Progress

__all__ = ["Counting"]


class Counting(StatusLine):
    """Shows on a terminal how far a simulation is; ``total`` is how many purchases there will be."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        super().__init__(stream)
        self._total = total
        self._began_s = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        self.show(lambda: self._words(progress))

    def _words(self, progress: Progress) -> str:
        passed_s = time.monotonic() - self._began_s
        of = f" of {self._total:,}" if self._total else ""
        share = f" ({progress.purchases / self._total:.0%})" if self._total else ""
        rate = f"{progress.purchases / passed_s:,.0f} a second"
        virtual = f"{duration(progress.virtual_us)} in {passed_s:.0f} s"
        return f"{progress.purchases:,}{of} purchases{share}, {rate}; {virtual}"
