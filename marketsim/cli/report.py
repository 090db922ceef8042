"""`marketsim report`: what happened as one HTML page, as a picture that plays, or as a diagram."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.cli import complete
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import Event, TransactionBegan, decode

if TYPE_CHECKING:
    from marketsim.cli.render.html.page import Account, Report
    from marketsim.market.world import World

__all__ = ["TRANSACTIONS_LAST", "TRANSACTIONS_MAX", "report_app"]

TRANSACTIONS_LAST = 20
"""How many transactions a report is about if none is named: the last ones."""

TRANSACTIONS_MAX = 200
"""How many may be named."""

NAME_LENGTH_MAX = 60
"""How much of a product's or a customer's name is shown."""

report_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@command(report_app, "report", example="marketsim report --output report.html")
def report(
    session: Session,
    transactions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRANSACTION|FILE]...",
            help=f"Transactions, or an exported file; else the last {TRANSACTIONS_LAST}.",
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
    try:
        _tell(session, names, svg, mermaid, output, force)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = f"the events do not fit together ({type(error).__name__}: {error})"
        raise InputError(what, where=" ".join(names), todo="see: marketsim audit verify") from error
    return 0


def _tell(
    session: Session, names: list[str], svg: bool, mermaid: bool, output: Path | None, force: bool
) -> None:
    if mermaid:
        _write(session, {"mermaid": _diagram(session, names)}, output, force)
    elif svg:
        _write(session, {"svg": _picture(session, names)}, output, force)
    else:
        _write_page(session, _told(session, names), output, force, last=all(map(_is_file, names)))


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


def _picture(session: Session, names: Sequence[str]) -> str:
    from marketsim.cli.render.html.calls import course_of
    from marketsim.cli.render.html.lanes import WIDE, chart_of
    from marketsim.cli.render.html.page import EVENTS_MAX
    from marketsim.cli.render.html.svg import picture
    from marketsim.cli.render.words import duration

    account = _only(session, names, "--svg", "a transaction")
    began, outcome = account.began, account.outcome
    shown = account.events[:EVENTS_MAX]
    words = f"{account.title}; {outcome.reason or 'all done'}"
    if len(shown) < len(account.events):
        words += f"; the first {len(shown):,} of {len(account.events):,} events"
    title = f"{began.transaction}: {outcome.outcome} after {duration(account.length_us)}"
    return picture(chart_of(course_of(shown), WIDE), title, words)


def _diagram(session: Session, names: Sequence[str]) -> str:
    from marketsim.cli.render.html.mermaid import mermaid_of
    from marketsim.market.sagas import saga_named, saga_of

    if len(names) == 1 and not names[0].startswith("tx-") and not _is_file(names[0]):
        return mermaid_of(saga_named(names[0]))
    account = _only(session, names, "--mermaid", "a saga or a transaction")
    return mermaid_of(saga_of(account.began), account.events)


def _only(session: Session, names: Sequence[str], option: str, what: str) -> "Account":
    """The one transaction that is meant. Raises InputError if it is none, or several."""
    accounts = _told(session, names).accounts if names else []
    if len(accounts) != 1:
        raise InputError("it is of one at a time", where=option, todo=f"name {what}")
    return accounts[0]


class _Source(msgspec.Struct, frozen=True):
    """Where the events come from, each time anew, and the history that came before them."""

    events: Callable[[], Iterable[Event]]
    origin: str
    before: list[Event] = []


def _told(session: Session, names: Sequence[str]) -> "Report":
    """What is to be told, of a market or of a file. Raises InputError for what there is none of."""
    from marketsim.cli.render.html.page import Report

    files = [name for name in names if _is_file(name)]
    if len(files) > 1:
        raise InputError("two files at once", where=files[1], todo="write a report of each")
    source = _source_of_file(Path(files[0])) if files else _source_of_market(session)
    known, count = _known(session, source)
    wanted = [name for name in dict.fromkeys(names) if name not in files]
    for name in wanted:
        if name not in known:
            raise InputError(f"there is no transaction {quoted(name)}", todo=nearest(name, known))
    if len(wanted) > TRANSACTIONS_MAX:
        raise InputError(f"{len(wanted):,} transactions are too many", todo=f"name {TRANSACTIONS_MAX}")
    chosen = wanted or list(known)[-TRANSACTIONS_LAST:]
    command = f"marketsim report {files[0]}" if files else session.hint("report")
    return Report(source.origin, len(known), count, _accounts(source, chosen), command)


def _is_file(name: str) -> bool:
    """Whether it is the name of a file, and not of a transaction or a saga."""
    return "/" in name or name.endswith((".json", ".jsonl"))


def _source_of_market(session: Session) -> _Source:
    from marketsim.audit.segments import read_events
    from marketsim.market.directory import check_market

    check_market(session.market)
    return _Source(lambda: read_events(session.market / "audit"), str(session.market))


def _source_of_file(path: Path) -> _Source:
    from marketsim.audit.export import read_export

    exported = read_export(path)
    try:
        before, meanwhile = (
            [decode(msgspec.json.encode(each)) for each in exported.header.get(key, [])]
            for key in ("before", "meanwhile")
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"what came before is damaged: {error}", where=str(path)) from None
    events = sorted([*exported.events, *meanwhile], key=lambda event: event.seq)
    return _Source(lambda: events, str(path), before)


def _known(session: Session, source: _Source) -> tuple[dict[str, None], int]:
    """The names of all transactions in their order, and how many events there are."""
    from marketsim.cli.render.progress import tracked

    names: dict[str, None] = {}
    count = 0
    for event in tracked(source.events(), "reading", session.err):
        count += 1
        if isinstance(event, TransactionBegan):
            names[event.transaction] = None
    return names, count


def _accounts(source: _Source, chosen: Iterable[str]) -> "list[Account]":
    """The accounts of these transactions, each judged on the history in which it began."""
    from marketsim.cli.outcome import outcome_of
    from marketsim.cli.render.html.page import Account
    from marketsim.market.excerpt import history_before
    from marketsim.market.world import World

    world, wanted = World.of(source.before), set(chosen)
    before: dict[str, list[Event]] = {}
    titles: dict[str, str] = {}
    own: dict[str, list[Event]] = {}
    for event in source.events():
        name = getattr(event, "transaction", "")
        if name in wanted:
            if isinstance(event, TransactionBegan) and name not in own:
                before[name], own[name] = history_before(world, event.request), []
                titles[name] = _title(world, event)
            if name in own:
                own[name].append(event)
        world.apply(event)
    found = []
    for name, events in own.items():
        began = events[0]
        assert isinstance(began, TransactionBegan)
        found.append(Account(began, outcome_of(before[name], events), events, titles[name]))
    return found


def _title(world: "World", began: TransactionBegan) -> str:
    """What was asked for, with the names that things and people had then."""
    from marketsim.cli.render.theme import UNICODE
    from marketsim.cli.render.words import request_words
    from marketsim.market.requests import is_request, lines_of

    if not is_request(began.request):
        return f"{began.saga}: {request_words(began.request, UNICODE)}"
    goods = ", ".join(
        f"{line.quantity} × {_named(line.product, world.products)}" for line in lines_of(began.request)
    )
    return f"{began.saga}: {goods} for {_named(str(began.request.get('customer')), world.customers)}"


def _named(key: str, known: Mapping[str, Any]) -> str:
    from marketsim.audit.redaction import is_token

    name = known[key].name if key in known else key
    if name == key or is_token(name):
        return key
    return f"{key} ({name if len(name) <= NAME_LENGTH_MAX else name[:NAME_LENGTH_MAX] + '…'})"
