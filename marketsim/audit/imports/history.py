"""What another engine did, in a form that all formats share: transactions, their calls, and the rest."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec

from marketsim.saga.errors import InputError, quoted
from marketsim.saga.events import Event, JSONObject

__all__ = [
    "NAME_LENGTH_MAX",
    "Call",
    "Course",
    "Imported",
    "Mapping",
    "Outcome",
    "Rest",
    "Unmapped",
    "instant_ns",
    "name_of",
    "stamp_of",
]

NAME_LENGTH_MAX = 200
"""How long the name of an operation, a revert or a transaction can be; what is beyond is cut."""

KINDS_MAX = 1000

Outcome: TypeAlias = Literal["", "succeeded", "failed", "unknown", "partial", "expired"]


class Mapping(msgspec.Struct, frozen=True):
    """What a person says about a foreign history.

    ``pairs`` names for a revert the operation that it undoes. ``read_only`` are operations that need no
    revert. The attributes are those of OTLP spans: which names the operation, which marks a revert.
    """

    pairs: dict[str, str] = {}
    read_only: list[str] = []
    operation_attribute: str = ""
    compensation_attribute: str = ""


class Call(msgspec.Struct):
    """One call of the other engine: an operation, or (``reverts`` names the operation) its revert.

    ``turn`` and ``end_turn`` are places in the file, ``key`` tells operations of one name apart, where the
    engine does. ``certain`` says of a failure that nothing can have taken effect, ``revertible`` whether
    the engine knows a revert; None if it does not tell. ``kind`` is that of an operation, where it is told.
    """

    name: str
    started_ns: int
    turn: int
    reverts: str = ""
    service: str = ""
    key: str = ""
    outcome: Outcome = ""
    ended_ns: int = 0
    end_turn: int = 0
    code: str = ""
    reason: str = ""
    certain: bool = True
    revertible: bool | None = None
    kind: str = ""


class Course(msgspec.Struct):
    """One transaction of the other engine.

    ``ended_ns`` is None while it is open; ``failed`` says that it did not come to what was wanted. In a
    history that is ``ordered`` the places in the file tell what came first, else the times do.
    """

    name: str
    saga: str
    began_ns: int
    ended_ns: int | None = None
    failed: bool = False
    reason: str = ""
    ordered: bool = True
    calls: list[Call] = []


class Unmapped(msgspec.Struct, frozen=True):
    """Something that has no place in the stream: what, why, how often, and where it stands first."""

    what: str
    why: str
    where: str
    count: int


class Imported(msgspec.Struct, frozen=True):
    """What was taken in: events as a log holds them, and what was left behind.

    ``before`` is the excerpt of an earlier history that the checks need, where the file has one.
    ``leaves`` has the number of each event in which something was redacted, with its hash in the log.
    """

    events: list[Event]
    unmapped: list[Unmapped] = []
    before: list[Event] = []
    header: JSONObject = {}
    leaves: dict[int, str] = {}


class Rest:
    """Gathers what cannot be mapped: each kind once, with its first place and how often it came."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Unmapped] = {}

    def add(self, what: str, why: str, where: str, count: int = 1) -> None:
        """Note that something was left behind."""
        key = (name_of(what), why)
        if key not in self._found and len(self._found) >= KINDS_MAX:
            key = ("(others)", "too many kinds to tell apart")
        before = self._found.get(key)
        whole = count + (before.count if before else 0)
        self._found[key] = Unmapped(*key, before.where if before else where, whole)

    def listed(self) -> list[Unmapped]:
        """All of it, in the order in which each kind came first."""
        return list(self._found.values())


def name_of(text: str) -> str:
    """A name as it is kept: whole, or cut; never empty."""
    return (text if len(text) <= NAME_LENGTH_MAX else text[: NAME_LENGTH_MAX - 1] + "…") or "(no name)"


_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_9999_NS = 253_402_300_800 * 10**9


def instant_ns(text: str, where: Callable[[], str]) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time with up to nine decimals; raises InputError."""
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError("it is not in the form of RFC 3339")
        day, clock, fraction, zone = found.groups()
        passed = datetime.fromisoformat(f"{day}T{clock}{zone.upper().replace('Z', '+00:00')}") - _EPOCH
    except (ValueError, OverflowError) as error:
        raise InputError(f"{quoted(text)} is no time: {error}", where=where()) from error
    return (passed.days * 86_400 + passed.seconds) * 10**9 + int((fraction or "0").ljust(9, "0"))


def stamp_of(time_ns: int) -> str:
    """A time as the stream writes it: RFC 3339 in UTC, in microseconds."""
    seconds, rest_ns = divmod(min(max(time_ns, 0), _YEAR_9999_NS - 1), 10**9)
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{rest_ns // 1000:06d}Z"
