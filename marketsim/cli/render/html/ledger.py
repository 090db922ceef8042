"""The ledger as a flow: accounts as columns, postings as arrows between them, and the net at the end."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from marketsim.cli.render.html.markup import clipped, escaped, number, tag
from marketsim.cli.render.html.moves import (
    Move,
    goods_words,
    moves_of,
    road_words,
    short_account,
    signed_words,
)
from marketsim.cli.render.html.svg import Link
from marketsim.saga.events import Event, LedgerPosted, Posting

__all__ = ["COLUMNS_MAX", "Flow", "flow_list", "flow_of", "flow_svg", "net_words"]

COLUMNS_MAX = 8
"""With more accounts the flow is a table only."""

_WIDTH, _NAMES, _ROW, _HEAD, _STEP_MAX = 1120, 190, 24, 40, 230
_ORDER = ("stock:supplier", "stock:available", "stock:reserved", "stock:sold", "stock:shipped")


class Flow(msgspec.Struct, frozen=True):
    """All moves of a transaction, the accounts in the order of their columns, and what each gained."""

    accounts: list[str]
    moves: list[Move]
    net: dict[str, list[Posting]]


def flow_of(events: Iterable[Event]) -> Flow:
    """The flow of the postings among these events."""
    moves: list[Move] = []
    totals: Counter[tuple[str, str, str]] = Counter()
    for event in events:
        if isinstance(event, LedgerPosted):
            moves += moves_of(event)
            for line in event.postings:
                totals[line.account, line.currency, line.product] += line.amount
    accounts = sorted({name for move in moves for name in (move.source, move.target)}, key=_column)
    net: dict[str, list[Posting]] = {}
    for (account, currency, product), amount in sorted(totals.items()):
        if amount:
            net.setdefault(account, []).append(_posting(account, currency, product, amount))
    return Flow(accounts, moves, net)


def net_words(lines: list[Posting]) -> str:
    """What an account gained or lost, in words."""
    if len(lines) <= 2 or any(line.currency for line in lines):
        return goods_words(lines, sign=True) or "±0"
    return f"{sum(line.quantity for line in lines):+,d} units"


def flow_svg(flow: Flow, title: str, link: Link) -> str:
    """The flow as a drawing, for at most COLUMNS_MAX accounts; else nothing."""
    if not flow.moves or len(flow.accounts) > COLUMNS_MAX:
        return ""
    height = _HEAD + len(flow.moves) * _ROW + 44
    step = min((_WIDTH - _NAMES) / len(flow.accounts), _STEP_MAX)
    at = {name: _NAMES + step * (index + 0.5) for index, name in enumerate(flow.accounts)}
    parts = [_column_svg(name, x, height, step) for name, x in at.items()]
    for index, move in enumerate(flow.moves):
        parts.append(_move_svg(move, at, _HEAD + index * _ROW + 18, link))
    parts += [_net_svg(flow, name, x, height, step) for name, x in at.items()]
    parts.append(tag("text", "in the end", class_="service", x=12, y=height - 16))
    return tag(
        "svg", *parts, class_="chart flow", viewBox=f"0 0 {_WIDTH} {height}", role="group", aria_label=title
    )


def flow_list(flow: Flow, link: Link) -> str:
    """The same in words, for narrow pages and for whoever reads by ear."""
    items = []
    for move in flow.moves:
        name = tag("b", escaped(move.name), class_=move.style)
        target = link(move.seq)
        head = tag("a", name, href=target) if target else name
        items.append(tag("li", head, tag("span", escaped(road_words(move)))))
    net = [
        tag(
            "div",
            tag("dt", escaped(short_account(name))),
            tag("dd", escaped(net_words(flow.net.get(name, [])))),
        )
        for name in flow.accounts
    ]
    return tag("ol", *items, class_="moves") + tag("h4", "in the end") + tag("dl", *net, class_="net")


def _column(account: str) -> tuple[int, int, str]:
    """Stock from the supplier to the customer, then money from the customer to the merchant."""
    if account in _ORDER:
        return 0, _ORDER.index(account), account
    if account.startswith("stock:"):
        return 0, len(_ORDER), account
    money = 0 if account.startswith("money:customer:") else 2 if account == "money:merchant" else 1
    return (1, money, account) if account.startswith("money:") else (2, 0, account)


def _posting(account: str, currency: str, product: str, amount: int) -> Posting:
    if currency:
        return Posting(account, amount_minor=amount, currency=currency)
    return Posting(account, product=product, quantity=amount)


def _column_svg(name: str, x: float, height: int, step: float) -> str:
    kind = name.partition(":")[0] if name.startswith(("stock:", "money:")) else ""
    return (
        f'<path class="tick" d="M{number(x)} {_HEAD}V{height - 34}"/>'
        + tag("text", escaped(kind), class_="moment middle", x=number(x), y=14)
        + tag(
            "text",
            tag("title", escaped(name)),
            escaped(clipped(short_account(name), int(step / 7))),
            class_="service middle",
            x=number(x),
            y=30,
        )
    )


def _move_svg(move: Move, at: dict[str, float], y: float, link: Link) -> str:
    begin, end = at[move.source], at[move.target]
    tip = -6 if end > begin else 6
    arrow = (
        f'<path class="road" d="M{number(begin)} {number(y)}H{number(end + tip)}"/>'
        f'<path class="tip" d="M{number(end)} {number(y)}l{tip}-3.5v7Z"/>'
        f'<circle cx="{number(begin)}" cy="{number(y)}" r="2.5"/>'
    )
    goods = goods_words(move.lines)
    room = abs(end - begin) + 60
    title = f"{move.name}: {goods}, {move.source} to {move.target}"
    inside = (
        tag("title", escaped(title))
        + tag("text", escaped(clipped(move.name, 25)), class_="by", x=12, y=number(y + 4))
        + arrow
        + tag(
            "text",
            escaped(clipped(goods, int(room / 6))),
            class_="amount middle",
            x=number((begin + end) / 2),
            y=number(y - 5),
        )
    )
    target = link(move.seq)
    return tag("a", inside, class_=f"move {move.style}", href=target) if target else tag("g", inside)


def _net_svg(flow: Flow, name: str, x: float, height: int, step: float) -> str:
    lines = flow.net.get(name, [])
    words = net_words(lines)
    title = ", ".join(signed_words(line) for line in lines) or "as before"
    return tag(
        "text",
        tag("title", escaped(title)),
        escaped(clipped(words, int(step / 6.2))),
        class_="net middle" if lines else "net none middle",
        x=number(x),
        y=height - 16,
    )
