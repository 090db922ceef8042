"""The corpus: each wrong saga is found by its smallest counterexample, and in the right ones is nothing."""

from importlib import import_module
from pathlib import Path

from corpus.books import Books, opening
from corpus.expected import OffTape, Right, Wrong

from marketsim.audit.checks import examine
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import deaths_in, fault_plan, resume
from marketsim.drivers.virtual import Driver
from marketsim.saga.errors import ProcessCrashed
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape

FOLDER = Path(__file__).parent.parent / "corpus"
HELPERS = ("books", "expected")
NAMES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS)
ENTRIES = {name: import_module(f"corpus.{name}").EXPECTED for name in NAMES}
WRONG = {name: entry for name, entry in ENTRIES.items() if isinstance(entry, Wrong)}
RIGHT = {name: entry for name, entry in ENTRIES.items() if isinstance(entry, Right)}
OFF_TAPE = {name: entry for name, entry in ENTRIES.items() if isinstance(entry, OffTape)}


def by_hand(entry: Wrong | Right, faults: tuple[str, ...] = ()) -> list[Event]:
    """A run of all who come, with these faults for the first of them, through every crash."""
    log, world, clock = MemoryLog(), Books(), Clock(0)
    saga, policy = entry.saga, getattr(entry, "policy", None) or POLICIES["default"]
    begun = [
        TransactionBegan(
            transaction=f"tx-{number}",
            saga=saga.name,
            policy=policy.name,
            request=request,
            seed=0,
            faults=[str(parse_fault(text, saga)) for text in faults if number == 1],
        )
        for number, request in enumerate(entry.requests, 1)
    ]
    driver = Driver(log, world, clock)
    for event in opening(entry.units):
        driver.record(event)
    for began in begun:
        driver.begin(saga, policy, Tape(), began, fault_plan(began, saga))
    while True:
        try:
            driver.run()
            return log.events
        except ProcessCrashed:
            driver = Driver(log, world, clock)
            for began in begun:
                mine = [each for each in log.events if getattr(each, "transaction", "") == began.transaction]
                resume(driver, saga, policy, Tape(), mine, fault_plan(began, saga, deaths=deaths_in(mine)))


def rules(events: list[Event]) -> set[str]:
    return {finding.rule for finding in examine(events) if finding.severity == "error"}
