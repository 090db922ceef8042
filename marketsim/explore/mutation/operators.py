"""What an operator of mutation is, and a mutant: a case with one thing made wrong in it on purpose."""

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from marketsim.explore.model import Case
from marketsim.explore.mutation.rebuild import handler_of
from marketsim.explore.reading import Place, place_of
from marketsim.saga.definition import Operation, Policy, Role, Saga
from marketsim.saga.events import JSONObject
from marketsim.saga.policies import policy_with

__all__ = ["Mutant", "Operator", "mutant", "operations_where", "places_of"]

Change: TypeAlias = Callable[[Saga, str], Saga]


class Operator(msgspec.Struct, frozen=True):
    """One way to make a saga wrong.

    ``places`` are the operations (or guardrails) of a saga at which it can, and ``change`` does it there;
    one that changes the ``rules`` of the policy instead has the place ``policy``. ``words`` say what is
    different then, in which ``{operation}``, ``{revert}``, ``{probe}`` and ``{place}`` are names, and
    ``role`` is the handler whose line is shown.
    """

    name: str
    sentence: str
    words: str
    places: Callable[[Saga], list[str]] = lambda saga: ["policy"]
    change: Change | None = None
    rules: JSONObject = {}
    role: Role = "action"


class Mutant(msgspec.Struct, frozen=True):
    """A case in which something was made wrong: by which operator, where, and what is different."""

    operator: str
    place: str
    difference: str
    at: Place
    case: Case

    @property
    def name(self) -> str:
        """Which it is, as a user types it: ``OPERATOR@PLACE``."""
        return f"{self.operator}@{self.place}"


def operations_where(holds: Callable[[Operation], object]) -> Callable[[Saga], list[str]]:
    """The places of an operator: the operations of which something holds."""
    return lambda saga: [each.name for each in saga.operations.values() if holds(each)]


def places_of(operator: Operator, case: Case) -> list[str]:
    """Where an operator can make a case wrong."""
    if operator.change is None:
        return ["policy"] if _differs(case.policy, operator.rules) else []
    return operator.places(case.sagas[0])


def _differs(policy: Policy, rules: JSONObject) -> bool:
    plain: JSONObject = msgspec.to_builtins(policy)
    return plain | rules != plain


def mutant(operator: Operator, case: Case, place: str) -> Mutant:
    """The case, made wrong at one of the operator's places."""
    if operator.change is None:
        policy, rules = policy_with(case.policy, operator.rules), case.rules | operator.rules
        made = msgspec.structs.replace(case, policy=policy, rules=rules, made_by=None)
        return Mutant(operator.name, place, operator.words, Place(), made)
    # Customers who want the same have the same saga, and must go on having it.
    changed = {
        id(saga): operator.change(saga, place) for saga in case.sagas if place in operator.places(saga)
    }
    sagas = tuple(changed.get(id(saga), saga) for saga in case.sagas)
    made = msgspec.structs.replace(case, sagas=sagas, made_by=None)
    return Mutant(operator.name, place, *_told(operator, case.sagas[0], place), made)


def _told(operator: Operator, saga: Saga, place: str) -> tuple[str, Place]:
    """What is different, in words, and where the handler is that it is about."""
    operation = saga.operations.get(place)
    if operation is None:
        return operator.words.format(place=place), place_of(saga.guardrails.get(place))
    names = {"operation": place, "revert": operation.revert_name, "probe": operation.probe_name}
    handler = handler_of(operation, operator.role) or operation.action
    return operator.words.format(place=place, **names), place_of(handler)
