"""A driver that asks the tape who moves next, where a call might have taken longer."""

from collections import Counter
from heapq import heapify, heappop

from marketsim.drivers.calls import Running
from marketsim.drivers.virtual import Arrival, Driver, Entry
from marketsim.saga.fault import Fault
from marketsim.saga.tape import Tape
from marketsim.saga.wants import Came, Invoke

__all__ = ["STEP_US", "TurnDriver", "Turns", "latest_us"]

STEP_US = 1000
"""How long each call takes that nothing holds up, in microseconds."""

_EVER_US = 1 << 62


class Turns:
    """The choices of who moves next, each at a point of its own; it outlives the process that dies."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._asked = Counter[str]()

    def point(self, entry: Entry) -> str:
        """Where it is asked whether this comes next; a point that comes again is told apart by its number."""
        point = _point(entry)
        self._asked[point] += 1
        times = self._asked[point]
        return f"{point}#{times}" if times > 1 else point


class TurnDriver(Driver):
    """Whoever moved last goes on, unless the ``turns`` on the tape have it otherwise.

    An answer may take as long as its call's time limit, and a transaction may begin whenever it likes:
    until then what is due later may come first. At the point ``tx-1/charge_payment@1/turn`` the tape is
    asked whether that answer comes (0), or which of the others does. Nothing else is left to chance:
    every call takes STEP_US, and a pause its own time.
    """

    turns = Turns(Tape())
    _last: Running | None = None

    def take(self) -> Entry:
        """The next of what is coming, as the tape has it."""
        coming = self._coming
        able = self._able() if len(coming) > 1 else coming
        if len(able) < 2:
            entry = heappop(coming)
        else:
            first = next((each for each in able if each[2] is self._last), able[0])
            able.remove(first)
            able.insert(0, first)
            entry = able[self.choose(able)]
            coming.remove(entry)
            heapify(coming)
        self._last = entry[2]
        return entry

    def choose(self, able: list[Entry]) -> int:
        """Which of those that may come next does; the first of them would."""
        return self.turns.tape.draw(self.turns.point(able[0]), len(able))

    def _able(self) -> list[Entry]:
        """What may come next: what is due, and what may overtake it."""
        able: list[Entry] = []
        until_us = _EVER_US
        for entry in sorted(self._coming):
            if entry[2].last is not None and type(entry[3]) is not Arrival:
                continue  # Whoever has ended waits for nothing.
            if entry[0] > until_us:
                break
            if type(entry[3]) is Arrival and any(_answers(each, entry[3]) for each in able):
                continue  # What a service still has to say of a call comes after its answer.
            able.append(entry)
            until_us = min(until_us, latest_us(entry))
        return able

    def took_us(self, running: Running, want: Invoke, fault: Fault | None) -> int:
        """How long the answer to a call takes, in microseconds."""
        slow = fault is not None and fault.slow
        return want.operation.time_limit_us if slow else min(STEP_US, want.operation.time_limit_us)


def _point(entry: Entry) -> str:
    running, came = entry[2], entry[3]
    name = running.engine.transaction
    if came is None:
        return f"{name}/turn"
    want = came.want
    if not isinstance(want, Invoke):
        return f"{name}/{getattr(came, 'outcome', '')}/turn"
    return f"{name}/{want.operation.point(want.role)}@{want.attempt}/turn"


def _answers(entry: Entry, arrival: Arrival) -> bool:
    return entry[3] is not None and entry[3].want is arrival.want


def latest_us(entry: Entry) -> int:
    """When this has to come at the latest: nothing that is due later may come before it."""
    due_us, came = entry[0], entry[3]
    if came is None:
        return _EVER_US >> 1
    if isinstance(came, Came) and isinstance(came.want, Invoke):
        return due_us + came.want.operation.time_limit_us
    return due_us
