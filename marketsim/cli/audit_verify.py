"""`marketsim audit verify`: whether the log is the one that was written, and what is left to believe."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.cli.audit_group import audit_app, log_folder, read_bytes
from marketsim.cli.exits import Exit
from marketsim.cli.options import tier_named
from marketsim.cli.session import Session, command
from marketsim.saga.errors import InputError, LogDamaged

if TYPE_CHECKING:
    from marketsim.audit.checkpoint import Checkpoint
    from marketsim.audit.findings import Finding
    from marketsim.audit.signatures import Key
    from marketsim.audit.verify import Verification

__all__ = ["HeadFile", "Keys", "Trust", "given_head", "verifier_keys", "verify_and_trust"]

_DISCLOSURE_BYTES_MAX = 1 << 20

HeadFile = Annotated[
    Path | None,
    typer.Option("--head", metavar="FILE", help="A checkpoint that was kept elsewhere.", show_default=False),
]
Keys = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="VKEY",
        help="A verifier key, or a file with one: its signature is due on the head.",
        show_default=False,
    ),
]
_Exported = Annotated[
    Path | None,
    typer.Argument(metavar="FILE", help="An exported file, instead of the market's log.", show_default=False),
]
_Checks = Annotated[
    list[str] | None,
    typer.Option("--check", help="Only this check; see: marketsim audit checks.", show_default=False),
]
_Tier = Annotated[
    str,
    typer.Option(
        "--tier",
        metavar="basic|strict",
        help="Which checks: strict has those of time, retries and isolation, too.",
    ),
]
_Disclosures = Annotated[
    list[Path] | None,
    typer.Option(
        "--disclosure", metavar="FILE", help="A value that was redacted in FILE.", show_default=False
    ),
]
_TrustFile = Annotated[
    Path | None,
    typer.Option(
        "--trust",
        metavar="FILE",
        help="Where the last head that was verified is kept (in your state folder, by the market's path).",
        show_default=False,
    ),
]
_NoTrust = Annotated[
    bool,
    typer.Option("--no-trust", help="Neither compare with the last head that was verified nor keep this."),
]


class Trust(msgspec.Struct, frozen=True):
    """Which file keeps the trusted head (None: no file does), and whether the user has named it."""

    file: Path | None
    named: bool = False


def _names(check: list[str] | None, tier: str) -> list[str]:
    """The checks to be made: those that were named, or all of a tier. Raises InputError."""
    from marketsim.audit.checks import checks_of

    if check:
        return check
    return checks_of(tier_named(tier))


@command(audit_app, "verify", example="marketsim audit verify")
def verify(
    session: Session,
    file: _Exported = None,
    check: _Checks = None,
    tier: _Tier = "basic",
    head: HeadFile = None,
    disclosure: _Disclosures = None,
    key: Keys = None,
    trust: _TrustFile = None,
    no_trust: _NoTrust = False,
    explain: Annotated[
        bool, typer.Option("--explain", "-v", help="Show every number that the verdict rests on.")
    ] = False,
    cores: Annotated[
        int | None,
        typer.Option("--cores", metavar="N", help="How many cores to use (all).", show_default=False),
    ] = None,
) -> int:
    """Verify that the log is the one that was written, and that the books balance."""
    if trust is not None and no_trust:
        raise InputError("--trust and --no-trust exclude each other", todo="give one of them")
    keys = verifier_keys(key or ())
    if file is not None:
        for name, given in (("--trust", trust), ("--explain", explain or None), ("--cores", cores)):
            if given is not None:
                raise InputError("this is for the market's log", where=name, todo="leave it out, or FILE")
        return _verify_file(session, file, _names(check, tier), head, disclosure or [], keys)
    if disclosure:
        raise InputError("there is no FILE to hold it against", where="--disclosure")
    where = _trust(session, trust, no_trust)
    return _verify_log(session, _names(check, tier), head, keys, where, explain=explain, cores=cores)


def _verify_log(
    session: Session,
    checks: list[str],
    head: Path | None,
    keys: "list[Key]",
    where: Trust,
    *,
    explain: bool,
    cores: int | None,
) -> int:
    from marketsim.audit.checks import Examination

    folder, examination = log_folder(session), Examination(checks)
    verification = verify_and_trust(
        folder,
        where,
        head=given_head(head) if head is not None else None,
        keys=keys,
        signed=_signed_text(head or folder / "checkpoint"),
        see=_watched(session, examination.see_soon),
        cores=cores,
    )
    findings = [*verification.findings, *examination.finish()]
    if session.json:
        session.emit(_facts(verification, where, findings, explain))
    elif not session.quiet:
        _show(session, verification, findings, checks=len(checks), explain=explain)
        _say_where(session, where, findings)
    return Exit.FINDING if any(each.severity == "error" for each in findings) else Exit.OK


def _verify_file(
    session: Session,
    file: Path,
    checks: list[str],
    head: Path | None,
    disclosures: list[Path],
    keys: "list[Key]",
) -> int:
    """Verify an exported file as far as it goes; the checks run if nothing is left out of it."""
    from marketsim.audit.checks import Examination
    from marketsim.audit.exported import verify_export

    if keys and head is None:
        todo = "give the signed head with --head FILE"
        raise InputError("an exported file is not signed", where="--key", todo=todo)
    examination = Examination(checks)
    verification, whole = verify_export(
        file,
        head=given_head(head) if head is not None else None,
        disclosures=dict(map(_disclosure, disclosures)),
        see=_watched(session, examination.see_soon),
    )
    verification = _with_signatures(verification, keys, _signed_text(head) if head is not None else "")
    findings = [*verification.findings]
    if whole:
        findings += examination.finish()
    else:
        said = "that the books balance: a part of a log cannot tell, so the checks were left out"
        verification = msgspec.structs.replace(verification, not_proven=[*verification.not_proven, said])
    if session.json:
        session.emit(_facts(verification, Trust(None), findings, explain=False))
    elif not session.quiet:
        _show(session, verification, findings, checks=len(checks), checked=whole)
    return Exit.FINDING if any(each.severity == "error" for each in findings) else Exit.OK


def verify_and_trust(
    folder: Path,
    where: Trust,
    *,
    head: "Checkpoint | None" = None,
    keys: "Sequence[Key]" = (),
    signed: str = "",
    see: Any = None,
    cores: int | None = None,
) -> "Verification":
    """Verify a log, also against the head that was verified last, and keep this one if all is well.

    Raises InputError if the trusted head cannot be read, or if it cannot be kept where the user said.
    """
    from marketsim.audit.stretches import cores as all_cores
    from marketsim.audit.trust import trusted_head
    from marketsim.audit.verify import verify as verify_log

    if cores is not None and not 1 <= cores <= 1024:
        raise InputError(f"{cores} cores", where="--cores", todo="give 1 to 1024")
    trusted = trusted_head(where.file) if where.file else None
    found = verify_log(folder, head=head, trusted=trusted, see=see, workers=cores or all_cores())
    found = _with_signatures(found, keys, signed)
    return _kept(found, where) if found.intact else found


def given_head(head: Path) -> "Checkpoint":
    """A head that was kept elsewhere; raises InputError if the file holds none."""
    from marketsim.audit.checkpoint import read_checkpoint

    todo = "give a copy of audit/checkpoint"
    try:
        found = read_checkpoint(head)
    except LogDamaged as wrong:  # It is not the log that is wrong, but what was given beside it.
        raise InputError(wrong.what, where=str(head), todo=todo) from wrong
    if found is None:
        raise InputError("there is no checkpoint", where=str(head), todo=todo)
    return found


def verifier_keys(texts: Sequence[str]) -> "list[Key]":
    """The keys that were given, each as a text or in a file; raises InputError for what is none."""
    import os

    from marketsim.audit.signatures import KEY_BYTES_MAX, parse_verifier_key

    keys = []
    for text in texts:
        where = "--key"
        if os.path.isfile(text):
            with Path(text).open("rb") as file:
                where, text = text, file.read(KEY_BYTES_MAX + 1).decode(errors="replace").strip()
        keys.append(parse_verifier_key(text, where=where))
    return keys


def _disclosure(path: Path) -> tuple[str, Any]:
    from marketsim.audit.exported import Disclosure

    try:
        found = msgspec.json.decode(read_bytes(path, _DISCLOSURE_BYTES_MAX), type=Disclosure)
    except (ValueError, RecursionError) as error:
        todo = "give what `marketsim audit disclose` wrote"
        raise InputError("this is no disclosure", where=str(path), todo=todo) from error
    return found.token, found.value


def _trust(session: Session, named: Path | None, no_trust: bool) -> Trust:
    from marketsim.audit.trust import trust_file

    if no_trust:
        return Trust(None)
    return Trust(named, named=True) if named is not None else Trust(trust_file(session.market))


def _signed_text(file: Path) -> str:
    from marketsim.audit.checkpoint import checkpoint_text

    try:
        return checkpoint_text(file) or ""
    except (InputError, LogDamaged):
        return ""  # The verification says so.


def _with_signatures(found: "Verification", keys: "Sequence[Key]", signed: str) -> "Verification":
    """The same, with what the signatures on its head come to; ``signed`` is the head as it was read."""
    if not keys:
        unsigned = [] if "\n\n— " not in signed else ["who signed the head: no key was given"]
        return msgspec.structs.replace(found, not_proven=found.not_proven + unsigned)
    from marketsim.audit.checkpoint import parse_checkpoint
    from marketsim.audit.findings import ERROR, Finding
    from marketsim.audit.portable import signatures_of

    rule, by = "integrity-signature", list[str]()
    if found.head is None:
        wrong = [Finding(rule, ERROR, "there is no head that could be signed")]
    elif not signed or parse_checkpoint(signed) != found.head:
        wrong = [Finding(rule, ERROR, "the head was replaced while it was verified", remedy="verify again")]
    else:
        wrong, by = signatures_of(signed, keys, rule)
    return msgspec.structs.replace(found, findings=found.findings + wrong, working=found.working + by)


def _kept(found: "Verification", where: Trust) -> "Verification":
    """The same, after its head was kept, or with what that means if it could not be."""
    from marketsim.audit.checkpoint import Checkpoint
    from marketsim.audit.trust import keep

    if where.file is None or found.head is None:
        return found
    head = Checkpoint(found.head.origin, found.size, bytes.fromhex(found.root))
    try:
        if not keep(where.file, head):
            return found
    except InputError as error:
        if where.named:
            raise
        lost = f"that the log will not be rewritten after this: {error.what}, in {where.file}"
        return msgspec.structs.replace(found, not_proven=[*found.not_proven, lost])
    said = f"kept as the trusted head of {found.size} events: {where.file}"
    return msgspec.structs.replace(found, working=[*found.working, said])


def _watched(session: Session, see: Any) -> Any:
    """The same, and a count of events on the way if it takes long."""
    from marketsim.cli.render.progress import Counter

    return Counter("verifying", session.err, see) if session.err.isatty() else see


def _facts(
    verification: "Verification", where: Trust, findings: "list[Finding]", explain: bool
) -> dict[str, Any]:
    facts = {
        "intact": verification.intact,
        "size": verification.size,
        "root": verification.root,
        "working": verification.working,
        "not_proven": verification.not_proven,
        "trusted": str(where.file) if where.file else None,
    }
    return {**facts, **({"explanation": verification.explanation} if explain else {}), "findings": findings}


def _show(
    session: Session,
    verification: "Verification",
    findings: "list[Finding]",
    *,
    checks: int,
    explain: bool = False,
    checked: bool = True,
) -> None:
    from marketsim.cli.render.summary import show_findings
    from marketsim.cli.render.theme import glyphs_for

    for line in verification.working:
        session.say(f"  {line}")
    for line in verification.explanation if explain else ():
        session.say(f"    {line}")
    if checked or findings:
        count = checks
        glyphs = glyphs_for(session.out)
        show_findings(findings, session.console(), glyphs, checks=count, events=verification.size)
    for line in verification.not_proven:
        session.say(f"  not proven: {line}")


def _say_where(session: Session, where: Trust, findings: "list[Finding]") -> None:
    if any(each.rule == "integrity-trust" for each in findings):
        session.note(
            f"the trusted head in {where.file} was left as it is; if another market was put here on purpose,"
            " remove it"
        )
