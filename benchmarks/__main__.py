"""Run the benchmarks: all of them, or those that are named; `--write` puts them into docs/benchmarks.md."""

import argparse
import os
import platform
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import catalog_size, engine, exploration, exports, log, simulation, start_up, verify, webhooks
from benchmarks.side_by_side import Figure

BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {
    "start-up": start_up.figures,
    "log": log.figures,
    "engine": engine.figures,
    "catalog-size": catalog_size.figures,
    "verify": verify.figures,
    "exports": exports.figures,
    "webhooks": webhooks.figures,
    "simulation": simulation.figures,
    "exploration": exploration.figures,
}

_PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
_PREFACE = """\
# Benchmarks

Every figure is a ratio of two things that ran in turn, A B A B …, in one run on one machine: the
median of the ratios pair by pair, with the least and the most. Ratios travel better than seconds.
The times beside them are medians on the machine named below. Nothing here is asserted by a test.

A ratio is a multiple where less is better, and a share where more is better; its target says which.

    python -m benchmarks            # all of them, a few minutes
    python -m benchmarks NAME       # one: {names}
    python -m benchmarks --write    # all of them, into this page

"""


def main(arguments: list[str]) -> int:
    """Run what is named, and print it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "name", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME", help=", ".join(BENCHMARKS)
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md (with all of them)")
    wanted = parser.parse_args(arguments)
    if wanted.write and wanted.name:
        parser.error("--write goes with all of them")
    print(f"{_machine()}\n")
    measured: dict[str, list[Figure]] = {}
    for name in wanted.name or BENCHMARKS:
        measured[name] = BENCHMARKS[name]()
        for figure in measured[name]:
            print(_line(figure), flush=True)
    if wanted.write:
        _PAGE.write_text(_PREFACE.format(names=", ".join(BENCHMARKS)) + _table(measured))
        print(f"\nwritten: {_PAGE.relative_to(Path.cwd()) if _PAGE.is_relative_to(Path.cwd()) else _PAGE}")
    return 0


def _line(figure: Figure) -> str:
    verdict = "" if figure.target is None else "met" if figure.met else "missed"
    return f"{figure.ratio}  {figure.what}\n    target {figure.aim} {verdict}\n    {figure.note}"


def _table(measured: dict[str, list[Figure]]) -> str:
    rows = [_row(name, figure) for name, figures in measured.items() for figure in figures]
    head = "| figure | ratio | least to most | target | times | command |\n|---|---|---|---|---|---|"
    missed = [figure.what for figures in measured.values() for figure in figures if not figure.met]
    return "\n".join([head, *rows, "", f"Measured on: {_machine()}.", "", *_told(missed)]) + "\n"


def _row(name: str, figure: Figure) -> str:
    ratio = figure.ratio
    cells = [
        figure.what,
        f"**{ratio.median:.2f}**",
        f"{ratio.least:.2f} to {ratio.most:.2f}",
        figure.aim,
        figure.note,
        f"`python -m benchmarks {name}`",
    ]
    return f"| {' | '.join(cells)} |"


def _told(missed: Iterable[str]) -> list[str]:
    lines = [f"- {what}" for what in missed]
    return ["Missed targets:", "", *lines] if lines else ["Every target was met."]


def _machine() -> str:
    system = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return f"{system}, {platform.python_implementation()} {platform.python_version()}, {start_up.launcher()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
