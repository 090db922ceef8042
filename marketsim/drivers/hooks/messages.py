"""Webhooks: an event as a CloudEvent, signed by the Standard Webhooks convention, and its one delivery."""

import io
import socket
import time
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import msgspec

from marketsim.drivers.clock import now_us, stamp
from marketsim.drivers.hooks.outbox import Facts
from marketsim.saga.events import Event, JSONObject, encode, leaf_hash

__all__ = ["EXCHANGE_S", "Answer", "Message", "message_of", "post", "signature", "trial_message"]

EXCHANGE_S = 15.0
"""How long one delivery may take from the first step to the answer, in seconds."""

_CONNECT_S = 5.0
_REST_S = 0.5
_REST_BYTES = 1 << 16


class Message(msgspec.Struct, frozen=True):
    """What is sent: its id, by which a receiver knows it again, and the bytes of its body."""

    id: str
    body: bytes


class Answer(msgspec.Struct, frozen=True):
    """What came of a delivery: the HTTP status, or 0 and why there is none."""

    status: int
    why: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: 2xx."""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more: 410."""
        return self.status == 410

    def __str__(self) -> str:
        if not self.status:
            return self.why
        redirect = ": a redirect, and none is followed" if 300 <= self.status < 400 else ""
        return f"it answered {self.status}{redirect}"


def message_of(event: Event, facts: Facts | None, origin: str) -> Message:
    """An event as a CloudEvent 1.0 in JSON, with the facts of its transaction.

    Its id is the event's number and the beginning of its hash: whatever is sent again has the same
    one, and no other market has it, not even a copy of this one that went on in another way.
    """
    digest = leaf_hash(encode(event))
    own = {name: value for name, value in msgspec.structs.asdict(event).items() if name not in _OF_ALL}
    data: JSONObject = {"seq": event.seq, "leaf_hash": digest, **own}
    if facts is not None:
        began = facts.began
        data |= {"saga": began.saga, "policy": began.policy, "request": began.request}
        data["reverted"] = facts.reverted
        data["orders"] = [
            {"order": each.order, "total_minor": each.total_minor, "currency": each.currency}
            for each in facts.orders.values()
        ]
    transaction = str(getattr(event, "transaction", ""))
    return _message(f"{event.seq}-{digest[:32]}", origin, event.type, transaction, event.time, data)


_OF_ALL = ("seq", "time", "prev")


def trial_message(origin: str) -> Message:
    """A message that tells of nothing, to see whether it arrives."""
    data = {"message": "marketsim can reach you, and this is how it signs"}
    moment_us = now_us()
    return _message(f"test-{moment_us}", origin, "test", "test", stamp(moment_us), data)


def _message(name: str, origin: str, kind: str, subject: str, moment: str, data: JSONObject) -> Message:
    event = {
        "specversion": "1.0",
        "id": name,
        "source": f"/marketsim/{quote(origin, safe='')}",
        "type": f"marketsim.{kind}",
        "subject": subject,
        "time": moment,
        "datacontenttype": "application/json",
        "data": data,
    }
    return Message(name, msgspec.json.encode(event))


def signature(secret: str, message: Message, moment_s: int) -> str:
    """HMAC-SHA256 over id, time and body, as Standard Webhooks writes it (its section on signatures)."""
    import hmac

    signed = f"{message.id}.{moment_s}.".encode() + message.body
    return f"v1,{b64encode(hmac.digest(b64decode(secret.removeprefix('whsec_')), signed, 'sha256')).decode()}"


def post(url: str, secret: str, message: Message, limit_s: float = EXCHANGE_S) -> Answer:
    """Send a message once, and say what came of it; never longer than ``limit_s`` seconds, but for DNS.

    No redirect is followed, and of what the receiver says only its status is believed.
    """
    import http.client

    parts, timed = urlsplit(url), None
    try:
        timed = _connected(parts, time.monotonic() + limit_s)
        connection = http.client.HTTPConnection(parts.hostname or "")
        connection.sock = timed
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, message.body, _headers(parts, secret, message))
        response = connection.getresponse()
        timed.hurry(_REST_S)
        with suppress(OSError, http.client.HTTPException):
            response.read(_REST_BYTES)  # Whoever answers is not cut off in the middle of a word.
        return Answer(response.status)
    except TimeoutError:
        return Answer(0, "no answer came in time")
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        return Answer(0, _why(error))
    finally:
        if timed is not None:
            timed.hang_up()


def _headers(parts: SplitResult, secret: str, message: Message) -> dict[str, str]:
    moment_s = int(time.time())
    return {
        "Host": parts.netloc,
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": "marketsim",
        "Connection": "close",
        "webhook-id": message.id,
        "webhook-timestamp": str(moment_s),
        "webhook-signature": signature(secret, message, moment_s),
    }


def _why(error: Exception) -> str:
    """The reason in words of our own: nothing that a receiver wrote gets into a file or a terminal."""
    if isinstance(error, OSError):
        told = getattr(error, "verify_message", "") or error.strerror or type(error).__name__
        return str(told).lower()[:120]
    return f"it answered no HTTP ({type(error).__name__})"


class _Timed:
    """A connection of which all steps together end by one moment, however slowly bytes come."""

    def __init__(self, plain: socket.socket, until_s: float) -> None:
        self._socket = plain
        self._until_s = until_s

    def hurry(self, most_s: float) -> None:
        """Have no more than ``most_s`` seconds left from now."""
        self._until_s = min(self._until_s, time.monotonic() + most_s)

    def ready(self) -> socket.socket:
        """The socket, for a step that ends in time."""
        self._socket.settimeout(_left(self._until_s))
        return self._socket

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.ready().sendall(data)

    def makefile(self, *mode: Any) -> io.BufferedReader:
        """What comes, to be read."""
        return io.BufferedReader(_Coming(self))

    def close(self) -> None:
        """Nothing: the library lets go before the answer was read to its end."""

    def hang_up(self) -> None:
        """Close the connection."""
        self._socket.close()


class _Coming(io.RawIOBase):
    def __init__(self, timed: _Timed) -> None:
        self._timed = timed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._timed.ready().recv_into(buffer)


def _left(until_s: float) -> float:
    left_s = until_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _connected(parts: SplitResult, until_s: float) -> _Timed:
    """A connection to the first address of the host that takes one."""
    host, secure = parts.hostname or "", parts.scheme == "https"
    failed: OSError = OSError("the host has no address")
    for address in socket.getaddrinfo(host, parts.port or (443 if secure else 80), type=socket.SOCK_STREAM):
        plain = socket.socket(*address[:3])
        try:
            plain.settimeout(min(_CONNECT_S, _left(until_s)))
            plain.connect(address[4])
            if secure:
                import ssl

                plain.settimeout(_left(until_s))
                plain = ssl.create_default_context().wrap_socket(plain, server_hostname=host)
            return _Timed(plain, until_s)
        except OSError as error:
            plain.close()
            failed = error
    raise failed
