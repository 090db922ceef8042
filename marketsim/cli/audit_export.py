"""`marketsim audit export` and `disclose`: hand the log on, redacted unless told otherwise."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.audit.export import Filter
from marketsim.audit.segments import read_events
from marketsim.cli.audit_filters import Operations, Since, Transaction, Types, Until, chosen_events
from marketsim.cli.audit_group import audit_app, read_bytes
from marketsim.cli.output import Force, Output, target_of, write_output
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, nearest, quoted, reason_of
from marketsim.saga.events import Event, TransactionBegan, encode

if TYPE_CHECKING:
    from marketsim.audit.exports.formats import Format
    from marketsim.audit.redaction import Record, Redactor

__all__ = ["disclose", "export"]

_Secret = Annotated[
    Path | None,
    typer.Option(
        "--salt-file",
        metavar="FILE",
        help="Write the secret of the redaction to a file, to disclose values with later.",
        show_default=False,
    ),
]


@command(audit_app, "export", example="marketsim audit export --transaction tx-1 --output tx-1.json")
def export(
    session: Session,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="FORM",
            help="json, jsonl, csv, otlp, ocel, cloudevents, chrome-trace or parquet.",
        ),
    ] = "json",
    transaction: Transaction = None,
    types: Types = None,
    operations: Operations = None,
    since: Since = None,
    until: Until = None,
    personal: Annotated[
        bool, typer.Option("--include-personal", help="Keep customers' fields and card numbers.")
    ] = False,
    salt_file: _Secret = None,
    output: Output = None,
    force: Force = False,
) -> int:
    """Write the events, all or chosen, in a form that other programs read.

    Fields of customers (not their ids) and card numbers are replaced by commitments.
    """
    made = _format(session, form, output)
    if (types or operations) and made.needs_ends:
        option = "--type" if types else "--operation"
        raise InputError(f"{form} is made of whole transactions", where=option, todo=f"leave {option} out")
    if salt_file is not None:
        if personal:
            raise InputError("nothing is redacted, so there is no secret", where="--salt-file")
        target_of(salt_file, force)
    wanted = Filter(transaction, types or [], since, operations or [], until)
    chosen = chosen_events(session, wanted)
    header = _header(session, transaction, whole=wanted == Filter(transaction))
    records, header, redactor = _redacted(chosen, header, personal)
    with _secret_kept(salt_file, redactor, force):
        write_output(session, made.export(records, header), output, force, is_json=made.is_json)
    if redactor is not None and output is not None and redactor.count:
        events = "1 event" if redactor.count == 1 else f"{redactor.count:,} events"
        session.say(f"  redacted in {events}; --include-personal keeps what is personal")
    return 0


@command(
    audit_app, "disclose", example="marketsim audit disclose log.json Ada --salt-file secret", market=False
)
def disclose(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An exported file.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="What was redacted in it.")],
    salt_file: Annotated[
        Path, typer.Option("--salt-file", metavar="FILE", help="The secret that export wrote.")
    ],
    output: Output = None,
    force: Force = False,
) -> int:
    """Disclose one redacted value of an export: `audit verify FILE --disclosure` then checks it."""
    from marketsim.audit.export import stream_export
    from marketsim.audit.redaction import Redactor, tokens_in

    redactor = Redactor(_secret(salt_file))
    values: list[Any] = [value, int(value)] if value.isascii() and value.isdigit() else [value]
    known = {redactor.token(each): each for each in values}
    found: dict[str, list[int]] = {}
    for _, (event, leaf) in stream_export(file)[1]:
        for token in known.keys() & tokens_in(encode(event).decode()) if leaf else ():
            found.setdefault(token, []).append(event.seq)
    if not found:
        raise InputError(
            f"{quoted(value)} was not redacted in this file, or with another secret", where=str(file)
        )
    one = known[next(iter(found))]
    document = {
        "value": one,
        "salt": redactor.salt(one).hex(),
        "token": redactor.token(one),
        "events": found[redactor.token(one)][:100],
    }
    text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
    write_output(session, [text], output, force)
    return 0


def _format(session: Session, form: str, output: Path | None) -> "Format":
    from marketsim.audit.exports.formats import FORMATS

    if form not in FORMATS:
        raise InputError(
            f"no format is called {quoted(form)}", where="--format", todo=nearest(form, list(FORMATS))
        )
    made = FORMATS[form]
    if output is None and not made.is_text:
        raise InputError(f"{form} is not text", where="--format", todo="write it to a file with --output")
    if output is None and session.json and not made.is_json and form != "jsonl":
        raise InputError(
            f"{form} is no JSON document", where="--json", todo="write it to a file with --output"
        )
    return made


def _redacted(
    events: Iterable[Event], header: dict[str, Any], personal: bool
) -> "tuple[Iterator[Record], dict[str, Any], Redactor | None]":
    """The events as they may leave, and the header with them; the last is None if all is kept."""
    from secrets import token_bytes

    from marketsim.audit.redaction import SECRET_BYTES, Redactor, plain

    if personal:
        return plain(events), header, None
    redactor = Redactor(token_bytes(SECRET_BYTES))
    for name in ("before", "meanwhile"):
        if name in header:
            header = {**header, name: [redactor.object(each) for each in header[name]]}
    return redactor.records(events), header, redactor


@contextmanager
def _secret_kept(path: Path | None, redactor: "Redactor | None", force: bool) -> Iterator[None]:
    """Keep the secret in a file, for its owner alone, if what is done with it comes to its end."""
    if path is None or redactor is None:
        yield
        return
    target = target_of(path, force)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
    try:
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "w", encoding="ascii") as file:
                file.write(redactor.secret.hex() + "\n")
        except OSError as error:
            told = reason_of(error)
            raise InputError(f"the file cannot be written: {told}", where=str(path)) from error
        yield
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _secret(path: Path) -> bytes:
    from marketsim.audit.redaction import SECRET_BYTES

    text = read_bytes(path, 1000)
    try:
        secret = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise InputError(
            "this is no secret of an export", where=str(path), todo="give what --salt-file wrote"
        )
    return secret


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
    """The history in which one transaction began, and what others did in its world meanwhile."""
    from marketsim.market.excerpt import history_before
    from marketsim.market.world import World
    from marketsim.saga.events import CatalogChanged, LedgerPosted, OrderCancelled, OrderPlaced

    world, before, meanwhile, pending = World(), [], list[Event](), list[Event]()
    for event in read_events(folder):
        if isinstance(event, TransactionBegan) and event.transaction == transaction:
            before = history_before(world, event.request)
        if not before:
            world.apply(event)
        elif getattr(event, "transaction", "") == transaction:
            meanwhile += pending
            pending = []
        elif isinstance(event, LedgerPosted | CatalogChanged | OrderPlaced | OrderCancelled):
            pending.append(event)
    found: dict[str, Any] = {"before": [_object(event) for event in before]}
    return found | ({"meanwhile": [_object(event) for event in meanwhile]} if meanwhile else {})


def _object(event: Event) -> Any:
    return msgspec.json.decode(encode(event))
