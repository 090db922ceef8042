"""What telling others costs a purchase: whole processes, with a receiver in trouble against with none."""

import http.server
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from benchmarks.side_by_side import Figure, Ratio, Side, process, side_by_side
from benchmarks.start_up import fresh_market, marketsim
from marketsim.audit.log import START
from marketsim.cli.telling import add_endpoints
from marketsim.drivers.hooks.endpoints import EVENTS, change_settings, lock_of
from marketsim.drivers.hooks.outbox import DELIVERING

__all__ = ["figures"]

_PAIRS = 41
_TARGET = 1.05
_HANGS_S = 120.0
_PAIRS_STARTING = 25
_REST_S = 0.5


class _Receiver(http.server.BaseHTTPRequestHandler):
    """Answers as the path says."""

    over = threading.Event()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        kind = self.path.strip("/")
        if kind == "hangs":
            self.over.wait(_HANGS_S)
            return
        with suppress(OSError):
            self.send_response(int(kind))
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def _receiving() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        _Receiver.over.set()
        server.shutdown()
        server.server_close()


def figures() -> list[Figure]:
    """A purchase with each kind of receiver, and one that has to start the process that delivers."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        up = stack.enter_context(_receiving())
        kinds = {
            "is down": f"http://127.0.0.1:{_closed_port()}/",
            "hangs": f"{up}/hangs",
            "answers 500": f"{up}/500",
            "redirects": f"{up}/302",
            "answers 200": f"{up}/200",
        }
        measured = []
        for kind, url in kinds.items():
            told, alone = _markets(folder / kind.replace(" ", "-"), url)
            ratio = side_by_side(_purchases(told), _purchases(alone), pairs=_PAIRS)
            what = f"`marketsim purchase` with a webhook whose receiver {kind}"
            measured.append(_figure(what, ratio))
            _end(told / "market")
        told, alone = _markets(folder / "starts", f"{up}/200")
        ratio = side_by_side(_rested(told, told), _rested(alone, told), pairs=_PAIRS_STARTING)
        measured.append(_figure("`marketsim purchase` that has to start the deliverer", ratio))
        _end(told / "market")
    return measured


def _figure(what: str, ratio: Ratio) -> Figure:
    note = f"{ratio.a_s * 1000:.0f} ms against {ratio.b_s * 1000:.0f} ms"
    return Figure(f"{what}, as a multiple of one without", ratio, _TARGET, note=note)


def _markets(folder: Path, url: str) -> tuple[Path, Path]:
    """Two markets that differ in this alone: one tells a URL."""
    alone = fresh_market(folder, 20)
    told = folder.with_name(f"{folder.name}-told")
    shutil.copytree(alone, told)
    add_endpoints(told / "market", [url], list(EVENTS), 0, START)
    return told, alone


def _purchases(folder: Path) -> Side:
    return process(marketsim("purchase", "product-1"), folder=folder)


def _rested(folder: Path, told: Path) -> Side:
    """A purchase at a time when nobody delivers, after the same rest for both sides."""
    run = _purchases(folder)

    def side() -> float:
        _wait(lambda: _is_free(told / "market"))
        time.sleep(_REST_S)
        return run()

    return side


def _end(market: Path) -> None:
    """Have nobody told any more, upon which the deliverer leaves."""
    change_settings(market, lambda endpoints: [])
    _wait(lambda: _is_free(market))


def _is_free(market: Path) -> bool:
    with lock_of(market, DELIVERING, 0) as free:
        return free


def _wait(holds: Callable[[], bool], limit_s: float = 30.0) -> None:
    until_s = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > until_s:
            raise RuntimeError("the deliverer did not end")
        time.sleep(0.05)


def _closed_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
