"""The timeline as SVG: a chart of the page, whose marks are links, or a picture by itself that plays once."""

import re
from collections.abc import Callable
from importlib.resources import files

from marketsim.cli.render.html.axis import Flag, GapMark
from marketsim.cli.render.html.lanes import Box, Chart, Dot, Hook, Label, Pause
from marketsim.cli.render.html.markup import ascii_only, clipped, escaped, number, tag

__all__ = ["LEGEND", "Link", "chart_svg", "legend_mark", "picture", "stylesheet"]

Link = Callable[[int], str]
"""From an event's number to where it is told, or to "" if it is not."""

SECONDS = 8
"""How long the picture plays."""

_TITLE_HEIGHT = 44
_TITLE_CELLS, _SUBTITLE_CELLS = 110, 170
_LEGEND_HEIGHT = 30

_SHAPES = {
    "fault": "M1.5-6-4 1H-.5L-1.5 6 4-1H.5Z",
    "effect": "M0-4 4 0 0 4-4 0Z",
    "late": "M-4 0A4 4 0 1 1 4 0 4 4 0 1 1-4 0M0-2.2V0H2.2",
    "note": "M-2.2 0A2.2 2.2 0 1 1 2.2 0 2.2 2.2 0 1 1-2.2 0",
    "end": "M-3.5 0-1 3 4-3.5",
}
"""The marks, around their middle."""

LEGEND = (
    ("box forward", "done"),
    ("box failed", "failed"),
    ("box unknown", "no answer"),
    ("box probe", "asked what came of it"),
    ("box revert", "reverted"),
    ("pause", "waits"),
    ("dot fault", "injected"),
    ("dot effect", "took effect"),
    ("dot late", "came late"),
    ("gap", "time squeezed"),
)
"""What the marks mean, each with its classes."""


def stylesheet(name: str) -> str:
    """A style sheet that comes with the program."""
    return files("marketsim.cli.render.html").joinpath(name).read_text(encoding="utf-8")


def chart_svg(chart: Chart, title: str, link: Link, *, classes: str = "chart") -> str:
    """The chart as an element of a page; ``link`` leads from a mark to its event."""
    return tag(
        "svg",
        _body(chart, link),
        class_=classes,
        viewBox=f"0 0 {chart.width} {number(chart.height)}",
        role="group",
        aria_label=title,
    )


def picture(chart: Chart, title: str, words: str) -> str:
    """The timeline as a file of its own: it plays when it is opened, and is whole when it does not."""
    height = chart.height + _TITLE_HEIGHT + _LEGEND_HEIGHT
    head = tag("text", escaped(clipped(title, _TITLE_CELLS)), class_="title", x=14, y=24)
    head += tag("text", escaped(clipped(words, _SUBTITLE_CELLS)), class_="subtitle", x=14, y=40)
    body = _body(chart, lambda _: "")
    play = number(chart.width - 12 - chart.left)
    marker = f'<path class="playhead" d="M{number(chart.left)} {number(chart.top)}V{number(chart.bottom)}"/>'
    style = _with_plain_colours(stylesheet("timeline.css") + stylesheet("play.css"))
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart picture" ',
        f'viewBox="0 0 {chart.width} {number(height)}" width="{chart.width}" height="{number(height)}" ',
        f'role="img" aria-label="{escaped(title)}">',
        f"<title>{escaped(title)}</title>",
        f"<style>{style}</style>",
        f'<g style="--run:{play}px;--seconds:{SECONDS}s">',
        '<rect class="paper" width="100%" height="100%"/>',
        head,
        f'<g class="run" transform="translate(0 {_TITLE_HEIGHT})">{body}{marker}</g>',
        f'<g transform="translate(14 {number(height - 14)})">{_legend()}</g>',
        "</g></svg>\n",
    ]
    return ascii_only(parts)


def _with_plain_colours(css: str) -> str:
    """Each colour twice: as it is by day, for a viewer that knows no variables, and by its variable."""
    plain = dict(_VARIABLE.findall(css.partition("}")[0]))
    return _COLOUR.sub(lambda found: f"{found[1]}:{plain[found[2]]};{found[0]}", css)


_VARIABLE = re.compile(r"--(\w+):(#\w+)")
_COLOUR = re.compile(r"\b(fill|stroke|color):var\(--(\w+)\)")


def _legend() -> str:
    """The meaning of the marks in a line."""
    parts, x = [], 0.0
    for classes, words in LEGEND:
        parts.append(f'<g transform="translate({number(x)} 0)">{legend_mark(classes)}</g>')
        parts.append(tag("text", escaped(words), class_="legend", x=number(x + 20), y=0))
        x += 20 + len(words) * 6.2 + 16
    return "".join(parts)


def legend_mark(classes: str) -> str:
    """A mark as it stands in a legend, 16 wide, on a line of text."""
    kind, _, style = classes.partition(" ")
    if kind == "dot":
        return f'<path class="{classes}" transform="translate(8 -4)" d="{_SHAPES[style]}"/>'
    if kind == "pause":
        return '<path class="pause" d="M0-4H16"/>'
    if kind == "gap":
        return '<rect class="gap" x="3" y="-10" width="10" height="12"/>'
    if style == "revert":
        return f'<path class="{classes}" d="M0-4 5-8.5H16V.5H5Z"/>'
    return f'<rect class="{classes}" y="-8.5" width="16" height="9" rx="2"/>'


def _body(chart: Chart, link: Link) -> str:
    return "".join(
        [
            *_lanes(chart),
            *(_gap(gap, chart) for gap in chart.gaps),
            *(_flag(flag, chart, link) for flag in chart.flags),
            *_axis(chart),
            *_services(chart),
            *(_hook(hook, chart) for hook in chart.hooks),
            *(_pause(pause, chart, link) for pause in chart.pauses),
            *(_box(box, chart, link) for box in chart.boxes),
            *(_dot(dot, chart, link) for dot in chart.dots),
            *(_label(label, chart) for label in chart.labels),
        ]
    )


def _lanes(chart: Chart) -> list[str]:
    parts = []
    for index, lane in enumerate(chart.lanes):
        parts.append(
            f'<rect class="lane{" odd" if index % 2 else ""}" y="{number(lane.y)}" '
            f'width="{chart.width}" height="{number(lane.height)}"/>'
        )
    return parts


def _services(chart: Chart) -> list[str]:
    """The lanes' names, above the gaps."""
    return [
        tag("text", escaped(clipped(lane.name, 15)), class_="service", x=12, y=number(lane.y + 18))
        for lane in chart.lanes
    ]


def _axis(chart: Chart) -> list[str]:
    top, bottom = number(chart.top), number(chart.bottom)
    parts = []
    for tick in chart.ticks:
        parts.append(f'<path class="tick" d="M{number(tick.x)} {top}V{bottom}"/>')
        anchor = {"class_": "moment end" if tick.at_end else "moment"}
        shift = -3 if tick.at_end else 3
        parts.append(
            tag("text", escaped(tick.words), x=number(tick.x + shift), y=number(chart.top - 5), **anchor)
        )
    return parts


def _gap(gap: GapMark, chart: Chart) -> str:
    top, bottom, middle = number(chart.top), chart.bottom, number(gap.x + gap.width / 2)
    band = (
        f'<rect class="gap" x="{number(gap.x)}" y="{top}" width="{number(gap.width)}" '
        f'height="{number(bottom - chart.top)}">{tag("title", escaped(gap.words))}</rect>'
    )
    if not gap.label:
        return band
    return band + tag("text", escaped(gap.label), class_="squeezed", x=middle, y=number(bottom + 14))


def _flag(flag: Flag, chart: Chart, link: Link) -> str:
    x = number(flag.x)
    line = f'<path class="flag-line" d="M{x} {number(_flag_y(flag) - 9)}V{number(chart.bottom)}"/>'
    text = ""
    if flag.level >= 0:
        shift = -4 if flag.at_end else 4
        text = tag(
            "text",
            escaped(flag.label),
            class_="end" if flag.at_end else "",
            x=number(flag.x + shift),
            y=number(_flag_y(flag)),
        )
    return _linked(f"flag {flag.style}", flag.words, flag.seq, line + text, link, flag.x, chart)


def _flag_y(flag: Flag) -> float:
    return 17.0 + 15 * max(flag.level, 0)


def _hook(hook: Hook, chart: Chart) -> str:
    """To the left, up, and into the beginning of the operation."""
    turn = hook.to_x - 8
    d = (
        f"M{number(hook.x)} {number(hook.y)}H{number(turn + 4)}"
        f"Q{number(turn)} {number(hook.y)} {number(turn)} {number(hook.y - 4)}"
        f"V{number(hook.to_y + 4)}Q{number(turn)} {number(hook.to_y)} {number(turn + 4)} {number(hook.to_y)}"
    )
    tip = f"M{number(hook.to_x - 1)} {number(hook.to_y)}l-5-3v6Z"
    return (
        f'<path class="hook"{_time(hook.x, chart)} d="{d}"/>'
        f'<path class="hook-tip"{_time(hook.x, chart)} d="{tip}"/>'
    )


def _pause(pause: Pause, chart: Chart, link: Link) -> str:
    line = f'<path d="M{number(pause.x)} {number(pause.y)}H{number(pause.to_x)}"/>'
    return _linked("pause", pause.words, pause.seq, line, link, pause.x, chart)


def _box(box: Box, chart: Chart, link: Link) -> str:
    x, y, width = box.x, box.y, box.width
    if box.back:
        tip = min(5.0, width)
        shape = (
            f'<path d="M{number(x)} {number(y + 4.5)}L{number(x + tip)} {number(y)}'
            f'H{number(x + width)}V{number(y + 9)}H{number(x + tip)}Z"/>'
        )
    else:
        shape = f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="9" rx="2"/>'
    for gap in chart.gaps:
        if x <= gap.x and gap.x + gap.width <= x + width:
            middle = gap.x + gap.width / 2
            shape += f'<path class="cut" d="M{number(middle - 4)} {number(y + 11)}l4-13m3 0-4 13"/>'
    kind = f"box back {box.style}" if box.back else f"box {box.style}"
    return _linked(kind, box.words, box.seq, shape, link, x, chart, width)


def _dot(dot: Dot, chart: Chart, link: Link) -> str:
    place = f"translate({number(dot.x)} {number(dot.y)})"
    shape = f'<path transform="{place}" d="{_SHAPES[dot.kind]}"/>'
    return _linked(f"dot {dot.kind}", dot.words, dot.seq, shape, link, dot.x, chart)


def _label(label: Label, chart: Chart) -> str:
    name = tag("tspan", escaped(label.name), class_="name")
    words = tag("tspan", escaped(label.words), class_="words", dx=7) if label.words else ""
    odd = any(lane.y <= label.y < lane.y + lane.height for lane in chart.lanes[1::2])
    classes = f"label {label.style}" + (" odd" if odd else "") + (" end" if label.at_end else "")
    return (
        f'<text class="{classes}"{_time(label.from_x, chart)} x="{number(label.x)}" y="{number(label.y)}">'
        f"{name}{words}{tag('title', escaped(label.title))}</text>"
    )


def _linked(
    classes: str, words: str, seq: int, shape: str, link: Link, x: float, chart: Chart, width: float = 0
) -> str:
    """A mark with its accessible name, which leads to its event where there is a page around it."""
    target, inside = link(seq), tag("title", escaped(words)) + shape
    if target:
        return f'<a class="{escaped(classes)}" href="{escaped(target)}">{inside}</a>'
    return f'<g class="{escaped(classes)}"{_time(x, chart, width)}>{inside}</g>'


def _time(x: float, chart: Chart, width: float = 0) -> str:
    """When the picture, as it plays, gets to this place, and for how long."""
    run = chart.width - 12 - chart.left
    begin = min(max((x - chart.left) / run, 0.0), 1.0)
    return f' style="--t:{begin:.3f};--d:{max(width / run, 0.03):.3f}"'
