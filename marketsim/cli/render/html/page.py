"""The page: an overview of transactions, and for each its timeline, ledger, findings and raw events."""

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from marketsim.audit.findings import Finding
from marketsim.cli.outcome import Outcome
from marketsim.cli.render.html.calls import course_of
from marketsim.cli.render.html.lanes import NARROW, WIDE, chart_of
from marketsim.cli.render.html.ledger import flow_list, flow_of, flow_svg, net_words
from marketsim.cli.render.html.markup import ascii_only, escaped, preformatted, tag, words_count
from marketsim.cli.render.html.moves import short_account
from marketsim.cli.render.html.svg import LEGEND, Link, chart_svg, legend_mark, stylesheet
from marketsim.cli.render.theme import UNICODE
from marketsim.cli.render.words import duration, elapsed_us, moment, request_words
from marketsim.market.money import with_money
from marketsim.saga.events import Event, TransactionBegan, encode

__all__ = ["EVENTS_MAX", "PAGE_BYTES_MAX", "Account", "Report", "page_html"]

EVENTS_MAX = 1_000
"""How many events of one transaction are drawn and listed."""

EVENT_LENGTH_MAX = 4_000
"""How many characters of one event are listed."""

PAGE_BYTES_MAX = 8 << 20
"""How large the page may become; transactions that no longer fit are named, and not drawn."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_PLAIN_NAME = re.compile(r"tx-[0-9]{1,18}")

_WORDS = {
    "committed": "purchased",
    "rejected": "rejected",
    "compensated": "reverted",
    "stuck": "stuck",
    "abandoned": "abandoned",
    "open": "open",
}


class Account(msgspec.Struct, frozen=True):
    """One transaction to be told: what it came to, its events, and what was asked for."""

    began: TransactionBegan
    outcome: Outcome
    events: list[Event]
    title: str

    @property
    def length_us(self) -> int:
        """From its first event to its last, in microseconds."""
        return max(elapsed_us(self.began, event) for event in self.events)


class Report(msgspec.Struct, frozen=True):
    """What the page is about: a market's name, how much of it is told, and the accounts."""

    origin: str
    transactions: int
    events: int
    accounts: list[Account]
    command: str = "marketsim report"


def page_html(report: Report) -> str:
    """The whole page, in ASCII: nothing in it is fetched, and nothing in it runs."""
    sections, size = list[str](), 0
    for index, account in enumerate(report.accounts):
        section = ascii_only(_section(account, index))
        size += len(section)
        if size > PAGE_BYTES_MAX:
            break
        sections.append(section)
    style = stylesheet("timeline.css") + stylesheet("page.css")
    head = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        '<meta name="color-scheme" content="light dark">\n',
        '<meta name="referrer" content="no-referrer">\n',
        f"<title>{escaped(report.origin)}: marketsim report</title>\n",
        f"<style>\n{style}</style>\n</head>\n",
    ]
    body = [
        f"<body>\n<header>{_opening(report)}</header>\n<main>\n",
        _overview(report, len(sections)),
        *sections,
        f"</main>\n<footer>{_closing()}</footer>\n</body>\n</html>\n",
    ]
    return ascii_only([*head, *body])


def _opening(report: Report) -> str:
    shown, of = len(report.accounts), report.transactions
    told = words_count(of, "transaction") if shown == of else f"{shown:,} of {of:,} transactions"
    told += f", from a log of {words_count(report.events, 'event')}"
    told += f". Any other: {report.command} TRANSACTION" if shown < of else ""
    return (
        tag("p", "marketsim report", class_="kind")
        + tag("h1", escaped(report.origin))
        + tag("p", escaped(told), class_="told")
    )


def _closing() -> str:
    words = (
        "Times are in UTC. What the engine believed is in the timeline; what the services really did is in "
        "the ledger. The checks are those of each transaction by itself: whether the log is the one that "
        "was written, marketsim audit verify tells."
    )
    return tag("p", escaped(words))


def _overview(report: Report, drawn: int) -> str:
    heads = ("transaction", "saga", "request", "end", "took", "money", "findings")
    rows = [_overview_row(account, index, index < drawn) for index, account in enumerate(report.accounts)]
    left = len(report.accounts) - drawn
    note = (
        f"The page is full: {words_count(left, 'transaction')} of these {'has' if left == 1 else 'have'} "
        f"no section. One by one: {report.command} TRANSACTION"
    )
    table = tag(
        "table",
        tag("thead", tag("tr", *(tag("th", word, scope="col") for word in heads))),
        tag("tbody", *rows),
        class_="overview",
    )
    return tag(
        "nav", table, tag("p", escaped(note), class_="note") if left else "", aria_label="Transactions"
    )


def _overview_row(account: Account, index: int, drawn: bool) -> str:
    began, outcome = account.began, account.outcome
    name = escaped(began.transaction)
    cells = (
        ("transaction", tag("a", name, href=f"#{_anchor(began, index)}") if drawn else name),
        ("saga", escaped(began.saga)),
        ("request", tag("span", escaped(_request(account)))),
        ("end", _badge(outcome)),
        ("took", escaped(duration(account.length_us))),
        ("money", escaped(_money(account))),
        ("findings", escaped(_counted(outcome.findings) or "none")),
    )
    return tag(
        "tr",
        *(tag("td", content, data_head=head, class_=f"c-{head}") for head, content in cells),
    )


def _section(account: Account, index: int) -> Iterator[str]:
    began, anchor = account.began, _anchor(account.began, index)
    shown = account.events[:EVENTS_MAX]
    numbers = {event.seq for event in shown}

    def link(seq: int) -> str:
        return f"#e{seq}" if seq in numbers else ""

    yield f'<section id="{anchor}" aria-labelledby="{anchor}-head">\n'
    yield tag("h2", escaped(began.transaction), _badge(account.outcome), id=f"{anchor}-head")
    yield tag("p", escaped(account.title), class_="request")
    yield _facts(account)
    yield _timeline(shown, began.transaction, link)
    yield _ledger(shown, began.transaction, link)
    yield _findings(account.outcome, link)
    yield _events(account, shown, anchor)
    yield "</section>\n"


def _facts(account: Account) -> str:
    began, outcome = account.began, account.outcome
    facts = [
        ("because", outcome.reason),
        ("began", began.time),
        ("took", duration(account.length_us)),
        ("policy", began.policy + (", with rules of its own" if began.rules else "")),
        ("seed", str(began.seed)),
        ("injected", ", ".join(began.faults)),
        ("never reached", ", ".join(outcome.never_reached)),
        ("orders", ", ".join(outcome.orders)),
        ("waits for a person", ", ".join(outcome.dead_letters)),
        ("not done", ", ".join(outcome.left)),
        ("customer is told", outcome.customer_told),
    ]
    return tag(
        "dl",
        *(tag("div", tag("dt", head), tag("dd", escaped(words))) for head, words in facts if words),
        class_="facts",
    )


def _timeline(events: Sequence[Event], name: str, link: Link) -> str:
    course = course_of(events)
    if not course.rows:
        return tag("h3", "Timeline") + tag("p", "No operation was started.", class_="none")
    title = f"Timeline of {name}"
    legend = tag(
        "ul",
        *(
            tag(
                "li",
                f'<svg class="chart" viewBox="0 -12 16 16" aria-hidden="true">{legend_mark(mark)}</svg>',
                words,
            )
            for mark, words in LEGEND
        ),
        class_="legend",
    )
    return tag(
        "figure",
        tag("h3", "Timeline"),
        chart_svg(chart_of(course, WIDE), title, link, classes="chart wide"),
        chart_svg(chart_of(course, NARROW), title, link, classes="chart narrow"),
        legend,
    )


def _ledger(events: Sequence[Event], name: str, link: Link) -> str:
    flow = flow_of(events)
    if not flow.moves:
        return tag("h3", "Ledger") + tag("p", "Nothing moved.", class_="none")
    drawing = flow_svg(flow, f"Ledger of {name}", link)
    words = tag("div", flow_list(flow, link), class_="narrow" if drawing else "")
    wide = tag("div", drawing, class_="wide") if drawing else ""
    return tag("figure", tag("h3", "Ledger"), wide, words)


def _findings(outcome: Outcome, link: Link) -> str:
    head = tag("h3", "Findings")
    if not outcome.findings:
        words = f"{outcome.checks} checks hold over {words_count(outcome.events, 'event')}."
        return head + tag("p", f"✓ {words}", class_="holds")
    return head + tag("ul", *(_finding(each, link) for each in outcome.findings), class_="findings")


def _finding(finding: Finding, link: Link) -> str:
    target = link(finding.seq)
    place = f"event {finding.seq}" if finding.seq else ""
    parts = [
        tag("b", escaped(finding.severity)),
        " ",
        tag("code", escaped(finding.rule)),
        " ",
        tag("a", place, href=target) if target else place,
        tag("p", escaped(with_money(finding.message))),
    ]
    if finding.expected or finding.actual:
        words = f"expected {finding.expected or 'nothing'}; actual {finding.actual or 'nothing'}"
        parts.append(tag("p", escaped(with_money(words)), class_="faint"))
    if finding.remedy:
        parts.append(tag("p", f"→ {escaped(finding.remedy)}", class_="faint"))
    return tag("li", *parts, class_=finding.severity if finding.severity in ("error", "warning") else "error")


def _events(account: Account, shown: Sequence[Event], anchor: str) -> str:
    total = len(account.events)
    count = words_count(total, "event")
    if len(shown) < total:
        count = (
            f"the first {len(shown):,} of {count}; all: marketsim audit list -t {account.began.transaction}"
        )
    rows = "".join(_event(event, account.began, anchor) for event in shown)
    return tag("h3", "Events ", tag("small", escaped(count))) + tag("div", rows, class_="events")


def _event(event: Event, began: TransactionBegan, anchor: str) -> str:
    place = getattr(event, "compensation", "") or getattr(event, "operation", "")
    attempt = getattr(event, "attempt", 0)
    place += f" @{attempt}" if attempt > 1 else ""
    summary = tag(
        "summary",
        tag("span", str(event.seq), class_="seq"),
        tag("span", escaped(moment(elapsed_us(began, event))), class_="at"),
        tag("span", escaped(event.type), class_=f"type {event.type.partition('.')[0]}"),
        tag("span", escaped(place), class_="place"),
    )
    raw = msgspec.json.format(encode(event), indent=2).decode()
    # A browser opens what a link leads into: the text inside is the target, and no script is needed.
    body = f'<pre id="e{event.seq}" tabindex="-1">{preformatted(raw, EVENT_LENGTH_MAX)}</pre>'
    return f'<details>{summary}{body}<a class="up" href="#{anchor}">back to the timeline</a></details>\n'


def _anchor(began: TransactionBegan, index: int) -> str:
    return began.transaction if _PLAIN_NAME.fullmatch(began.transaction) else f"transaction-{index + 1}"


def _badge(outcome: Outcome) -> str:
    broken = any(each.severity == "error" for each in outcome.findings)
    words = _WORDS.get(outcome.outcome, outcome.outcome)
    return tag("span", escaped(words), class_=f"badge {outcome.outcome}{' broken' if broken else ''}")


def _request(account: Account) -> str:
    return request_words(account.began.request, UNICODE)


def _money(account: Account) -> str:
    """Who gained money, and how much."""
    net = flow_of(account.events).net
    gained = [
        f"{short_account(name)} {net_words([line for line in lines if line.currency and line.amount > 0])}"
        for name, lines in net.items()
        if any(line.currency and line.amount > 0 for line in lines)
    ]
    return ", ".join(gained) or "as before"


def _counted(findings: Iterable[Finding]) -> str:
    severities = [each.severity for each in findings]
    return ", ".join(words_count(severities.count(kind), kind) for kind in sorted(set(severities)))
