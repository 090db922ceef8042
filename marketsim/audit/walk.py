"""The pass over a log's files: every line is looked at, and whatever is wrong with one is a finding."""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.audit.proofs import Growth
from marketsim.audit.segments import (
    LINE_BYTES_MAX,
    blocks,
    numbered,
    place,
    reason,
    segment_files,
    segment_name,
)
from marketsim.audit.stretches import TIME, Piece, Stretch, instant, pieces_of, sound, sound_pieces
from marketsim.saga.errors import MarketError, quoted
from marketsim.saga.events import GENESIS, Event, decode, encode

__all__ = ["COMPARE", "FINDINGS_MAX", "PARALLEL_BYTES", "RESTORE", "Walk"]

FINDINGS_MAX = 1000
"""How many findings are told one by one; of any beyond, only the number is told."""

PARALLEL_BYTES = 24 << 20
"""How large a log has to be for other cores to be worth their start."""

RESTORE = "restore the file from a copy"
"""What to do about a file that is not as it was written."""

COMPARE = "compare with a copy that was kept elsewhere"
"""What to do about a log that is not the one that was written."""


class Walk:
    """Where the pass over the files stands, and what it has found so far.

    The tree is remembered at ``sizes``. With more ``workers`` than one, other processes look ahead
    for stretches that nothing speaks against; all else is read here, line by line, so that the
    findings are the same however many there are.
    """

    def __init__(
        self, see: Callable[[Event], None] | None = None, sizes: Iterable[int] = (), workers: int = 1
    ) -> None:
        self.see = see
        self.workers = workers
        self.sizes = list(sizes)
        self.tree = Growth(self.sizes)
        self.findings: list[Finding] = []
        self.untold = 0
        self.segments = self.size_bytes = self.events = self.links = 0
        self.due, self.prev, self.time = 1, GENESIS, ""
        self.file, self.line = "", 0

    @property
    def size(self) -> int:
        """How many complete lines were read."""
        return self.tree.frontier.size

    def add(
        self, rule: str, message: str, *, expected: str = "", actual: str = "", remedy: str = COMPARE
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
        """Record a finding, while there is room for it."""
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.untold += 1

    def all_findings(self) -> list[Finding]:
        """Return what was found, and how much more."""
        if not self.untold:
            return self.findings
        message = f"{self.untold} more findings are not told one by one"
        return [*self.findings, Finding("integrity-more", ERROR, message)]

    def read_folder(self, folder: Path) -> None:
        """Read the segments of a folder, from the first line to the last."""
        try:
            paths = segment_files(folder)
        except MarketError as error:
            self.tell(Finding("integrity-segment", ERROR, error.what, file=folder.name))
            return
        if not paths:
            self.tell(Finding("integrity-segment", ERROR, "there is no log here", file=folder.name))
        number, ahead = 1, self.look_ahead(paths)
        for path in paths:
            self.miss_segments(folder, number, numbered(path))
            self.read_segment(path, next(ahead), last=path is paths[-1])
            number = numbered(path) + 1

    def look_ahead(self, paths: list[Path]) -> Iterator[Iterator[tuple[Piece, Stretch | None]]]:
        """The pieces of each segment, with the stretch that another process found each to be."""
        if self.workers < 2 or _size_bytes(paths) < PARALLEL_BYTES:
            for path in paths:
                yield iter([(Piece(path, 0, None), None)])
            return
        divided = [pieces_of(path) for path in paths]
        found = sound_pieces([piece for pieces in divided for piece in pieces], self.workers)
        for pieces in divided:
            yield zip(pieces, found, strict=False)

    def miss_segments(self, folder: Path, due: int, found: int) -> None:
        if found == due:
            return
        self.file, self.line = place(folder / segment_name(due)), 0
        missing = f"segments {due} to {found - 1} are" if found - due > 1 else f"segment {due} is"
        self.add("integrity-segment", f"{missing} missing", remedy=RESTORE)

    def read_segment(self, path: Path, pieces: Iterator[tuple[Piece, Stretch | None]], *, last: bool) -> None:
        self.file, self.line = place(path), 0
        self.segments += 1
        try:
            for piece, stretch in pieces:
                self.read_piece(piece, stretch, last=last)
        except MarketError as error:
            self.add("integrity-segment", error.what, remedy="make the file readable")
            for _ in pieces:
                pass  # What was found ahead for the rest of this segment must not be taken for the next.

    def read_piece(self, piece: Piece, stretch: Stretch | None, *, last: bool) -> None:
        if stretch is not None and stretch.follows(self.due, self.prev, self.time):
            self.take(stretch)
            if self.see is not None:
                self.show(piece)
            return
        for lines, torn in blocks(piece.path, piece.start, piece.end):
            if lines:
                self.read_block(lines)
            if torn:
                self.read_torn(torn, last=last)

    def show(self, piece: Piece) -> None:
        """Show the events of a piece that others have verified."""
        assert self.see is not None
        for lines, _ in blocks(piece.path, piece.start, piece.end):
            for event in map(self.decoded, lines):
                if event is not None:
                    self.see(event)

    def read_torn(self, torn: bytes, *, last: bool) -> None:
        self.line += 1
        self.size_bytes += len(torn)
        if len(torn) > LINE_BYTES_MAX:
            self.add("integrity-line", f"the line is longer than {LINE_BYTES_MAX} bytes and does not end")
        elif not last:
            self.add("integrity-line", "the line is cut off, although the log goes on", remedy=RESTORE)
        else:
            message = f"the last line was cut off while it was written, after {len(torn)} bytes"
            seen = any(size > self.size for size in self.sizes)
            remedy = RESTORE if seen else "nothing: the next command that writes cuts it off"
            finding = Finding(
                "integrity-line", WARNING, message, self.due, self.line, self.file, remedy=remedy
            )
            self.tell(finding)

    def read_block(self, lines: list[bytes]) -> None:
        found = sound(lines)
        if found is None or not found[0].follows(self.due, self.prev, self.time):
            self.read_lines(lines)
            return
        stretch, events = found
        self.take(stretch)
        if self.see is not None:
            for event in events:
                self.see(event)

    def take(self, stretch: Stretch) -> None:
        """Take in lines that nothing speaks against, and that go on from here."""
        size = stretch.size
        self.line += size
        self.events += size
        self.links += size
        self.size_bytes += stretch.size_bytes
        self.due, self.prev, self.time = stretch.seq + size, stretch.last, stretch.time
        self.tree.extend_joined(stretch.leaves)

    def read_lines(self, lines: list[bytes]) -> None:
        """Look at one line after another, and tell what is wrong with each."""
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
        self.tree.extend_joined(bytes.fromhex("".join(hashes)))

    def decoded(self, line: bytes) -> Event | None:
        if len(line) > LINE_BYTES_MAX:
            self.add("integrity-line", f"the line is longer than {LINE_BYTES_MAX} bytes", remedy=RESTORE)
            return None
        try:
            return decode(line)
        except (ValueError, RecursionError) as error:
            shown = quoted(line.decode(errors="replace"))
            self.add("integrity-line", f"this is no event: {reason(error)}", actual=shown, remedy=RESTORE)
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
        if not TIME.fullmatch(time):
            form = "RFC 3339 in UTC, as 2025-01-31T12:00:00.000000Z"
            self.add("integrity-time", "the time has the wrong form", expected=form, actual=quoted(time))
            return
        if instant(time) < instant(self.time):
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


def _size_bytes(paths: list[Path]) -> int:
    try:
        return sum(path.stat().st_size for path in paths)
    except OSError:
        return 0


def _hash_shown(prev: str) -> str:
    return prev if len(prev) == len(GENESIS) and prev.isalnum() else quoted(prev)
