"""The taxonomy: every failure that can be injected, by its standard name, and what it does to a call."""

from typing import Any

from marketsim.saga import service_faults
from marketsim.saga.definition import SECOND_US
from marketsim.saga.fault import Fault, faults_of

__all__ = ["FAULTS"]

_MINUTE_US = 60 * SECOND_US

_ACTS = ("reserve", "charge", "authorize", "capture", "place", "ship", "notify")
_PAY_ACTS: dict[str, Any] = {"services": ("payment",), "acts": ("charge", "authorize", "capture")}

_TRANSPORT_UNKNOWN: dict[str, Any] = {"outcome": "unknown", "landed": "yes", "phase": "after"}
_TRANSPORT_LATE: dict[str, Any] = {"phase": "answer", "outcome": "unknown", "slow": True, "on": "operation"}
_TRANSPORT_LONG = (2 * _MINUTE_US, 10 * _MINUTE_US)
_TRANSPORT_SOON: dict[str, Any] = {
    "phase": "answer",
    "landed": "yes",
    "outcome": "succeeded",
    "arrives_us": (SECOND_US, 5 * SECOND_US),
}

_TRANSPORT: list[Fault] = [
    *faults_of(
        "before sending",
        {
            "gateway_down": "The service's gateway is down: nothing was sent.",
            "connection_refused": "The connection was refused: nothing was sent.",
            "dns_failure": "The service's address could not be resolved: nothing was sent.",
            "rate_limited": "Too many requests: the service did not look at this one.",
        },
        retry="safe",
    ),
    *faults_of(
        "ambiguous",
        {"timeout_before": "No answer came, and the request never arrived."},
        outcome="unknown",
        slow=True,
    ),
    *faults_of(
        "ambiguous",
        {"timeout_after": "No answer came, but the effect landed."},
        slow=True,
        **_TRANSPORT_UNKNOWN,
    ),
    *faults_of(
        "ambiguous",
        {
            "connection_reset": "The connection broke after the write: it landed, and the answer was lost.",
            "server_error_after": "The service answered 5xx after the effect had landed.",
        },
        **_TRANSPORT_UNKNOWN,
    ),
    *faults_of(
        "late",
        {"late_success": "No answer came; the payment settles long after, when it was refunded in vain."},
        landed="late",
        arrives="landing",
        arrives_us=_TRANSPORT_LONG,
        **(_TRANSPORT_LATE | {"phase": "within"}),
        **_PAY_ACTS,
    ),
    *faults_of(
        "late",
        {"late_failure": "No answer came; long after, the service says that it came to nothing."},
        arrives="failure",
        arrives_us=_TRANSPORT_LONG,
        **_TRANSPORT_LATE,
    ),
    *faults_of(
        "late",
        {"hanging": "The request hangs in the network, and arrives after its own revert."},
        landed="late",
        arrives="answer",
        arrives_us=_TRANSPORT_LONG,
        **_TRANSPORT_LATE,
        acts=_ACTS,
    ),
    *faults_of(
        "late",
        {"webhook_duplicate": "The service tells twice that it is done."},
        arrives="echo",
        on="operation",
        acts=_ACTS,
        **_TRANSPORT_SOON,
    ),
    *faults_of(
        "late",
        {"webhook_reordered": "An older 'failed' of the service arrives after its 'succeeded'."},
        arrives="contradiction",
        on="operation",
        acts=_ACTS,
        **_TRANSPORT_SOON,
    ),
]

_COMPENSATION_REVERT: dict[str, Any] = {"on": "revert"}
_COMPENSATION_WITHIN: dict[str, Any] = {
    "phase": "within",
    "landed": "varies",
    "acts": ("release", "refund", "void", "cancel"),
    "on": "revert",
}

_COMPENSATION: list[Fault] = [
    *faults_of(
        "compensation",
        {"did_nothing": "The revert says that it succeeded, and did nothing."},
        phase="answer",
        outcome="succeeded",
        breaks_word=True,
        **_COMPENSATION_REVERT,
    ),
    *faults_of(
        "compensation",
        {
            "delivered_twice": "The revert is delivered twice under one key.",
            "wrong_amount": "The revert gives back one unit, or half of the money, whatever was taken.",
            "not_idempotent": "The revert does not look whether it was done before, and does it again.",
        },
        breaks_word=True,
        **_COMPENSATION_WITHIN,
    ),
    *faults_of(
        "compensation",
        {"revert_partial": "The revert gives back a part, and says so."},
        **_COMPENSATION_WITHIN,
    ),
    *faults_of(
        "compensation",
        {"never_registered": "Nobody registered this revert: there is no handler for it."},
        **_COMPENSATION_REVERT,
    ),
    *faults_of(
        "compensation",
        {"revert_expired": "The time in which this could be reverted has passed."},
        outcome="expired",
        **_COMPENSATION_REVERT,
    ),
]

_PROCESS_CRASH: dict[str, Any] = {"outcome": "crash", "landed": "no"}
_PROCESS_LANDED: dict[str, Any] = _PROCESS_CRASH | {"phase": "after", "landed": "yes"}

_PROCESS: list[Fault] = [
    *faults_of(
        "process",
        {"crash_before_intent": "The process dies before the intent is recorded."},
        moment="intent",
        **_PROCESS_CRASH,
    ),
    *faults_of(
        "process",
        {"crash_after_intent": "The process dies after the intent is recorded, before the call."},
        **_PROCESS_CRASH,
    ),
    *faults_of(
        "process",
        {"crash_after_effect": "The process dies between the effect and the record of it."},
        **_PROCESS_LANDED,
    ),
    *faults_of(
        "process",
        {"crash_after_outcome": "The process dies right after the outcome is recorded."},
        moment="record",
        **_PROCESS_LANDED,
    ),
    *faults_of(
        "process",
        {"crash_in_recovery": "The process dies after the effect, and so does the one that recovers it."},
        deaths=2,
        **_PROCESS_LANDED,
    ),
    *faults_of(
        "process",
        {"torn_record": "The process dies in the middle of writing a record."},
        moment="torn",
        **_PROCESS_LANDED,
    ),
]

_TIME_ANSWER: dict[str, Any] = {"phase": "answer", "landed": "yes", "outcome": "succeeded"}

_TIME: list[Fault] = [
    *faults_of(
        "latency",
        {"slow": "The answer takes 5 to 100 times as long, which may be too long to wait for."},
        **_TIME_ANSWER,
    ),
    *faults_of(
        "latency",
        {"too_slow": "It landed, and the answer comes after the time limit, when nobody waits for it."},
        **(_TIME_ANSWER | {"outcome": "unknown"}),
        slow=True,
        arrives="echo",
        arrives_us=(SECOND_US, 30 * SECOND_US),
        on="operation",
    ),
    *faults_of(
        "cancellation",
        {"abort": "The operation itself asks for the whole transaction to end, and says why."},
        outcome="aborted",
        on="operation",
    ),
    *faults_of(
        "cancellation",
        {"cancel": "Somebody cancels the transaction while this call is under way."},
        stops="cancelled",
        **_TIME_ANSWER,
    ),
    *faults_of(
        "cancellation",
        {"deadline": "The transaction's deadline passes while this call is under way."},
        stops="deadline_exceeded",
        **_TIME_ANSWER,
    ),
    *faults_of("any", {"error": "The call fails for a reason of its own, before any effect."}, retry="safe"),
]

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for table in (
        service_faults.PAYMENT,
        _TRANSPORT,
        service_faults.GATEWAY,
        service_faults.INVENTORY,
        service_faults.NOTIFICATIONS,
        _COMPENSATION,
        _PROCESS,
        _TIME,
    )
    for fault in table
}
"""Every fault by its name."""
