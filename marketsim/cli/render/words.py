"""Events in words: how long, how much, from where to where."""

from datetime import datetime
from typing import Any

from marketsim.cli.render.theme import Glyphs
from marketsim.market.money import CURRENCIES, format_minor
from marketsim.saga.events import (
    EffectEvent,
    Event,
    LedgerPosted,
    NotificationSent,
    OrderCancelled,
    OrderPlaced,
    Posting,
    ServiceNoted,
    TransactionBegan,
)

__all__ = [
    "amount_words",
    "duration",
    "effect_words",
    "elapsed_us",
    "moment",
    "request_words",
    "result_words",
]


def request_words(request: dict[str, Any], glyphs: Glyphs) -> str:
    """What was asked for: ``1 × laptop-1 for user-1``; the fields of any other request by name."""
    lines = request.get("cart", [request])
    if "customer" in request and all({"product", "quantity"} <= line.keys() for line in lines):
        goods = ", ".join(f"{line['quantity']} {glyphs.times} {line['product']}" for line in lines)
        return f"{goods} for {request['customer']}"
    return result_words(request)


def elapsed_us(began: TransactionBegan | None, event: Event) -> int:
    """Microseconds from the beginning of the transaction to the event."""
    if began is None:
        return 0
    passed = datetime.fromisoformat(event.time) - datetime.fromisoformat(began.time)
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def duration(length_us: int) -> str:
    """A duration as a person reads it: ``49 ms``, ``1 min 05 s``, ``3 h 10 min``, ``12 d 04 h``."""
    if length_us < 999_500:  # What is above rounds to the next unit.
        return f"{length_us / 1000:.0f} ms"
    if length_us < 59_995_000:
        return f"{length_us / 1_000_000:.2f} s"
    minutes, seconds = divmod((length_us + 500_000) // 1_000_000, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    if hours < 72:
        return f"{hours} h {minutes:02d} min"
    return f"{hours // 24:,} d {hours % 24:02d} h"


def moment(elapsed: int) -> str:
    """A moment of a timeline, from microseconds since its beginning: ``0.049 s``, ``1 min 05 s``."""
    return f"{elapsed / 1_000_000:.3f} s" if elapsed < 59_999_500 else duration(elapsed)


def amount_words(line: Posting, glyphs: Glyphs, *, sign: bool = False) -> str:
    """What a posting counts: ``USD 750.00`` or ``1 × laptop-1``; with its sign if wanted."""
    amount = line.amount if sign else abs(line.amount)
    if line.currency in CURRENCIES:
        return format_minor(amount, line.currency)
    return f"{amount:+d} {line.unit}" if sign else f"{amount} {glyphs.times} {line.unit}"


def effect_words(event: EffectEvent, glyphs: Glyphs) -> str:
    """What a service did, in words."""
    if isinstance(event, LedgerPosted):
        moves = ", ".join(_moves(event.postings, glyphs))
        return f"{moves} ({event.reason})" if event.unasked else moves
    if isinstance(event, OrderPlaced):
        return f"{event.order} stands"
    if isinstance(event, OrderCancelled):
        return f"{event.order} is cancelled"
    if isinstance(event, NotificationSent):
        return f"to {event.customer}: {event.message}"
    if isinstance(event, ServiceNoted):
        return _NOTES.get(event.note, event.note)
    return event.type


_NOTES = {
    "fenced": "nothing had landed; should it still arrive, it is refused",
    "pending": "it is pending, and may settle later",
    "settled": "it settles after all",
    "answered_500": "it answered with a 500",
    "partial": "the service remembers that it was a part",
}


def result_words(result: dict[str, Any]) -> str:
    """The result of an operation in words; money is written as money."""
    shown: list[str] = []
    currency = str(result.get("currency", ""))
    for key, value in result.items():
        if key == "currency" and any(other.endswith("_minor") for other in result):
            continue
        if isinstance(value, list):
            shown.append(f"{len(value)} {key if len(value) != 1 else key.removesuffix('s')}")
        elif key.endswith("_minor") and isinstance(value, int) and currency in CURRENCIES:
            shown.append(f"{key.removesuffix('_minor')} {format_minor(value, currency)}")
        elif isinstance(value, dict):
            shown.append(f"{key} ({result_words(value)})")
        elif isinstance(value, bool):
            shown.append(f"{key} {'yes' if value else 'no'}")
        else:
            shown.append(f"{key} {value}")
    return ", ".join(shown)


def _moves(postings: list[Posting], glyphs: Glyphs) -> list[str]:
    """Pairs of lines as movements: ``1 × laptop-1 available → reserved``."""
    words: list[str] = []
    sources = [line for line in postings if line.amount < 0]
    targets = [line for line in postings if line.amount > 0]
    for target in targets:
        source = next((each for each in sources if each.unit == target.unit), None)
        if source is not None:
            sources.remove(source)
        origin = _account(source.account) if source is not None else "?"
        words.append(f"{amount_words(target, glyphs)} {origin} {glyphs.arrow} {_account(target.account)}")
    return words


def _account(account: str) -> str:
    return account.removeprefix("stock:").removeprefix("money:").removeprefix("customer:")
