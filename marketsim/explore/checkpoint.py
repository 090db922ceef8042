"""A search that was not finished, as a file: what waits, what is known, and what was found."""

import inspect
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import msgspec

from marketsim import __version__
from marketsim.explore.frontier import Branches
from marketsim.explore.model import Bound, Case
from marketsim.explore.survey import Survey
from marketsim.explore.tape import Strayed
from marketsim.explore.trial import Trial, counterexample
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError
from marketsim.saga.events import encode

__all__ = ["resume_survey", "save_survey"]

_FORMAT = 3
_BYTES_MAX = 2 << 30
_ANEW = "begin anew without it"


class _Sealed(msgspec.Struct, forbid_unknown_fields=True):
    """The file of a search. What was lost of it would count as tried, so ``sha256`` is that of ``search``."""

    format: int
    sha256: str
    search: msgspec.Raw


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    """A search. Numbers of states are in hexadecimal, scripts in base 64."""

    case: str
    bound: Bound
    runs: int
    cut: int
    seconds: float
    places: list[str]
    found: dict[str, bytes]
    waiting: list[tuple[int, int, list[Branches]]]
    known: list[tuple[str, list[tuple[int, int, int, bool, bool]]]]


def save_survey(survey: Survey, path: Path) -> None:
    """Write it to a temporary file, and then in the place of what was there. Raises OSError."""
    waiting = [(*level, list(branches)) for level, branches in survey.frontier.levels.items()]
    saved = _Saved(
        asked(survey.case),
        survey.bound,
        survey.runs,
        survey.cut,
        survey.seconds,
        sorted(survey.places),
        survey.scripts,
        waiting,
        [(f"{state:x}", list(left)) for state, left in survey.known.items()],
    )
    staged = path.with_name(f"{path.name}.new")
    search = msgspec.json.encode(saved)
    staged.write_bytes(msgspec.json.encode(_Sealed(_FORMAT, sha256(search).hexdigest(), msgspec.Raw(search))))
    os.replace(staged, path)


def resume_survey(path: Path, case: Case, bound: Bound, wanted: int) -> Survey:
    """A search as it was saved. Raises InputError if it is not one of this case within this bound.

    The limits of a bound (runs, states, seconds) may be others than they were.
    """
    saved = _read(path)
    if saved.case != asked(case) or _unlimited(saved.bound) != _unlimited(bound):
        what = f"it explores {saved.case.partition(' #')[0]}, by other rules or within another bound"
        raise InputError(what, where=str(path), todo="give the same saga and options as then, or begin anew")
    try:
        return _restored(saved, Survey(case, bound, wanted))
    except (ValueError, Strayed) as error:
        raise InputError("its search cannot be taken up", where=str(path), todo=_ANEW) from error


def _restored(saved: _Saved, survey: Survey) -> Survey:
    survey.runs, survey.cut, survey.before_s = saved.runs, saved.cut, saved.seconds
    survey.places = set(saved.places)
    for state, seen in saved.known:
        for left in seen:
            survey.known.add(int(state, 16), left)
    for depth, turns, branches in saved.waiting:
        for each in branches:
            survey.frontier.restore((depth, turns), each)
    for rule, script in saved.found.items():
        trial = Trial(survey.case, survey.bound, survey.menus, script)
        survey.found[rule] = counterexample(trial, trial.run())
        survey.scripts[rule] = script
    return survey


def asked(case: Case) -> str:
    """What a search is about: whoever goes on must ask the same, of the same version.

    Of handlers it tells by the files that they are written in, but not by what these import.
    """
    sagas = [_declared(saga) for saga in case.sagas]
    whole = [
        __version__,
        case.name,
        sagas,
        case.requests,
        case.policy,
        case.rules,
        case.services,
        case.groups,
        case.alike,
        case.made_by,
    ]
    digest = sha256(msgspec.json.encode(whole, order="deterministic"))
    for event in case.opening()[1]:
        digest.update(encode(event))
    for file in sorted({file for saga in case.sagas for file in _files(saga)}):
        digest.update(Path(file).read_bytes() if Path(file).is_file() else b"")
    return f"{case.name} under {case.policy.name} #{digest.hexdigest()[:16]}"


def _declared(saga: Saga) -> list[object]:
    """All that is declared of a saga but for its handlers."""
    operations = [vars(each).items() for each in saga.operations.values()]
    return [[(name, value) for name, value in each if not callable(value)] for each in operations]


def _files(saga: Saga) -> Iterator[str]:
    for operation in saga.operations.values():
        for handler in (operation.action, operation.revert, operation.probe):
            code = getattr(inspect.unwrap(handler), "__code__", None) if handler is not None else None
            if code is not None:
                yield code.co_filename


def _unlimited(bound: Bound) -> Bound:
    return msgspec.structs.replace(bound, runs_max=0, seconds_max=0, states_max=0)


def _read(path: Path) -> _Saved:
    try:
        if not path.is_file() and path.exists():
            raise InputError("it is not a regular file", where=str(path), todo=_ANEW)
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is too large for a checkpoint", where=str(path), todo=_ANEW)
        sealed = msgspec.json.decode(path.read_bytes(), type=_Sealed)
        if sealed.format != _FORMAT:
            raise InputError("it is a checkpoint of another version", where=str(path), todo=_ANEW)
        if sha256(sealed.search).hexdigest() != sealed.sha256:
            raise InputError("it was altered since it was written", where=str(path), todo=_ANEW)
        return msgspec.json.decode(sealed.search, type=_Saved)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is no checkpoint: {error}", where=str(path), todo=_ANEW) from error
