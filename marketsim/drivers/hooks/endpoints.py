"""Endpoints: who is told of a market's events, with which secret, and how far each was told.

They stand beside the stream and never in it: in ``webhooks.json``, in the market's folder, which nobody
but its owner can read.
"""

import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec

from marketsim.audit.checkpoint import sync_folder
from marketsim.audit.log import START, Position
from marketsim.drivers.clock import now_us
from marketsim.saga.errors import InputError, MarketError, nearest, quoted, reason_of

__all__ = [
    "ENDPOINTS_MAX",
    "EVENTS",
    "RETRY_MAX_S",
    "SETTINGS",
    "Endpoint",
    "change_settings",
    "checked_events",
    "checked_secret",
    "checked_url",
    "lock_of",
    "new_secret",
    "read_settings",
]

SETTINGS = "webhooks.json"
"""The file's name, in the market's folder."""

EVENTS = ("transaction.committed", "transaction.compensated", "transaction.stuck", "compensation.failed")
"""The types of events that others can be told of."""

ENDPOINTS_MAX = 32
"""How many webhooks a market may have."""

RETRY_MAX_S = 60.0
"""The longest wait between two attempts, in seconds."""

_URL_LENGTH_MAX = 2048
_SETTINGS_BYTES_MAX = 1 << 20
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]+={0,2}")
_SECRET_BYTES = range(24, 65)
_SECRET_MADE_BYTES = 32
_LOCK_TIMEOUT_S = 10.0
_TODO = "mend it, or delete the file and add the webhooks again"

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Endpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Somebody who is told: where, signed with what, of which events, and how far that has come.

    Everything up to event ``seq`` was told; ``position`` is a place in the log at or before it, from
    which to read on. ``failures`` counts those since the last success, of which ``failure`` and
    ``failed`` (RFC 3339) tell the last; before ``retry_us`` (since 1970) nothing is tried by itself.
    """

    url: str
    secret: str
    events: list[str]
    added: str
    seq: _Count = 0
    position: Position = START
    failures: _Count = 0
    failure: str = ""
    failed: str = ""
    retry_us: _Count = 0
    disabled: bool = False

    def __repr__(self) -> str:
        return f"Endpoint({quoted(self.url)}, seq={self.seq})"  # The secret belongs in no message.

    @property
    def waits_us(self) -> int:
        """How long it is until the next attempt, in microseconds; 0 if it may be now."""
        left_us = self.retry_us - now_us()
        return left_us if 0 < left_us <= RETRY_MAX_S * 1_000_000 else 0


class _Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    endpoints: list[Endpoint]


# What a person types.


def checked_url(url: str, *, where: str = "URL") -> str:
    """The URL, if events can be sent to it; raises InputError, which does not repeat a password."""
    from urllib.parse import urlsplit

    def wrong(what: str, todo: str) -> InputError:
        return InputError(what, where=where, todo=todo)

    if len(url) > _URL_LENGTH_MAX:
        raise wrong(f"the URL has {len(url):,} characters", f"give at most {_URL_LENGTH_MAX:,}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise wrong("the URL has characters that a URL cannot have", "write them percent-encoded")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise wrong(f"this is no URL: {error}", "write it as https://HOST/PATH") from None
    if "@" in parts.netloc:
        raise wrong("a name or password in the URL would be kept and shown", "leave it out: it is signed")
    if parts.scheme not in ("http", "https"):
        raise wrong(f"{quoted(url)} is not of the web", "it begins with https:// or http://")
    if not re.fullmatch(r"[A-Za-z0-9._:-]+", parts.hostname or "") or port == 0:
        raise wrong(f"{quoted(url)} names no host", "write it as https://HOST/PATH")
    if "#" in url:
        raise wrong("what stands behind a # is never sent", "leave it out")
    return url


def checked_secret(secret: str, *, where: str = "--secret") -> str:
    """The secret, if it is one of Standard Webhooks; raises InputError, which does not repeat it."""
    from base64 import b64decode

    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if not _SECRET.fullmatch(secret) or len(key) not in _SECRET_BYTES:
        todo = "write whsec_ and 24 to 64 bytes in base64, or leave it out and one is made"
        raise InputError("this is no secret", where=where, todo=todo)
    return secret


def new_secret() -> str:
    """A secret that nobody can guess, as Standard Webhooks writes it."""
    from base64 import b64encode

    return f"whsec_{b64encode(os.urandom(_SECRET_MADE_BYTES)).decode()}"


def checked_events(names: list[str], *, where: str = "--event") -> list[str]:
    """The types of events, each once and in their order; all that there are for none."""
    for name in names:
        if name not in EVENTS:
            raise InputError(f"nobody is told of {quoted(name)}", where=where, todo=nearest(name, EVENTS))
    return [name for name in EVENTS if name in names or not names]


# What is kept.


def read_settings(market: Path) -> list[Endpoint]:
    """Who is told of what happens in a market. Raises MarketError for a file that was damaged."""
    path = market / SETTINGS
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # A pipe would be waited for, and for ever.
            raise MarketError("this is no regular file", where=str(path), todo=_TODO)
        with path.open("rb") as file:
            data = file.read(_SETTINGS_BYTES_MAX + 1)
        if len(data) > _SETTINGS_BYTES_MAX:
            raise MarketError(f"the file is longer than {_SETTINGS_BYTES_MAX:,} bytes", where=str(path))
        endpoints = msgspec.json.decode(data, type=_Settings).endpoints
    except FileNotFoundError:
        return []
    except OSError as error:
        what = f"the webhooks cannot be read: {reason_of(error)}"
        raise MarketError(what, where=str(path), todo="make the file readable") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, _reason(data, error)) from None
    for number, each in enumerate(endpoints):
        _check(path, f"endpoints[{number}]", each)
    if len({each.url for each in endpoints}) != len(endpoints) or len(endpoints) > ENDPOINTS_MAX:
        raise _damaged(path, f"more than {ENDPOINTS_MAX} webhooks, or one of them twice")
    return endpoints


def _check(path: Path, which: str, endpoint: Endpoint) -> None:
    try:
        checked_url(endpoint.url)
        checked_secret(endpoint.secret)
        checked_events(endpoint.events)
    except InputError as error:
        raise _damaged(path, f"{which}: {error.what}") from None
    if endpoint.position.size > endpoint.seq:
        raise _damaged(path, f"{which}: the position lies behind the event {endpoint.seq}")


def _damaged(path: Path, what: str) -> MarketError:
    return MarketError(f"the webhooks are damaged: {what}", where=str(path), todo=_TODO)


def _reason(data: bytes, error: Exception) -> str:
    """What the decoder has against the file, with the line where it names a byte."""
    text = quoted(error)[1:-1]
    found = re.search(r"byte (\d+)", text)
    return f"line {data[: int(found[1])].count(10) + 1}: {text}" if found else text


def change_settings(market: Path, change: Callable[[list[Endpoint]], list[Endpoint]]) -> list[Endpoint]:
    """Change who is told: the file is the old one or the new one, and for its owner's eyes alone.

    Raises MarketError if it was damaged, cannot be written, or is being changed for too long.
    """
    with lock_of(market, "webhooks.lock", _LOCK_TIMEOUT_S) as mine:
        if not mine:
            raise MarketError("another process is changing the webhooks", where=str(market / SETTINGS))
        before = read_settings(market)
        after = change(before)
        if after != before:
            _write(market / SETTINGS, _Settings(after))
        return after


def _write(path: Path, settings: _Settings) -> None:
    data = msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n"
    passing = path.with_name(f".{path.name}.new")
    try:
        passing.unlink(missing_ok=True)
        with os.fdopen(os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(passing, path)
        sync_folder(path.parent)
    except OSError as error:
        what = f"the webhooks cannot be written: {reason_of(error)}"
        raise MarketError(what, where=str(path), todo="they are as they were; check the disk") from error
    finally:
        passing.unlink(missing_ok=True)


@contextmanager
def lock_of(market: Path, name: str, timeout_s: float) -> Iterator[bool]:
    """Hold one of the market's locks, and say whether it was to be had within ``timeout_s`` seconds."""
    from filelock import FileLock, Timeout

    if not market.is_dir():  # It may have been deleted meanwhile, and a lock would make it again.
        raise MarketError("there is no market here", where=str(market))
    lock = FileLock(market / name, timeout=timeout_s, poll_interval=0.01, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise MarketError(reason_of(error), where=str(market / name)) from error
    try:
        yield True
    finally:
        lock.release()
