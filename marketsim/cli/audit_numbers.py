"""`marketsim audit stats` and `diff`: a log in numbers, and where two of them part."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketsim.audit.export import Filter, read_export
from marketsim.audit.segments import LogReader
from marketsim.cli import complete
from marketsim.cli.audit_filters import (
    Operations,
    Since,
    Transaction,
    Types,
    Until,
    check_names,
    tracked_log,
)
from marketsim.cli.audit_group import audit_app, log_folder
from marketsim.cli.exits import Exit
from marketsim.cli.pager import NoPager, paged
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError
from marketsim.saga.events import Event, encode

if TYPE_CHECKING:
    from marketsim.audit.difference import Difference

__all__ = ["diff", "stats"]

_Side = Annotated[
    str,
    typer.Argument(
        help="A market, an exported log, or a transaction.",
        show_default=False,
        autocompletion=complete.transactions,
    ),
]


@command(audit_app, "stats", example="marketsim audit stats")
def stats(
    session: Session,
    transaction: Transaction = None,
    types: Types = None,
    operations: Operations = None,
    since: Since = None,
    until: Until = None,
    no_pager: NoPager = False,
) -> int:
    """Count what happened, how long it took, and why it was reverted."""
    from marketsim.audit.stats import Stats

    wanted = Filter(transaction, types or [], since, operations or [], until)
    check_names(log_folder(session), wanted)
    seen, every = Stats(), wanted == Filter()
    for event in tracked_log(session):
        seen.see(event, counted=every or wanted.matches(event))
    if session.json:
        session.emit(seen.told())
    elif not session.quiet:
        from marketsim.cli.render.numbers import show_numbers
        from marketsim.cli.render.theme import glyphs_for

        with paged(session, off=no_pager) as reader:
            show_numbers(seen.told(), reader.console(), glyphs_for(reader.out))
    return Exit.OK


@command(audit_app, "diff", example="marketsim audit diff tx-1 tx-2")
def diff(
    session: Session,
    left: _Side,
    right: _Side,
    times: Annotated[bool, typer.Option("--times", help="Compare times, too.")] = False,
    hashes: Annotated[bool, typer.Option("--hashes", help="Compare numbers and hashes, too.")] = False,
    no_pager: NoPager = False,
) -> int:
    """Lay two logs, or two transactions, side by side, from their first difference on."""
    from marketsim.audit.difference import compare

    logs = [Path(each).exists() for each in (left, right)]
    if any(logs) and not all(logs):
        missing = right if logs[0] else left
        raise InputError(
            "there is no such file or market", where=missing, todo="compare two logs, or two transactions"
        )
    if all(logs):
        one, other = _log(Path(left)), _log(Path(right))
    else:
        one, other = _transaction(session, left), _transaction(session, right)
    found = compare(one, other, times=times, hashes=hashes, transactions=not all(logs))
    if session.json:
        session.emit(_document(found, left, right))
    elif not session.quiet:
        from marketsim.cli.render.beside import show_difference
        from marketsim.cli.render.theme import glyphs_for

        with paged(session, off=no_pager) as reader:
            show_difference(found, left, right, reader.console(), glyphs_for(reader.out))
    return Exit.OK if found.equal else Exit.FINDING


def _transaction(session: Session, name: str) -> Iterable[Event]:
    folder, wanted = log_folder(session), Filter(name)
    check_names(folder, wanted)
    return (event for event in LogReader(folder) if wanted.matches(event))


def _log(path: Path) -> Iterable[Event]:
    """The events of a market, of the folder of its log, or of an exported file."""
    if not path.is_dir():
        return read_export(path).events
    for folder in (path / "audit", path):
        if (folder / "000001.jsonl").exists():
            return LogReader(folder)
    raise InputError("this is no market", where=str(path), todo="name a market, or an exported file")


def _document(found: "Difference", left: str, right: str) -> dict[str, object]:
    return {
        "equal": found.equal,
        "same": found.same,
        "left": {"name": left, "events": found.left_size},
        "right": {"name": right, "events": found.right_size},
        "whole": found.whole,
        "rows": [
            {
                "mark": row.mark,
                "left": msgspec.Raw(encode(row.left)) if row.left is not None else None,
                "right": msgspec.Raw(encode(row.right)) if row.right is not None else None,
                "fields": row.fields,
            }
            for row in found.rows
        ],
    }
