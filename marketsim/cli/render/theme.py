"""The theme: which colour means what, which glyphs draw it, and the console that uses them."""

from typing import TextIO

import msgspec
from rich.console import Console
from rich.theme import Theme

__all__ = ["ASCII", "THEME", "UNICODE", "Glyphs", "console", "glyphs_for"]

THEME = Theme(
    {
        "forward": "green",
        "revert": "bold cyan",
        "fault": "bold magenta",
        "failed": "bold red",
        "unknown": "bold yellow",
        "waiting": "dim",
        "faint": "dim",
        "good": "bold green",
        "bad": "bold red",
        "warn": "bold yellow",
        "name": "bold",
    },
    inherit=False,
)


class Glyphs(msgspec.Struct, frozen=True):
    """The characters that the timeline draws with."""

    forward: str
    back: str
    bar: str
    wait: str
    fault: str
    failed: str
    unknown: str
    done: str
    crash: str
    again: str
    arrow: str
    times: str
    dash: str


UNICODE = Glyphs("▶", "◀", "│", "┆", "⚡", "✗", "?", "✓", "☠", "↻", "→", "×", "─")
ASCII = Glyphs(">", "<", "|", ":", "!", "x", "?", "ok", "#", "@", "->", "x", "-")


def console(stream: TextIO) -> Console:
    """A console on a stream; it honours NO_COLOR, COLUMNS, and a terminal that is not there."""
    return Console(file=stream, theme=THEME, markup=False, emoji=False, highlight=False, soft_wrap=False)


def glyphs_for(stream: TextIO) -> Glyphs:
    """The glyphs that a stream's encoding can write."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower()
    return UNICODE if encoding.replace("-", "").startswith("utf") else ASCII
