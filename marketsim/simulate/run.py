"""One run: a market full of customers in virtual time, from its opening until all is quiet again."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from marketsim.audit.checks import Examination
from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.heads import CountingLog, HeadLog
from marketsim.audit.log import LogReader, LogWriter
from marketsim.drivers.clock import Clock
from marketsim.market.directory import create_market, open_market, opening_events
from marketsim.market.world import World
from marketsim.saga.events import Event
from marketsim.simulate.day import Day
from marketsim.simulate.load import Simulation
from marketsim.simulate.measured import Measured
from marketsim.simulate.measures import Measures
from marketsim.simulate.open import OpenTransactions

__all__ = ["PROGRESS_PURCHASES", "Outcome", "Progress", "Record", "simulate"]

Record: TypeAlias = Literal["none", "failed", "all"]
"""How much of the stream is kept: nothing, the head and what failed, or everything."""

PROGRESS_PURCHASES = 100
"""After how many purchases the progress is told."""

TOGETHER = 500
"""How many events wait for being looked at together."""


class Progress(msgspec.Struct, frozen=True):
    """How far a run is: purchases begun, events, and how much virtual time has passed (microseconds)."""

    purchases: int
    events: int
    virtual_us: int


class Outcome(msgspec.Struct, frozen=True):
    """What came of a run: the same for the same simulation, wherever it ran.

    ``head`` is the root of the tree over the whole stream, in hex (empty where nothing was recorded);
    ``partial`` says that the run was interrupted.
    """

    name: str
    policy: str
    gateway: str
    seed: int
    purchases: int
    events: int
    head: str
    virtual_us: int
    measured: Measured
    findings: list[Finding]
    partial: bool = False
    finds: list[str] = []

    @property
    def sound(self) -> bool:
        """Whether the checks found no error, or exactly the rules broken that were expected to be."""
        broken = {finding.rule for finding in self.findings if finding.severity == ERROR}
        return broken == set(self.finds)


def simulate(
    simulation: Simulation,
    *,
    record: Record = "failed",
    keep: Path | None = None,
    failed: Callable[[list[Event]], None] | None = None,
    checks: Sequence[str] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Run a simulation; ``keep`` is a new market directory for the stream, if all of it is recorded.

    ``failed`` is given the events of each transaction that did not commit, when it has ended. ``checks``
    are names of the audit's (None: the basic ones). ``progress`` may raise KeyboardInterrupt, which ends
    the run; what came of it so far is then told as partial. Raises InputError for an unknown check, and
    MarketError if ``keep`` is no empty folder or cannot be written.
    """
    clock = Clock(simulation.start_us)
    examination = Examination(checks)
    measures = Measures()
    open_ones = OpenTransactions(failed)
    with _market(simulation, record, keep, clock) as (log, world, opening):
        watched = _Watched([examination.see_all, measures.see_all, open_ones.see_all])
        watched.events.extend(opening)

        def came() -> None:
            watched.look(TOGETHER)
            if progress is not None and day.begun % PROGRESS_PURCHASES == 0:
                progress(Progress(day.begun, log.size, clock.now_us - simulation.start_us))

        def left_open() -> list[list[Event]]:
            watched.look()
            return open_ones.all()

        day = Day(simulation, log, world, clock, watch=watched.see, left_open=left_open, came=came)
        partial = False
        try:
            day.go()
        except KeyboardInterrupt:
            partial = True
        watched.look()
        head = "" if isinstance(log, CountingLog) else log.head().root.hex()
        events = log.size
    return Outcome(
        name=simulation.name,
        policy=simulation.policy,
        gateway=simulation.gateway,
        seed=simulation.seed,
        purchases=day.begun,
        events=events,
        head=head,
        virtual_us=clock.now_us - simulation.start_us,
        measured=measures.measured(),
        findings=examination.finish(),
        partial=partial,
        finds=simulation.finds,
    )


@contextmanager
def _market(
    simulation: Simulation, record: Record, keep: Path | None, clock: Clock
) -> Iterator[tuple[CountingLog | HeadLog | LogWriter, World, Iterable[Event]]]:
    """The log and the world of a new market, and the events by which it was opened."""
    time = clock.stamp()
    if record == "all" and keep is not None:
        # A market changes the records of its catalog, and a simulation may be run again.
        catalog = deepcopy(simulation.catalog)
        create_market(keep, catalog, simulation.currency, time, simulation.name)
        with open_market(keep) as market:
            yield market.log, market.world, LogReader(keep / "audit")
        return
    log = CountingLog() if record == "none" else HeadLog(simulation.name)
    world = World(keeps_orders=False)
    opening = list(opening_events(simulation.name, simulation.catalog, simulation.currency))
    for event in opening:
        event.time = time
        log.append(event)
        world.apply(event)
    yield log, world, opening


class _Watched:
    """Shows the events of a stream to several, many at a time: together they cost half.

    ``see`` takes in the next event; it is shown when somebody says ``look``.
    """

    def __init__(self, looks: Sequence[Callable[[list[Event]], None]]) -> None:
        self.events: list[Event] = []
        self.see = self.events.append
        self._looks = looks

    def look(self, at_least: int = 1) -> None:
        """Show what was seen since the last time, if it is so many events."""
        if len(self.events) < at_least:
            return
        for look in self._looks:
            look(self.events)
        self.events.clear()
