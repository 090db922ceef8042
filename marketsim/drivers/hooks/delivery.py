"""Delivery: whatever is due goes out, to each endpoint in order and to all at once, until none waits."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Event as Flag
from threading import Thread
from typing import Any

import msgspec

from marketsim.audit.checkpoint import CHECKPOINT, read_checkpoint
from marketsim.drivers.clock import now_us, stamp
from marketsim.drivers.hooks.endpoints import RETRY_MAX_S, Endpoint, change_settings, lock_of, read_settings
from marketsim.drivers.hooks.messages import EXCHANGE_S, message_of, post
from marketsim.drivers.hooks.outbox import DELIVERING, Step, due, endpoints_behind, settled_size

__all__ = ["Limits", "backoff_s", "deliver", "deliver_now", "due_count", "origin_of"]

_WELL: dict[str, Any] = {"failures": 0, "failure": "", "failed": "", "retry_us": 0}
_RETRY_LEAST_S = 0.5
_POLL_S = 0.2


class Limits(msgspec.Struct, frozen=True):
    """How long a run takes at most, and how often it tries: seconds, but for ``attempts_max``.

    ``linger_s`` is how long it stays when nothing is due, in case more comes. ``attempts_max`` failures
    of one endpoint end its turn in this run; what it was to be told stays due.
    """

    total_s: float = 600.0
    exchange_s: float = EXCHANGE_S
    linger_s: float = 0.0
    attempts_max: int = 20


def backoff_s(failures: int) -> float:
    """The wait after so many failures in a row, in seconds: doubled each time, and up to half taken off.

    Exponential backoff with jitter, so that many markets do not come back to a receiver at one moment.
    """
    import random

    longest_s = min(RETRY_MAX_S, _RETRY_LEAST_S * 2.0 ** min(failures - 1, 20))
    return longest_s * random.uniform(0.5, 1.0)


def origin_of(market: Path) -> str:
    """The name of a market's log."""
    head = read_checkpoint(market / "audit" / CHECKPOINT)
    return head.origin if head is not None else ""


def due_count(market: Path, endpoint: Endpoint, until: int | None = None) -> int:
    """How many events an endpoint is still to be told, or was up to the event ``until``."""
    settled = settled_size(market) if until is None else until
    return sum(step.event is not None for step in due(market, endpoint, settled))


def deliver(market: Path, limits: Limits, tell: Callable[[str], None] = lambda text: None) -> bool:
    """Deliver what is due until nothing is, or a limit is reached; False if another process is at it.

    ``tell`` is told of failures. Raises MarketError or LogDamaged where the settings or the log cannot
    be read.
    """
    run = _Run(market, limits, tell)
    while True:
        with lock_of(market, DELIVERING, 0) as mine:
            if not mine:
                return False
            run.go()
        if run.trouble is not None:
            raise run.trouble
        # Whoever came before the lock was let go has left the work to this process: look once more.
        if run.out_of_time or not run.behind():
            return True


def deliver_now(market: Path, limits: Limits, tell: Callable[[str], None] = lambda text: None) -> None:
    """Deliver without waiting for what was put off after a failure, and whoever delivers already.

    Where another process is at it, that one is told to go on, and this one waits, or takes over.
    Raises MarketError or LogDamaged.
    """
    until_s = time.monotonic() + limits.total_s
    change_settings(market, lambda all_: [msgspec.structs.replace(each, retry_us=0) for each in all_])
    while (left_s := until_s - time.monotonic()) > 0:
        if deliver(market, msgspec.structs.replace(limits, total_s=left_s), tell):
            return
        if not endpoints_behind(market):
            return
        time.sleep(_POLL_S)


class _Run:
    """One run: a thread for each endpoint to which something can go now, and what became of each."""

    def __init__(self, market: Path, limits: Limits, tell: Callable[[str], None]) -> None:
        self.market = market
        self.limits = limits
        self.tell = tell
        self.until_s = time.monotonic() + limits.total_s
        self.origin = origin_of(market)
        self.failed: Counter[str] = Counter()
        self.busy: dict[str, Thread] = {}
        self.stop = Flag()
        self.trouble: Exception | None = None

    @property
    def left_s(self) -> float:
        return self.until_s - time.monotonic()

    @property
    def out_of_time(self) -> bool:
        return self.left_s <= 0

    def behind(self) -> list[Endpoint]:
        """The endpoints that have not been told everything, and get another try in this run."""
        most = self.limits.attempts_max
        return [each for each in endpoints_behind(self.market) if self.failed[each.url] < most]

    def go(self) -> None:
        """Begin a thread wherever something can go now, until nothing is left to wait for."""
        idle_since_s = time.monotonic()
        while not self.out_of_time and self.trouble is None:
            behind = self.behind()
            self.busy = {url: thread for url, thread in self.busy.items() if thread.is_alive()}
            for each in behind:
                if each.url not in self.busy and not each.waits_us:
                    self._begin(each)
            if behind or self.busy:
                idle_since_s = time.monotonic()
            elif time.monotonic() - idle_since_s >= self.limits.linger_s:
                return
            self._pause()
        self.stop.set()
        for thread in self.busy.values():
            thread.join(max(0.0, min(self.limits.exchange_s, self.left_s)))

    def _begin(self, endpoint: Endpoint) -> None:
        thread = Thread(target=self._serve, args=(endpoint,), daemon=True)
        self.busy[endpoint.url] = thread
        thread.start()

    def _pause(self) -> None:
        """Wait for a moment, or until a thread has ended if that is sooner."""
        threads = list(self.busy.values())
        wait_s = max(0.0, min(_POLL_S, self.left_s))
        if len(threads) == 1:
            threads[0].join(wait_s)
        else:
            self.stop.wait(wait_s)

    def _serve(self, endpoint: Endpoint) -> None:
        """Tell an endpoint all that is due now, in order, or up to the first that it does not take."""
        try:
            for step in due(self.market, endpoint, settled_size(self.market)):
                if self.stop.is_set() or not (step.event is None or self._send(endpoint, step)):
                    return
                if not self._keep(endpoint, seq=step.seq, position=step.position, **_WELL):
                    return
        except Exception as error:  # A thread tells nobody: the run raises it.
            self.trouble = error

    def _send(self, endpoint: Endpoint, step: Step) -> bool:
        """Send one event, and say whether it was taken."""
        assert step.event is not None
        limit_s = min(self.limits.exchange_s, max(0.01, self.left_s))
        message = message_of(step.event, step.facts, self.origin)
        answer = post(endpoint.url, endpoint.secret, message, limit_s)
        if answer.delivered:
            self.failed[endpoint.url] = 0
        else:
            self._note(endpoint, str(answer), gone=answer.gone)
        return answer.delivered

    def _note(self, endpoint: Endpoint, failure: str, *, gone: bool) -> None:
        """Keep and tell that an endpoint did not take an event."""
        self.failed[endpoint.url] += 1
        now = [each for each in read_settings(self.market) if each.url == endpoint.url]
        failures = now[0].failures + 1 if now else 1
        wait_s = 0.0 if gone else backoff_s(failures)
        self._keep(
            endpoint,
            failures=failures,
            failure=failure,
            failed=stamp(now_us()),
            retry_us=now_us() + int(wait_s * 1_000_000),
            disabled=gone,
        )
        then = "it wants no more, and is told no more" if gone else f"again in {wait_s:.1f} s"
        self.tell(f"{endpoint.url}: {failure}; {then}")

    def _keep(self, endpoint: Endpoint, **what: Any) -> bool:
        """Keep what became of an endpoint; False if it is no longer the one that it was."""

        def change(endpoints: list[Endpoint]) -> list[Endpoint]:
            return [
                msgspec.structs.replace(each, **what) if _is(each, endpoint) else each for each in endpoints
            ]

        return any(_is(each, endpoint) for each in change_settings(self.market, change))


def _is(one: Endpoint, other: Endpoint) -> bool:
    return (one.url, one.secret, one.added) == (other.url, other.secret, other.added)
