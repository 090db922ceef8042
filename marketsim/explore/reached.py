"""What was declared, or to be tried, and never reached in a whole exploration."""

from collections.abc import Collection

from marketsim.explore.faults import calls_in, tried_at
from marketsim.explore.model import Bound, Case
from marketsim.explore.run import replayed
from marketsim.saga.definition import Role
from marketsim.saga.events import OperationSucceeded
from marketsim.saga.taxonomy import FAULTS

__all__ = ["unreached"]

_WORDS: dict[Role, str] = {"action": "operation", "revert": "revert", "probe": "probe"}


def unreached(case: Case, bound: Bound, places: Collection[str]) -> tuple[str, ...]:
    """What nobody came to: operations, reverts and probes, their faults, and successes.

    Of the faults, all that fit somewhere count, or those that the bound names. An operation that does not
    succeed though nothing strikes it is one of which little was tried.
    """
    calls = [call for saga in dict.fromkeys(case.sagas) for call in calls_in(saga)]
    asks = case.policy.probe
    declared = {operation.point(role): role for operation, role in calls if role != "probe" or asks}
    missed = [f"the {_WORDS[role]} {place}" for place, role in declared.items() if place not in places]
    fitting = {fault.name: False for fault in (FAULTS[name] for name in bound.names)}
    for operation, role in calls:
        for fault in tried_at(operation, role, bound):
            fitting[fault.name] = fitting.get(fault.name, False) or operation.point(role) in places
    done = _succeeding(case, bound)
    failing = [place for place, role in declared.items() if role == "action" and place not in done]
    missed += [f"the success of {place}" for place in failing if place in places]
    return (*missed, *(f"the fault {name}" for name, reached in fitting.items() if not reached))


def _succeeding(case: Case, bound: Bound) -> set[str]:
    """The operations that succeed when nothing strikes anybody."""
    calm = replayed(case, [()] * min(bound.customers, len(case.requests)), {})
    return {event.operation for event in calm.events if isinstance(event, OperationSucceeded)}
