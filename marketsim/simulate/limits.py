"""What a service lets through: its servers, its rate limit, and the circuit breaker before it."""

from collections import deque
from heapq import heapify, heappop, heappush, heapreplace

from marketsim.drivers.clock import span_us
from marketsim.simulate.model import Breaker

__all__ = ["CircuitBreaker", "Servers", "TokenBucket"]

_CALL = 10**12
"""What one call takes from a bucket, in millionths of a call a second times microseconds."""


class Servers:
    """So many calls are worked on at once, and the others wait in the order in which they came.

    Whoever gives up waiting does not leave the queue: the service works on the call all the same.
    """

    def __init__(self, count: int) -> None:
        self._free_us = [0] * count
        heapify(self._free_us)

    def take(self, now_us: int, work_us: int) -> int:
        """Have a call worked on as soon as a server is free; how long it takes, the wait included."""
        start_us = max(now_us, self._free_us[0])
        heapreplace(self._free_us, start_us + work_us)
        return start_us + work_us - now_us


class TokenBucket:
    """So many calls a second, and at most ``burst`` of them at once (Turner, 1986)."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = round(rate * 1_000_000)
        self._most = burst * _CALL
        self._tokens = self._most
        self._at_us = 0

    def allows(self, now_us: int) -> bool:
        """Whether a call may pass; if so it takes its token."""
        self._tokens = min(self._most, self._tokens + (now_us - self._at_us) * self._rate)
        self._at_us = now_us
        if self._tokens < _CALL:
            return False
        self._tokens -= _CALL
        return True


class CircuitBreaker:
    """Closed until so many calls failed within the window, then open, then half open (Nygard, 2007).

    Open, it lets nothing through. Half open it lets one call try: if that succeeds it is closed, and
    if it fails it is open again. A call fails at the moment when its caller learns of it.
    """

    def __init__(self, said: Breaker) -> None:
        self._most = said.failures
        self._window_us = span_us(said.window)
        self._open_us = span_us(said.open)
        self._failed_us: deque[int] = deque()
        self._coming: list[int] = []
        self._until_us: int | None = None
        self._trial: tuple[int, bool] | None = None

    def refuses(self, now_us: int) -> bool:
        """Whether it stops a call; if it does not, :meth:`told` is to follow."""
        self._learn(now_us)
        return self._until_us is not None and (now_us < self._until_us or self._trial is not None)

    def told(self, due_us: int, failed: bool) -> None:
        """A call that was let through comes to its end at ``due_us``."""
        if self._until_us is not None:
            self._trial = (due_us, failed)
        elif failed:
            heappush(self._coming, due_us)

    def _learn(self, now_us: int) -> None:
        if self._trial is not None and self._trial[0] <= now_us:
            (ended_us, failed), self._trial = self._trial, None
            self._until_us = ended_us + self._open_us if failed else None
        while self._coming and self._coming[0] <= now_us:
            self._count(heappop(self._coming))

    def _count(self, failed_us: int) -> None:
        self._failed_us.append(failed_us)
        while self._failed_us[0] <= failed_us - self._window_us:
            self._failed_us.popleft()
        if len(self._failed_us) >= self._most:
            self._until_us = failed_us + self._open_us
            self._failed_us.clear()
            # What began before it opened is no news when it ends.
            self._coming.clear()
