"""A counterexample in a file of its own, for what no scenario file can say."""

from pathlib import Path

import msgspec

from marketsim.explore.marketplace import CUSTOMERS_MAX, saga_of_request
from marketsim.explore.model import Case, Counterexample
from marketsim.explore.shrink import Candidate
from marketsim.saga.errors import InputError, reason_of
from marketsim.saga.events import JSONObject

__all__ = ["Kept", "candidate_of", "kept_text", "read_kept"]

_BYTES_MAX = 1 << 20


class Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it takes to see a counterexample again: which saga, asked for what, struck by what.

    ``find`` are the rules that it breaks, ``story`` is for people.
    """

    counterexample: str
    saga: str
    policy: str
    requests: list[JSONObject]
    faults: list[list[str]]
    choices: dict[str, int]
    find: list[str]
    story: list[str] = []


def kept_text(case: Case, found: Counterexample, name: str, story: list[str]) -> str:
    """The text of such a file: JSON."""
    customers = len(found.faults)
    kept = Kept(
        name,
        case.name,
        case.policy.name,
        list(case.requests[:customers]),
        [list(texts) for texts in found.faults],
        found.turns,
        list(found.rules),
        story,
    )
    return msgspec.json.format(msgspec.json.encode(kept), indent=2).decode() + "\n"


def read_kept(path: Path) -> Kept:
    """What such a file says. Raises InputError for one that does not."""
    try:
        if path.exists() and not path.is_file():  # A pipe might never end: it is not even opened.
            raise InputError("it is not a regular file", where=str(path), todo="name a counterexample")
        with path.open("rb") as file:
            data = file.read(_BYTES_MAX + 1)
        kept = msgspec.json.decode(data, type=Kept)
    except OSError as error:
        reason = reason_of(error)
        raise InputError(f"it cannot be read: {reason}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        todo = "a scenario file is replayed by: marketsim run FILE"
        raise InputError(f"this is no counterexample: {error}", where=str(path), todo=todo) from error
    if not 1 <= len(kept.faults) == len(kept.requests) <= CUSTOMERS_MAX:
        what = f"it needs faults for each of its requests, of which there are 1 to {CUSTOMERS_MAX}"
        raise InputError(what, where=str(path))
    return kept


def candidate_of(case: Case, kept: Kept, where: str) -> Candidate:
    """What to run again, in this case. Raises InputError if it is of another saga."""
    if kept.saga != case.name:
        what = f"it is a counterexample of {kept.saga}, and this is {case.name}"
        raise InputError(what, where=where, todo="name its saga")
    saga_of = saga_of_request(case) or (lambda request: case.sagas[0])
    sagas = tuple(map(saga_of, kept.requests))
    case = msgspec.structs.replace(case, requests=tuple(kept.requests), sagas=sagas)
    return Candidate(case, tuple(map(tuple, kept.faults)), kept.choices)
