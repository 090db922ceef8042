"""`marketsim audit`: read the log, verify it, and hand it on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.audit.export import Filter, export_json, export_jsonl
from marketsim.audit.segments import read_events
from marketsim.cli.audit_filters import (
    Operations,
    Since,
    Transaction,
    Types,
    Until,
    chosen_events,
    log_folder,
)
from marketsim.cli.exits import Exit
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import InputError, LogDamaged, nearest, quoted
from marketsim.saga.events import Event, TransactionBegan, encode, events_schema

if TYPE_CHECKING:
    from marketsim.audit.checkpoint import Checkpoint
    from marketsim.audit.findings import Finding
    from marketsim.audit.verify import Verification

__all__ = ["audit_app"]

audit_app = group(
    "audit", "The audit log: what happened, whether it is whole, and whether the books balance."
)


@command(audit_app, "verify", example="marketsim audit verify")
def verify(
    session: Session,
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
) -> int:
    """Verify that the log is the one that was written, and that the books balance."""
    from marketsim.audit.checks import Examination
    from marketsim.audit.verify import verify as verify_log

    folder = log_folder(session)
    trusted = _trusted(head) if head is not None else None
    examination = Examination(check or None)
    verification = verify_log(folder, head=trusted, see=_watched(session, examination.see))
    findings = [*verification.findings, *examination.finish()]
    if session.json:
        session.emit({**_facts(verification), "findings": findings})
    elif not session.quiet:
        _show_verification(session, verification, findings, len(check or ()))
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


@command(audit_app, "export", example="marketsim audit export --transaction tx-1 --output tx-1.json")
def export(
    session: Session,
    form: Annotated[
        str, typer.Option("--format", metavar="json|jsonl", help="One document, or an event a line.")
    ] = "json",
    transaction: Transaction = None,
    types: Types = None,
    operations: Operations = None,
    since: Since = None,
    until: Until = None,
    output: Output = None,
    force: Force = False,
) -> int:
    """Write the events, all or chosen, as one JSON document or as JSON Lines."""
    if form not in ("json", "jsonl"):
        raise InputError(
            f"no format is called {quoted(form)}", where="--format", todo=nearest(form, ["json", "jsonl"])
        )
    wanted = Filter(transaction, types or [], since, operations or [], until)
    chosen = chosen_events(session, wanted)
    header = _header(session, transaction, whole=wanted == Filter(transaction))
    pieces = export_json(chosen, header) if form == "json" else export_jsonl(chosen)
    write_output(session, pieces, output, force)
    return 0


@command(audit_app, "schema", example="marketsim audit schema --output event.schema.json", market=False)
def schema(session: Session, output: Output = None, force: Force = False) -> int:
    """Print the JSON Schema of one event, for an editor or a reader of your own."""
    text = msgspec.json.format(msgspec.json.encode(events_schema()), indent=2).decode() + "\n"
    write_output(session, [text], output, force)
    return 0


def _trusted(head: Path) -> "Checkpoint":
    from marketsim.audit.checkpoint import read_checkpoint

    todo = "give a copy of audit/checkpoint"
    try:
        found = read_checkpoint(head)
    except LogDamaged as wrong:  # It is not the log that is wrong, but what was given beside it.
        raise InputError(wrong.what, where=str(head), todo=todo) from wrong
    if found is None:
        raise InputError("there is no checkpoint", where=str(head), todo=todo)
    return found


def _watched(session: Session, see: Any) -> Any:
    """The same, and a count of events on the way if it takes long."""
    from marketsim.cli.render.progress import Counter

    return Counter("verifying", session.err, see) if session.err.isatty() else see


def _header(session: Session, transaction: str | None, *, whole: bool) -> dict[str, Any]:
    """What an exported document says beside its events: the head, and what a replay needs to know."""
    from marketsim.audit.checkpoint import read_checkpoint

    head = read_checkpoint(session.market / "audit" / "checkpoint")
    header: dict[str, Any] = {}
    if head is not None:
        header["head"] = {"origin": head.origin, "size": head.size, "root": head.root.hex()}
    if transaction is not None and whole:
        header |= _surroundings(session.market / "audit", transaction)
    return header


def _surroundings(folder: Path, transaction: str) -> dict[str, Any]:
    """The history in which one transaction began, and what others did to stock and money meanwhile."""
    from marketsim.market.excerpt import history_before
    from marketsim.market.world import World
    from marketsim.saga.events import CatalogChanged, LedgerPosted

    world, before, meanwhile, pending = World(), [], list[Event](), list[Event]()
    for event in read_events(folder):
        if isinstance(event, TransactionBegan) and event.transaction == transaction:
            before = history_before(world, event.request)
        if not before:
            world.apply(event)
        elif getattr(event, "transaction", "") == transaction:
            meanwhile += pending
            pending = []
        elif isinstance(event, LedgerPosted | CatalogChanged):
            pending.append(event)
    found: dict[str, Any] = {"before": [_object(event) for event in before]}
    return found | ({"meanwhile": [_object(event) for event in meanwhile]} if meanwhile else {})


def _object(event: Event) -> Any:
    return msgspec.json.decode(encode(event))


def _facts(verification: "Verification") -> dict[str, Any]:
    return {
        "intact": verification.intact,
        "size": verification.size,
        "root": verification.root,
        "working": verification.working,
        "not_proven": verification.not_proven,
    }


def _show_verification(
    session: Session, verification: "Verification", findings: "list[Finding]", chosen: int
) -> None:
    from marketsim.audit.checks import CHECKS
    from marketsim.cli.render.summary import show_findings
    from marketsim.cli.render.theme import glyphs_for

    for line in verification.working:
        session.say(f"  {line}")
    show_findings(
        findings,
        session.console(),
        glyphs_for(session.out),
        checks=chosen or len(CHECKS),
        events=verification.size,
    )
    for line in verification.not_proven:
        session.say(f"  not proven: {line}")


# What registers its commands here needs the group, so it comes last.
from marketsim.cli import audit_import, audit_numbers, audit_reading  # noqa: E402, F401
