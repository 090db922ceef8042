"""The whole exception tree: what a user did wrong, what a log shows, and what a handler may raise."""

from collections.abc import Iterable

__all__ = [
    "NEVER_ARRIVED",
    "NOTHING_STANDS",
    "RETURNED_TOO_MUCH",
    "Aborted",
    "CatalogError",
    "DefinitionError",
    "Diverged",
    "Expired",
    "Failed",
    "InputError",
    "LogDamaged",
    "MarketBusy",
    "MarketError",
    "MarketsimError",
    "Partial",
    "ProcessCrashed",
    "Unknown",
    "nearest",
    "quoted",
    "reason_of",
]


class MarketsimError(Exception):
    """What a user is told: what is wrong, where it is, and what to do about it.

    Every error that is meant for a person's eyes is one of these; the command line maps each
    branch of the tree to an exit code in one place.
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        remedy = f" ({self.todo})" if self.todo else ""
        return f"{place}{self.what}{remedy}"


class InputError(MarketsimError):
    """Something was typed, or stands in a file, that cannot be meant; nothing was changed."""


class CatalogError(InputError):
    """A catalog file does not describe a market."""


class DefinitionError(InputError):
    """A saga, a policy or a fault was declared in a way that cannot work."""


class MarketError(InputError):
    """The market directory is missing, is no market, or cannot be read or written."""


class MarketBusy(MarketError):
    """Another process holds the market's lock and did not let go within the time limit."""


class LogDamaged(MarketsimError):
    """The stream on disk is not what was written: a line, the chain or the head does not verify."""


class Diverged(MarketsimError):
    """A run that was to repeat a recorded one took another way."""


NOTHING_STANDS = "nothing_stands"
"""The code with which a probe says that nothing stands of its operation."""

NEVER_ARRIVED = "never_arrived"
"""The code with which a probe says that its operation, and a revert of it, may both still arrive."""

RETURNED_TOO_MUCH = "returned_too_much"
"""The code with which a probe says that more was given back than was taken."""


class Failed(Exception):
    """Raised by an action or a compensation: it failed for certain, and nothing took effect.

    ``retry`` is the class of the failure: ``safe`` may be tried again, ``never`` must not be.
    """

    def __init__(self, code: str, reason: str = "", *, retry: str = "never") -> None:
        super().__init__(reason or code)
        self.code = code
        self.reason = reason or code
        self.retry = retry


class Unknown(Exception):
    """Raised by an action or a compensation: no answer came, and the effect may have landed."""

    def __init__(self, code: str, reason: str = "") -> None:
        super().__init__(reason or code)
        self.code = code
        self.reason = reason or code


class Aborted(Exception):
    """Raised by an action that wants the whole transaction ended, with a payload to say why."""

    def __init__(self, reason: str, payload: dict[str, object] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.payload = payload or {}


class Partial(Exception):
    """Raised by a compensation that undid a part only: what it did, and what remains to be done."""

    def __init__(self, result: dict[str, object], remains: dict[str, object]) -> None:
        super().__init__("only a part was reverted")
        self.result = result
        self.remains = remains


class Expired(Exception):
    """Raised by a compensation that comes too late: the time in which it was possible has passed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ProcessCrashed(BaseException):
    """The process died here: raised by a driver in memory, where a real one would be killed.

    Not an ``Exception``, so that no handler's ``except`` clause survives it by accident.
    """


def quoted(text: object) -> str:
    """Show a piece of input inside a message: on one line, printable, at most 80 characters."""
    shown = str(text)
    shown = shown if len(shown) <= 80 else shown[:79] + "…"
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + "'"


def nearest(name: str, names: Iterable[str], *, listed: int = 8) -> str:
    """Say which known name was probably meant, or which names there are."""
    known = sorted(names)
    if not known:
        return "there are none"
    import difflib  # only when something went wrong: it costs a millisecond of start-up

    close = difflib.get_close_matches(name[:200], known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {quoted(close[0])}?"
    more = f" and {len(known) - listed} more" if len(known) > listed else ""
    return "known: " + ", ".join(quoted(each)[1:-1] for each in known[:listed]) + more


def reason_of(error: OSError) -> str:
    """What the system says went wrong, in the middle of a sentence."""
    return (error.strerror or str(error)).lower()
