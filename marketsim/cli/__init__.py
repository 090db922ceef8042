"""The command line: the only floor that prints, reads argv, or decides an exit code."""

import sys
from collections.abc import Sequence

from marketsim import __version__

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run marketsim with these arguments (without the program's name); returns the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["--version"]:  # Before anything is imported: tools ask for it all the time.
        print(f"marketsim {__version__}")
        return 0
    import gc

    # Whatever is imported lives on: to look through it for garbage takes a tenth of a short command.
    gc.set_threshold(50_000, 20, 100)
    from marketsim.cli.app import run

    return run(given)
