"""An exported log of ours, or a segment of one: its events are taken in as they are."""

from pathlib import Path

import msgspec

from marketsim.audit.export import read_export
from marketsim.audit.imports.history import Imported, Mapping
from marketsim.audit.imports.source import LINE_BYTES_MAX
from marketsim.saga.errors import InputError
from marketsim.saga.events import Event, decode

__all__ = ["FORMAT_NEWEST", "looks_like", "read"]

FORMAT_NEWEST = 1
"""The newest format of events, as market.created tells it, that is read."""


def looks_like(head: bytes) -> bool:
    """Whether a file that begins like this is a log of ours."""
    first = head.lstrip()[:4000]
    return b'"marketsim-events"' in first or (b'"seq":' in first and b'"prev":' in first)


def read(data: bytes, path: Path, mapping: Mapping) -> Imported:
    """Take in an export (JSON or JSON Lines) or a segment; raises InputError for a newer or a damaged one."""
    _check_format(data, path)
    exported = read_export(path)
    before: list[Event] = []
    for each in exported.header.get("before", []):
        try:
            before.append(decode(msgspec.json.encode(each)))
        except (ValueError, RecursionError) as error:
            what = "what it says of the history before is no list of events"
            raise InputError(what, where=str(path), todo="give a file as it was exported") from error
    return Imported(exported.events, [], before, exported.header)


def _check_format(data: bytes, path: Path) -> None:
    """Say of a newer log that it is newer, not which of its lines cannot be understood."""
    first = data.lstrip()[:LINE_BYTES_MAX].partition(b"\n")[0]
    try:
        created = msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        return
    form = bytes(created.get("format", b"0"))[:9]
    begins = bytes(created.get("type", b"")) == b'"market.created"'
    if begins and form.isdigit() and int(form) > FORMAT_NEWEST:
        todo = "read it with a newer marketsim"
        raise InputError(
            f"the log is of format {int(form)}, newer than {FORMAT_NEWEST}", where=str(path), todo=todo
        )
