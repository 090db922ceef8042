"""One injected failure: where it strikes, whether the effect lands, and what the engine is told."""

from typing import Any, Literal, TypeAlias

import msgspec

from marketsim.saga.definition import SECOND_US

__all__ = ["SETTLED", "SUSPENDED_MAX_US", "Arrival", "Fault", "Landed", "Phase", "faults_of"]

Phase: TypeAlias = Literal["before", "within", "after", "answer"]
"""Where a fault strikes: before the call, within the service, after the effect, or in the answer."""

Landed: TypeAlias = Literal["no", "yes", "partly", "late", "varies"]
Arrival: TypeAlias = Literal["", "answer", "refusal", "landing", "failure", "echo", "contradiction"]
Outcome: TypeAlias = Literal["succeeded", "failed", "unknown", "suspended", "aborted", "expired", "crash"]

SUSPENDED_MAX_US = 5 * 60 * SECOND_US
"""How long a service waits for a customer to authenticate, in microseconds."""

SETTLED = "settled"
"""What a handler is told as its fault when a payment that was pending lands by itself."""


class Fault(msgspec.Struct, frozen=True):
    """One injected failure.

    ``phase`` tells where it strikes, ``landed`` whether the effect really happens, and ``outcome`` what
    the engine is told (within the service the handler decides, knowing the fault as ``call.fault``);
    ``retry`` is the class of the failure. ``services`` are the services that can fail so (empty: any),
    ``acts`` the first words of what they do then (empty: anything), ``on`` what it may strike.

    With ``slow`` the engine is told nothing until its time limit. What ``arrives`` later comes after
    ``arrives_us`` microseconds (least and most). ``moment`` is when exactly a process dies, ``deaths``
    how many processes do. ``stops`` is the code with which the transaction is asked to end meanwhile.
    ``breaks_word`` says that a party does something else than it says and is bound to, such as a revert that
    is done twice under one key; what an engine is told then cannot be relied upon at all.
    """

    name: str
    group: str
    sentence: str
    phase: Phase = "before"
    landed: Landed = "no"
    outcome: Outcome = "failed"
    retry: Literal["safe", "never"] = "never"
    services: tuple[str, ...] = ()
    acts: tuple[str, ...] = ()
    on: Literal["operation", "revert", "both"] = "both"
    slow: bool = False
    arrives: Arrival = ""
    arrives_us: tuple[int, int] = (0, 0)
    moment: Literal["", "intent", "record", "torn"] = ""
    deaths: int = 1
    stops: str = ""
    customer: str = ""
    breaks_word: bool = False


def faults_of(group: str, names: dict[str, str], **rest: Any) -> list[Fault]:
    """Faults of one group that are alike but for their names and sentences."""
    return [Fault(name, group, sentence, **rest) for name, sentence in names.items()]
