"""Where in a scenario file a mistake stands, and where files may stand that it names."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TypeAlias, TypeVar

from marketsim.market.documents import Document
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["Place", "check_name", "inside", "mistake", "placed"]

Place: TypeAlias = Sequence[str | int]
"""The keys and indices that lead to a value in a document."""

_T = TypeVar("_T")


def mistake(document: Document, path: Place, what: str, todo: str = "") -> InputError:
    """The error that tells what is wrong with the value at ``path``, with its line."""
    words = document.words(path)
    return InputError(f"{words}: {what}" if words else what, where=document.place(path), todo=todo)


def placed(document: Document, path: Place, read: Callable[..., _T], *arguments: object) -> _T:
    """Call what knows nothing of files; an InputError gets its place, found only when it is needed."""
    try:
        return read(*arguments)
    except InputError as wrong:
        raise mistake(document, path, wrong.what, wrong.todo) from wrong


def check_name(document: Document, path: Place, name: str, kind: str, known: Collection[str]) -> None:
    """Raise InputError, with the nearest name, if this one is not known."""
    if name not in known:
        raise mistake(document, path, f"there is no {kind} {quoted(name)}", nearest(name, known))


def inside(folder: Path, said: str, what: str = "file") -> Path:
    """The path of a file beside or below the scenario's; InputError for any other, links followed."""
    todo = f"put the {what} beside the scenario, and name it by a relative path"
    shapes = (PurePosixPath(said), PureWindowsPath(said))
    if not said or any(shape.anchor or ".." in shape.parts for shape in shapes):
        raise InputError(f"{quoted(said)} leads out of the scenario's folder", todo=todo)
    place = folder / said
    try:
        within = place.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as wrong:  # a loop of links, a name that is none
        raise InputError(f"{quoted(said)} is not a path that can be followed", todo=todo) from wrong
    if not within:
        raise InputError(f"{quoted(said)} is a link out of the scenario's folder", todo=todo)
    return place
