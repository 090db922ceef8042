"""What was declared, or to be tried, and never reached in a whole exploration."""

from collections.abc import Collection

from marketsim.explore.faults import calls_in, tried_at
from marketsim.explore.model import Bound, Case
from marketsim.saga.definition import Role
from marketsim.saga.taxonomy import FAULTS

__all__ = ["unreached"]

_WORDS: dict[Role, str] = {"action": "operation", "revert": "revert", "probe": "probe"}


def unreached(case: Case, bound: Bound, places: Collection[str]) -> tuple[str, ...]:
    """The operations, reverts and probes that nobody called, and the faults that could strike nowhere.

    Of the faults, all that fit somewhere count, or those that the bound names.
    """
    calls = [call for saga in dict.fromkeys(case.sagas) for call in calls_in(saga)]
    asks = case.policy.probe
    declared = {operation.point(role): role for operation, role in calls if role != "probe" or asks}
    missed = [f"the {_WORDS[role]} {place}" for place, role in declared.items() if place not in places]
    fitting = {fault.name: False for fault in (FAULTS[name] for name in bound.names)}
    for operation, role in calls:
        for fault in tried_at(operation, role, bound):
            fitting[fault.name] = fitting.get(fault.name, False) or operation.point(role) in places
    return (*missed, *(f"the fault {name}" for name, reached in fitting.items() if not reached))
