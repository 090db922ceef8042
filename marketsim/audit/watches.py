"""The checks that watch the stream as a whole: every posting, every balance, and how sagas end."""

from collections.abc import Iterable, Iterator

from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.story import (
    MONEY_AUTHORIZED,
    MONEY_MERCHANT,
    STOCK_AVAILABLE,
    STOCK_RESERVED,
    STOCK_SHIPPED,
    STOCK_SOLD,
    STOCK_SUPPLIER,
    Key,
    Story,
    amount_text,
    found,
    moved,
)
from marketsim.saga.events import EffectEvent, Event, LedgerPosted, Posting, TransactionCommitted

__all__ = ["CauseWatch", "MoneyWatch", "OrderWatch", "PostingsWatch", "StockWatch", "Watch"]

ORDERLESS_MAX = 1000
_SUPPLY = frozenset({STOCK_SUPPLIER, STOCK_AVAILABLE})


class Watch:
    """Sees every posting of a stream, and every transaction when it ends; this one has nothing to say."""

    def saw(self, event: Event) -> Iterable[Finding]:
        """What is wrong at this event, of whatever type; one that looks at all of them costs most."""
        return ()

    def posted(self, event: LedgerPosted) -> Iterable[Finding]:
        """What is wrong at this posting."""
        return ()

    def closed(self, end: Event) -> Iterable[Finding]:
        """What is wrong between transactions, now that one of them has ended so."""
        return ()

    def untied(self, event: EffectEvent) -> Iterable[Finding]:
        """What is wrong with this effect, which belongs to no transaction."""
        return ()

    def ended(self, story: Story) -> None:
        """Take note of how a transaction ended."""

    def finish(self) -> Iterable[Finding]:
        """What is wrong with the stream as far as it was seen."""
        return ()


class CauseWatch(Watch):
    """Without a transaction only stock moves, and only between the supplier and what is on sale."""

    def untied(self, event: EffectEvent) -> Iterable[Finding]:
        """What is wrong with this effect, which belongs to no transaction."""
        if isinstance(event, LedgerPosted) and all(line.account in _SUPPLY for line in event.postings):
            return
        yield found(
            "effects-have-a-cause",
            ERROR,
            f"{event.type} belongs to no transaction",
            event,
            expected=f"only stock that moves between {' and '.join(sorted(_SUPPLY))}",
            actual=", ".join(sorted({line.account for line in event.postings}))
            if isinstance(event, LedgerPosted)
            else event.type,
            remedy="do not trust what follows: nothing that was bought explains it",
        )


class PostingsWatch(Watch):
    """Each ledger.posted sums to zero for each currency and product, and each line has one unit."""

    def posted(self, event: LedgerPosted) -> Iterable[Finding]:
        """What is wrong at this posting."""
        if _is_a_move(event.postings):
            return ()
        sums: dict[Key, int] = {}
        findings = []
        for line in event.postings:
            if bool(line.currency) == bool(line.product) or _counts_without_unit(line):
                findings.append(_unit_finding(event, line))
            key = ("", line.currency, line.product)
            sums[key] = sums.get(key, 0) + (line.amount_minor if line.currency else line.quantity)
        if any(sums.values()):
            findings += [_balance_finding(event, key, total) for key, total in sums.items() if total]
        return findings


def _is_a_move(lines: list[Posting]) -> bool:
    """Whether these are two lines of one unit that sum to zero, as nearly all are."""
    if len(lines) != 2:
        return False
    one, other = lines
    if one.currency:
        counted = one.amount_minor + other.amount_minor or one.quantity or other.quantity or one.product
    else:
        counted = one.quantity + other.quantity or one.amount_minor or other.amount_minor or not one.product
    return not counted and one.currency == other.currency and one.product == other.product


def _counts_without_unit(line: Posting) -> bool:
    return bool((line.amount_minor and not line.currency) or (line.quantity and not line.product))


def _unit_finding(event: LedgerPosted, line: Posting) -> Finding:
    return found(
        "postings-balance",
        ERROR,
        f"a line on {line.account} must count either money or a product",
        event,
        expected="exactly one of currency (with amount_minor) and product (with quantity)",
        actual=f"currency '{line.currency}' with amount_minor {line.amount_minor}, "
        f"product '{line.product}' with quantity {line.quantity}",
        remedy="do not trust what follows: whatever wrote this line is broken",
    )


def _balance_finding(event: LedgerPosted, key: Key, total: int) -> Finding:
    unit = key[1] or key[2] or "(no unit)"
    appeared = "appeared from nowhere" if total > 0 else "vanished"
    return found(
        "postings-balance",
        ERROR,
        f"the lines of this posting do not balance: {abs(total)} {unit} {appeared}",
        event,
        expected=f"0 {unit}",
        actual=f"{total} {unit}",
        difference=f"{total} {unit}",
        remedy="do not trust what follows: whatever wrote this posting is broken",
    )


class _FloorWatch(Watch):
    """Keeps the balance of the accounts that may not go below zero."""

    rule = ""
    accounts: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self._balances: dict[Key, int] = {}

    def posted(self, event: LedgerPosted) -> Iterable[Finding]:
        """What went below zero by this posting."""
        accounts, balances = self.accounts, self._balances
        below: list[Key] = []
        for line in event.postings:
            if line.account in accounts:
                key = (line.account, line.currency, line.product)
                amount = line.amount_minor if line.currency else line.quantity
                balance = balances[key] = balances.get(key, 0) + amount
                if balance < 0:
                    below.append(key)
        return self._crossed(event, below) if below else ()

    def _crossed(self, event: LedgerPosted, below: list[Key]) -> list[Finding]:
        """Of what is below zero, what was not before; it is said once, not at every posting there."""
        return [
            self._finding(event, key)
            for key, amount in moved([event]).items()
            if key in below and self._balances[key] < 0 <= self._balances[key] - amount
        ]

    def _finding(self, event: LedgerPosted, key: Key) -> Finding:
        missing = amount_text(key, -self._balances[key])
        return found(
            self.rule,
            ERROR,
            f"{key[0]} fell below zero: {missing} more than there was went out of it",
            event,
            expected=f"at least {amount_text(key, 0)} in {key[0]}",
            actual=f"{amount_text(key, self._balances[key])} in {key[0]}",
        )


class StockWatch(_FloorWatch):
    """Stock for sale, reserved and sold is never below zero; the supplier is the outside world."""

    rule = "stock-conserved"
    accounts = frozenset({STOCK_AVAILABLE, STOCK_RESERVED, STOCK_SOLD, STOCK_SHIPPED})


class MoneyWatch(_FloorWatch):
    """The merchant never pays out what did not come in; customers are the outside world."""

    rule = "money-conserved"
    accounts = frozenset({MONEY_MERCHANT, MONEY_AUTHORIZED})


class OrderWatch(Watch):
    """Where a saga places orders, each of its committed transactions places one.

    Of a saga that never does, the transactions are no more than counted past the first thousand.
    """

    def __init__(self) -> None:
        self._places: set[str] = set()
        self._without: dict[str, list[TransactionCommitted]] = {}
        self._more: dict[str, int] = {}

    def ended(self, story: Story) -> None:
        """Take note of a committed transaction, with an order or without."""
        if not isinstance(story.end, TransactionCommitted) or story.began is None:
            return
        saga = story.began.saga
        if story.placed:
            self._places.add(saga)
        elif len(ends := self._without.setdefault(saga, [])) < ORDERLESS_MAX:
            ends.append(story.end)
        else:
            self._more[saga] = self._more.get(saga, 0) + 1

    def finish(self) -> Iterator[Finding]:
        """The committed transactions without an order, of sagas that place them."""
        for saga in sorted(self._places & self._without.keys()):
            *before, last = self._without[saga]
            yield from (_orderless_finding(end, saga, 0) for end in before)
            yield _orderless_finding(last, saga, self._more.get(saga, 0))


def _orderless_finding(end: TransactionCommitted, saga: str, more: int) -> Finding:
    return found(
        "one-order",
        ERROR,
        f"it committed and placed no order, as other transactions of the saga {saga} did"
        + (f"; so did {more} more" if more else ""),
        end,
        expected="1 standing order",
        actual="0 standing",
    )
