"""A process whose workers are busy when Ctrl-C comes: it tells what it has as JSON, and ends with 130.

Its arguments are where the work is done, and the folder in which each worker notes itself, and
the first result too.
"""

import json
import sys
from pathlib import Path

from simulate import labour

from marketsim.simulate.fleet import gathered, run_all


def main(on: str, folder: str) -> int:
    tasks = [f"{folder}/quick".encode(), *(f"{folder}/endless-{number}".encode() for number in range(8))]
    kept = Path(folder) / "kept"
    found = gathered(run_all(labour.endless, tasks, on=on, workers=2), lambda *_: kept.touch())
    print(
        json.dumps({"partial": found.partial, "results": {k: v.decode() for k, v in found.results.items()}})
    )
    return 130 if found.partial else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
