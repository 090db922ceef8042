"""Text from a file on its way to a terminal: nothing in it may move the cursor or change its direction."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

__all__ = ["escaped_json", "one_line", "printable", "wrapped"]

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_HOSTILE = {ord(each): f"\\u{ord(each):04x}" for each in _BIDI} | {
    code: f"\\u{code:04x}" for code in [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029]
}
_IN_JSON = {code: escape for code, escape in _HOSTILE.items() if code not in (0x0A,)}


def printable(text: str) -> str:
    r"""The text with control characters and marks of direction shown as ``\u001b``; newlines stay."""
    return text.translate(_IN_JSON) if not text.isprintable() else text


def one_line(text: str) -> str:
    r"""The same, with newlines shown as ``\n`` too: a cell of a table cannot pretend to be a row."""
    return printable(text).replace("\n", "\\n")


def escaped_json(text: str, encoding: str = "utf-8") -> str:
    """JSON with the same characters escaped as JSON escapes: still the same document.

    For an encoding that cannot write every character, all that is not ASCII is escaped.
    """
    if text.isascii() and "\x7f" not in text:
        return text
    if encoding.lower().replace("-", "").startswith("utf"):
        return text.translate(_IN_JSON)
    pairs = text.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(pairs[at : at + 2], "big") for at in range(0, len(pairs), 2))
    return "".join(chr(unit) if unit < 0x7F else f"\\u{unit:04x}" for unit in units)


def wrapped(text: "Text", console: "Console", width: int) -> "list[Text]":
    """The lines of a text at a width, without the blanks at their ends; one empty line for no text."""
    lines = list(text.wrap(console, width))
    for line in lines:
        line.rstrip()
    return lines or [text]
