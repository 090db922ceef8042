"""Two streams side by side: what is the same is faint, the first difference is marked."""

import msgspec
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from marketsim.audit.difference import Difference, Row
from marketsim.cli.render.text import one_line
from marketsim.cli.render.theme import UNICODE, Glyphs
from marketsim.saga.events import Event, encode

__all__ = ["show_difference"]

_STYLES = {"=": "faint", "|": "warn", "<": "bad", ">": "good"}
_WIDTH_LEAST = 20
_VALUE_LENGTH_MAX = 300


def show_difference(found: Difference, left: str, right: str, console: Console, glyphs: Glyphs) -> None:
    """Print the comparison; on the right is what has no place on the left, and the other way round."""
    if found.equal:
        _print(console, Text(f"no difference in {found.same:,} events", "good"))
        return
    width = max(_WIDTH_LEAST, (console.width - 5) // 2)
    sizes = f"{left}: {found.left_size:,} events", f"{right}: {found.right_size:,} events"
    _print(console, Text(_beside(one_line(sizes[0]), one_line(sizes[1]), " ", width), "bold"))
    first = True
    if found.same > sum(row.mark == "=" for row in found.rows[: found.same]):
        _print(console, Text(f"  the same as far as event {found.same:,}", "faint"))
    for row in found.rows:
        if first and row.mark != "=":
            _print(console, Text(f"{glyphs.dash * 3} the first difference {glyphs.dash * 3}", "name"))
            first = False
        _show_row(row, console, width, glyphs)
    if not found.whole:
        _print(console, Text("  and more, which is not shown", "faint"))


def _show_row(row: Row, console: Console, width: int, glyphs: Glyphs) -> None:
    cells = [_cell(each) if each is not None else "" for each in (row.left, row.right)]
    _print(
        console,
        Text(_beside(cells[0], cells[1], " " if row.mark == "=" else row.mark, width), _STYLES[row.mark]),
    )
    if row.left is None or row.right is None:
        return
    one, other = _members(row.left), _members(row.right)
    for name in row.fields:
        values = [one_line(_short(each.get(name, ""), glyphs)) for each in (one, other)]
        _print(console, Text(f"          {one_line(name)}: {values[0] or 'none'}", "bad"))
        _print(console, Text(f"          {' ' * cell_len(one_line(name))}  {values[1] or 'none'}", "good"))


def _cell(event: Event) -> str:
    name = getattr(event, "compensation", "") or getattr(event, "operation", "")
    attempt = getattr(event, "attempt", 0)
    what = f"{name}@{attempt}" if attempt > 1 else name
    owner = "" if name else getattr(event, "transaction", "")
    return one_line(f"{event.seq:>6} {event.type} {what or owner}".rstrip())


def _members(event: Event) -> dict[str, str]:
    members = msgspec.json.decode(encode(event), type=dict[str, msgspec.Raw])
    return {name: bytes(value).decode() for name, value in members.items()}


def _short(text: str, glyphs: Glyphs) -> str:
    ellipsis = "…" if glyphs is UNICODE else "..."
    return text if len(text) <= _VALUE_LENGTH_MAX else text[:_VALUE_LENGTH_MAX] + ellipsis


def _beside(left: str, right: str, mark: str, width: int) -> str:
    return f"{set_cell_size(left, width)}  {mark}  {_cut(right, width)}".rstrip()


def _cut(text: str, width: int) -> str:
    return text if cell_len(text) <= width else set_cell_size(text, width)


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)
