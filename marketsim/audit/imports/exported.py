"""An exported log of ours, or a segment of one: its events are taken in as they are."""

from pathlib import Path

import msgspec

from marketsim.audit.export import read_export
from marketsim.audit.imports.history import Imported, Mapping
from marketsim.audit.segments import check_format
from marketsim.saga.errors import InputError
from marketsim.saga.events import Event, decode

__all__ = ["looks_like", "read"]


def looks_like(head: bytes) -> bool:
    """Whether a file that begins like this is a log of ours."""
    first = head.lstrip()[:4000]
    return b'"marketsim-events"' in first or (b'"seq":' in first and b'"prev":' in first)


def read(data: bytes, path: Path, mapping: Mapping) -> Imported:
    """Take in an export (JSON or JSON Lines) or a segment; raises InputError for a newer or a damaged one."""
    check_format(data.lstrip().partition(b"\n")[0], str(path))
    exported = read_export(path)
    before: list[Event] = []
    for each in exported.header.get("before", []):
        try:
            before.append(decode(msgspec.json.encode(each)))
        except (ValueError, RecursionError) as error:
            what = "what it says of the history before is no list of events"
            raise InputError(what, where=str(path), todo="give a file as it was exported") from error
    return Imported(exported.events, [], before, exported.header, exported.leaves)
