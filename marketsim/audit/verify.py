"""Is this log the one that was written? Whatever speaks against it, found in one pass over the files."""

import re
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import msgspec

from marketsim.audit.checkpoint import CHECKPOINT, Checkpoint, read_checkpoint
from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.audit.merkle import HASH_BYTES, Frontier
from marketsim.audit.segments import (
    LINE_BYTES_MAX,
    blocks,
    numbered,
    place,
    reason,
    segment_files,
    segment_name,
)
from marketsim.saga.errors import LogDamaged, MarketError, quoted
from marketsim.saga.events import GENESIS, Event, decode, encode

__all__ = ["FINDINGS_MAX", "Verification", "verify"]

FINDINGS_MAX = 1000
"""How many findings are told one by one; of any beyond, only the number is told."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_COMPARE = "compare with a copy that was kept elsewhere"
_RESTORE = "restore the file from a copy"


class Verification(msgspec.Struct, frozen=True):
    """What a verification found, what it computed to find it, and what it cannot know.

    ``size`` is the number of complete lines, ``root`` the Merkle root over them (hex), and
    ``head_size`` how many of them the head vouches for: None if there was no head to compare with.
    """

    findings: list[Finding]
    size: int
    root: str
    head_size: int | None
    working: list[str]
    not_proven: list[str]

    @property
    def intact(self) -> bool:
        """Whether nothing was found that is worse than a warning."""
        return all(finding.severity != ERROR for finding in self.findings)


def verify(
    folder: Path, *, head: Checkpoint | None = None, see: Callable[[Event], None] | None = None
) -> Verification:
    """Verify the log in a folder against a head: the one given, else the folder's own checkpoint.

    Reads the segments once, in flat memory, and calls ``see`` with every event that can be decoded.
    What is wrong with the files is never raised: each deviation is a finding, and the reading goes
    on behind it. The rules:

    - integrity-segment: the segments are all there, and can be read.
    - integrity-line: a line is one event in its canonical form, and ends with a newline.
    - integrity-sequence: the events are numbered from 1, without a gap.
    - integrity-chain: an event names the hash of the line before it.
    - integrity-time: times are RFC 3339 in UTC, and never run backwards.
    - integrity-head: as many lines as the head says have the root that the head says.
    """
    walk = _Walk(see)
    walk.head = head or walk.own_head(folder)
    walk.read_folder(folder)
    walk.compare_head()
    return Verification(
        findings=walk.all_findings(),
        size=walk.frontier.size,
        root=walk.frontier.root().hex(),
        head_size=walk.head.size if walk.head else None,
        working=walk.working(),
        not_proven=walk.not_proven(head_given=head is not None),
    )


class _Walk:
    """Where the pass over the files stands, and what it has found so far."""

    def __init__(self, see: Callable[[Event], None] | None) -> None:
        self.see = see
        self.head: Checkpoint | None = None
        self.head_root: bytes | None = None
        self.frontier = Frontier()
        self.findings: list[Finding] = []
        self.untold = 0
        self.segments = self.size_bytes = self.events = self.links = 0
        self.due, self.prev, self.time = 1, GENESIS, ""
        self.file, self.line = "", 0

    def add(
        self, rule: str, message: str, *, expected: str = "", actual: str = "", remedy: str = _COMPARE
    ) -> None:
        """Record an error about the line that is being read."""
        self.tell(
            Finding(
                rule=rule,
                severity=ERROR,
                message=message,
                seq=self.due,
                line=self.line,
                file=self.file,
                expected=expected,
                actual=actual,
                remedy=remedy,
            )
        )

    def tell(self, finding: Finding) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.untold += 1

    def all_findings(self) -> list[Finding]:
        if not self.untold:
            return self.findings
        message = f"{self.untold} more findings are not told one by one"
        return [*self.findings, Finding("integrity-more", ERROR, message)]

    def own_head(self, folder: Path) -> Checkpoint | None:
        file = f"{folder.name}/{CHECKPOINT}"
        try:
            head = read_checkpoint(folder / CHECKPOINT)
        except (LogDamaged, MarketError) as error:
            self.tell(Finding("integrity-head", ERROR, error.what, file=file, remedy=error.todo or _RESTORE))
            return None
        if head is None:
            message = "there is no checkpoint, so events that were cut off at the end are not missed"
            self.tell(Finding("integrity-head", WARNING, message, file=file, remedy="give an earlier head"))
        return head

    def read_folder(self, folder: Path) -> None:
        self.mark_head()
        try:
            paths = segment_files(folder)
        except MarketError as error:
            self.tell(Finding("integrity-segment", ERROR, error.what, file=folder.name))
            return
        if not paths:
            self.tell(Finding("integrity-segment", ERROR, "there is no log here", file=folder.name))
        number = 1
        for path in paths:
            self.miss_segments(folder, number, numbered(path))
            self.read_segment(path, last=path is paths[-1])
            number = numbered(path) + 1

    def miss_segments(self, folder: Path, due: int, found: int) -> None:
        if found == due:
            return
        self.file, self.line = place(folder / segment_name(due)), 0
        missing = f"segments {due} to {found - 1} are" if found - due > 1 else f"segment {due} is"
        self.add("integrity-segment", f"{missing} missing", remedy=_RESTORE)

    def read_segment(self, path: Path, *, last: bool) -> None:
        self.file, self.line = place(path), 0
        self.segments += 1
        try:
            for lines, torn in blocks(path):
                if lines:
                    self.read_block(lines)
                if torn:
                    self.read_torn(torn, last=last)
        except MarketError as error:
            self.add("integrity-segment", error.what, remedy="make the file readable")

    def read_torn(self, torn: bytes, *, last: bool) -> None:
        self.line += 1
        self.size_bytes += len(torn)
        if len(torn) > LINE_BYTES_MAX:
            self.add("integrity-line", f"the line is longer than {LINE_BYTES_MAX} bytes and does not end")
        elif not last:
            self.add("integrity-line", "the line is cut off, although the log goes on", remedy=_RESTORE)
        else:
            message = f"the last line was cut off while it was written, after {len(torn)} bytes"
            seen = self.head is not None and self.head.size > self.frontier.size
            remedy = _RESTORE if seen else "nothing: the next command that writes cuts it off"
            finding = Finding(
                "integrity-line", WARNING, message, self.due, self.line, self.file, remedy=remedy
            )
            self.tell(finding)

    def read_block(self, lines: list[bytes]) -> None:
        hashes = []
        for line in lines:
            self.line += 1
            leaf = sha256(b"\x00" + line).hexdigest()
            hashes.append(leaf)
            event = self.decoded(line)
            if event is None:
                self.due += 1
            else:
                self.read_event(event, line)
                self.due = event.seq + 1
            self.prev = leaf
        self.size_bytes += sum(map(len, lines)) + len(lines)
        self.grow(bytes.fromhex("".join(hashes)))

    def decoded(self, line: bytes) -> Event | None:
        if len(line) > LINE_BYTES_MAX:
            self.add("integrity-line", f"the line is longer than {LINE_BYTES_MAX} bytes", remedy=_RESTORE)
            return None
        try:
            return decode(line)
        except (ValueError, RecursionError) as error:
            shown = quoted(line.decode(errors="replace"))
            self.add("integrity-line", f"this is no event: {reason(error)}", actual=shown, remedy=_RESTORE)
            return None

    def read_event(self, event: Event, line: bytes) -> None:
        if event.seq != self.due:
            message = f"event {event.seq} stands where event {self.due} belongs"
            self.add("integrity-sequence", message, expected=str(self.due), actual=str(event.seq))
        if event.prev != self.prev:
            message = "the event was chained to another line than the one before it"
            self.add("integrity-chain", message, expected=self.prev, actual=_hash_shown(event.prev))
        else:
            self.links += 1
        if event.time != self.time:
            self.read_time(event.time)
        canonical = encode(event)
        if canonical != line:
            self.differ(canonical, line)
        self.events += 1
        if self.see is not None:
            self.see(event)

    def read_time(self, time: str) -> None:
        if not _TIME.fullmatch(time):
            form = "RFC 3339 in UTC, as 2025-01-31T12:00:00.000000Z"
            self.add("integrity-time", "the time has the wrong form", expected=form, actual=quoted(time))
            return
        if _instant(time) < _instant(self.time):
            message = "the time runs backwards"
            self.add("integrity-time", message, expected=f"{self.time} or later", actual=time)
        self.time = time

    def differ(self, canonical: bytes, line: bytes) -> None:
        pairs = zip(canonical, line, strict=False)
        same = next((at for at, (one, two) in enumerate(pairs) if one != two), min(len(canonical), len(line)))
        start = max(0, same - 20)
        message = f"the line is not in canonical form, from byte {same + 1} on"
        expected, actual = (
            quoted(text[start : same + 20].decode(errors="replace")) for text in (canonical, line)
        )
        self.add("integrity-line", message, expected=expected, actual=actual)

    def grow(self, leaves: bytes) -> None:
        """Add leaf hashes to the tree, and note its root when it is as large as the head says."""
        if self.head and self.frontier.size < self.head.size:
            missing = (self.head.size - self.frontier.size) * HASH_BYTES
            self.frontier.extend_joined(leaves[:missing])
            self.mark_head()
            leaves = leaves[missing:]
        self.frontier.extend_joined(leaves)

    def mark_head(self) -> None:
        if self.head and self.frontier.size == self.head.size:
            self.head_root = self.frontier.root()

    def compare_head(self) -> None:
        if self.head is None:
            return
        size, root, rule = self.head.size, self.head.root, "integrity-head"
        self.due, self.line, self.file = 0, 0, ""
        if self.head_root is None:
            message = f"the log ends before event {size}, which its head has seen"
            self.add(rule, message, expected=_events(size), actual=_events(self.frontier.size))
        elif self.head_root != root:
            message = f"the first {_events(size)} are not the ones that the head has seen"
            self.add(rule, message, expected=root.hex(), actual=self.head_root.hex())

    def working(self) -> list[str]:
        size = self.frontier.size
        said = [
            f"{self.segments} {'segment' if self.segments == 1 else 'segments'}, {self.size_bytes:,} bytes",
            f"{self.events} of {size} lines decoded: {_events(self.events)}",
            f"{self.links} of {size} links of the hash chain hold",
            f"root over {size}: {self.frontier.root().hex()}",
        ]
        if self.head and self.head_root is not None:
            same = "equals" if self.head_root == self.head.root else "differs from"
            said.append(f"root over the first {self.head.size} {same} the root of the head")
        return said

    def not_proven(self, *, head_given: bool) -> list[str]:
        unknown = []
        if not self.head:
            unknown.append("that no events are missing at the end: there is no head to compare with")
        if not head_given:
            unknown.append(
                "that the log was not rewritten as a whole: it was compared with itself only, no earlier head"
                " was given"
            )
        if self.head and (beyond := self.frontier.size - self.head.size) > 0:
            unknown.append(f"that the {_events(beyond)} after the head are all that were written")
        return unknown


def _instant(time: str) -> str:
    # Without the Z, and zeros at the end of a fraction, the text sorts as the time does.
    return time[:-1].rstrip("0").rstrip(".") if "." in time else time[:-1]


def _hash_shown(prev: str) -> str:
    return prev if len(prev) == len(GENESIS) and prev.isalnum() else quoted(prev)


def _events(count: int) -> str:
    return f"{count} event" if count == 1 else f"{count} events"
