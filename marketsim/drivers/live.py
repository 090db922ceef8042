"""The live driver: transactions at the present moment, on a log that survives the process."""

import os
import signal
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn, Protocol

from marketsim.drivers.clock import Clock, RealClock, now_us, parse_time
from marketsim.drivers.recovery import fault_plan, resume
from marketsim.drivers.virtual import Driver, Running, World
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.errors import Diverged, InputError, MarketsimError
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.faults import FaultPlan, FaultRule
from marketsim.saga.policies import policy_of
from marketsim.saga.tape import Tape

__all__ = ["DurableLog", "live_driver", "present", "recover", "transact"]


class DurableLog(Protocol):
    """A log that can be told to be safe on disk."""

    def append(self, event: Event) -> None:
        """Number the event and keep it."""
        ...

    def flush(self) -> None:
        """Write what is buffered, and sync it."""
        ...

    def tear(self) -> None:
        """Write half a line, as a process does that dies while it writes."""
        ...


def present(last_time: str) -> int:
    """The present moment, or the time of the last event if that is later: microseconds since 1970."""
    return max(now_us(), parse_time(last_time) if last_time else 0)


def live_driver(
    log: DurableLog,
    world: World,
    last_time: str,
    *,
    real_time: bool = False,
    watch: Callable[[Event], None] | None = None,
) -> Driver:
    """A driver whose time goes on from ``last_time``, and whose crash kills this process for real."""

    def die(torn: bool) -> NoReturn:
        log.flush()
        if torn:
            log.tear()
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
        os._exit(137)  # Where a signal cannot kill, this does.

    clock = (RealClock if real_time else Clock)(present(last_time))
    return Driver(log, world, clock, watch=watch, die=die)


def transact(driver: Driver, saga: Saga, policy: Policy, began: TransactionBegan) -> Event:
    """Run one transaction to its end, with the faults it begins with; the event that ended it."""
    running = driver.begin(saga, policy, Tape(began.seed), began, fault_plan(began, saga))
    driver.run()
    assert running.last is not None
    return running.last


def recover(
    driver: Driver,
    left_open: Mapping[str, list[Event]],
    saga_of: Callable[[TransactionBegan], Saga],
    extra: Callable[[Saga], Iterable[FaultRule]] = lambda saga: (),
    *,
    back: bool = False,
    refused: Callable[[str, MarketsimError], None] | None = None,
) -> list[Running]:
    """Finish what a dead process left open; it goes forward or is reverted.

    The faults a transaction began with go on striking, except those that kill the process;
    ``extra`` adds to them. With ``back`` it is cancelled, and is reverted unless it is past its pivot.
    Two recoverers at once are kept apart by the market's lock. One that cannot be resumed (Diverged,
    InputError) is told to ``refused``, if there is one, and does not hold up the others.
    """
    resumed: list[Running] = []
    for events in left_open.values():
        try:
            resumed.append(_resumed(driver, events, saga_of, extra, back))
        except (Diverged, InputError) as error:
            if refused is None:
                raise
            refused(str(getattr(events[0], "transaction", "")), error)
    driver.run()
    return resumed


def _resumed(
    driver: Driver,
    events: list[Event],
    saga_of: Callable[[TransactionBegan], Saga],
    extra: Callable[[Saga], Iterable[FaultRule]],
    back: bool,
) -> Running:
    began = events[0]
    assert isinstance(began, TransactionBegan)
    saga = saga_of(began)
    rules = fault_plan(began, saga, events).rules
    plan = FaultPlan([*rules, *extra(saga)])
    return resume(driver, saga, policy_of(began), Tape(began.seed), events, plan, back=back)
