"""Every form of export over ten thousand and a million events: is its time linear, and its memory flat?"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.purchases import by_engine, opened
from benchmarks.side_by_side import Figure, Ratio
from marketsim.audit.exports.formats import FORMATS
from marketsim.audit.log import LogReader, LogWriter
from marketsim.audit.redaction import Redactor
from marketsim.saga.errors import MarketsimError

__all__ = ["figures"]

_SIZES = (10_000, 1_000_000)
_EVENTS_A_PURCHASE = 18.2
_RUNS = 3
_PEAK_MB_MAX = 150


def figures() -> list[Figure]:
    """The time of an event in the large log as a multiple of its time in the small one, form by form."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(size) for size in _SIZES]
        for size, folder in zip(_SIZES, folders, strict=True):
            _child("make", str(size), str(folder))
        return [figure for form in FORMATS for figure in _figure(form, *folders)]


def _figure(form: str, small: Path, large: Path) -> Iterator[Figure]:
    try:
        # The first export of a process pays for what is imported; the child has done one already.
        runs = [
            (_child("export", form, str(large)), _child("export", form, str(small))) for _ in range(_RUNS)
        ]
    except MarketsimError as error:
        print(f"{form}: left out, {error}")
        return
    each = [(a[0] / a[1], b[0] / b[1]) for a, b in runs]
    ratios = sorted(a / b for a, b in each)
    events, peak_mb = runs[0][0][1], max(a[2] for a, _ in runs)
    ratio = Ratio(ratios[len(ratios) // 2], ratios[0], ratios[-1], _RUNS, runs[0][0][0], runs[0][1][0])
    peak = f"peak {peak_mb:.0f} MB ({'met' if peak_mb < _PEAK_MB_MAX else 'MISSED'}: below {_PEAK_MB_MAX})"
    yield Figure(
        f"exporting {events:,.0f} events as {form}: the time of one, as a multiple of that in {_SIZES[0]:,}",
        ratio,
        1.25,
        note=f"{events / ratio.a_s:,.0f} events a second, {peak}",
    )


def _child(*arguments: str) -> tuple[float, float, float]:
    """Run this module in a process of its own: seconds, events, and the peak of its memory in MB."""
    command = [sys.executable, "-m", "benchmarks.exports", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 2:
        raise MarketsimError(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(done.stderr)
    took_s, events, peak_mb = map(float, done.stdout.split())
    return took_s, events, peak_mb


def _make(size: int, folder: Path) -> int:
    with LogWriter(folder, "market", durability="none") as log:
        by_engine(log, opened(log), round(size / _EVENTS_A_PURCHASE))
    return size


def _export(form: str, folder: Path) -> int:
    """Write an export to a file, as the command does."""
    export = FORMATS[form].export
    reader = LogReader(folder)
    header = {"head": {"origin": "market"}}
    with open(os.devnull, "wb") as out:
        for piece in export(Redactor(bytes(32)).records(reader), header):
            out.write(piece.encode() if isinstance(piece, str) else piece)
    return reader.position.size


def _peak_mb() -> float:
    # Not getrusage: its maximum is inherited from the process that started this one.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the peak of the memory is not told here")


def _main(arguments: list[str]) -> int:
    try:
        if arguments[0] == "export":
            list(FORMATS[arguments[1]].export([], {}))
        start = time.perf_counter()
        if arguments[0] == "make":
            events = _make(int(arguments[1]), Path(arguments[2]))
        else:
            events = _export(arguments[1], Path(arguments[2]))
        print(time.perf_counter() - start, events, _peak_mb())
    except MarketsimError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
