"""A real HTTP server on loopback that behaves as a test wants it to, and keeps what it was sent."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from marketsim.audit.log import LogWriter, read_events
from marketsim.audit.segments import LogReader
from marketsim.drivers.hooks.endpoints import EVENTS, Endpoint, change_settings, new_secret
from marketsim.saga.events import (
    Event,
    MarketCreated,
    OperationStarted,
    TransactionBegan,
    TransactionCommitted,
)

Behaviour: TypeAlias = int | str | Callable[[], None]
"""A status to answer with, `hang`, `trickle`, `junk`, `flood`, or what to do before a 200."""


class Got(msgspec.Struct, frozen=True):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return msgspec.json.decode(self.body)


class Receiver:
    """What was received, how the next requests are answered, and how all later ones are."""

    def __init__(self, port: int) -> None:
        self.got: list[Got] = []
        self.next: list[Behaviour] = []
        self.then: Behaviour = 200
        self.location = ""
        self.closing = threading.Event()
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hooks?of=market"

    @property
    def taken(self) -> list[int]:
        """The numbers of the events, in the order in which they came."""
        return [got.event["data"]["seq"] for got in self.got]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        receiver.got.append(Got(self.path, headers, body))
        behaviour = receiver.next.pop(0) if receiver.next else receiver.then
        with suppress(OSError):
            self._behave(receiver, behaviour)

    def _behave(self, receiver: Receiver, behaviour: Behaviour) -> None:
        match behaviour:
            case "hang":
                receiver.closing.wait(30)
            case "trickle":
                for _ in range(600):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n"[:1])
                    if receiver.closing.wait(0.05):
                        return
            case "junk":
                self.wfile.write(b"220 mail.example ESMTP\r\n")
            case "flood":
                for _ in range(5000):
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200)
            case int():
                self.send_response(behaviour)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
            case _:
                behaviour()
                self.send_response(200)
                self.end_headers()

    do_GET = do_POST

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def receiving(port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver that is up until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = Receiver(server.server_address[1])
    server.receiver = receiver  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.closing.set()
        server.shutdown()
        server.server_close()


def commits(market: Path, count: int) -> list[int]:
    """Append ``count`` transactions to the log of a folder, one after another; where their ends stand."""
    reader = LogReader(market / "audit")
    begun = sum(isinstance(event, TransactionBegan) for event in reader)
    ends = []
    with LogWriter(market / "audit", "market", reader.position) as log:
        if reader.position.size == 0:
            log.append(MarketCreated(origin="market", currency="USD", time="2026-01-01T00:00:00.000000Z"))
        for number in range(begun + 1, begun + count + 1):
            for event in transaction(f"tx-{number}"):
                log.append(event)
            ends.append(event.seq)
    return ends


def transaction(name: str) -> list[Event]:
    """The few events of a transaction that matter here."""
    events: list[Event] = [
        TransactionBegan(transaction=name, saga="s", policy="default", request={"of": name}, seed=0),
        OperationStarted(transaction=name, operation="a", attempt=1, key="k", kind="pivot", service="s"),
        TransactionCommitted(transaction=name),
    ]
    for event in events:
        event.time = "2026-01-01T00:00:01.000000Z"
    return events


def subscribed(market: Path, url: str, **given: Any) -> Endpoint:
    """Add an endpoint that is told of everything from the beginning of the log."""
    added = "2026-01-01T00:00:00.000000Z"
    endpoint = Endpoint(
        **{"url": url, "secret": new_secret(), "events": list(EVENTS), "added": added} | given
    )
    change_settings(market, lambda endpoints: [*endpoints, endpoint])
    return endpoint


def recorded(market: Path) -> list[Event]:
    """All events of a log."""
    return list(read_events(market / "audit"))
