"""The faults by name, what each does to a call, and how `TARGET:FAULT[@ATTEMPTS][%PROBABILITY]` is read."""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import msgspec

from marketsim.saga.definition import Operation, Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.tape import MILLION, Tape

__all__ = ["FAULTS", "Fault", "FaultPlan", "FaultRule", "Phase", "parse_fault"]

_ATTEMPTS = "write @1, @1-3, @2- or @*"

Phase: TypeAlias = Literal["before", "after"]
Outcome: TypeAlias = Literal["succeeded", "failed", "unknown", "crash"]


class Fault(msgspec.Struct, frozen=True):
    """One injected failure.

    ``phase`` says whether it strikes before the handler runs (nothing landed) or after it (the
    effect landed); ``outcome`` what the engine is told; ``retry`` the class of the failure.
    ``services`` are the services that can fail so (empty: any), ``on`` what it may strike.
    """

    name: str
    group: str
    sentence: str
    phase: Phase = "before"
    outcome: Outcome = "failed"
    retry: Literal["safe", "never"] = "never"
    services: tuple[str, ...] = ()
    on: Literal["operation", "revert", "both"] = "both"
    slow: bool = False
    moment: Literal["", "intent", "record"] = ""


_PAYMENT = {"services": ("payment",), "on": "operation"}


def _group(group: str, names: dict[str, str], **rest: object) -> list[Fault]:
    return [Fault(name, group, sentence, **rest) for name, sentence in names.items()]  # type: ignore[arg-type]


_TABLE: list[Fault] = [
    *_group(
        "soft decline",
        {
            "insufficient_funds": "The account does not cover the amount now; it may later.",
            "processing_error": "The card network stumbled over the request.",
            "try_again_later": "The issuer asks for another attempt.",
            "issuer_not_available": "The bank behind the card could not be reached.",
        },
        retry="safe",
        **_PAYMENT,
    ),
    *_group(
        "hard decline",
        {
            "card_declined": "The issuer said no and gave no reason.",
            "do_not_honor": "The issuer said no and will again.",
            "expired_card": "The card is past its date.",
            "incorrect_cvc": "The security code is wrong.",
            "card_not_supported": "This kind of card cannot pay here.",
            "currency_not_supported": "The card cannot pay in this currency.",
            "transaction_not_allowed": "The issuer does not allow this purchase.",
            "card_velocity_exceeded": "The card was used too often or for too much.",
        },
        **_PAYMENT,
    ),
    *_group(
        "fraud",
        {
            "fraudulent": "The payment looks fraudulent to the issuer.",
            "lost_card": "The card was reported lost.",
            "stolen_card": "The card was reported stolen.",
            "pickup_card": "The issuer wants the card back.",
        },
        **_PAYMENT,
    ),
    *_group(
        "before sending",
        {
            "gateway_down": "The service's gateway is down: nothing was sent.",
            "connection_refused": "The connection was refused: nothing was sent.",
            "dns_failure": "The service's address could not be resolved: nothing was sent.",
            "rate_limited": "Too many requests: the service did not look at this one.",
        },
        retry="safe",
    ),
    *_group(
        "ambiguous",
        {"timeout_before": "No answer came, and the request never arrived."},
        outcome="unknown",
        slow=True,
    ),
    *_group(
        "ambiguous",
        {"timeout_after": "No answer came, but the effect landed."},
        outcome="unknown",
        phase="after",
        slow=True,
    ),
    *_group(
        "ambiguous",
        {
            "connection_reset": "The connection broke after the write: it landed, and the answer was lost.",
            "server_error_after": "The service answered 5xx after the effect had landed.",
        },
        outcome="unknown",
        phase="after",
    ),
    *_group(
        "inventory",
        {"out_of_stock": "The warehouse says that there is nothing left."},
        services=("inventory",),
        on="operation",
    ),
    *_group(
        "notification",
        {
            "unreachable": "The customer's mail server cannot be reached.",
        },
        services=("notifications",),
        on="operation",
        retry="safe",
    ),
    *_group(
        "notification",
        {"bounced": "The message came back: the address does not exist."},
        services=("notifications",),
        on="operation",
    ),
    *_group("any", {"error": "The call fails for a reason of its own, before any effect."}, retry="safe"),
    *_group(
        "compensation",
        {"did_nothing": "The revert says that it succeeded, and did nothing."},
        outcome="succeeded",
        on="revert",
    ),
    *_group(
        "process",
        {"crash_before_intent": "The process dies before the intent is recorded."},
        outcome="crash",
        moment="intent",
    ),
    *_group(
        "process",
        {"crash_after_intent": "The process dies after the intent is recorded, before the call."},
        outcome="crash",
    ),
    *_group(
        "process",
        {"crash_after_effect": "The process dies between the effect and the record of it."},
        outcome="crash",
        phase="after",
    ),
    *_group(
        "process",
        {"crash_after_outcome": "The process dies right after the outcome is recorded."},
        outcome="crash",
        phase="after",
        moment="record",
    ),
]

FAULTS: dict[str, Fault] = {fault.name: fault for fault in _TABLE}
"""Every fault by its name."""


class FaultRule(msgspec.Struct, frozen=True):
    """A fault put at a target: an operation, a revert, or a service.

    A service stands for its operations, not for its reverts: those are named. ``attempt_last``
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

    def covers(self, operation: Operation, revert: bool, attempt: int) -> bool:
        """Whether this rule is about this attempt."""
        if attempt < self.attempt_first or (self.attempt_last and attempt > self.attempt_last):
            return False
        if revert:
            return self.target == operation.revert_name
        return self.target in (operation.name, operation.service)


class FaultPlan:
    """The rules of one transaction; asks the tape where a rule leaves it to chance."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self.rules: Sequence[FaultRule] = tuple(rules)

    def __bool__(self) -> bool:
        return bool(self.rules)

    def strike(
        self, transaction: str, operation: Operation, revert: bool, attempt: int, tape: Tape
    ) -> Fault | None:
        """The fault that strikes this attempt, if any: the first rule that covers it and happens."""
        place = operation.revert_name if revert else operation.name
        for rule in self.rules:
            # Most rules are about something else; the first test is the one that costs least.
            if rule.target != place and rule.target != operation.service:
                continue
            if not rule.covers(operation, revert, attempt):
                continue
            if tape.chance(f"{transaction}/{place}@{attempt}/{rule.fault.name}", rule.probability_ppm):
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


def _check_fits(target: str, fault: Fault, saga: Saga, where: str) -> None:
    operation = saga.operations.get(target)
    reverts = {each.revert_name: each for each in saga.operations.values() if each.revert_name}
    service = operation.service if operation else reverts[target].service if target in reverts else target
    if target in reverts and fault.on == "operation":
        raise InputError(f"{fault.name} strikes operations; {target} is a revert", where=where)
    if target not in reverts and fault.on == "revert":
        todo = f"name a revert: {', '.join(reverts)}" if reverts else ""
        raise InputError(f"{fault.name} strikes reverts; {target} is none", where=where, todo=todo)
    if fault.services and service not in fault.services and service in _KNOWN_SERVICES:
        raise InputError(
            f"{fault.name} happens at {' and '.join(fault.services)}; {target} belongs to {service}",
            where=where,
        )


_KNOWN_SERVICES = {service for fault in _TABLE for service in fault.services} | {"delivery", "orders"}
