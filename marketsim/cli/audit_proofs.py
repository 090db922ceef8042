"""`marketsim audit keygen | sign | prove | check-proof`: what a stranger can check without the log."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from marketsim.cli.audit_group import audit_app, log_folder, read_bytes
from marketsim.cli.audit_verify import HeadFile, Keys, Trust, given_head, verifier_keys, verify_and_trust
from marketsim.cli.exits import Exit
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, reason_of

if TYPE_CHECKING:
    from marketsim.audit.portable import Judgement
    from marketsim.audit.signatures import Signer
    from marketsim.audit.verify import Verification

__all__ = ["check_proof", "keygen", "prove", "sign"]

_KEY_VARIABLE = "MARKETSIM_SIGNING_KEY"

_KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        help="The file of the private key; else the one that MARKETSIM_SIGNING_KEY names, else signing.key in"
        " your state folder.",
        show_default=False,
    ),
]


@command(
    audit_app, "keygen", example="marketsim audit keygen shop.example/audit --key shop.key", market=False
)
def keygen(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="Who signs: a name without blanks, such as shop.example/audit.")
    ],
    key: _KeyFile = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also inside a market; it never overwrites.")
    ] = False,
) -> int:
    """Make a key to sign heads with; its private part goes into a file, and is never shown."""
    from marketsim.audit.signatures import make_key

    file = _key_file(key)
    if not force and _in_market(file):
        raise InputError(
            "this is inside a market", where=str(file), todo="whoever copies the market would have the key"
        )
    signer = make_key(name)
    _write_private(file, signer.text() + "\n")
    if session.json:
        session.emit({"verifier_key": str(signer.key), "file": str(file)})
    session.say(
        f"the private key is in {file}; keep it, and show it to nobody\nfor everybody else: {signer.key}"
    )
    return 0


@command(audit_app, "sign", example="marketsim audit sign", writes=True)
def sign(session: Session, key: _KeyFile = None) -> int:
    """Verify the log, and sign its present head; the next purchase has a head that is not signed yet."""
    from marketsim.audit.checkpoint import CHECKPOINT, write_whole
    from marketsim.audit.signatures import parse_note, sign_note
    from marketsim.audit.trust import trust_file

    folder, signer = log_folder(session), _signer(_key_file(key))
    with session.writing() as market:
        market.log.checkpoint()
        found = verify_and_trust(folder, Trust(trust_file(session.market)))
        if found.intact and found.head is not None:
            text = (folder / CHECKPOINT).read_text(encoding="utf-8")
            write_whole(folder / CHECKPOINT, str(sign_note(parse_note(text), signer)))
    if not found.intact or found.head is None:
        return _refuse(session, found)
    facts = {
        "signed_by": str(signer.key),
        "origin": found.head.origin,
        "size": found.size,
        "root": found.root,
    }
    if session.json:
        session.emit(facts)
    session.say(f"signed: the log {found.head.origin} of {found.size:,} events, root {found.root}")
    session.say(f"by {signer.key}")
    return 0


@command(audit_app, "prove", example="marketsim audit prove 3")
def prove(
    session: Session,
    seq: Annotated[
        int | None, typer.Argument(metavar="SEQ", help="An event's number.", show_default=False)
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            "--from",
            metavar="SIZE",
            help="Prove instead that the log grew from the one that had so many events.",
            show_default=False,
        ),
    ] = None,
    output: Output = None,
    force: Force = False,
) -> int:
    """Write a proof that an event is in the log, which a stranger checks without the log."""
    from marketsim.audit.portable import Proof, prove_event, prove_growth

    folder = log_folder(session)
    if (seq is None) == (size is None):
        raise InputError("one thing can be proven at a time", todo="give SEQ, or --from SIZE")
    proof: Proof = prove_growth(folder, size) if size is not None else prove_event(folder, seq or 0)
    text = msgspec.json.format(msgspec.json.encode(proof), indent=2).decode() + "\n"
    if output is not None or session.json or not session.quiet:
        write_output(session, [text], output, force)
    return 0


@command(audit_app, "check-proof", example="marketsim audit check-proof proof.json", market=False)
def check_proof(
    session: Session,
    file: Annotated[Path, typer.Argument(help="A proof, as `audit prove` writes it.")],
    key: Keys = None,
    head: HeadFile = None,
) -> int:
    """Check a proof with nothing but itself, and a key or a head of the log that you have."""
    from marketsim.audit.portable import PROOF_BYTES_MAX, judge, parse_proof

    keys, known = verifier_keys(key or ()), given_head(head) if head is not None else None
    judgement = judge(parse_proof(read_bytes(file, PROOF_BYTES_MAX, "proof"), where=str(file)), keys, known)
    if session.json:
        session.emit({"holds": not judgement.findings, **msgspec.structs.asdict(judgement)})
    elif not session.quiet:
        _show(session, judgement)
    return Exit.FINDING if judgement.findings else Exit.OK


def _show(session: Session, judgement: "Judgement") -> None:
    for line in judgement.working:
        session.say(f"  {line}")
    for each in judgement.findings:
        session.say(f"  {each.rule}: {each.message}")
        for name in ("expected", "actual", "remedy"):
            if value := getattr(each, name):
                session.say(f"    {name}: {value}")
    for line in judgement.not_proven:
        session.say(f"  not proven: {line}")
    session.say("  the proof does not hold" if judgement.findings else "  the proof holds")


def _refuse(session: Session, found: "Verification") -> int:
    if session.json:
        session.emit({"signed_by": None, "findings": found.findings})
    for each in found.findings:
        session.say(f"  {each.rule}: {each.message}")
    session.say("  not signed: marketsim audit verify tells more")
    return Exit.FINDING


def _key_file(given: Path | None) -> Path:
    from marketsim.audit.trust import state_folder

    if given is not None:
        return given
    named = os.environ.get(_KEY_VARIABLE)
    return Path(named) if named else state_folder() / "signing.key"


def _in_market(file: Path) -> bool:
    return any((folder / "audit" / "000001.jsonl").exists() for folder in file.resolve().parents)


def _write_private(file: Path, text: str) -> None:
    """Write a file that is new, and that nobody else can read from its first byte on."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        todo = "a key is never overwritten: name another file with --key FILE"
        raise InputError("the file exists", where=str(file), todo=todo) from error
    except OSError as error:
        raise _unusable(file, error) from error
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(handle)


def _signer(file: Path) -> "Signer":
    from marketsim.audit.signatures import KEY_BYTES_MAX, parse_signer

    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            data = opened.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise _unusable(file, error) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError("others may read this key", where=str(file), todo=f"chmod 600 {file}")
    return parse_signer(data.decode(errors="replace"), where=str(file))


def _unusable(file: Path, error: OSError) -> InputError:
    reason = reason_of(error)
    todo = "make one with: marketsim audit keygen" if isinstance(error, FileNotFoundError) else ""
    return InputError(f"the key file cannot be used: {reason}", where=str(file), todo=todo)
