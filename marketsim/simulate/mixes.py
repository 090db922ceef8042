"""Mixes of fault rates by name, each rate with where it comes from."""

import msgspec

__all__ = ["MIXES", "Mix", "Share"]


class Share(msgspec.Struct, frozen=True):
    """One fault of a mix, as it is typed, and where its rate comes from."""

    fault: str
    source: str


class Mix(msgspec.Struct, frozen=True):
    """A mix of faults: what goes wrong on a certain kind of day."""

    name: str
    sentence: str
    shares: tuple[Share, ...]


_DECLINES = (
    "Processors and card networks commonly tell merchants that 5 to 15 percent of online card payments "
    "are declined; that 8 percent are is assumed. "
)
_CAUSES = (
    "Insufficient funds and a generic 'do not honor' are commonly told to lead the reasons; the split is "
    "assumed."
)
_ASSUMED = "Assumed: no public figure is known for it."
_NINES = (
    "A public API that promises 99.9 percent may fail 1 call in 1,000 and keep its promise; how many of "
    "these landed is assumed."
)

_TYPICAL = (
    Share("payment:insufficient_funds@1%3", _DECLINES + _CAUSES),
    Share("payment:do_not_honor@1%2.5", _DECLINES + _CAUSES),
    Share("payment:card_declined@1%1.5", _DECLINES + _CAUSES),
    Share("payment:expired_card@1%0.5", _DECLINES + _CAUSES),
    Share("payment:incorrect_cvc@1%0.3", _DECLINES + _CAUSES),
    Share("payment:fraudulent@1%0.2", _DECLINES + _CAUSES),
    Share("payment:timeout_after%0.05", _NINES),
    Share("payment:timeout_before%0.05", _NINES),
    Share("payment:server_error_after%0.02", _NINES),
    Share("inventory:connection_reset%0.01", _ASSUMED),
    Share("orders:connection_refused%0.05", _ASSUMED),
    Share("notifications:unreachable%0.5", _ASSUMED),
    Share(
        "notifications:bounced%1",
        "Senders of mail are commonly advised to keep hard bounces below 2 percent; 1 percent is assumed.",
    ),
)

_BAD_DAY = (
    *(share for share in _TYPICAL if "@1" in share.fault),
    Share("payment:timeout_after%2", _ASSUMED),
    Share("payment:timeout_before%2", _ASSUMED),
    Share("payment:server_error_after%1", _ASSUMED),
    Share("payment:rate_limited%3", _ASSUMED),
    Share("refund_payment:refund_exceeds_balance@1%2", _ASSUMED),
    Share("inventory:connection_reset%0.5", _ASSUMED),
    Share("inventory:slow%2", _ASSUMED),
    Share("orders:connection_refused%2", _ASSUMED),
    Share("orders:server_error_after%1", _ASSUMED),
    Share("notifications:unreachable%10", _ASSUMED),
)

_NETWORK = (
    *(Share(f"{each}:timeout_after%1", _ASSUMED) for each in ("inventory", "payment", "orders")),
    *(Share(f"{each}:timeout_before%1", _ASSUMED) for each in ("inventory", "payment", "orders")),
    *(Share(f"{each}:connection_reset%1", _ASSUMED) for each in ("inventory", "payment", "orders")),
    *(Share(f"{each}:connection_refused%1", _ASSUMED) for each in ("inventory", "payment", "orders")),
)

MIXES: dict[str, Mix] = {
    mix.name: mix
    for mix in (
        Mix("typical", "An ordinary day: cards are declined, and now and then an answer is lost.", _TYPICAL),
        Mix("bad-day", "Everything is slow, and the payment provider is overloaded.", _BAD_DAY),
        Mix("network", "Cards are good, and the network is bad: four in a hundred calls fail.", _NETWORK),
    )
}
"""Every mix by its name."""
