"""`marketsim audit`: read the log, verify it, and hand it on."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.audit.export import Filter
from marketsim.audit.segments import LogReader, read_events
from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.render.text import escaped_json, one_line
from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import InputError, LogDamaged, nearest, quoted
from marketsim.saga.events import ENDS, Event, TransactionBegan, encode, events_schema

if TYPE_CHECKING:
    from marketsim.audit.checkpoint import Checkpoint
    from marketsim.audit.findings import Finding
    from marketsim.audit.verify import Verification

__all__ = [
    "Since",
    "Transaction",
    "Types",
    "audit_app",
    "chosen_events",
    "object_of",
    "show_verification",
    "trusted_head",
    "verification_facts",
]

audit_app = group(
    "audit", "The audit log: what happened, whether it is whole, and whether the books balance."
)

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
    folder = _folder(session)
    if what.isascii() and what.isdigit():
        found = next((event for event in read_events(folder) if event.seq == int(what)), None)
        if found is None:
            raise InputError(
                f"there is no event {what}", where=str(session.market), todo="see: marketsim audit list"
            )
        if session.json or not session.quiet:
            session.emit(object_of(found))
        return 0
    return _show_transaction(session, list(read_events(folder)), what)


@command(audit_app, "verify", example="marketsim audit verify")
def verify(
    session: Session,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="An exported file, instead of the market's log.", show_default=False
        ),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option("--check", help="Only this check; see: marketsim audit checks.", show_default=False),
    ] = None,
    head: Annotated[
        Path | None,
        typer.Option(
            "--head", metavar="FILE", help="A checkpoint that was kept elsewhere.", show_default=False
        ),
    ] = None,
    disclosure: Annotated[
        list[Path] | None,
        typer.Option(
            "--disclosure", metavar="FILE", help="A value that was redacted in FILE.", show_default=False
        ),
    ] = None,
) -> int:
    """Verify that the log is the one that was written, and that the books balance."""
    if file is not None:
        from marketsim.cli.audit_export import verify_file

        return verify_file(session, file, check or [], head, disclosure or [])
    if disclosure:
        raise InputError("there is no FILE to hold it against", where="--disclosure")
    from marketsim.audit.checks import Examination
    from marketsim.audit.verify import verify as verify_log

    folder = _folder(session)
    trusted = trusted_head(head) if head is not None else None
    examination = Examination(check or None)
    verification = verify_log(folder, head=trusted, see=_watched(session, examination.see))
    findings = [*verification.findings, *examination.finish()]
    if session.json:
        session.emit({**verification_facts(verification), "findings": findings})
    elif not session.quiet:
        show_verification(session, verification, findings, len(check or ()))
    return Exit.FINDING if any(each.severity == "error" for each in findings) else Exit.OK


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


def _folder(session: Session) -> Path:
    from marketsim.market.directory import check_market

    check_market(session.market)
    return session.market / "audit"


def chosen_events(
    session: Session, transaction: str | None, types: list[str] | None, since: str | None
) -> Iterator[Event]:
    """The events of the market that meet every filter; raises InputError for a transaction of another."""
    folder = _folder(session)
    wanted = Filter(transaction=transaction, types=types or [], since=since)
    if transaction is not None:
        _check_transaction(folder, transaction)
    return (event for event in _tracked(session, LogReader(folder)) if wanted.matches(event))


def trusted_head(head: Path) -> "Checkpoint":
    """The head in a file that was given; raises InputError if it holds none."""
    from marketsim.audit.checkpoint import read_checkpoint

    todo = "give a copy of audit/checkpoint"
    try:
        found = read_checkpoint(head)
    except LogDamaged as wrong:  # It is not the log that is wrong, but what was given beside it.
        raise InputError(wrong.what, where=str(head), todo=todo) from wrong
    if found is None:
        raise InputError("there is no checkpoint", where=str(head), todo=todo)
    return found


def _check_transaction(folder: Path, transaction: str) -> None:
    began = (each.transaction for each in read_events(folder) if isinstance(each, TransactionBegan))
    if transaction not in began:
        names = {each.transaction for each in read_events(folder) if isinstance(each, TransactionBegan)}
        raise InputError(f"there is no transaction {quoted(transaction)}", todo=nearest(transaction, names))


def _tracked(session: Session, events: Iterable[Event]) -> Iterator[Event]:
    from marketsim.cli.render.progress import tracked

    return tracked(events, "reading", session.err)


def _watched(session: Session, see: Any) -> Any:
    """The same, and a count of events on the way if it takes long."""
    from marketsim.cli.render.progress import Counter

    return Counter("verifying", session.err, see) if session.err.isatty() else see


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
    for key in ("fault", "code", "reason", "order", "rule", "delay_us", "source", "key"):
        value = getattr(event, key, "")
        if value:
            words.append(f"{key} {value}")
            break
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
    show_summary(outcome, stock_now(outcome, world), console, glyphs_for(session.out))
    return 0


def object_of(event: Event) -> Any:
    """An event as a JSON object."""
    return msgspec.json.decode(encode(event))


def verification_facts(verification: "Verification") -> dict[str, Any]:
    """What a verification came to, but for its findings."""
    return {
        "intact": verification.intact,
        "size": verification.size,
        "root": verification.root,
        "working": verification.working,
        "not_proven": verification.not_proven,
    }


def show_verification(
    session: Session,
    verification: "Verification",
    findings: "list[Finding]",
    chosen: int,
    *,
    checked: bool = True,
) -> None:
    """Show the working, the findings, and what is not proven; ``chosen`` checks, or 0 for all of them."""
    from marketsim.audit.checks import CHECKS
    from marketsim.cli.render.summary import show_findings
    from marketsim.cli.render.theme import glyphs_for

    for line in verification.working:
        session.say(f"  {line}")
    if checked or findings:
        show_findings(
            findings,
            session.console(),
            glyphs_for(session.out),
            checks=chosen or len(CHECKS),
            events=verification.size,
        )
    for line in verification.not_proven:
        session.say(f"  not proven: {line}")


# Its commands register on the group above.
from marketsim.cli import audit_export as _audit_export  # noqa: E402, F401
