"""`marketsim audit import`: take in an exported log, or the history of another engine, and check it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.cli.audit_group import audit_app
from marketsim.cli.exits import Exit
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.render.text import one_line
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import TransactionBegan

if TYPE_CHECKING:
    from marketsim.audit.findings import Finding
    from marketsim.audit.imports.history import Imported, Unmapped

__all__ = ["import_log"]

_UNMAPPED_SHOWN_MAX = 20


_From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FORMAT",
        help="The file's format: export, otlp, orra or temporal; else it is guessed.",
        show_default=False,
    ),
]
_Check = Annotated[bool, typer.Option("--check", help="Run the checks, and print what they find.")]
_Compensation = Annotated[
    list[str] | None,
    typer.Option(
        "--compensation",
        metavar="PAIR",
        help="Which revert undoes which operation, as in charge=refund. Repeat it.",
        show_default=False,
    ),
]
_ReadOnly = Annotated[
    list[str] | None,
    typer.Option("--read-only", help="An operation that needs no revert. Repeat it.", show_default=False),
]
_OperationAttribute = Annotated[
    str,
    typer.Option(
        "--operation-key",
        metavar="KEY",
        help="OTLP: the attribute that names the operation; 'name' for the span's own name.",
        show_default=False,
    ),
]
_CompensationAttribute = Annotated[
    str,
    typer.Option(
        "--revert-key",
        metavar="KEY",
        help="OTLP: the attribute that marks a revert.",
        show_default=False,
    ),
]
_Form = Annotated[
    str, typer.Option("--format", metavar="json|jsonl", help="One document, or an event a line.")
]


@command(
    audit_app, "import", example="marketsim audit import market/audit/000001.jsonl --check", market=False
)
def import_log(
    session: Session,
    file: Annotated[Path, typer.Argument(help="The file to take in.", show_default=False)],
    source: _From = None,
    check: _Check = False,
    compensation: _Compensation = None,
    read_only: _ReadOnly = None,
    operation_attribute: _OperationAttribute = "",
    compensation_attribute: _CompensationAttribute = "",
    form: _Form = "json",
    output: Output = None,
    force: Force = False,
) -> int:
    """Take in an exported log, or the history of another engine, as a stream of events."""
    from marketsim.audit.exports.lines import json, jsonl
    from marketsim.audit.imports.formats import take_in
    from marketsim.audit.imports.history import Mapping

    if form not in ("json", "jsonl"):
        todo = nearest(form, ["json", "jsonl"])
        raise InputError(f"no format is called {quoted(form)}", where="--format", todo=todo)
    mapping = Mapping(
        _pairs(compensation or []), read_only or [], operation_attribute, compensation_attribute
    )
    found, imported = take_in(file, source, mapping)
    header = _header(imported, found.name, file)
    if output is not None or not check:
        records = ((event, imported.leaves.get(event.seq, "")) for event in imported.events)
        pieces = json(records, header) if form == "json" else jsonl(records, header)
        write_output(session.beside() if check else session, pieces, output, force)
    if not (check and session.json):
        _note_unmapped(session, imported.unmapped)
    return _checked(session, imported, found.name, header) if check else Exit.OK


def _pairs(listed: list[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for text in listed:
        operation, equals, revert = text.partition("=")
        if not (operation and equals and revert) or operation == revert:
            todo = "write OPERATION=REVERT, such as charge=refund"
            raise InputError(f"{quoted(text)} is no pair", where="--compensation", todo=todo)
        pairs[revert] = operation
    return pairs


def _header(imported: "Imported", name: str, file: Path) -> dict[str, Any]:
    if name == "export":
        return imported.header
    unmapped = [
        {"what": each.what, "why": each.why, "where": each.where, "count": each.count}
        for each in imported.unmapped
    ]
    return {"imported": {"from": name, "file": file.name, "unmapped": unmapped}}


def _note_unmapped(session: Session, unmapped: "list[Unmapped]") -> None:
    for each in unmapped[:_UNMAPPED_SHOWN_MAX]:
        times = f" ({each.count:,} times)" if each.count > 1 else ""
        session.note(one_line(f"not taken in: {each.what}{times}: {each.why}; first at {each.where}"))
    if len(unmapped) > _UNMAPPED_SHOWN_MAX:
        more = len(unmapped) - _UNMAPPED_SHOWN_MAX
        session.note(f"and {more:,} more kinds were not taken in; --json --check lists them all")


def _checked(session: Session, imported: "Imported", name: str, header: dict[str, Any]) -> int:
    from marketsim.audit.checks import checks_of, examine

    findings = [_elsewhere(each) for each in examine(imported.events, before=imported.before)]
    transactions = sum(isinstance(event, TransactionBegan) for event in imported.events)
    if session.json:
        told = {"from": name, "events": len(imported.events), "transactions": transactions}
        unmapped = header.get("imported", {}).get("unmapped", [])
        session.emit({**told, "unmapped": unmapped, "findings": findings})
    elif not session.quiet:
        _show(session, imported, name, transactions, findings, len(checks_of("basic")))
    return Exit.FINDING if any(each.severity == "error" for each in findings) else Exit.OK


def _elsewhere(finding: "Finding") -> "Finding":
    """The finding without a remedy that looks into a market: what was taken in is in none."""
    if finding.remedy.startswith(("see: marketsim ", "run: marketsim ")):
        return msgspec.structs.replace(finding, remedy="")
    return finding


def _show(
    session: Session,
    imported: "Imported",
    name: str,
    transactions: int,
    findings: "list[Finding]",
    checks: int,
) -> None:
    from marketsim.cli.render.summary import show_findings
    from marketsim.cli.render.theme import glyphs_for

    count = f"{transactions:,} {'transaction' if transactions == 1 else 'transactions'}"
    session.say(f"  {count} in {len(imported.events):,} events, from {name}")
    show_findings(
        findings, session.console(), glyphs_for(session.out), checks=checks, events=len(imported.events)
    )
    if name == "export":
        session.say("  not proven: that this is the log that was written; see: marketsim audit verify")
    else:
        session.say("  not proven: what really took effect: the history tells what was answered, and no more")
