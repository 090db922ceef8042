"""Proofs as files: an event, or the growth of a log, for somebody who has nothing but a head or a key."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from marketsim.audit.checkpoint import CHECKPOINT, Checkpoint, checkpoint_text, parse_checkpoint
from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.proofs import Growth, RangeRoots, check_consistency, check_inclusion, inclusion_ranges
from marketsim.audit.segments import LINE_BYTES_MAX, blocks, segments
from marketsim.audit.signatures import Key, check_signature, parse_note
from marketsim.saga.errors import InputError, LogDamaged, quoted
from marketsim.saga.events import Event, decode, encode

__all__ = [
    "PROOF_BYTES_MAX",
    "ConsistencyProof",
    "InclusionProof",
    "Judgement",
    "Proof",
    "judge",
    "parse_proof",
    "prove_event",
    "prove_growth",
    "signatures_of",
]

PROOF_BYTES_MAX = 8 * LINE_BYTES_MAX
"""How large the file of a proof may be: a line of which each character is escaped, and some more."""

_Hash = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Path = Annotated[list[_Hash], msgspec.Meta(max_length=1000)]
_Size = Annotated[int, msgspec.Meta(ge=1, lt=10**18)]
_AGAIN = "ask whoever gave it for another one"


class _Portable(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    """What both kinds have: hashes in hex, and a checkpoint as it stands in its file."""

    path: _Path
    head: str


class InclusionProof(_Portable, frozen=True, kw_only=True, tag="inclusion"):
    """That ``line`` is event ``seq`` of the log that has this head."""

    seq: _Size
    line: str


class ConsistencyProof(_Portable, frozen=True, kw_only=True, tag="consistency"):
    """That the log with this head begins with the ``from_size`` events whose root is ``from_root``."""

    from_size: _Size
    from_root: _Hash


Proof: TypeAlias = InclusionProof | ConsistencyProof


class Judgement(msgspec.Struct, frozen=True):
    """What a proof comes to: what it shows, what is wrong with it, and what it leaves open."""

    findings: list[Finding]
    working: list[str]
    not_proven: list[str]


# Making them.


def prove_event(folder: Path, seq: int) -> InclusionProof:
    """Prove that an event is in the log under its present head, in one pass and flat memory.

    Raises InputError where there is no such event under the head, and LogDamaged if the log is not
    the one that its head has seen.
    """
    text, head = _head(folder)
    if not 1 <= seq <= head.size:
        todo = f"give a number from 1 to {head.size}" if head.size else "there are none"
        raise InputError(f"the head of the log has no event {quoted(seq)}", where="SEQ", todo=todo)
    beside = RangeRoots(inclusion_ranges(seq - 1, head.size))
    line = b""
    for before, lines, leaves in _leaves(folder, head.size):
        beside.extend_joined(leaves)
        if before < seq <= before + len(lines):
            line = lines[seq - 1 - before]
    try:
        path = beside.roots()
        check_inclusion(_leaf(line), seq - 1, head.size, path, head.root)
        return InclusionProof(seq=seq, line=line.decode(), path=[each.hex() for each in path], head=text)
    except ValueError as error:
        raise _damaged(folder, error) from error


def prove_growth(folder: Path, size: int) -> ConsistencyProof:
    """Prove that the log under its present head begins with the log of ``size`` events; raises the same."""
    text, head = _head(folder)
    if not 1 <= size <= head.size:
        raise InputError(
            f"a head of {quoted(size)} events does not lie before this one",
            where="--from",
            todo=f"give a number from 1 to {head.size}",
        )
    tree = Growth([size, head.size])
    for _, _, leaves in _leaves(folder, head.size):
        tree.extend_joined(leaves)
    try:
        if (path := tree.consistency_path()) is None:
            raise ValueError(f"it ends after event {tree.frontier.size}")
        root = tree.at[size].root()
        check_consistency(size, root, head.size, head.root, path)
    except ValueError as error:
        raise _damaged(folder, error) from error
    return ConsistencyProof(
        from_size=size, from_root=root.hex(), path=[each.hex() for each in path], head=text
    )


def _head(folder: Path) -> tuple[str, Checkpoint]:
    text = checkpoint_text(folder / CHECKPOINT)
    where = f"{folder.name}/{CHECKPOINT}"
    if text is None:
        todo = "the next command that writes makes a new one"
        raise InputError(
            "there is no checkpoint, and so no head to prove anything under", where=where, todo=todo
        )
    return text, parse_checkpoint(text, where=where)


def _leaves(folder: Path, size: int) -> Iterator[tuple[int, list[bytes], bytes]]:
    """The first ``size`` lines in blocks: how many came before, the lines, and their hashes in one."""
    before = 0
    for path in segments(folder):
        for lines, _ in blocks(path):
            wanted = lines[: size - before]
            if wanted:
                yield before, wanted, b"".join(map(_leaf, wanted))
            before += len(wanted)
            if before == size:
                return


def _damaged(folder: Path, error: ValueError) -> LogDamaged:
    todo = "`marketsim audit verify` lists everything that is wrong"
    return LogDamaged(f"the log is not the one that its head has seen: {error}", where=str(folder), todo=todo)


# Judging them.


def parse_proof(data: bytes, *, where: str) -> Proof:
    """Read a proof; raises InputError for whatever cannot be one, or is too large."""
    if len(data) > PROOF_BYTES_MAX:
        raise InputError(f"a proof has at most {PROOF_BYTES_MAX:,} bytes", where=where, todo=_AGAIN)
    try:
        proof = msgspec.json.decode(data, type=InclusionProof | ConsistencyProof)
        parse_checkpoint(proof.head)
        parse_note(proof.head)
        return proof
    except LogDamaged as error:
        raise InputError(
            f"the head in the proof cannot be read: {error.what}", where=where, todo=_AGAIN
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"this is no proof: {quoted(error)[1:-1]}", where=where, todo=_AGAIN) from error


def judge(proof: Proof, keys: Sequence[Key] = (), known: Checkpoint | None = None) -> Judgement:
    """Judge a proof with nothing but itself, some keys, and a head that is known from elsewhere.

    The rules: proof-path (the path leads from what is claimed to the root of the head), proof-line
    (the line is the event it is said to be), proof-head (the known head is the one in the proof: of
    growth, the old one), proof-signature (each key has signed the head).
    """
    head = parse_checkpoint(proof.head)
    if isinstance(proof, InclusionProof):
        findings, working = _judge_inclusion(proof, head)
        anchor = head
    else:
        findings, working = _judge_growth(proof, head)
        anchor = Checkpoint(head.origin, proof.from_size, bytes.fromhex(proof.from_root))
    findings += _judge_known(anchor, known)
    signed, by = signatures_of(proof.head, keys)
    return Judgement(findings + signed, working + by, _left_open(proof, keys, known))


def _judge_inclusion(proof: InclusionProof, head: Checkpoint) -> tuple[list[Finding], list[str]]:
    line, findings = proof.line.encode(errors="surrogatepass"), list[Finding]()
    event = _event(line)
    if event is None or event.seq != proof.seq:
        expected, actual = f"event {proof.seq}", f"event {event.seq}" if event else quoted(proof.line)
        findings.append(_wrong("proof-line", "the line is not the event it is said to be", expected, actual))
    path = [bytes.fromhex(each) for each in proof.path]
    try:
        check_inclusion(_leaf(line), proof.seq - 1, head.size, path, head.root)
    except ValueError as error:
        return [_wrong("proof-path", str(error)), *findings], []
    what = f"event {proof.seq}" + (f" ({event.type} at {event.time})" if event else "")
    log = f"the log {quoted(head.origin)} of {head.size} events with the root {head.root.hex()}"
    return findings, [f"{what} is in {log}: {len(path)} hashes lead there"]


def _judge_growth(proof: ConsistencyProof, head: Checkpoint) -> tuple[list[Finding], list[str]]:
    path = [bytes.fromhex(each) for each in proof.path]
    try:
        check_consistency(proof.from_size, bytes.fromhex(proof.from_root), head.size, head.root, path)
    except ValueError as error:
        return [_wrong("proof-path", str(error))], []
    log = f"the log {quoted(head.origin)} of {head.size} events with the root {head.root.hex()}"
    begins = f"begins with the {proof.from_size} events with the root {proof.from_root}"
    return [], [f"{log} {begins}: {len(path)} hashes lead to both"]


def _judge_known(anchor: Checkpoint, known: Checkpoint | None) -> list[Finding]:
    if known is None or known == anchor:
        return []
    message = "the proof is about another head than the one that was given"
    expected, actual = (
        f"{quoted(each.origin)}, {each.size} events, {each.root.hex()}" for each in (known, anchor)
    )
    return [_wrong("proof-head", message, expected, actual)]


def signatures_of(
    text: str, keys: Sequence[Key], rule: str = "proof-signature"
) -> tuple[list[Finding], list[str]]:
    """What is wrong with the signatures on a head, and who has signed it, by some keys."""
    findings, by = list[Finding](), list[str]()
    for key in keys:
        try:
            check_signature(parse_note(text), key)
            by.append(f"the head is signed by {key.name}+{key.id.hex()}")
        except ValueError as error:
            findings.append(_wrong(rule, f"the head: {error}", f"a signature of {key}"))
    return findings, by


def _left_open(proof: Proof, keys: Sequence[Key], known: Checkpoint | None) -> list[str]:
    unknown = []
    if known is None and isinstance(proof, InclusionProof) and not keys:
        unknown.append("that the head is one that anybody else has seen: no key and no head were given")
    if known is None and isinstance(proof, ConsistencyProof):
        unknown.append("that the old root is the one you have seen: no head was given")
    if not keys and parse_note(proof.head).signatures:
        unknown.append("who signed the head: no key was given")
    return unknown


def _event(line: bytes) -> Event | None:
    try:
        event = decode(line)
        return event if encode(event) == line else None
    except (ValueError, RecursionError):
        return None


def _wrong(rule: str, message: str, expected: str = "", actual: str = "") -> Finding:
    return Finding(rule, ERROR, message, expected=expected, actual=actual, remedy=_AGAIN)


def _leaf(line: bytes) -> bytes:
    return sha256(b"\x00" + line).digest()
