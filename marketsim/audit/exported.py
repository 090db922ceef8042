"""An exported file held against the log that it came from, as far as one can that may have been redacted."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from marketsim.audit.checkpoint import Checkpoint
from marketsim.audit.export import stream_export
from marketsim.audit.findings import ERROR, Finding
from marketsim.audit.merkle import HASH_BYTES, Frontier
from marketsim.audit.redaction import Record, commitment, restored, tokens_in
from marketsim.audit.segments import FORMAT_NEWEST, check_format
from marketsim.audit.verify import FINDINGS_MAX, Verification
from marketsim.saga.errors import InputError, quoted
from marketsim.saga.events import GENESIS, Event, JSONObject, MarketCreated, encode

__all__ = ["Disclosure", "verify_export"]

_REMEDY = "export it again from the market"
_SHOWN = 5


class Disclosure(msgspec.Struct, frozen=True):
    """A redacted value with its own salt (hex): enough to check it, and to check no other."""

    value: Any
    salt: str

    @property
    def token(self) -> str:
        """What stands for the value in the export; raises InputError if the salt is none."""
        try:
            return commitment(bytes.fromhex(self.salt), self.value)
        except (ValueError, TypeError):
            raise InputError(f"{quoted(self.salt)} is no salt", todo="give it in hexadecimal") from None


def verify_export(
    path: Path,
    *,
    head: Checkpoint | None = None,
    disclosures: Mapping[str, Any] | None = None,
    see: Callable[[Event], None] | None = None,
) -> tuple[Verification, bool]:
    """Verify an exported file, and say whether it has every event from the first on.

    It is held against a head: the one given, else the one in its own header. ``disclosures`` are values
    by their tokens; an event all of whose tokens are known is put together again, and hashed. ``see`` is
    called with every event. Reads event by event, in flat memory. Raises InputError for a file that
    cannot be read, is no export, or is of a newer format. The rules:

    - integrity-sequence: the numbers grow.
    - integrity-chain: an event names the hash of the one before it, where that is in the file.
    - integrity-line: only an event in which something was redacted comes with a hash of its own, and
      the values that were disclosed give that hash.
    - integrity-head: if nothing is left out, the hashes have the root that the head says.
    """
    header, records = stream_export(path)
    walk = _Walk(str(path), head or _head_of(header, str(path)), disclosures or {})
    for line, record in records:
        if isinstance(record[0], MarketCreated) and record[0].format > FORMAT_NEWEST:
            check_format(encode(record[0]), f"{path}:{line}")
        walk.read(line, record)
        if see is not None:
            see(record[0])
    walk.compare_head()
    verification = Verification(
        findings=walk.findings,
        size=walk.count,
        root=walk.frontier.root().hex() if walk.whole else "",
        head_size=walk.head.size if walk.head else None,
        working=walk.working(),
        not_proven=walk.not_proven(head_given=head is not None),
        head=walk.head,
    )
    return verification, walk.whole


def _head_of(header: JSONObject, where: str) -> Checkpoint | None:
    head = header.get("head")
    if head is None:
        return None
    try:
        root = bytes.fromhex(head["root"])
        found = Checkpoint(str(head["origin"]), int(head["size"]), root)
    except (KeyError, TypeError, ValueError):
        found = Checkpoint("", -1, b"")
    if found.size < 0 or len(found.root) != HASH_BYTES:
        raise InputError("the head in the file is malformed", where=where, todo=_REMEDY)
    return found


class _Walk:
    """Where the pass over a file stands, and what it has found so far."""

    def __init__(self, file: str, head: Checkpoint | None, disclosed: Mapping[str, Any]) -> None:
        self.file, self.head, self.disclosed = file, head, disclosed
        self.findings: list[Finding] = []
        self.frontier = Frontier()
        self.head_root: bytes | None = self.frontier.root() if head and not head.size else None
        self.count = self.first = self.last = self.links = self.links_due = 0
        self.redacted = self.put_back = 0
        self.sealed: list[int] = []
        self.used: set[str] = set()
        self.leaf, self.whole = GENESIS, True

    def add(self, rule: str, message: str, line: int = 0, **more: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            seq = self.last if line else 0
            more.setdefault("remedy", _REMEDY)
            self.findings.append(Finding(rule, ERROR, message, seq, line, self.file, **more))

    def read(self, line: int, record: Record) -> None:
        event, leaf = record
        before, self.last = self.last, event.seq
        self.count += 1
        self.first = self.first or event.seq
        if event.seq == before + 1:
            self.links_due += 1
            self.links += event.prev == self.leaf
            if event.prev != self.leaf:
                message = "the event was chained to another line than the one before it"
                self.add(
                    "integrity-chain", message, line, expected=self.leaf, actual=quoted(event.prev)[1:-1]
                )
        elif event.seq <= before:
            message = f"event {event.seq} stands behind event {before}"
            self.add("integrity-sequence", message, line)
            self.whole = False
        else:
            self.whole = False
        own = encode(event)
        self.leaf = self.hash_of(event, own, leaf, line) if leaf else sha256(b"\x00" + own).hexdigest()
        if self.whole:
            self.frontier.add(bytes.fromhex(self.leaf))
            if self.head and self.frontier.size == self.head.size:
                self.head_root = self.frontier.root()

    def hash_of(self, event: Event, own: bytes, leaf: str, line: int) -> str:
        """The hash that an event in which something was redacted had in the log."""
        tokens = tokens_in(own.decode())
        self.redacted += 1
        if not tokens:
            self.add("integrity-line", "the event has a hash of its own, and nothing in it is redacted", line)
        known = {token: self.disclosed[token] for token in tokens if token in self.disclosed}
        self.used.update(known)
        if not tokens or len(known) < len(tokens):
            self.sealed = [*self.sealed, event.seq] if len(self.sealed) < _SHOWN else self.sealed
            return leaf
        self.put_back += 1
        found = _restored_hash(event, known)
        if found != leaf:
            message = "with its values put back, the event is not the one in the log"
            self.add("integrity-line", message, line, expected=leaf, actual=found)
        return leaf

    def compare_head(self) -> None:
        for token in self.disclosed.keys() - self.used:
            self.add("integrity-line", f"nothing in the file was redacted to {token}", remedy="")
        if self.head is None or not self.whole:
            return
        size = self.head.size
        if self.head_root is None:
            message = f"the file ends before event {size}, which its head has seen"
            self.add("integrity-head", message, expected=_events(size), actual=_events(self.count))
        elif self.head_root != self.head.root:
            message = f"the first {size} events are not the ones that the head has seen"
            self.add("integrity-head", message, expected=self.head.root.hex(), actual=self.head_root.hex())

    def working(self) -> list[str]:
        gaps = "" if self.whole else f", and {max(0, self.last - self.count):,} left out"
        said = [
            f"{_events(self.count)}, from {self.first:,} to {self.last:,}{gaps}",
            f"{self.links:,} of {self.links_due:,} links of the hash chain hold",
            f"{_events(self.redacted)} with redacted values; {self.put_back:,} put together again",
        ]
        if self.whole:
            said.append(f"root over {self.count}: {self.frontier.root().hex()}")
        if self.head and self.head_root is not None:
            same = "equals" if self.head_root == self.head.root else "differs from"
            said.append(f"root over the first {self.head.size} {same} the root of the head")
        return said

    def not_proven(self, *, head_given: bool) -> list[str]:
        unknown = []
        if not self.whole:
            unknown.append(
                "that these are events of the log of that head: some are left out, so there is no root to"
                " compare; the chain holds only between neighbours"
            )
        elif not self.head:
            unknown.append("that no events are missing at the end: there is no head to compare with")
        if not head_given:
            unknown.append(
                "that the log was not rewritten as a whole: no head was given that was kept elsewhere"
            )
        if sealed := self.redacted - self.put_back:
            shown = ", ".join(map(str, self.sealed)) + (", …" if sealed > len(self.sealed) else "")
            unknown.append(
                f"what stands in {_events(sealed)} with redacted values (seq {shown}): the hash from the log"
                " was taken as it is given; it proves the event's place, and not what the file says of it"
            )
        if self.whole and self.head and (beyond := self.count - self.head.size) > 0:
            unknown.append(f"that the {_events(beyond)} after the head are all that were written")
        return unknown


def _restored_hash(event: Event, values: Mapping[str, Any]) -> str:
    try:
        return sha256(b"\x00" + encode(restored(event, values))).hexdigest()
    except (ValueError, TypeError):
        return "none: the values do not fit into the event"


def _events(count: int) -> str:
    return f"{count:,} event" if count == 1 else f"{count:,} events"
