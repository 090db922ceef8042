"""Markup from text that may be hostile: whatever comes in through here is inert on the page."""

import html
from collections.abc import Iterable

from rich.cells import cell_len

from marketsim.cli.render.text import one_line, printable

__all__ = [
    "ascii_only",
    "clipped",
    "escaped",
    "number",
    "preformatted",
    "tag",
    "words_count",
]

TEXT_CELLS_MAX = 2_000
"""What is longer is cut, and says so by its ellipsis."""

# XML has no way to say these, so they are shown as what they are.
_UNSPEAKABLE = {code: f"\\u{code:04x}" for code in (0xFFFE, 0xFFFF, *range(0xD800, 0xE000))}


def escaped(text: object) -> str:
    """A text on one line, safe between tags and inside quoted attributes."""
    shown = one_line(str(text)).translate(_UNSPEAKABLE)
    return html.escape(shown if len(shown) <= TEXT_CELLS_MAX else shown[: TEXT_CELLS_MAX - 1] + "…")


def preformatted(text: str, length_max: int) -> str:
    """A text with its line breaks, safe between tags; what is longer is cut, and says how much was."""
    shown = printable(text).translate(_UNSPEAKABLE)
    if len(shown) > length_max:
        shown = f"{shown[:length_max]}\n… and {len(shown) - length_max:,} characters more"
    return html.escape(shown)


def tag(name: str, *content: str, **attributes: object) -> str:
    """An element with content that is markup already; the values of attributes are escaped here.

    ``class_`` is written for class, and ``aria_label`` for aria-label; None and "" leave one out.
    """
    parts = [
        f' {key.removesuffix("_").replace("_", "-")}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None and value != ""
    ]
    return f"<{name}{''.join(parts)}>{''.join(content)}</{name}>"


def number(value: float) -> str:
    """A length in pixels, with at most one digit behind the point."""
    return f"{value:.1f}".removesuffix(".0")


def clipped(text: str, cells_max: int) -> str:
    """As much of a text as fits into so many columns, with an ellipsis for the rest."""
    text = text[:TEXT_CELLS_MAX]
    if cell_len(text) <= cells_max:
        return text
    while text and cell_len(text) > cells_max - 1:
        text = text[:-1]
    return text.rstrip() + "…" if text.strip() else ""


def words_count(count: int, one: str, many: str = "") -> str:
    """A number with its noun: ``1 event``, ``2,000 events``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def ascii_only(pieces: Iterable[str]) -> str:
    """Markup in ASCII, the rest as references: the same document in every encoding."""
    return "".join(pieces).encode("ascii", "xmlcharrefreplace").decode()
