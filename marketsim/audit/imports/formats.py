"""The formats of logs that can be taken in: the table, and how a file's format is guessed."""

from collections.abc import Callable
from pathlib import Path

import msgspec

from marketsim.audit.imports import exported, orra, otlp, temporal
from marketsim.audit.imports.history import Imported, Mapping
from marketsim.audit.imports.source import read_source
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["FORMATS", "Format", "take_in"]

_HEAD_BYTES = 1 << 20


class Format(msgspec.Struct, frozen=True):
    """A format: what it is, whether a file that begins so is of it, and how it is read."""

    name: str
    sentence: str
    looks_like: Callable[[bytes], bool]
    read: Callable[[bytes, Path, Mapping], Imported]


FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("export", "An exported log, or a segment of one.", exported.looks_like, exported.read),
        Format("otlp", "OpenTelemetry traces in OTLP/JSON.", otlp.looks_like, otlp.read),
        Format("orra", "The log entries of orra.", orra.looks_like, orra.read),
        Format("temporal", "Workflow histories of Temporal in JSON.", temporal.looks_like, temporal.read),
    )
}
"""Every format by its name; a file is of the first that it looks like."""


def take_in(path: Path, name: str | None, mapping: Mapping) -> tuple[Format, Imported]:
    """Read a file of the format named, or guessed where none is.

    Raises InputError for an unknown format, for a file of no known one, and for one that is not what it
    is said to be.
    """
    if name is not None and name not in FORMATS:
        raise InputError(f"no format is called {quoted(name)}", where="--from", todo=nearest(name, FORMATS))
    data = read_source(path)
    if name is None:
        head = data[:_HEAD_BYTES]
        found = next((each for each in FORMATS.values() if each.looks_like(head)), None)
        if found is None:
            known = ", ".join(FORMATS)
            todo = f"name its format with --from ({known})"
            raise InputError("this is no log that is known", where=str(path), todo=todo)
        return found, found.read(data, path, mapping)
    return FORMATS[name], FORMATS[name].read(data, path, mapping)
