"""The table of faults for the tests: what docs/ makes its page of, which is a folder of scripts."""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
sys.path.append(str(DOCS))

from make_faults import charges_standing, page  # noqa: E402
from matrix import CELLS, REQUESTS, VERDICTS, Cell, Ended, Made, ends_of, make, runs_of, verdict_of  # noqa: E402

__all__ = [
    "CELLS",
    "DOCS",
    "REQUESTS",
    "VERDICTS",
    "Cell",
    "Ended",
    "Made",
    "charges_standing",
    "ends_of",
    "make",
    "page",
    "runs_of",
    "verdict_of",
]
