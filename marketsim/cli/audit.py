"""`marketsim audit`: read the log, verify it, and hand it on."""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer

from marketsim.audit.segments import read_events
from marketsim.cli import complete
from marketsim.cli.audit_filters import Since, Transaction, Types, chosen_events
from marketsim.cli.audit_group import audit_app, log_folder
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.render.text import escaped_json, one_line
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import ENDS, Event, TransactionBegan, encode, events_schema

__all__ = ["audit_app"]


@command(audit_app, "list", example="marketsim audit list --type compensation")
def list_events(
    session: Session, transaction: Transaction = None, types: Types = None, since: Since = None
) -> int:
    """List the events of the log, one a line."""
    chosen = chosen_events(session, transaction, types, since)
    if session.json:
        _emit_events(session, chosen)
        return 0
    if session.quiet:
        return 0
    count = 0
    for event in chosen:
        count += 1
        name, place = getattr(event, "transaction", ""), _place(event)
        session.say(one_line(f"{event.seq:>7}  {event.time}  {name:<8} {event.type:<28} {place}".rstrip()))
    session.say(f"{count:,} events")
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
) -> int:
    """Show a transaction as a timeline with what it came to, or one event whole."""
    folder = log_folder(session)
    if what.isascii() and what.isdigit():
        found = next((event for event in read_events(folder) if event.seq == int(what)), None)
        if found is None:
            raise InputError(
                f"there is no event {what}", where=str(session.market), todo="see: marketsim audit list"
            )
        if session.json or not session.quiet:
            session.emit(_object(found))
        return 0
    return _show_transaction(session, list(read_events(folder)), what)


@command(audit_app, "checks", example="marketsim audit checks", market=False)
def list_checks(session: Session) -> int:
    """List the checks that `verify` makes, each with its rule."""
    from marketsim.audit.checks import CHECKS

    if session.json:
        session.emit({"checks": [{"name": each.name, "rule": each.sentence} for each in CHECKS.values()]})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        show_table(
            session.console(), ("check", "rule"), [(each.name, each.sentence) for each in CHECKS.values()]
        )
    return 0


@command(audit_app, "schema", example="marketsim audit schema --output event.schema.json", market=False)
def schema(session: Session, output: Output = None, force: Force = False) -> int:
    """Print the JSON Schema of one event, for an editor or a reader of your own."""
    text = msgspec.json.format(msgspec.json.encode(events_schema()), indent=2).decode() + "\n"
    write_output(session, [text], output, force)
    return 0


def _emit_events(session: Session, events: Iterable[Event]) -> None:
    session.out.write('{"events": [')
    before = "\n"
    for event in events:
        session.out.write(before + escaped_json(encode(event).decode()))
        before = ",\n"
    session.out.write("\n]}\n")


def _place(event: Event) -> str:
    """What an event is about, in a few words."""
    name = getattr(event, "compensation", "") or getattr(event, "operation", "")
    attempt = getattr(event, "attempt", 0)
    words = [f"{name}@{attempt}" if attempt > 1 else name]
    for key in ("fault", "code", "rule", "reason", "order", "delay_us", "source", "key"):
        value = getattr(event, key, "")
        if value:
            words.append(f"{key} {value}")
            break
    if (rules := getattr(event, "guardrails", None)) is not None:
        words.append(f"guardrails {len(rules)}")
    return " ".join(word for word in words if word)


def _show_transaction(session: Session, history: list[Event], name: str) -> int:
    from marketsim.cli.outcome import outcome_of, stock_now
    from marketsim.market.excerpt import history_before
    from marketsim.market.world import World

    own = [event for event in history if getattr(event, "transaction", "") == name]
    began = own[0] if own else None
    if not isinstance(began, TransactionBegan):
        names = [event.transaction for event in history if isinstance(event, TransactionBegan)]
        raise InputError(f"there is no transaction {quoted(name)}", todo=nearest(name, names))
    world = World.of(history[: began.seq - 1])
    outcome = outcome_of(history_before(world, began.request), own)
    if session.json:
        session.emit({"outcome": outcome, "events": own})
        return 0
    if session.quiet:
        return 0
    from marketsim.cli.render.summary import show_summary
    from marketsim.cli.render.theme import glyphs_for
    from marketsim.cli.render.timeline import Timeline

    console = session.console()
    Timeline(session.out, on=console).show_all(own)
    if not any(isinstance(event, ENDS) for event in own):
        session.say("\n  open: the process that ran it died; finish it with: marketsim recover")
        return 0
    for event in own:
        world.apply(event)
    show_summary(outcome, stock_now(outcome, world), console, glyphs_for(session.out), exits=False)
    return 0


def _object(event: Event) -> Any:
    return msgspec.json.decode(encode(event))


# The other commands of the group register themselves on it.
from marketsim.cli import audit_export, audit_proofs, audit_verify  # noqa: E402, F401
