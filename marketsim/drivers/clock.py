"""The clocks: virtual time that passes in no time, and real time that is waited for."""

import re
import time
from datetime import UTC, datetime

from marketsim.saga.definition import SPAN_MAX_US
from marketsim.saga.errors import InputError, quoted

__all__ = ["Clock", "RealClock", "now_us", "parse_time", "span_us", "stamp"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_us() -> int:
    """The present moment: microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


def stamp(moment_us: int) -> str:
    """A moment as RFC 3339 in UTC, with six decimals: ``2026-01-31T12:00:00.000000Z``."""
    seconds, rest = divmod(moment_us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06d}Z"


def parse_time(text: str) -> int:
    """The moment in an RFC 3339 text: microseconds since 1970 UTC. Raises InputError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{quoted(text)} is not a time", todo="write 2026-01-31T12:00:00Z") from None
    since = moment.replace(tzinfo=moment.tzinfo or UTC) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_SPAN = re.compile(r"([0-9]{1,15})(us|ms|s|m|h)")


def span_us(text: str) -> int:
    """A length of time as people write it, such as 0s, 250ms or 2m, in microseconds. Raises InputError."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise InputError(f"{quoted(text)} is not a time", todo="write 0s, 250ms, 2m or 1h")
    length_us = int(found[1]) * _UNITS_US[found[2]]
    if length_us > SPAN_MAX_US:
        raise InputError(f"{quoted(text)} is too late", todo="a run may take a year")
    return length_us


_LAST_US = 253_402_300_799_999_999


class Clock:
    """Virtual time: it stands still until it is moved, and only moves forward."""

    __slots__ = ("_prefix", "_second", "now_us")

    def __init__(self, start_us: int) -> None:
        self.now_us = start_us
        self._second, self._prefix = -1, ""

    def advance(self, to_us: int) -> None:
        """Move to a moment; a moment that has passed leaves the clock as it is.

        Raises InputError for one that no RFC 3339 text can tell.
        """
        if to_us > self.now_us:
            if to_us > _LAST_US:
                todo = "let it pause for less, or less often"
                raise InputError("time went past the end of the year 9999", todo=todo)
            self.now_us = to_us

    def stamp(self) -> str:
        """The present moment of this clock, as it stands in an event."""
        second, rest = divmod(self.now_us, 1_000_000)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
        return f"{self._prefix}.{rest:06d}Z"


class RealClock(Clock):
    """Time at its real pace: moving forward by a second takes one.

    It may be ahead of the wall clock, since what came before may have run in virtual time.
    """

    __slots__ = ("_ahead_us",)

    def __init__(self, start_us: int) -> None:
        super().__init__(start_us)
        self._ahead_us = start_us - now_us()

    def advance(self, to_us: int) -> None:
        """Sleep until the moment has come."""
        left_us = to_us - self._ahead_us - now_us()
        if left_us > 0:
            time.sleep(left_us / 1_000_000)
        super().advance(to_us)
