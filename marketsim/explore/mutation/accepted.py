"""Mutants that nothing notices, and rightly so: each with the reason, and what kind of reason it is."""

from typing import Literal, TypeAlias

import msgspec

from marketsim.explore.model import Case
from marketsim.explore.mutation.operators import Mutant

__all__ = ["ACCEPTED", "Accepted", "accepted"]

Kind: TypeAlias = Literal["equivalent", "harmless", "beyond"]
"""``equivalent``: it does the same. ``harmless``: it does something else, and all that is promised holds.

``beyond``: it would show, and it takes more than is tried.
"""


class Accepted(msgspec.Struct, frozen=True):
    """Why mutants of an operator may survive: at one place (an operation or its family), or at any.

    ``saga`` is empty where the reason holds for every saga.
    """

    saga: str
    operator: str
    place: str
    kind: Kind
    reason: str


def _any(operator: str, kind: Kind, reason: str) -> Accepted:
    return Accepted("", operator, "", kind, reason)


def _both(operator: str, place: str, kind: Kind, reason: str) -> tuple[Accepted, ...]:
    return tuple(Accepted(saga, operator, place, kind, reason) for saga in ("purchase", "checkout"))


_AT_LEAST_ONCE = "messages go out at least once: told twice is not held against anybody, as in sent_twice"
_NOT_BELIEVED = "a revert is believed only when its probe finds nothing left, whatever it says itself"
_LOOKS = "its service looks at what stands, and not at the key of the revert"
_LOOKS_FORWARD = "its service looks at what is captured already, and not at the key"
_REFUSED_AGAIN = "what the service itself refuses it refuses again; a decline is told by no handler"
_SOONER = "it gives up sooner: fewer are sold, and what was done is reverted"
_THREE = "a capture is reverted only if it and its probe are unknown: what goes wrong then is a third fault"
_TWO_AT_ONE_CALL = "a part that stands behind a lost answer takes two faults at one call"

ACCEPTED: tuple[Accepted, ...] = (
    _any("no-retry", "harmless", _SOONER),
    _any("one-shot", "harmless", _SOONER),
    _any("retry-hard-failure", "harmless", _REFUSED_AGAIN),
    _any("revert-swallows-error", "harmless", _NOT_BELIEVED),
    _any("revert-part-for-whole", "harmless", _NOT_BELIEVED),
    _any("probe-part-for-whole", "beyond", _TWO_AT_ONE_CALL),
    _any("ttl-without-end", "equivalent", "its 180 days are longer than all retries together can take"),
    _any("expire-never", "equivalent", "no retry goes on for as long as a revert is possible"),
    _any("revert-by-text", "equivalent", "with fewer than ten operations the text has their order"),
    _any("halt-on-stuck", "harmless", "more is left for a person, and all of it is told"),
    _any("revert-once", "harmless", "more is left for a person, and all of it is told"),
    *_both(
        "ask-nobody",
        "policy",
        "beyond",
        "the provider of this shop remembers keys: with one that does not, a charge stands twice",
    ),
    _any("revert-at-once", "harmless", "they are begun newest first, and what is too early is tried again"),
    *_both("revert-new-key", "reserve_stock", "equivalent", _LOOKS),
    Accepted("purchase", "revert-new-key", "charge_payment", "equivalent", _LOOKS),
    Accepted("purchase", "revert-new-key", "notify_customer", "harmless", _AT_LEAST_ONCE),
    Accepted("checkout", "new-key-per-attempt", "notify_customer", "harmless", _AT_LEAST_ONCE),
    Accepted("purchase", "revert-twice", "notify_customer", "harmless", _AT_LEAST_ONCE),
    *_both("skip-fence", "place_order", "equivalent", "what it would sell is not held any more"),
    *_both(
        "skip-fence",
        "notify_customer",
        "beyond",
        "the message must hang while somebody cancels, and no other attempt may have been heard",
    ),
    *_both(
        "swallow-error",
        "reserve_stock",
        "harmless",
        "the order finds that nothing is held, and all is reverted",
    ),
    Accepted("checkout", "new-key-per-attempt", "capture_payment", "equivalent", _LOOKS_FORWARD),
    Accepted("checkout", "revert-new-key", "authorize_payment", "equivalent", _LOOKS),
    Accepted("checkout", "revert-new-key", "capture_payment", "equivalent", _LOOKS),
    Accepted("checkout", "part-for-whole", "capture_payment", "equivalent", "a capture in part is unknown"),
    Accepted("checkout", "revert-not-idempotent", "capture_payment", "beyond", _THREE),
    Accepted("checkout", "probe-says-nothing", "capture_payment", "beyond", _THREE),
    Accepted("checkout", "probe-cannot-tell", "capture_payment", "beyond", _THREE),
    Accepted("checkout", "forget-keys", "capture_payment", "equivalent", _LOOKS_FORWARD),
    Accepted(
        "checkout", "skip-fence", "capture_payment", "equivalent", "what it would take is let go by then"
    ),
    *_both("swallow-error", "notify_customer", "equivalent", "it fails only where its revert was first"),
    *_both(
        "part-for-whole",
        "reserve_stock",
        "harmless",
        "the order finds that too little is held, and all is reverted",
    ),
    *_both(
        "one-key-for-all",
        "reserve_stock",
        "harmless",
        "whoever comes while another one is served is turned away, and tried again when that is over",
    ),
    Accepted(
        "purchase",
        "swap-order",
        "charge_payment",
        "harmless",
        "paid first, and given back where nothing is in stock",
    ),
    Accepted(
        "purchase",
        "run-beside",
        "charge_payment",
        "harmless",
        "paid meanwhile, and given back where nothing is in stock",
    ),
    Accepted("purchase", "run-beside", "estimate_delivery", "equivalent", "it reads nothing of the others"),
    Accepted(
        "purchase",
        "kind-pivot",
        "place_order",
        "harmless",
        "behind it is only the message: who cancels while it goes out comes too late",
    ),
    Accepted("purchase", "drop-guardrail", "cart_size", "equivalent", "a purchase has one product"),
    Accepted(
        "purchase",
        "register-too-late",
        "notify_customer",
        "beyond",
        "the message must be out, its answer lost, and somebody cancel before it is asked for again",
    ),
    Accepted(
        "purchase",
        "revert-first-attempt",
        "notify_customer",
        "beyond",
        "the correction must fail once when somebody cancels, and messages are looked at with one fault only",
    ),
    Accepted(
        "purchase",
        "revert-without-fence",
        "notify_customer",
        "beyond",
        "the message must hang while somebody cancels, and no other attempt may have been heard",
    ),
    Accepted(
        "checkout",
        "swap-order",
        "authorize_payment",
        "harmless",
        "held first, and let go where nothing is in stock",
    ),
    Accepted(
        "checkout", "swap-order", "place_order", "harmless", "ordered first, and cancelled without the money"
    ),
    Accepted("checkout", "swap-order", "notify_customer", "harmless", "told first, and shipped all the same"),
    Accepted("checkout", "run-beside", "notify_customer", "harmless", "told while it is being shipped"),
)
"""Every reason, the general ones first."""


def accepted(made: Mutant, case: Case) -> Accepted | None:
    """Why a mutant may survive, if there is a reason."""
    for each in ACCEPTED:
        here = each.place in ("", made.place, made.place.partition(".")[0])
        if each.operator == made.operator and each.saga in ("", case.name) and here:
            return each
    return None
