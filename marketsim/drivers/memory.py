"""One transaction of any saga, in memory and in virtual time, through every crash that is injected."""

from collections.abc import Callable, Iterable
from typing import Any

from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import fault_plan, resume
from marketsim.drivers.virtual import Driver, NoWorld, World
from marketsim.saga.definition import Saga
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import policy_named
from marketsim.saga.tape import Tape

__all__ = ["run_in_memory"]


def run_in_memory(
    saga: Saga,
    request: dict[str, Any],
    *,
    faults: Iterable[str] = (),
    policy: str = "default",
    seed: int = 0,
    world: World | None = None,
    start_us: int = 0,
    watch: Callable[[Event], None] | None = None,
) -> list[Event]:
    """Run one transaction of ``saga`` to its end; the events, of which the last says how it ended.

    ``faults`` are written ``TARGET:FAULT[@ATTEMPTS][%PROBABILITY]``. A crash ends a driver, as it ends
    a process, and the next one resumes from the events alone. ``start_us`` is the time at which it
    begins, in microseconds since 1970; ``watch`` is told of each event.
    Raises InputError for an unknown policy or fault.
    """
    rules = policy_named(policy)
    texts = [str(parse_fault(text, saga)) for text in faults]
    began = TransactionBegan(
        transaction="tx-1", saga=saga.name, policy=policy, request=request, seed=seed, faults=texts
    )
    log, fold, clock = MemoryLog(), world or NoWorld(), Clock(start_us)
    while True:
        driver, recorded = Driver(log, fold, clock, watch=watch), list(log.events)
        try:
            if recorded:
                plan = fault_plan(began, saga, recorded)
                resume(driver, saga, rules, Tape(seed), recorded, plan)
            else:
                driver.begin(saga, rules, Tape(seed), began, fault_plan(began, saga))
            driver.run()
            return log.events
        except ProcessCrashed:
            continue
