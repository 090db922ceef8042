"""The ledger as a flow: accounts as columns, postings as arrows between them, and the net at the end."""

from collections import Counter
from collections.abc import Iterable

import msgspec

from marketsim.cli.render.html.markup import clipped, escaped, number, tag
from marketsim.cli.render.html.svg import Link
from marketsim.cli.render.theme import UNICODE
from marketsim.cli.render.words import amount_words
from marketsim.saga.events import Event, LedgerPosted, Posting

__all__ = ["COLUMNS_MAX", "Flow", "Move", "flow_of", "flow_svg", "flow_table", "net_words"]

COLUMNS_MAX = 8
"""With more accounts the flow is a table only."""

NOWHERE = "nowhere"
"""Where a posting comes from, or goes to, that does not balance."""

_WIDTH, _NAMES, _ROW, _HEAD = 1120, 190, 24, 40
_ORDER = ("stock:supplier", "stock:available", "stock:reserved", "stock:sold", "stock:shipped")


class Move(msgspec.Struct, frozen=True):
    """What one event moved from one account to another; ``lines`` are what arrived."""

    seq: int
    name: str
    style: str
    source: str
    target: str
    lines: list[Posting]


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
            moves += _moves(event)
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
    if not lines:
        return "±0"
    shown = [_signed(line) for line in lines]
    if len(shown) <= 2:
        return ", ".join(shown)
    return f"{sum(line.amount for line in lines):+,d} units of {len(lines)} products"


def flow_svg(flow: Flow, title: str, link: Link) -> str:
    """The flow as a drawing, for at most COLUMNS_MAX accounts; else nothing."""
    if not flow.moves or len(flow.accounts) > COLUMNS_MAX:
        return ""
    height = _HEAD + len(flow.moves) * _ROW + 44
    step = (_WIDTH - _NAMES) / len(flow.accounts)
    at = {name: _NAMES + step * (index + 0.5) for index, name in enumerate(flow.accounts)}
    parts = [_column_svg(name, x, height, step) for name, x in at.items()]
    for index, move in enumerate(flow.moves):
        parts.append(_move_svg(move, at, _HEAD + index * _ROW + 18, link))
    parts += [_net_svg(flow, name, x, height, step) for name, x in at.items()]
    parts.append(tag("text", "in the end", class_="service", x=12, y=height - 16))
    return tag(
        "svg", *parts, class_="chart flow", viewBox=f"0 0 {_WIDTH} {height}", role="group", aria_label=title
    )


def flow_table(flow: Flow, link: Link) -> str:
    """The same as a table, for narrow pages and for whoever reads by ear."""
    heads = "".join(tag("th", words, scope="col") for words in ("event", "by", "amount", "from", "to"))
    rows = [
        tag(
            "tr",
            tag("td", tag("a", str(move.seq), href=link(move.seq)) if link(move.seq) else str(move.seq)),
            tag("td", escaped(move.name), class_=move.style),
            tag("td", escaped(_goods(move.lines)), class_="amount"),
            tag("td", escaped(short(move.source))),
            tag("td", escaped(short(move.target))),
        )
        for move in flow.moves
    ]
    net = [
        tag("tr", tag("th", escaped(short(name)), scope="row"), tag("td", escaped(net_words(flow.net.get(name, [])))))
        for name in flow.accounts
    ]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", *rows), class_="moves")
    caption = tag("caption", "in the end")
    return table + tag("table", caption, tag("tbody", *net), class_="net")


def short(account: str) -> str:
    """An account's name, without what its column says."""
    return account.removeprefix("stock:").removeprefix("money:").removeprefix("customer:")


def _moves(event: LedgerPosted) -> list[Move]:
    """What an event moved, its lines joined by where they come from and go to."""
    name = event.compensation or event.operation or event.reason
    style = "unasked" if event.unasked else "revert" if event.compensation else "forward"
    joined: dict[tuple[str, str], list[Posting]] = {}
    sources = [line for line in event.postings if line.amount < 0]
    for target in (line for line in event.postings if line.amount > 0):
        source = next((each for each in sources if each.unit == target.unit), None)
        if source is not None:
            sources.remove(source)
        origin = source.account if source is not None else NOWHERE
        joined.setdefault((origin, target.account), []).append(target)
    for source in sources:
        joined.setdefault((source.account, NOWHERE), []).append(source)
    return [Move(event.seq, name, style, *road, lines) for road, lines in joined.items()]


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


def _signed(line: Posting) -> str:
    words = amount_words(line, UNICODE, sign=True)
    return words if words[0] in "+-" else f"+{words}"


def _goods(lines: list[Posting]) -> str:
    if len(lines) <= 2:
        return ", ".join(amount_words(line, UNICODE) for line in lines)
    return f"{sum(abs(line.amount) for line in lines):,} units of {len(lines)} products"


def _column_svg(name: str, x: float, height: int, step: float) -> str:
    kind = name.partition(":")[0] if name.startswith(("stock:", "money:")) else ""
    return (
        f'<path class="tick" d="M{number(x)} {_HEAD}V{height - 34}"/>'
        + tag("text", escaped(kind), class_="moment middle", x=number(x), y=14)
        + tag(
            "text",
            tag("title", escaped(name)),
            escaped(clipped(short(name), int(step / 7))),
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
    goods = _goods(move.lines)
    room = max(abs(end - begin), 120) - 14
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
    title = ", ".join(_signed(line) for line in lines) or "as before"
    return tag(
        "text",
        tag("title", escaped(title)),
        escaped(clipped(words, int(step / 6.2))),
        class_="net middle" if lines else "net none middle",
        x=number(x),
        y=height - 16,
    )
