"""The failures of the marketplace's own services: payment, inventory, notifications and orders."""

from typing import Any

from marketsim.saga.definition import SECOND_US
from marketsim.saga.fault import Fault, faults_of

__all__ = ["GATEWAY", "INVENTORY", "NOTIFICATIONS", "PAYMENT"]

_TAKE: dict[str, Any] = {
    "services": ("payment",),
    "acts": ("charge", "authorize", "capture"),
    "on": "operation",
}
_ASK_CARD: dict[str, Any] = {"services": ("payment",), "acts": ("charge", "authorize"), "on": "operation"}
_REFUND: dict[str, Any] = {"services": ("payment",), "acts": ("refund",), "on": "revert"}
_RESERVE: dict[str, Any] = {"services": ("inventory",), "acts": ("reserve",), "on": "operation"}
_NOTIFY: dict[str, Any] = {"services": ("notifications",), "acts": ("notify",), "on": "operation"}
_OTHER_CARD = "Your payment could not be made; please use another card."

_PAYMENT_WAITS: dict[str, Any] = {
    "customer": "Your payment was not confirmed; please try again.",
    "phase": "answer",
    "outcome": "suspended",
    "arrives_us": (10 * SECOND_US, 90 * SECOND_US),
}

PAYMENT: list[Fault] = [
    *faults_of(
        "soft decline",
        {
            "insufficient_funds": "The account does not cover the amount now; it may later.",
            "processing_error": "The card network stumbled over the request.",
            "try_again_later": "The issuer asks for another attempt.",
            "issuer_not_available": "The bank behind the card could not be reached.",
        },
        retry="safe",
        customer="Your payment could not be made now; please try again later.",
        **_TAKE,
    ),
    *faults_of(
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
        customer=_OTHER_CARD,
        **_TAKE,
    ),
    *faults_of(
        "fraud",
        {
            "fraudulent": "The payment looks fraudulent to the issuer.",
            "lost_card": "The card was reported lost.",
            "stolen_card": "The card was reported stolen.",
            "pickup_card": "The issuer wants the card back.",
        },
        # A thief is told no more than anybody else.
        customer=_OTHER_CARD,
        **_TAKE,
    ),
    *faults_of(
        "authentication",
        {"authentication_required": "The customer has to authenticate, and does so a little later."},
        landed="late",
        arrives="answer",
        **_PAYMENT_WAITS,
        **_ASK_CARD,
    ),
    *faults_of(
        "authentication",
        {"authentication_failed": "The customer has to authenticate, and fails to."},
        arrives="refusal",
        **_PAYMENT_WAITS,
        **_ASK_CARD,
    ),
    *faults_of(
        "authentication",
        {"authentication_abandoned": "The customer has to authenticate, and never comes back."},
        **(_PAYMENT_WAITS | {"arrives_us": (0, 0)}),
        **_ASK_CARD,
    ),
]
"""What an issuer says instead of yes."""

_GATEWAY_WITHIN: dict[str, Any] = {"phase": "within", "landed": "varies"}
_GATEWAY_CAPTURE: dict[str, Any] = {"services": ("payment",), "acts": ("capture",), "on": "operation"}

GATEWAY: list[Fault] = [
    *faults_of(
        "idempotency store",
        {
            "key_replayed": "The request is delivered twice under one key.",
            "key_reused": "The key was used before, with another body.",
        },
        **_GATEWAY_WITHIN,
        **_TAKE,
    ),
    *faults_of(
        "idempotency store",
        {"key_expired": "The provider has forgotten the key, and takes the request for a new one."},
        breaks_word=True,
        **_GATEWAY_WITHIN,
        **_TAKE,
    ),
    *faults_of(
        "idempotency store",
        {"cached_error": "It landed, was answered with a 500, and each retry gets that answer again."},
        **_GATEWAY_WITHIN,
        **_TAKE,
    ),
    *faults_of(
        "idempotency store",
        {"key_conflict": "Another request under the same key is being worked on."},
        retry="safe",
        **_TAKE,
    ),
    *faults_of(
        "idempotency store",
        {"new_key": "This attempt goes out under a key of its own, as if it were another payment."},
        breaks_word=True,
        **_GATEWAY_WITHIN,
        **_TAKE,
    ),
    *faults_of(
        "authorization",
        {"authorization_expired": "The authorization is older than 7 days, and the hold is gone."},
        **_GATEWAY_WITHIN,
        **_GATEWAY_CAPTURE,
    ),
    *faults_of(
        "authorization",
        {"partial_authorization": "The card covers a part of the amount only."},
        phase="within",
        landed="partly",
        **_ASK_CARD,
    ),
    *faults_of(
        "authorization",
        {"partial_capture": "A part of what was authorized is captured, and no more this time."},
        phase="within",
        landed="partly",
        retry="safe",
        **_GATEWAY_CAPTURE,
    ),
    *faults_of(
        "authorization",
        {
            "over_capture": "More is asked for than was authorized, and it is refused.",
            "capture_after_void": "The authorization was voided before, and there is nothing to capture.",
        },
        **_GATEWAY_CAPTURE,
    ),
    *faults_of("refund", {"refund_refused": "The provider refuses the refund for good."}, **_REFUND),
    *faults_of(
        "refund",
        {"refund_exceeds_balance": "The merchant's balance does not cover the refund now."},
        retry="safe",
        **_REFUND,
    ),
    *faults_of(
        "refund",
        {
            "refund_pending_then_failed": "The refund is pending at first, and fails when asked for again.",
            "refund_partial": "Half of the money is refunded, and the rest is refused.",
        },
        **_GATEWAY_WITHIN,
        **_REFUND,
    ),
    *faults_of(
        "refund",
        {"refund_double": "The refund is delivered twice."},
        breaks_word=True,
        **_GATEWAY_WITHIN,
        **_REFUND,
    ),
]
"""What a payment provider does with keys, authorizations and refunds."""

_INVENTORY_CHECK: dict[str, Any] = {"services": ("inventory",), "acts": ("check",), "on": "operation"}
_INVENTORY_STOCK: dict[str, Any] = {
    "services": ("inventory",),
    "acts": ("check", "reserve"),
    "on": "operation",
}
_INVENTORY_RELEASE: dict[str, Any] = {"services": ("inventory",), "acts": ("release",), "on": "revert"}

INVENTORY: list[Fault] = [
    *faults_of(
        "inventory", {"out_of_stock": "The warehouse says that there is nothing left."}, **_INVENTORY_STOCK
    ),
    *faults_of(
        "inventory",
        {"oversell_race": "Somebody else took the last units between the check and the reservation."},
        **_RESERVE,
    ),
    *faults_of("inventory", {"price_changed": "The price is not the one that was quoted."}, **_RESERVE),
    *faults_of(
        "inventory",
        {"reservation_expired": "The units are reserved, and are back on sale before the order is placed."},
        phase="within",
        landed="yes",
        **_RESERVE,
    ),
    *faults_of(
        "inventory",
        {"partial_fill": "Half of the units are reserved, and no more are there."},
        phase="within",
        landed="partly",
        **_RESERVE,
    ),
    *faults_of(
        "inventory",
        {"stale_read": "The stock that is told is an old copy, higher than what is there."},
        phase="within",
        landed="yes",
        **_INVENTORY_CHECK,
    ),
    *faults_of(
        "inventory",
        {"lost_release": "The release is acknowledged, and lost on its way to the stock."},
        breaks_word=True,
        outcome="succeeded",
        phase="answer",
        **_INVENTORY_RELEASE,
    ),
    *faults_of(
        "concurrency",
        {"lost_update": "Another writer puts its older copy of the stock over this reservation."},
        breaks_word=True,
        phase="within",
        landed="yes",
        **_RESERVE,
    ),
    *faults_of(
        "concurrency",
        {"dirty_read": "Units that another transaction holds, and may give back, are told as free."},
        phase="within",
        landed="yes",
        **_INVENTORY_CHECK,
    ),
]
"""What a warehouse does with stock."""

NOTIFICATIONS: list[Fault] = [
    *faults_of(
        "notification",
        {"unreachable": "The customer's mail server cannot be reached."},
        retry="safe",
        **_NOTIFY,
    ),
    *faults_of("notification", {"bounced": "The message came back: the address does not exist."}, **_NOTIFY),
    *faults_of(
        "notification",
        {"sent_then_timeout": "The message is sent, and no answer comes."},
        phase="after",
        landed="yes",
        outcome="unknown",
        slow=True,
        **_NOTIFY,
    ),
    *faults_of(
        "notification", {"sent_twice": "The message is sent twice."}, phase="within", landed="yes", **_NOTIFY
    ),
    *faults_of(
        "notification",
        {"sent_too_early": "The customer is told that the order stands, and then it cannot be written."},
        phase="within",
        landed="partly",
        services=("orders",),
        acts=("place",),
        on="operation",
    ),
]
"""What becomes of messages."""
