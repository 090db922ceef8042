"""The scenarios that ship with the program, and how a name or a path leads to scenario files."""

import os
from pathlib import Path

from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["SUFFIXES", "find_scenarios", "shipped", "shipped_simulations"]

SUFFIXES = (".json", ".yaml", ".yml")
"""How the name of a scenario file in a folder ends."""

_PACKAGE = Path(__file__).resolve().parent.parent


def shipped() -> dict[str, Path]:
    """The scenarios that ship, by name: inside an installed package, beside it in a source tree."""
    return _shipped_in("scenarios")


def shipped_simulations() -> dict[str, Path]:
    """The scenarios that ship with a workload in place of purchases, by name."""
    return _shipped_in("scenarios/simulate")


def _shipped_in(folder: str) -> dict[str, Path]:
    for place in (_PACKAGE / folder, _PACKAGE.parent / folder):
        if found := sorted(place.glob("*.yaml")):
            return {path.stem: path for path in found}
    return {}


def find_scenarios(name_or_path: str) -> list[Path]:
    """The scenario files that are meant: a file, all in a folder (by name), or one that ships.

    Raises InputError where there is none, with the nearest name of those that ship.
    """
    if os.path.isdir(name_or_path):
        return _in_folder(Path(name_or_path))
    if os.path.exists(name_or_path):
        return [Path(name_or_path)]
    known = shipped() | shipped_simulations()
    if name_or_path in known:
        return [known[name_or_path]]
    if os.sep in name_or_path or name_or_path.endswith(SUFFIXES):
        raise InputError("there is no such file or folder", where=name_or_path, todo="check the path")
    raise InputError(f"no scenario is called {quoted(name_or_path)}", todo=nearest(name_or_path, known))


def _in_folder(folder: Path) -> list[Path]:
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES and path.is_file())
    except OSError as wrong:
        what = f"cannot be read: {wrong.strerror or wrong}"
        raise InputError(what, where=str(folder), todo="make it readable") from wrong
    if not found:
        todo = f"it should have files that end in {', '.join(SUFFIXES)}"
        raise InputError("there is no scenario in this folder", where=str(folder), todo=todo)
    return found
