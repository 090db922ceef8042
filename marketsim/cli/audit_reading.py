"""`marketsim audit list`, `show` and `follow`: the events of a log for a person, or as one document."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketsim.audit.export import Filter
from marketsim.audit.segments import read_events
from marketsim.cli import complete
from marketsim.cli.audit_filters import (
    Operations,
    Since,
    Transaction,
    Types,
    Until,
    check_names,
    chosen_events,
)
from marketsim.cli.audit_group import audit_app, log_folder
from marketsim.cli.pager import NoPager, paged
from marketsim.cli.render.lines import line_painter
from marketsim.cli.render.text import escaped_json
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import ENDS, Event, TransactionBegan, encode

if TYPE_CHECKING:
    from marketsim.audit.follow import Follower
    from marketsim.cli.outcome import Outcome
    from marketsim.market.world import World

__all__ = ["follow", "list_events", "show"]

_POLL_EVERY_S = 0.2


@command(audit_app, "list", example="marketsim audit list --type compensation")
def list_events(
    session: Session,
    transaction: Transaction = None,
    types: Types = None,
    operations: Operations = None,
    since: Since = None,
    until: Until = None,
    no_pager: NoPager = False,
) -> int:
    """List the events of the log, one a line."""
    chosen = chosen_events(session, Filter(transaction, types or [], since, operations or [], until))
    if session.json:
        _emit_events(session, chosen)
        return 0
    if session.quiet:
        return 0
    with paged(session, off=no_pager) as reader:
        painted, count = line_painter(reader.out), 0
        for event in chosen:
            count += 1
            reader.out.write(painted(event) + "\n")
        reader.say(f"{count:,} events")
    return 0


@command(audit_app, "show", example="marketsim audit show tx-1")
def show(
    session: Session,
    what: Annotated[
        str,
        typer.Argument(
            metavar="TRANSACTION|SEQ",
            help="A transaction, or an event's number.",
            autocompletion=complete.transactions,
        ),
    ],
    types: Types = None,
    operations: Operations = None,
    since: Since = None,
    until: Until = None,
    no_pager: NoPager = False,
) -> int:
    """Show a transaction as a timeline with what it came to, or one event whole."""
    folder = log_folder(session)
    wanted = Filter(None, types or [], since, operations or [], until)
    if what.isascii() and what.isdigit():
        return _show_event(session, what)
    if wanted.operations:
        check_names(folder, wanted)
    history = list(read_events(folder))
    if wanted == Filter():
        return _show_transaction(session, history, what, no_pager)
    own = _own(history, what)
    chosen = [event for event in own if wanted.matches(event)]
    if session.json:
        session.emit({"events": chosen})
    elif not session.quiet:
        with paged(session, off=no_pager) as reader:
            painted = line_painter(reader.out)
            for event in chosen:
                reader.out.write(painted(event) + "\n")
            reader.say(f"{len(chosen):,} of {len(own):,} events of {what}")
    return 0


@command(audit_app, "follow", example="marketsim audit follow --from-start --transaction tx-1")
def follow(
    session: Session,
    transaction: Transaction = None,
    types: Types = None,
    operations: Operations = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the first event, not behind the last.")
    ] = False,
) -> int:
    """Show events as they are written, until Ctrl-C, or until the transaction given has ended."""
    from marketsim.audit.follow import Follower

    folder = log_folder(session)
    wanted = Filter(transaction, types or [], None, operations or [])
    if transaction is not None:
        check_names(folder, Filter(transaction))
    follower = Follower(folder, from_start=from_start)
    if transaction is not None and not from_start and _has_ended(read_events(folder), transaction):
        session.note(f"{transaction} has ended; --from-start shows it")
        return 0
    coming = _coming(session, follower, wanted)
    if session.json:
        _emit_events(session, coming, live=True)
    else:
        painted = line_painter(session.out)
        for event in coming:
            if not session.quiet:
                session.out.write(painted(event) + "\n")
    return 0


def _coming(session: Session, follower: "Follower", wanted: Filter) -> Iterator[Event]:
    """The events that are wanted, as they come, for as long as anybody reads."""
    while getattr(session.out, "lost", None) is None:
        for event in follower.poll():
            if wanted.matches(event):
                yield event
            if wanted.transaction is not None and _has_ended([event], wanted.transaction):
                return
        session.out.flush()
        time.sleep(_POLL_EVERY_S)


def _has_ended(events: Iterable[Event], transaction: str) -> bool:
    return any(isinstance(event, ENDS) and event.transaction == transaction for event in events)


def _emit_events(session: Session, events: Iterable[Event], *, live: bool = False) -> None:
    """Write one document with an event a line; where they come ``live``, each line ends at once."""
    session.out.write('{"events": [\n')
    before, after, later = ("", "\n", ",") if live else ("", "", ",\n")
    try:
        for event in events:
            session.out.write(before + escaped_json(encode(event).decode()) + after)
            before = later
    finally:  # What follows a log ends with an interrupt, and is a document all the same.
        session.out.write("\n]}\n")


def _show_event(session: Session, number: str) -> int:
    found = next((event for event in read_events(log_folder(session)) if event.seq == int(number)), None)
    if found is None:
        raise InputError(
            f"there is no event {number}", where=str(session.market), todo="see: marketsim audit list"
        )
    if session.json or not session.quiet:
        session.emit(msgspec.json.decode(encode(found)))
    return 0


def _own(history: list[Event], name: str) -> list[Event]:
    """The events of a transaction; raises InputError for one that there is none of."""
    own = [event for event in history if getattr(event, "transaction", "") == name]
    if not own or not isinstance(own[0], TransactionBegan):
        names = [event.transaction for event in history if isinstance(event, TransactionBegan)]
        raise InputError(f"there is no transaction {quoted(name)}", todo=nearest(name, names))
    return own


def _show_transaction(session: Session, history: list[Event], name: str, no_pager: bool) -> int:
    from marketsim.cli.outcome import outcome_of, stock_now
    from marketsim.market.excerpt import history_before
    from marketsim.market.world import World

    own = _own(history, name)
    began = own[0]
    assert isinstance(began, TransactionBegan)
    world = World.of(history[: began.seq - 1])
    outcome = outcome_of(history_before(world, began.request), own)
    if session.json:
        session.emit({"outcome": outcome, "events": own})
        return 0
    if session.quiet:
        return 0
    with paged(session, off=no_pager) as reader:
        _draw(reader, own, outcome, lambda: stock_now(outcome, _after(world, own)))
    return 0


def _after(world: "World", own: list[Event]) -> "World":
    for event in own:
        world.apply(event)
    return world


def _draw(
    session: Session, own: list[Event], outcome: "Outcome", stock: Callable[[], dict[str, int]]
) -> None:
    from marketsim.cli.render.summary import show_summary
    from marketsim.cli.render.theme import glyphs_for
    from marketsim.cli.render.timeline import Timeline

    console = session.console()
    Timeline(session.out, on=console).show_all(own)
    if not any(isinstance(event, ENDS) for event in own):
        session.say("\n  open: the process that ran it died; finish it with: marketsim recover")
        return
    show_summary(outcome, stock(), console, glyphs_for(session.out), exits=False)
