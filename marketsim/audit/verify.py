"""Is this log the one that was written? Whatever speaks against it, found in one pass over the files."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from marketsim.audit.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.audit.proofs import check_consistency
from marketsim.audit.walk import COMPARE, FINDINGS_MAX, RESTORE, Walk
from marketsim.saga.errors import LogDamaged, MarketError, quoted
from marketsim.saga.events import Event

__all__ = ["FINDINGS_MAX", "Verification", "verify"]


class Verification(msgspec.Struct, frozen=True):
    """What a verification found, what it computed to find it, and what it cannot know.

    ``size`` is the number of complete lines, ``root`` the Merkle root over them (hex), and
    ``head_size`` how many of them the head vouches for: None if there was no head to compare with.
    ``head`` is that head; ``explanation`` has what is needed to do it all again by hand.
    """

    findings: list[Finding]
    size: int
    root: str
    head_size: int | None
    working: list[str]
    not_proven: list[str]
    head: Checkpoint | None = None
    explanation: list[str] = []

    @property
    def intact(self) -> bool:
        """Whether nothing was found that is worse than a warning."""
        return all(finding.severity != ERROR for finding in self.findings)


def verify(
    folder: Path,
    *,
    head: Checkpoint | None = None,
    trusted: Checkpoint | None = None,
    see: Callable[[Event], None] | None = None,
    workers: int = 1,
) -> Verification:
    """Verify the log in a folder against a head: the one given, else the folder's own checkpoint.

    Reads the segments once, in flat memory, and calls ``see`` with every event that can be decoded;
    ``workers`` is how many processes may help, if the log is large. ``trusted`` is a head that was
    verified before: the log has to be what grew from it. What is wrong with the files is never
    raised: each deviation is a finding, and the reading goes on behind it. The rules:

    - integrity-segment: the segments are all there, and can be read.
    - integrity-line: a line is one event in its canonical form, and ends with a newline.
    - integrity-sequence: the events are numbered from 1, without a gap.
    - integrity-chain: an event names the hash of the line before it.
    - integrity-time: times are RFC 3339 in UTC, and never run backwards.
    - integrity-head: as many lines as the head says have the root that the head says.
    - integrity-trust: the same for the trusted head, and both heads are of one log.
    """
    own, told = (head, []) if head else _own_head(folder)
    walk = Walk(see, [each.size for each in (own, trusted) if each], workers)
    for finding in told:
        walk.tell(finding)
    walk.read_folder(folder)
    for finding in [*_against(own, walk), *_against_trusted(trusted, own, walk)]:
        walk.tell(finding)
    path = walk.tree.consistency_path() if own and trusted else None
    return Verification(
        findings=walk.all_findings(),
        size=walk.size,
        root=walk.tree.frontier.root().hex(),
        head_size=own.size if own else None,
        working=_working(walk, own) + _growth_shown(walk, own, trusted, path),
        not_proven=_not_proven(walk.size, own, trusted, given=head is not None),
        head=own,
        explanation=_explanation(walk, own, trusted, path),
    )


def _own_head(folder: Path) -> tuple[Checkpoint | None, list[Finding]]:
    file = f"{folder.name}/{CHECKPOINT}"
    try:
        head = read_checkpoint(folder / CHECKPOINT)
    except (LogDamaged, MarketError) as error:
        return None, [Finding("integrity-head", ERROR, error.what, file=file, remedy=error.todo or RESTORE)]
    if head is None:
        message = "there is no checkpoint, so events that were cut off at the end are not missed"
        return None, [Finding("integrity-head", WARNING, message, file=file, remedy="give an earlier head")]
    return head, []


def _against(
    head: Checkpoint | None, walk: Walk, rule: str = "integrity-head", name: str = "head"
) -> list[Finding]:
    """What a head has against the lines that were read."""
    if head is None:
        return []
    size, then = head.size, walk.tree.at.get(head.size)
    if then is None:
        message = f"the log ends before event {size}, which its {name} has seen"
        expected, actual = _events(size), _events(walk.size)
    elif then.root() != head.root:
        message = f"the first {_events(size)} are not the ones that the {name} has seen"
        expected, actual = head.root.hex(), then.root().hex()
    else:
        return []
    return [Finding(rule, ERROR, message, expected=expected, actual=actual, remedy=COMPARE)]


def _against_trusted(trusted: Checkpoint | None, own: Checkpoint | None, walk: Walk) -> list[Finding]:
    if trusted is None:
        return []
    rule, found = "integrity-trust", list[Finding]()
    if own and own.origin != trusted.origin:
        message = "the trusted head is of a log with another name"
        expected, actual = quoted(trusted.origin), quoted(own.origin)
        found.append(Finding(rule, ERROR, message, expected=expected, actual=actual, remedy=COMPARE))
    return found + _against(trusted, walk, rule, "trusted head")


def _working(walk: Walk, head: Checkpoint | None) -> list[str]:
    size, segments = walk.size, walk.segments
    said = [
        f"{segments} {'segment' if segments == 1 else 'segments'}, {walk.size_bytes:,} bytes",
        f"{walk.events} of {size} lines decoded: {_events(walk.events)}",
        f"{walk.links} of {size} links of the hash chain hold",
        f"root over {size}: {walk.tree.frontier.root().hex()}",
    ]
    if head and (then := walk.tree.at.get(head.size)):
        same = "equals" if then.root() == head.root else "differs from"
        said.append(f"root over the first {head.size} {same} the root of the head")
    return said


def _growth_shown(
    walk: Walk, own: Checkpoint | None, trusted: Checkpoint | None, path: list[bytes] | None
) -> list[str]:
    """How the log relates to the head that was trusted before, in a line or two."""
    if trusted is None or (then := walk.tree.at.get(trusted.size)) is None:
        return []
    same = "equals" if then.root() == trusted.root else "differs from"
    said = [f"root over the first {trusted.size} {same} the root of the trusted head"]
    if own and path is not None:
        old, new = sorted((own, trusted), key=lambda head: head.size)
        try:
            check_consistency(old.size, old.root, new.size, new.root, path)
        except ValueError as error:
            return [*said, f"no consistency proof from {old.size} to {new.size}: {error}"]
        said.append(f"consistency proof from {old.size} to {new.size}: {_hashes(len(path))}, it holds")
    return said


def _not_proven(size: int, own: Checkpoint | None, trusted: Checkpoint | None, *, given: bool) -> list[str]:
    unknown = []
    if not own:
        unknown.append("that no events are missing at the end: there is no head to compare with")
    if not given and not trusted:
        unknown.append(
            "that the log was not rewritten as a whole; self-consistent only: no earlier head given"
        )
    if trusted and not given and (since := size - trusted.size) > 0:
        unknown.append(f"that the {_events(since)} after the trusted head were not rewritten before this")
    if own and (beyond := size - own.size) > 0:
        unknown.append(f"that the {_events(beyond)} after the head are all that were written")
    return unknown


def _explanation(
    walk: Walk, own: Checkpoint | None, trusted: Checkpoint | None, path: list[bytes] | None
) -> list[str]:
    """Every number that the verdict rests on, so that it can be computed again with any other tool."""
    said = [
        "a leaf is SHA-256(0x00 ‖ line), a node SHA-256(0x01 ‖ left ‖ right): RFC 9162, 2.1",
        f"the last leaf: {walk.prev}" if walk.size else "there is no leaf: the root is SHA-256 of nothing",
    ]
    leaves = [1 << bit for bit in reversed(range(walk.size.bit_length())) if walk.size >> bit & 1]
    peaks = zip(leaves, walk.tree.frontier.peaks, strict=True)
    said += [f"complete subtree over {count}: {peak.hex()}" for count, peak in peaks]
    for name, head in (("the head", own), ("the trusted head", trusted)):
        if head:
            said.append(f"{name}: {quoted(head.origin)}, {_events(head.size)}, root {head.root.hex()}")
    numbered = enumerate(path or (), 1)
    return said + [f"consistency proof (RFC 9162, 2.1.4), hash {at}: {each.hex()}" for at, each in numbered]


def _hashes(count: int) -> str:
    return f"{count} hash" if count == 1 else f"{count} hashes"


def _events(count: int) -> str:
    return f"{count} event" if count == 1 else f"{count} events"
