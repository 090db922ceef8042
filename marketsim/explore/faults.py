"""Which faults are tried at a call, those that a saga cannot tell apart merged into one."""

from typing import Any

import msgspec

from marketsim.explore.model import Bound, Case
from marketsim.explore.tape import CALM, CRASH, FAULT, ScriptTape
from marketsim.saga.definition import ROLES, Operation, Role, Saga
from marketsim.saga.fault import Fault
from marketsim.saga.faults import FaultPlan, fits
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS

__all__ = ["Menu", "TapePlan", "menus_of"]


class Menu(msgspec.Struct, frozen=True):
    """What may strike a call: no fault first, then one of each class; and what each takes of the bound."""

    faults: tuple[Fault | None, ...]
    kinds: bytes


def menus_of(case: Case, bound: Bound) -> dict[str, Menu]:
    """What may strike each call of a case, by the call's name."""
    return {
        operation.point(role): _menu(operation, role, saga, bound)
        for saga in dict.fromkeys(case.sagas)
        for operation in saga.operations.values()
        for role in ROLES
        if operation.point(role)
    }


def _menu(operation: Operation, role: Role, saga: Saga, bound: Bound) -> Menu:
    chosen = [FAULTS[name] for name in bound.names] or FAULTS.values()
    names = operation.names(role) + ((operation.service,) if role == "action" else ())
    if bound.targets and not any(name in bound.targets for name in names):
        chosen = []
    fitting = [fault for fault in chosen if not fits(fault, operation, role)]
    if bound.reduction:
        fitting = list({_looks(fault): fault for fault in reversed(fitting)}.values())[::-1]
    kinds = bytes([CALM, *[CRASH if fault.outcome == "crash" else FAULT for fault in fitting]])
    return Menu((None, *fitting), kinds)


def _looks(fault: Fault) -> object:
    """What can be told of a fault."""
    if fault.phase == "within":
        return fault.name
    # What is torn is cut when the log is opened: it was not recorded.
    moment = "" if fault.moment == "torn" else fault.moment
    alike: dict[str, Any] = dict.fromkeys(("name", "group", "sentence", "customer"), "")
    return msgspec.structs.replace(fault, moment=moment, services=(), acts=(), on="both", **alike)


class TapePlan(FaultPlan):
    """The faults of one transaction, drawn from the tape as it goes; it outlives the process that dies."""

    def __init__(self, menus: dict[str, Menu]) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._menus = menus
        self._struck: dict[tuple[str, int], Fault | None] = {}
        self._deaths: dict[tuple[str, int], int] = {}

    def at(self, place: str, attempt: int) -> str:
        """The fault that was drawn for a call."""
        fault = self._struck.get((place, attempt))
        return fault.name if fault is not None else ""

    def __bool__(self) -> bool:
        return True

    def strike(
        self, transaction: str, operation: Operation, role: Role, attempt: int, tape: Tape
    ) -> Fault | None:
        """The fault that strikes this attempt, if any; the same if it is made again by another process.

        A crash strikes as often as it kills; what strikes the call after that is drawn anew.
        """
        assert isinstance(tape, ScriptTape)
        place = operation.point(role)
        call = (place, attempt)
        deaths = self._deaths.get(call, 0)
        fault = self._struck.get(call)
        if call in self._struck and (fault is None or fault.outcome != "crash"):
            return fault
        if fault is None or deaths >= fault.deaths:
            menu = self._menus[place]
            again = f"#{deaths + 1}" if deaths else ""
            fault = menu.faults[tape.choose(f"{transaction}/{place}@{attempt}/fault{again}", menu.kinds)]
            self._struck[call] = fault
            if fault is not None:
                self.texts.append(f"{place}:{fault.name}@{attempt}")
        if fault is not None and fault.outcome == "crash":
            self._deaths[call] = deaths + 1
        return fault
