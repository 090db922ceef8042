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


_ASSUMED = "Assumed: no public figure is known."
_OTHERS = "Checkout.com's blog: 5 to 10 percent of card payments are declined; this share of them is assumed."
_FUNDS = "Checkout.com's blog: 5 to 10 percent are declined; Spreedly (2018): almost half for lack of funds."
_NINES = "A promise of 99.9 percent, as is usual, allows 1 failed call in 1,000; this share of it is assumed."
_BOUNCES = "Mandrill's help: hard bounces should stay below 5 percent of the mail; 1 percent is assumed."

_DECLINED = (
    Share("payment:insufficient_funds%3.8", _FUNDS),
    Share("payment:do_not_honor%2", _OTHERS),
    Share("payment:card_declined%1.2", _OTHERS),
    Share("payment:expired_card%0.5", _OTHERS),
    Share("payment:incorrect_cvc%0.3", _OTHERS),
    Share("payment:fraudulent%0.2", _OTHERS),
)

_TYPICAL = (
    *_DECLINED,
    Share("payment:timeout_after%0.05", _NINES),
    Share("payment:timeout_before%0.05", _NINES),
    Share("payment:server_error_after%0.02", _NINES),
    Share("inventory:connection_reset%0.01", _ASSUMED),
    Share("orders:connection_refused%0.05", _ASSUMED),
    Share("notifications:unreachable%0.5", _ASSUMED),
    Share("notifications:bounced%1", _BOUNCES),
)

_BAD_DAY = (
    *_DECLINED,
    Share("payment:timeout_after%2", _ASSUMED),
    Share("payment:timeout_before%2", _ASSUMED),
    Share("payment:server_error_after%1", _ASSUMED),
    Share("payment:rate_limited%3", _ASSUMED),
    Share("refund_payment:refund_exceeds_balance%2", _ASSUMED),
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
