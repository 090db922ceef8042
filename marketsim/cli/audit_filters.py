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
from marketsim.saga.events import Event, OperationStarted, TransactionBegan

__all__ = [
    "Operations",
    "Since",
    "Transaction",
    "Types",
    "Until",
    "check_names",
    "chosen_events",
    "tracked_log",
]

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
Operations = Annotated[
    list[str] | None,
    typer.Option("--operation", help="Only this operation, or the revert of this name.", show_default=False),
]
Since = Annotated[
    str | None, typer.Option("--since", help="From this time (RFC 3339) or number on.", show_default=False)
]
Until = Annotated[
    str | None, typer.Option("--until", help="Up to this time (RFC 3339) or number.", show_default=False)
]


def chosen_events(session: Session, wanted: Filter) -> Iterator[Event]:
    """The events of the market's log that are wanted, with progress; raises InputError for unknown names."""
    check_names(log_folder(session), wanted)
    return (event for event in tracked_log(session) if wanted.matches(event))


def tracked_log(session: Session) -> Iterator[Event]:
    """Every event of the market's log, with a count on standard error if it takes long."""
    from marketsim.cli.render.progress import tracked

    return tracked(LogReader(log_folder(session)), "reading", session.err)


def check_names(folder: Path, wanted: Filter) -> None:
    """Raise InputError for a transaction, an operation or a revert that the log does not know."""
    if wanted.transaction is None and not wanted.operations:
        return
    transactions: set[str] = set()
    operations: set[str] = set()
    for event in read_events(folder):
        if isinstance(event, TransactionBegan):
            transactions.add(event.transaction)
            if event.transaction == wanted.transaction and not wanted.operations:
                return  # The rest of a long log need not be read for a name.
        elif isinstance(event, OperationStarted):
            operations.add(event.operation)
        elif compensation := getattr(event, "compensation", ""):
            operations.add(compensation)
    if wanted.transaction is not None:
        _check(wanted.transaction, transactions, "transaction")
    families = {name.partition(".")[0] for name in operations}
    for name in wanted.operations:
        _check(name, operations | families, "operation")


def _check(name: str, known: Iterable[str], kind: str) -> None:
    if name not in known:
        raise InputError(f"there is no {kind} {quoted(name)}", todo=nearest(name, known))
