"""The checks of what a transaction leaves in the books: stock, money and orders."""

from collections.abc import Iterator

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.audit.story import (
    MONEY,
    MONEY_AUTHORIZED,
    MONEY_MERCHANT,
    STOCK,
    STOCK_AVAILABLE,
    STOCK_RESERVED,
    STOCK_SOLD,
    Key,
    Story,
    amount_text,
    found,
    holdings,
    moved,
    price_of,
    standing_text,
)
from marketsim.saga.events import (
    LedgerPosted,
    OrderPlaced,
    TransactionAbandoned,
    TransactionCommitted,
    TransactionStuck,
)

__all__ = [
    "money_conserved",
    "one_order",
    "severity",
    "stock_conserved",
]

_LEFT = {
    STOCK_AVAILABLE: "{} too much is in {}: more was given back than was taken",
    STOCK_RESERVED: "{} is still in {}: gone from sale, sold to nobody",
    STOCK_SOLD: "{} is still in {}: counted as sold in a purchase that did not stand",
    MONEY_AUTHORIZED: "{} is still in {}: held for a customer, and neither taken nor let go",
    MONEY_MERCHANT: "{} is still in {}: taken, and nothing was sold for it",
}
_LEFT_ELSEWHERE = "{} too much is in {}: more was given back than was taken"


def severity(story: Story, operation: str) -> str:
    """How bad it is that something of ``operation`` is left: empty where a person has dealt with it.

    That a revert is stuck was told, and a person asked; what was abandoned is an error until then.
    """
    if operation not in story.letters:
        return ERROR
    if operation in story.closed:
        return ""
    return WARNING if isinstance(story.end, TransactionStuck) else ERROR


def stock_conserved(story: Story) -> Iterator[Finding]:
    """After its end a transaction has nothing reserved; one that did not commit moved no stock at all."""
    if not any(story.net.values()):
        return
    prefix = STOCK_RESERVED if isinstance(story.end, TransactionCommitted) else STOCK
    yield from _leftovers(story, "stock-conserved", prefix)


def money_conserved(story: Story) -> Iterator[Finding]:
    """A committed transaction took what its orders cost; one that did not commit moved no money at all."""
    if isinstance(story.end, TransactionCommitted):
        if story.placed:
            yield from _price_paid(story)
            yield from _price_of_lines(story)
        yield from _leftovers(story, "money-conserved", MONEY_AUTHORIZED)
    elif any(story.net.values()):
        yield from _leftovers(story, "money-conserved", MONEY)


def _leftovers(story: Story, rule: str, prefix: str) -> Iterator[Finding]:
    left = {key: amount for key, amount in story.net.items() if amount and key[0].startswith(prefix)}
    if not left:
        return
    if story.end is None:
        yield _open_finding(story, rule, left)
        return
    units: dict[tuple[str, str], dict[Key, int]] = {}
    for key, amount in left.items():
        units.setdefault(key[1:], {})[key] = amount
    sources = _sources(story)
    for of_unit in units.values():
        for key, amount in sorted(holdings(of_unit).items()):
            source = sources[key, amount > 0]
            if how_bad := severity(story, source.operation):
                yield _left_finding(story, rule, how_bad, source, key, amount)


def _sources(story: Story) -> dict[tuple[Key, bool], LedgerPosted]:
    """For each account that gained (True) or lost: the last posting of the operation that is to blame.

    Only an operation of which something is left there can be: a revert that went through its account
    and back is not. Among several, one that waits for no person comes first.
    """
    sources: dict[tuple[Key, bool], LedgerPosted] = {}
    for deed in sorted(story.deeds.values(), key=lambda deed: deed.operation not in story.letters):
        left = moved([*deed.effects, *deed.returns])
        for event in (*deed.effects, *deed.returns):
            if isinstance(event, LedgerPosted):
                for line in event.postings:
                    key = (line.account, line.currency, line.product)
                    if left.get(key, 0) * line.amount > 0:
                        sources[key, line.amount > 0] = event
    return sources


def _open_finding(story: Story, rule: str, left: dict[Key, int]) -> Finding:
    since = story.began.time if story.began and story.began.time else "an unknown time"
    return found(
        rule,
        WARNING,
        f"open since {since}, and holds {standing_text(left)}",
        story.began,
        transaction=story.transaction,
        expected="an end",
        actual="still open",
        remedy="run: marketsim recover",
    )


def _left_finding(
    story: Story, rule: str, how_bad: str, source: LedgerPosted, key: Key, amount: int
) -> Finding:
    shown = amount_text(key, abs(amount))
    template = _LEFT.get(key[0], _LEFT_ELSEWHERE) if amount > 0 else "{} is missing from {}"
    return found(
        rule,
        how_bad,
        template.format(shown, key[0]),
        source,
        expected=f"{amount_text(key, 0)} in {key[0]}",
        actual=f"{amount_text(key, amount)} in {key[0]}",
        difference=amount_text(key, amount),
        remedy=_left_remedy(story),
    )


def _left_remedy(story: Story) -> str:
    if isinstance(story.end, TransactionStuck | TransactionAbandoned):
        return f"see: marketsim failures show {story.transaction}"
    return ""


def _price_paid(story: Story) -> Iterator[Finding]:
    prices: dict[str, int] = {}
    for orders in story.orders_standing().values():
        for order in orders:
            prices[order.currency] = prices.get(order.currency, 0) + order.total_minor
    taken = {key[1]: amount for key, amount in story.net.items() if key[0] == MONEY_MERCHANT and key[1]}
    for currency in sorted({*prices, *taken}):
        price, paid = prices.get(currency, 0), taken.get(currency, 0)
        if price != paid:
            yield _price_finding(story, currency, price, paid)


def _price_of_lines(story: Story) -> Iterator[Finding]:
    """An order costs what its lines cost, as far as they say so; of two, there is one too many already."""
    standing = [order for orders in story.orders_standing().values() for order in orders]
    for order in standing if len(standing) == 1 else ():
        price = price_of(order)
        if price is not None and price != order.total_minor:
            minor = f"{order.currency} in minor units"
            yield found(
                "money-conserved",
                ERROR,
                f"order {order.order} is of {order.total_minor} {minor}, and its lines cost {price} {minor}",
                order,
                expected=f"{price} {minor}",
                actual=f"{order.total_minor} {minor}",
                difference=f"{order.total_minor - price} {minor}",
            )


def _price_finding(story: Story, currency: str, price: int, paid: int) -> Finding:
    order, minor = story.placed[-1], f"{currency} in minor units"
    return found(
        "money-conserved",
        ERROR,
        f"the customer paid {paid} {minor} for orders of {price} {minor}: {abs(paid - price)} {minor} too "
        + ("much" if paid > price else "little"),
        order,
        expected=f"{price} {minor}",
        actual=f"{paid} {minor}",
        difference=f"{paid - price} {minor}",
    )


def one_order(story: Story) -> Iterator[Finding]:
    """Never two orders; exactly one if it committed and ever placed one; none if it ended otherwise."""
    if not story.placed:
        return
    standing = [order for orders in story.orders_standing().values() for order in orders]
    if len(standing) > 1:
        yield _order_finding(
            story, ERROR, standing[-1], "more than one order stands", len(standing), "at most 1"
        )
    elif isinstance(story.end, TransactionCommitted):
        if not standing:
            why = "it committed, and its order was cancelled"
            yield _order_finding(story, ERROR, story.placed[-1], why, 0, "1")
    elif story.end is not None and standing:
        order = standing[0]
        if how_bad := severity(story, order.operation):
            why = f"order {order.order} still stands, though the transaction did not commit"
            yield _order_finding(story, how_bad, order, why, 1, "0")


def _order_finding(
    story: Story, how_bad: str, order: OrderPlaced, message: str, count: int, expected: str
) -> Finding:
    return found(
        "one-order",
        how_bad,
        message,
        order,
        expected=f"{expected} standing order",
        actual=f"{count} standing",
        remedy=_left_remedy(story),
    )
