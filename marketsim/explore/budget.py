"""What may still be chosen within a bound: each alternative is of a kind, and takes something of it.

A party that breaks its word cannot be withstood by any engine as soon as something else is in doubt: who
would be believed? So what breaks its word is tried beside failures that leave no doubt, and not beside
another that breaks it, one that leaves something in doubt, or a crash. Whoever names the faults to be
tried has them tried in every combination.
"""

from typing import Literal, TypeAlias

from marketsim.explore.model import Bound, Cost
from marketsim.saga.definition import Operation, Role
from marketsim.saga.fault import Fault

__all__ = [
    "BROKEN",
    "CALM",
    "CLEAN",
    "CRASH",
    "DOUBT",
    "OVERTAKE",
    "TURN",
    "Kind",
    "Left",
    "allows",
    "cost_of",
    "covers",
    "kind_of",
    "left_of",
]

Kind: TypeAlias = Literal[0, 1, 2, 3, 4, 5, 6]
"""What an alternative is: nothing at all, a fault of one of three kinds, a crash, or a turn out of order.

An OVERTAKE is a turn that comes to the same as if it were taken after the other's step, unless something
strikes, or another turn is taken, before that step has ended.
"""

CALM: Kind = 0
CLEAN: Kind = 1
DOUBT: Kind = 2
BROKEN: Kind = 3
CRASH: Kind = 4
TURN: Kind = 5
OVERTAKE: Kind = 6

Left: TypeAlias = tuple[int, int, int, bool, bool]
"""How many faults, crashes and turns may still be chosen, and whether in doubt, and breaking their word."""


def kind_of(fault: Fault, operation: Operation, role: Role, bound: Bound) -> Kind:
    """Of which kind a fault is at a call.

    An operation is declared retriable because it succeeds when it is repeated: to fail for good breaks its
    word, too.
    """
    if fault.outcome == "crash":
        return CRASH
    told = fault.outcome in ("failed", "aborted") and fault.phase == "before" and not fault.arrives
    promised = role == "action" and operation.kind == "retriable"
    if not bound.names and (fault.breaks_word or (told and promised and fault.retry == "never")):
        return BROKEN
    # An answer that says what happened leaves no doubt, nor does whoever asks it to stop.
    return CLEAN if told or fault.stops else DOUBT


def left_of(bound: Bound, taken: bytes) -> Left:
    """What is left of a bound when alternatives of these kinds were taken."""
    cost = cost_of(taken)
    broken, doubt = BROKEN in taken, DOUBT in taken or CRASH in taken
    crashes = 0 if broken else bound.crashes - cost.crashes
    turns = bound.preemptions - cost.preemptions
    return bound.faults - cost.faults, crashes, turns, not broken, not doubt and not broken


def cost_of(taken: bytes) -> Cost:
    """How many faults, crashes and turns these are."""
    crashes, turns = taken.count(CRASH), taken.count(TURN)
    return Cost(len(taken) - crashes - turns, crashes, turns)


def allows(left: Left, kind: int) -> bool:
    """Whether an alternative of this kind may still be taken."""
    faults, crashes, turns, doubt, broken = left
    if kind == TURN:
        return turns > 0
    if kind == OVERTAKE:
        return turns > 0 and max(faults, crashes, turns - 1) > 0
    if kind == CRASH:
        return crashes > 0
    if kind == CALM:
        return False  # It would be another one in name only.
    return faults > 0 and (kind == CLEAN or (doubt if kind == DOUBT else broken))


def covers(one: Left, other: Left) -> bool:
    """Whether whoever has the one left may choose all that may be chosen with the other."""
    return (
        one[0] >= other[0]
        and one[1] >= other[1]
        and one[2] >= other[2]
        and one[3] >= other[3]
        and one[4] >= other[4]
    )
