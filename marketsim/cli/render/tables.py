"""Tables: plain columns that fit the terminal, with no frame to get in a script's way."""

from collections.abc import Iterable, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from marketsim.cli.render.text import one_line

__all__ = ["show_table"]

_GAP = "  "
_WHOLE_LENGTH_MAX = 32


def show_table(
    console: Console, heads: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()
) -> None:
    """Print rows under their heads; the columns named in ``right`` are aligned to the right."""
    cells = [[one_line(str(each)) for each in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    if sum(widths) + len(_GAP) * (len(widths) - 1) > console.width:
        _show_folded(console, heads, cells, right)
        return
    # What needs no folding is written as it is: a table of rich takes a hundred times as long.
    head, *lines = (_line(row, widths, heads, right) for row in [heads, *cells])
    console.print(Text(head, "bold"), no_wrap=True)
    console.file.writelines(f"{line}\n" for line in lines)


def _line(row: Sequence[str], widths: Sequence[int], heads: Sequence[str], right: Sequence[str]) -> str:
    parts = []
    for cell, width, head in zip(row, widths, heads, strict=True):
        blanks = " " * (width - cell_len(cell))
        parts.append(blanks + cell if head in right else cell + blanks)
    return _GAP.join(parts).rstrip()


def _show_folded(
    console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]
) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for index, head in enumerate(heads):
        # A name that is cut in two cannot be copied.
        whole = all(
            len(each) <= _WHOLE_LENGTH_MAX and " " not in each for each in (row[index] for row in rows)
        )
        justify: Literal["left", "right"] = "right" if head in right else "left"
        table.add_column(head, justify=justify, overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
