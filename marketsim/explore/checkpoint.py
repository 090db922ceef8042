"""A search that was not finished, as a file: what waits, what is known, and what was found."""

import os
from hashlib import sha256
from pathlib import Path

import msgspec

from marketsim import __version__
from marketsim.explore.frontier import Branches
from marketsim.explore.model import Bound, Case
from marketsim.explore.survey import Survey
from marketsim.explore.trial import Trial, counterexample
from marketsim.saga.errors import InputError

__all__ = ["resume_survey", "save_survey"]

_FORMAT = 1
_BYTES_MAX = 2 << 30


class _Saved(msgspec.Struct, forbid_unknown_fields=True):
    """A search in a file. Numbers of states are in hexadecimal, scripts in base 64."""

    format: int
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
        _FORMAT,
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
    staged.write_bytes(msgspec.json.encode(saved))
    os.replace(staged, path)


def resume_survey(path: Path, case: Case, bound: Bound, wanted: int) -> Survey:
    """A search as it was saved. Raises InputError if it is not one of this case within this bound.

    The limits of a bound (runs, states, seconds) may be others than they were.
    """
    saved = _read(path)
    if saved.case != asked(case) or _unlimited(saved.bound) != _unlimited(bound):
        what = f"it explores {saved.case.partition(' #')[0]}, by other rules or within another bound"
        raise InputError(what, where=str(path), todo="give the same saga and options as then, or begin anew")
    survey = Survey(case, bound, wanted)
    survey.runs, survey.cut, survey.before_s = saved.runs, saved.cut, saved.seconds
    survey.places = set(saved.places)
    for state, seen in saved.known:
        for left in seen:
            survey.known.add(int(state, 16), left)
    for depth, turns, branches in saved.waiting:
        for each in branches:
            survey.frontier.restore((depth, turns), each)
    for rule, script in saved.found.items():
        trial = Trial(case, bound, survey.menus, script)
        survey.found[rule] = counterexample(trial, trial.run())
        survey.scripts[rule] = script
    return survey


def asked(case: Case) -> str:
    """What a search is about: whoever goes on must ask the same, of the same version."""
    sagas = [
        [(each.name, each.kind, each.service, each.after) for each in saga.operations.values()]
        for saga in case.sagas
    ]
    whole = [
        __version__,
        case.name,
        sagas,
        case.requests,
        case.policy,
        case.rules,
        case.services,
        case.made_by,
    ]
    digest = sha256(msgspec.json.encode(whole, order="deterministic")).hexdigest()
    return f"{case.name} under {case.policy.name} #{digest[:16]}"


def _unlimited(bound: Bound) -> Bound:
    return msgspec.structs.replace(bound, runs_max=0, seconds_max=0, states_max=0)


def _read(path: Path) -> _Saved:
    todo = "begin anew without it"
    try:
        if not path.is_file() and path.exists():
            raise InputError("it is not a regular file", where=str(path), todo=todo)
        if path.stat().st_size > _BYTES_MAX:
            raise InputError("it is too large for a checkpoint", where=str(path), todo=todo)
        saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}", where=str(path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"it is no checkpoint: {error}", where=str(path), todo=todo) from error
    if saved.format != _FORMAT:
        raise InputError("it is a checkpoint of another version", where=str(path), todo=todo)
    return saved
