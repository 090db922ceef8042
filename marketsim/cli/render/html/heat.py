"""A heat map as SVG: an element of a page, or a picture by itself, with no script, by day and by night."""

from collections.abc import Iterator

from marketsim.cli.render.heat import HeatMap, Panel, colour, ink_on
from marketsim.cli.render.html.markup import ascii_only, clipped, escaped, number, tag
from marketsim.simulate.intervals import Interval

__all__ = ["heat_picture", "heat_svg"]

_CELL_WIDTH, _CELL_HEIGHT = 58, 30
_LEFT_MIN, _LABEL_CELLS = 60, 26
_ACROSS_MAX = 16
_TOP = 58
_PANEL_HEAD, _PANEL_GAP = 52, 18
_RAMP_WIDTH = 160
_MARGIN = 16

_STYLE = """
.heat{--paper:#fff;--ink:#1c2128;--faint:#68717d;font:12px/1 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;fill:#1c2128;fill:var(--ink)}
@media screen and (prefers-color-scheme:dark){.heat{--paper:#0e1218;--ink:#e3e8ee;--faint:#929ba7}}
.heat .paper{fill:#fff;fill:var(--paper)}
.heat .title{font-size:15px;font-weight:650}
.heat .faint{fill:#68717d;fill:var(--faint)}
.heat .middle{text-anchor:middle}.heat .end{text-anchor:end}
.heat text{font-variant-numeric:tabular-nums}
"""


def heat_picture(heat: HeatMap, title: str) -> str:
    """The heat map as a file of its own."""
    return heat_svg(heat, title).replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def heat_svg(heat: HeatMap, title: str) -> str:
    """The heat map as an element of a page; resting on a cell tells its interval."""
    heat = heat.within(_ACROSS_MAX)
    left = max(_LEFT_MIN, min(_LABEL_CELLS, max(map(len, [heat.down_label, *heat.down]))) * 7 + 2 * _MARGIN)
    panel_height = _PANEL_HEAD + _CELL_HEIGHT * len(heat.down) + _PANEL_GAP
    width = max(left + _CELL_WIDTH * len(heat.across) + _MARGIN, 360)
    height = _TOP + panel_height * len(heat.panels) + 44
    panels = (
        tag("g", *_panel(heat, panel, left), transform=f"translate(0 {_TOP + panel_height * at})")
        for at, panel in enumerate(heat.panels)
    )
    legend = tag("g", *_legend(heat), transform=f"translate({left} {height - 34})")
    content = [
        tag("title", escaped(title)),
        tag("style", _STYLE),
        '<rect class="paper" width="100%" height="100%"/>',
        tag("text", escaped(clipped(title, width // 8)), class_="title", x=_MARGIN, y=26),
        tag("text", escaped(clipped(heat.words, width // 6)), class_="faint", x=_MARGIN, y=46),
        *panels,
        legend,
    ]
    if heat.unseen:
        more = f"{heat.unseen:,} more panels are not drawn"
        content.append(tag("text", more, class_="faint", x=_MARGIN, y=height - 6))
    svg = tag(
        "svg",
        *content,
        class_="heat",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        role="img",
        aria_label=title,
    )
    return ascii_only([svg])


def _panel(heat: HeatMap, panel: Panel, left: int) -> Iterator[str]:
    if panel.title:
        yield tag("text", escaped(panel.title), x=_MARGIN, y=12)
    yield tag("text", escaped(heat.across_label), class_="faint", x=left, y=24)
    yield tag("text", escaped(clipped(heat.down_label, _LABEL_CELLS)), class_="faint end", x=left - 10, y=44)
    for column, text in enumerate(heat.across):
        x = left + _CELL_WIDTH * column + _CELL_WIDTH / 2
        yield tag("text", escaped(clipped(text, 9)), class_="middle", x=number(x), y=44)
    for line, label in enumerate(heat.down):
        y = _PANEL_HEAD + _CELL_HEIGHT * line
        shown = escaped(clipped(label, _LABEL_CELLS))
        yield tag("text", shown, class_="end", x=left - 10, y=number(y + 19))
        for column, cell in enumerate(panel.rows[line]):
            place = ", ".join(
                f"{axis} {text}"
                for axis, text in ((heat.across_label, heat.across[column]), (heat.down_label, label))
                if axis
            )
            yield from _cell(heat, cell, left + _CELL_WIDTH * column, y, place)


def _cell(heat: HeatMap, cell: Interval | None, x: float, y: float, place: str) -> Iterator[str]:
    middle, base = number(x + _CELL_WIDTH / 2), number(y + 19)
    if cell is None:
        yield tag("text", "-", class_="faint middle", x=middle, y=base)
        return
    paper = colour(heat.shade(cell.mean))
    told = f"{place}: {heat.figure.words(cell)}, {cell.runs} run{'s' if cell.runs != 1 else ''}"
    yield tag(
        "g",
        tag("title", escaped(told)),
        tag(
            "rect",
            x=number(x + 1),
            y=number(y + 1),
            width=_CELL_WIDTH - 2,
            height=_CELL_HEIGHT - 2,
            rx=3,
            fill=f"#{bytes(paper).hex()}",
        ),
        tag(
            "text",
            escaped(heat.figure.short(cell.mean)),
            class_="middle",
            x=middle,
            y=base,
            fill=ink_on(paper),
        ),
    )


def _legend(heat: HeatMap) -> Iterator[str]:
    steps = 32
    step = _RAMP_WIDTH / steps
    yield tag("text", escaped(heat.figure.short(heat.low)), class_="faint end", x=-6, y=11)
    for at in range(steps):
        fill = f"#{bytes(colour(at / (steps - 1))).hex()}"
        # A little wider than the step: where two meet, no line of paper shows through.
        yield tag("rect", x=number(at * step), width=number(step + 0.5), height=14, fill=fill)
    high = escaped(heat.figure.short(heat.high))
    yield tag("text", high, class_="faint", x=number(_RAMP_WIDTH + 6), y=11)
