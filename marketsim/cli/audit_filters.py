"""Which events of a log are wanted: the options that the audit's commands share, and the reading by them."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from marketsim.audit.export import Filter
from marketsim.audit.segments import LogReader, read_events
from marketsim.cli import complete
from marketsim.cli.audit_group import log_folder
from marketsim.cli.session import Session
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import Event, TransactionBegan

__all__ = ["Since", "Transaction", "Types", "chosen_events"]

Transaction = Annotated[
    str | None,
    typer.Option(
        "--transaction",
        "-t",
        help="Only this transaction.",
        show_default=False,
        autocompletion=complete.transactions,
    ),
]
Types = Annotated[
    list[str] | None,
    typer.Option(
        "--type", help="Only this type of event, or its first part: compensation.", show_default=False
    ),
]
Since = Annotated[
    str | None, typer.Option("--since", help="From this time (RFC 3339) or number on.", show_default=False)
]


def chosen_events(
    session: Session, transaction: str | None, types: list[str] | None, since: str | None
) -> Iterator[Event]:
    """The events of the market that meet every filter; raises InputError for a transaction of another."""
    folder = log_folder(session)
    wanted = Filter(transaction=transaction, types=types or [], since=since)
    if transaction is not None:
        _check_transaction(folder, transaction)
    return (event for event in _tracked(session, LogReader(folder)) if wanted.matches(event))


def _check_transaction(folder: Path, transaction: str) -> None:
    names = {event.transaction for event in read_events(folder) if isinstance(event, TransactionBegan)}
    if transaction not in names:
        raise InputError(f"there is no transaction {quoted(transaction)}", todo=nearest(transaction, names))


def _tracked(session: Session, events: Iterable[Event]) -> Iterator[Event]:
    from marketsim.cli.render.progress import tracked

    return tracked(events, "reading", session.err)
