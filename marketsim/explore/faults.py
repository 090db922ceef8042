"""Which faults are tried at a call, those that a saga cannot tell apart merged into one."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from marketsim.explore.budget import CALM, CRASH, kind_of
from marketsim.explore.model import Bound, Case
from marketsim.explore.reading import names_in
from marketsim.explore.tape import ScriptTape
from marketsim.saga.definition import ROLES, Operation, Role, Saga
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultPlan, fits
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS

__all__ = ["Menu", "Menus", "TapePlan", "calls_in", "menus_of", "tried_at"]

_KILLS, _NOTHING = bytes((CRASH,)), bytes((CALM,))
_TOLD_BY_NAME = ("new_key",)
"""What the driver itself acts out, knowing it by its name."""


class Menu(msgspec.Struct, frozen=True):
    """What may strike a call: no fault first, then one of each class, the plainest first; and their kinds."""

    faults: tuple[Fault | None, ...]
    kinds: bytes


Menus: TypeAlias = Mapping[tuple[str, str], Menu]
"""What may strike each call, by its saga's name and its own."""


def menus_of(case: Case, bound: Bound) -> Menus:
    """What may strike each call of a case."""
    menus = {}
    for saga in dict.fromkeys(case.sagas):
        said = _reads_reasons(saga)
        for operation, role in calls_in(saga):
            faults = tried_at(operation, role, bound)
            if bound.reduction:
                faults = _told_apart(faults, operation, role, said)
            ranked = [(kind_of(fault, operation, role, bound), fault) for fault in faults]
            ranked.sort(key=lambda each: each[0])
            kinds = bytes([CALM, *(kind for kind, _ in ranked)])
            menus[saga.name, operation.point(role)] = Menu((None, *(fault for _, fault in ranked)), kinds)
    return menus


def calls_in(saga: Saga) -> Iterator[tuple[Operation, Role]]:
    """Every call that a saga may make: of an operation, in a role."""
    for operation in saga.operations.values():
        yield from ((operation, role) for role in ROLES if operation.point(role))


def tried_at(operation: Operation, role: Role, bound: Bound) -> list[Fault]:
    """The faults that are to be tried at a call, whether they can be told apart or not."""
    names = operation.names(role) + ((operation.service,) if role == "action" else ())
    if bound.targets and not any(name in bound.targets for name in names):
        return []
    chosen = [FAULTS[name] for name in bound.names] or list(FAULTS.values())
    return [fault for fault in chosen if not fits(fault, operation, role)]


def _told_apart(faults: list[Fault], operation: Operation, role: Role, said: bool) -> list[Fault]:
    """One fault of each class; what changes nothing that anybody looks at is none."""
    handler = {"action": operation.action, "revert": operation.revert, "probe": operation.probe}[role]
    looked_at = names_in(handler) | {*_TOLD_BY_NAME}
    classes: dict[object, Fault] = {}
    for fault in faults:
        reaches = fault.phase in ("within", "after") or (fault.phase == "answer" and fault.landed == "yes")
        named = (reaches and fault.name in looked_at) or (said and fault.outcome != "succeeded")
        if named or not _is_nothing(fault):
            classes.setdefault(_class(fault, fault.name if named else ""), fault)
    return list(classes.values())


def _is_nothing(fault: Fault) -> bool:
    """Whether a call that is struck goes as any other, if its handler does not know the fault."""
    goes_on = fault.phase == "within" or (fault.outcome == "succeeded" and fault.landed == "yes")
    return goes_on and not (fault.arrives or fault.slow or fault.stops or fault.outcome == "crash")


def _class(fault: Fault, name: str) -> object:
    """What can be told of a fault: all but its name, and what is said about it."""
    told: dict[str, Any] = dict.fromkeys(("group", "sentence", "customer"), "")
    told |= {"name": name, "services": (), "acts": (), "on": "both", "stops": fault.stops and "stopped"}
    # What is torn is cut when the log is opened: it was not recorded.
    told["moment"] = "" if fault.moment == "torn" else fault.moment
    return msgspec.structs.replace(fault, **told)


def _reads_reasons(saga: Saga) -> bool:
    """Whether any handler asks why something failed: the name of a fault is in the answer."""
    every = [
        handler for each in saga.operations.values() for handler in (each.action, each.revert, each.probe)
    ]
    return any("reason" in names_in(handler) for handler in every if handler is not None)


class TapePlan(FaultPlan):
    """The faults of one transaction, drawn from the tape as it goes; it outlives the process that dies.

    ``texts`` are those that strike, as a scenario has them.
    """

    def __init__(self, saga: Saga, menus: Menus) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._saga = saga.name
        self._menus = menus
        self._struck: dict[tuple[str, int], Fault | None] = {}
        self._deaths: dict[tuple[str, int], int] = {}

    def __bool__(self) -> bool:
        return True

    def strike(
        self, transaction: str, operation: Operation, role: Role, attempt: int, tape: Tape
    ) -> Fault | None:
        """The fault that strikes this attempt, if any; the same if it is made again by another process.

        A crash strikes as often as it kills; what strikes the call after that, and does not kill, is drawn
        anew: to die twice in one place is a fault of its own.
        """
        assert isinstance(tape, ScriptTape)
        place = operation.point(role)
        call = (place, attempt)
        deaths = self._deaths.get(call, 0)
        fault = self._struck.get(call)
        if call in self._struck and (fault is None or fault.outcome != "crash"):
            return fault
        if fault is None or deaths >= fault.deaths:
            menu, point = self._menus[self._saga, place], f"{transaction}/{place}@{attempt}/fault"
            if deaths:
                fault = menu.faults[
                    tape.choose(f"{point}#{deaths + 1}", menu.kinds.replace(_KILLS, _NOTHING))
                ]
            else:
                fault = menu.faults[tape.choose(point, menu.kinds)]
            self._struck[call] = fault
            if fault is not None:
                self.texts.append(f"{place}:{fault.name}@{attempt}")
        if fault is not None and fault.outcome == "crash":
            self._deaths[call] = deaths + 1
        return fault

    def at(self, place: str, attempt: int) -> str:
        """The name of the fault that was drawn for a call, if one was."""
        fault = self._struck.get((place, attempt))
        return fault.name if fault is not None else ""
