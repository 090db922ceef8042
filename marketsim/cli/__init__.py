"""The command line: the only floor that prints, reads argv, or decides an exit code."""

import sys
from collections.abc import Sequence

from marketsim import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run marketsim with these arguments (without the program's name); returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if given == ["--version"]:  # Before anything is imported: tools ask for it all the time.
            return _version()
        import gc

        # Whatever is imported lives on: to look through it for garbage takes a tenth of a short command.
        gc.set_threshold(50_000, 20, 100)
        from marketsim.cli.app import run

        return run(given)
    except KeyboardInterrupt:
        print("interrupted; what was done is in the log", file=sys.stderr)
        return 130


def _version() -> int:
    try:
        print(f"marketsim {__version__}", flush=True)
    except OSError:
        sys.stdout = None  # The interpreter must not try again when it ends.
    return 0
