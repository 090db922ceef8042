"""A saga of somebody's own, loaded by the place that is named: FILE.py:NAME or PACKAGE.MODULE:NAME."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import msgspec

from marketsim.explore.model import Case, case_of
from marketsim.market.sagas import SAGAS, saga_named
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import JSONObject
from marketsim.saga.policies import policy_named

__all__ = ["as_typed", "is_place", "load", "load_saga", "made_case", "own_case"]

LoadedT = TypeVar("LoadedT")

_SHAPE = "write path/to/file.py:NAME or package.module:NAME"


def is_place(text: str) -> bool:
    """Whether this names a place in somebody's own code, and not one of the built-in sagas."""
    return text not in SAGAS and (":" in text or text.endswith(".py") or "/" in text)


def load_saga(text: str) -> Saga:
    """A built-in saga by its name, or one of somebody's own by its place. Raises InputError.

    A place is trusted: the code that it names is run. Never call this with a text from a data file.
    """
    return load(text, Saga) if is_place(text) else saga_named(text)


def load(place: str, *kinds: type[LoadedT]) -> LoadedT:
    """What a place names: one of these kinds, or a function of no arguments that returns it.

    Raises InputError for anything else.
    """
    source, colon, name = place.rpartition(":")
    if not colon or not source or not name:
        raise InputError(f"{quoted(place)} names nothing in a file", todo=_SHAPE)
    with _importing(source):
        module = _of_file(Path(source)) if source.endswith(".py") else import_module(source)
    if not hasattr(module, name):
        known = [each for each, thing in vars(module).items() if isinstance(thing, kinds)]
        raise InputError(f"it has no {quoted(name)}", where=source, todo=nearest(name, known))
    found = getattr(module, name)
    if callable(found) and not isinstance(found, (*kinds, type)):
        with _importing(source):
            found = found()
    if not isinstance(found, kinds):
        wanted = " or ".join(f"a {kind.__name__}" for kind in kinds)
        what = f"{quoted(name)} is a {type(found).__name__}, not {wanted}"
        raise InputError(what, where=source, todo=f"name {wanted}, or a function that returns one")
    return found


def own_case(named: Case | Saga, place: str, requests: list[JSONObject], policy: str | None) -> Case:
    """The case of what a place names, under this policy; a saga is asked for these requests.

    It says how another process makes it that has the same file: on another machine, by the same path.
    """
    source, _, name = place.rpartition(":")
    where = f"{Path(source).resolve()}:{name}" if source.endswith(".py") else place
    made_by = (f"{__name__}:made_case", {"place": where, "requests": requests, "policy": policy})
    if isinstance(named, Saga):
        case = case_of(named, *requests, policy=policy_named(policy or "default"))
        return msgspec.structs.replace(case, made_by=made_by)
    if policy is None:
        return msgspec.structs.replace(named, made_by=named.made_by or made_by)
    return msgspec.structs.replace(named, policy=policy_named(policy), rules={}, made_by=made_by)


def made_case(place: str, requests: list[JSONObject], policy: str | None) -> Case:
    """The same case, made in another process."""
    named: object = load(place, Case, Saga)
    assert isinstance(named, Case | Saga)
    return own_case(named, place, requests, policy)


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), todo=_SHAPE)
    spec = spec_from_file_location(f"saga_of_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def _importing(source: str) -> Iterator[None]:
    """Have what stands beside the code found, as Python does for a script; say what breaks as an error."""
    beside = str(Path(source).resolve().parent if source.endswith(".py") else Path.cwd())
    # It stays, since a handler may import when it is called; last, so that it hides nothing of ours.
    sys.path += [] if beside in sys.path else [beside]
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        raise InputError(f"it cannot be loaded: {said[:300]}", where=_where(error, source, beside)) from error


def _where(error: BaseException, source: str, beside: str) -> str:
    """The line of the user's own code that broke, as far as there is one."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{as_typed(error.filename)}:{error.lineno}"
    place, step = source, error.__traceback__
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if Path(file).is_relative_to(beside):
            place = f"{as_typed(file)}:{step.tb_lineno}"
        step = step.tb_next
    return place


def as_typed(file: str) -> str:
    """A file as one would type it here: its path from the present folder, where it lies below."""
    return os.path.relpath(file) if Path(file).is_relative_to(Path.cwd()) else file
