"""`marketsim report`: what happened as one HTML page, as a picture that plays, or as a diagram."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from marketsim.cli import complete
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import Event, MarketCreated, TransactionBegan

if TYPE_CHECKING:
    from marketsim.cli.render.html.page import Account, Report

__all__ = ["TRANSACTIONS_LAST", "TRANSACTIONS_MAX", "report_app"]

TRANSACTIONS_LAST = 20
"""How many transactions a report is about if none is named: the last ones."""

TRANSACTIONS_MAX = 200
"""How many may be named."""

report_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@command(report_app, "report", example="marketsim report --output report.html")
def report(
    session: Session,
    transactions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRANSACTION]...",
            help=f"Transactions; else the last {TRANSACTIONS_LAST}. With --mermaid perhaps a saga.",
            show_default=False,
            autocompletion=complete.transactions,
        ),
    ] = None,
    svg: Annotated[
        bool, typer.Option("--svg", help="Only the timeline of one transaction, as a picture that plays.")
    ] = False,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="A saga, or what one transaction made of it, as a diagram.")
    ] = False,
    output: Output = None,
    force: Force = False,
) -> int:
    """Write what happened as one HTML page that needs nothing else: timeline, ledger, findings, events."""
    names = transactions or []
    if svg and mermaid:
        raise InputError("--svg and --mermaid are two files", todo="give one of them")
    if (svg or mermaid) and len(names) != 1:
        many = "a saga or a transaction" if mermaid else "a transaction"
        raise InputError(f"{'--svg' if svg else '--mermaid'} is of one", todo=f"name {many}")
    if mermaid:
        _write(session, {"mermaid": _diagram(session, names[0])}, output, force)
    elif svg:
        _write(session, {"svg": _picture(session, names[0])}, output, force)
    else:
        _write_page(session, _told(session, names), output, force, last=not names)
    return 0


def _write(session: Session, document: dict[str, str], output: Path | None, force: bool) -> None:
    if session.json and output is None:
        session.emit(document)
    else:
        write_output(session, document.values(), output, force)


def _write_page(session: Session, told: "Report", output: Path | None, force: bool, *, last: bool) -> None:
    from marketsim.cli.render.html.page import page_html

    if session.json and output is None:
        session.emit(
            {"transactions": [_facts(account) for account in told.accounts], "of": told.transactions}
        )
        return
    write_output(session, [page_html(told)], output, force)
    if output is not None and last and len(told.accounts) < told.transactions:
        count = len(told.accounts)
        session.say(f"it tells the last {count:,} of {told.transactions:,} transactions; name any other")


def _facts(account: "Account") -> dict[str, Any]:
    return {"saga": account.began.saga, "length_us": account.length_us, "outcome": account.outcome}


def _picture(session: Session, name: str) -> str:
    from marketsim.cli.render.html.calls import course_of
    from marketsim.cli.render.html.lanes import WIDE, chart_of
    from marketsim.cli.render.html.page import EVENTS_MAX
    from marketsim.cli.render.html.svg import picture
    from marketsim.cli.render.theme import UNICODE
    from marketsim.cli.render.words import duration, request_words

    (account,) = _told(session, [name]).accounts
    began, outcome = account.began, account.outcome
    shown = account.events[:EVENTS_MAX]
    words = f"{began.saga}: {request_words(began.request, UNICODE)}; {outcome.reason or 'all done'}"
    if len(shown) < len(account.events):
        words += f"; the first {len(shown):,} of {len(account.events):,} events"
    title = f"{began.transaction}: {outcome.outcome} after {duration(account.length_us)}"
    return picture(chart_of(course_of(shown), WIDE), title, words)


def _diagram(session: Session, name: str) -> str:
    from marketsim.cli.render.html.mermaid import mermaid_of
    from marketsim.market.sagas import SAGAS, saga_of

    if name in SAGAS:
        return mermaid_of(SAGAS[name])
    (account,) = _told(session, [name]).accounts
    return mermaid_of(saga_of(account.began), account.events)


def _told(session: Session, names: Sequence[str]) -> "Report":
    """What is to be told of the market. Raises InputError for a transaction that there is none of."""
    from marketsim.cli.render.html.page import Report
    from marketsim.market.directory import check_market

    check_market(session.market)
    folder = session.market / "audit"
    known, origin, count = _known(session, folder)
    for name in names:
        if name not in known:
            raise InputError(f"there is no transaction {quoted(name)}", todo=nearest(name, known))
    if len(set(names)) > TRANSACTIONS_MAX:
        raise InputError(f"{len(set(names)):,} transactions are too many", todo=f"name {TRANSACTIONS_MAX}")
    chosen = list(dict.fromkeys(names)) or list(known)[-TRANSACTIONS_LAST:]
    return Report(origin, len(known), count, _accounts(folder, chosen), session.hint("report"))


def _known(session: Session, folder: Path) -> tuple[dict[str, None], str, int]:
    """The names of all transactions in their order, the market's, and how many events there are."""
    from marketsim.audit.segments import LogReader
    from marketsim.cli.render.progress import tracked

    names: dict[str, None] = {}
    origin, count = str(session.market), 0
    for event in tracked(LogReader(folder), "reading", session.err):
        count += 1
        if isinstance(event, TransactionBegan):
            names[event.transaction] = None
        elif isinstance(event, MarketCreated):
            origin = event.origin
    return names, origin, count


def _accounts(folder: Path, chosen: Iterable[str]) -> "list[Account]":
    """The accounts of these transactions, each judged on the history in which it began."""
    from marketsim.audit.segments import read_events
    from marketsim.cli.outcome import outcome_of
    from marketsim.cli.render.html.page import Account
    from marketsim.market.excerpt import history_before
    from marketsim.market.world import World

    world, wanted = World(), set(chosen)
    before: dict[str, list[Event]] = {}
    own: dict[str, list[Event]] = {}
    for event in read_events(folder):
        name = getattr(event, "transaction", "")
        if name in wanted:
            if isinstance(event, TransactionBegan) and name not in own:
                before[name], own[name] = history_before(world, event.request), []
            own[name].append(event)
        world.apply(event)
    found = []
    for name, events in own.items():
        began = events[0]
        assert isinstance(began, TransactionBegan)
        found.append(Account(began, outcome_of(before[name], events), events))
    return found
