"""What a posting moved, from which account to which: the lines of one event, joined by their road."""

import msgspec

from marketsim.cli.render.theme import UNICODE
from marketsim.cli.render.words import amount_words
from marketsim.saga.events import LedgerPosted, Posting

__all__ = ["NOWHERE", "Move", "goods_words", "moves_of", "road_words", "short_account", "signed_words"]

NOWHERE = "nowhere"
"""Where a posting comes from, or goes to, that does not balance."""

_GOODS_MAX = 2


class Move(msgspec.Struct, frozen=True):
    """What one event moved from one account to another; ``lines`` are what arrived."""

    seq: int
    name: str
    style: str
    source: str
    target: str
    lines: list[Posting]


def moves_of(event: LedgerPosted) -> list[Move]:
    """The moves of an event: each line that gained, with one that lost of the same, if there is one."""
    name = event.compensation or event.operation or event.reason
    style = "unasked" if event.unasked else "revert" if event.compensation else "forward"
    joined: dict[tuple[str, str], list[Posting]] = {}
    sources: dict[str, list[Posting]] = {}
    for line in event.postings:
        if line.amount < 0:
            sources.setdefault(line.unit, []).append(line)
    for target in (line for line in event.postings if line.amount > 0):
        of_unit = sources.get(target.unit)
        origin = of_unit.pop(0).account if of_unit else NOWHERE
        joined.setdefault((origin, target.account), []).append(target)
    for source in (line for of_unit in sources.values() for line in of_unit):
        joined.setdefault((source.account, NOWHERE), []).append(source)
    return [Move(event.seq, name, style, *road, lines) for road, lines in joined.items()]


def goods_words(lines: list[Posting], *, sign: bool = False) -> str:
    """How much of what: ``1 × laptop-1``; of more than two kinds the sum."""
    if len(lines) <= _GOODS_MAX:
        return ", ".join(signed_words(line) if sign else amount_words(line, UNICODE) for line in lines)
    if any(line.currency for line in lines):
        return f"{len(lines)} amounts"
    return f"{sum(abs(line.amount) for line in lines):,} units of {len(lines)} products"


def road_words(move: Move) -> str:
    """A move in words: ``40 units of 20 products reserved → sold``."""
    road = f"{short_account(move.source)} {UNICODE.arrow} {short_account(move.target)}"
    return f"{goods_words(move.lines)} {road}"


def signed_words(line: Posting) -> str:
    """What an account gained or lost, with its sign."""
    words = amount_words(line, UNICODE, sign=True)
    return words if words[0] in "+-" else f"+{words}"


def short_account(account: str) -> str:
    """An account's name, without what its kind says."""
    return account.removeprefix("stock:").removeprefix("money:").removeprefix("customer:")
