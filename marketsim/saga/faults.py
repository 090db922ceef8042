"""Faults put at a target: how `TARGET:FAULT[@ATTEMPTS][%PROBABILITY]` is read, and when it strikes."""

from collections.abc import Iterable, Sequence

import msgspec

from marketsim.saga.definition import ROLES, Operation, Role, Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import FaultInjected
from marketsim.saga.fault import Fault
from marketsim.saga.tape import MILLION, Tape
from marketsim.saga.taxonomy import FAULTS
from marketsim.saga.wants import role_of

__all__ = ["FaultPlan", "FaultRule", "explains", "fits", "parse_fault", "places"]

_ATTEMPTS = "write @1, @1-3, @2- or @*"
# The marketplace's own services: those that have faults of their own, and two that have none.
_SERVICES = {service for fault in FAULTS.values() for service in fault.services} | {"delivery", "shipping"}


class FaultRule(msgspec.Struct, frozen=True):
    """A fault put at a target: an operation, a revert, a probe, a family of either, or a service.

    A service stands for its operations, not for its reverts and probes: those are named. ``attempt_last``
    0 means every attempt from ``attempt_first`` on. The probability is in parts in a million.
    """

    target: str
    fault: Fault
    attempt_first: int = 1
    attempt_last: int = 0
    probability_ppm: int = MILLION

    def __str__(self) -> str:
        attempts = ""
        if self.attempt_last == self.attempt_first:
            attempts = f"@{self.attempt_first}"
        elif self.attempt_last or self.attempt_first > 1:
            attempts = f"@{self.attempt_first}-{self.attempt_last or ''}"
        whole, rest = divmod(self.probability_ppm, MILLION // 100)
        percent = f"%{whole}" + (f".{rest:04d}".rstrip("0") if rest else "")
        chance = "" if self.probability_ppm == MILLION else percent
        return f"{self.target}:{self.fault.name}{attempts}{chance}"

    def covers(self, operation: Operation, role: Role, attempt: int) -> bool:
        """Whether this rule is about this attempt."""
        if attempt < self.attempt_first or (self.attempt_last and attempt > self.attempt_last):
            return False
        return self.is_put_at(operation, role)

    def is_put_at(self, operation: Operation, role: Role) -> bool:
        """Whether this rule is about the operation in this role, at whatever attempt."""
        if role == "action" and self.target == operation.service:
            return True
        return self.target in operation.names(role)


class FaultPlan:
    """The rules of one transaction; asks the tape where a rule leaves it to chance."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self.rules: Sequence[FaultRule] = tuple(rules)
        self._here: dict[tuple[Operation, Role], list[FaultRule]] = {}

    def __bool__(self) -> bool:
        return bool(self.rules)

    def strike(
        self, transaction: str, operation: Operation, role: Role, attempt: int, tape: Tape
    ) -> Fault | None:
        """The fault that strikes this attempt, if any: the first rule that covers it and happens."""
        if not self.rules:
            return None
        here = self._here.get((operation, role))
        if here is None:
            # One plan serves many transactions, and most of its rules are put elsewhere.
            here = [rule for rule in self.rules if rule.is_put_at(operation, role)]
            self._here[operation, role] = here
        for rule in here:
            point = f"{transaction}/{operation.point(role)}@{attempt}/{rule.fault.name}"
            if rule.covers(operation, role, attempt) and tape.chance(point, rule.probability_ppm):
                return rule.fault
        return None


def parse_fault(text: str, saga: Saga, *, where: str = "") -> FaultRule:
    """Read ``TARGET:FAULT[@ATTEMPTS][%PROBABILITY]``; ATTEMPTS is ``1``, ``1-3`` or ``*``.

    Raises InputError for a form that cannot be read, a target that the saga does not have, a fault
    that does not exist, and a fault that cannot happen at that target.
    """
    shape = "write TARGET:FAULT[@ATTEMPTS][%PROBABILITY], as in payment:card_declined@1-2%50"
    target, colon, rest = text.partition(":")
    if not colon or not target or not rest:
        raise InputError(f"{quoted(text)} is not a fault", where=where, todo=shape)
    rest, percent, probability = rest.partition("%")
    name, at, attempts = rest.partition("@")
    if target not in saga.targets():
        known = nearest(target, saga.targets())
        raise InputError(f"the saga {saga.name} has no {quoted(target)}", where=where, todo=known)
    fault = FAULTS.get(name)
    if fault is None:
        raise InputError(f"no fault is called {quoted(name)}", where=where, todo=nearest(name, FAULTS))
    first, last = _attempts(attempts, text, where) if at else (1, 0)
    ppm = _probability(probability, text, where) if percent else MILLION
    _check_fits(target, fault, saga, where)
    return FaultRule(target, fault, first, last, ppm)


def _attempts(text: str, whole: str, where: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    numbers = [part for part in (first, last) if part]
    if text == "*":
        return 1, 0
    if not first or any(not (part.isascii() and part.isdigit() and len(part) < 7) for part in numbers):
        raise InputError(f"attempts of {quoted(whole)}", where=where, todo=_ATTEMPTS)
    low, high = int(first), int(last or 0) if dash else int(first)
    if low < 1 or (high and high < low):
        raise InputError(f"attempts of {quoted(whole)} count from 1 up", where=where, todo=_ATTEMPTS)
    return low, high


def _probability(text: str, whole: str, where: str) -> int:
    units, _, decimals = text.partition(".")
    digits = units + decimals
    if not (digits.isascii() and digits.isdigit()) or len(units) > 3 or len(decimals) > 4 or not units:
        raise InputError(
            f"probability of {quoted(whole)}",
            where=where,
            todo="write a percentage from 0 to 100, as in %20 or %0.5",
        )
    ppm = int(units) * 10_000 + int(decimals.ljust(4, "0"))
    if ppm > MILLION:
        raise InputError(f"probability of {quoted(whole)} is above 100 percent", where=where)
    return ppm


def explains(rule: FaultRule, event: FaultInjected, saga: Saga) -> bool:
    """Whether it was this rule that struck."""
    operation = saga.operations[event.operation]
    return event.fault == rule.fault.name and rule.covers(operation, role_of(event), event.attempt)


def fits(fault: Fault, operation: Operation, role: Role) -> str:
    """Why a fault cannot happen to an operation in this role; empty if it can."""
    place = operation.point(role)
    if role == "action" and fault.on == "revert":
        return f"{fault.name} strikes reverts; {place} is none"
    if role == "revert" and fault.on == "operation":
        return f"{fault.name} strikes operations; {place} is a revert"
    if role == "probe" and (fault.on != "both" or fault.outcome == "crash" or fault.stops):
        return f"{fault.name} strikes operations or reverts; {place} only asks"
    if operation.service not in _SERVICES:
        return ""  # A service of somebody's own may do whatever its handlers do.
    if fault.services and operation.service not in fault.services:
        return (
            f"{fault.name} happens at {' and '.join(fault.services)}; {place} belongs to {operation.service}"
        )
    if fault.acts and place.partition("_")[0] not in fault.acts:
        return f"{fault.name} happens when a service is to {' or '.join(fault.acts)}; {place} does not"
    return ""


def places(fault: Fault, saga: Saga) -> list[str]:
    """The operations, reverts and probes of a saga that a fault can strike."""
    every = [(each, role) for role in ROLES for each in saga.operations.values()]
    return [each.point(role) for each, role in every if each.point(role) and not fits(fault, each, role)]


def _check_fits(target: str, fault: Fault, saga: Saga, where: str) -> None:
    found = saga.find(target)
    if found is not None:
        struck = [found]
    else:
        struck = [(each, "action") for each in saga.operations.values() if each.service == target]
    reasons = [fits(fault, operation, role) for operation, role in struck]
    if all(reasons):
        todo = "see where it can: marketsim faults show " + fault.name
        raise InputError(reasons[0], where=where, todo=todo)
