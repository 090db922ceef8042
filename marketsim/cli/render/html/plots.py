"""Plots as SVG: lines over time, and an area under one of them."""

from collections.abc import Sequence

import msgspec

from marketsim.cli.render.html.markup import escaped, number, tag

__all__ = ["NARROW", "WIDE", "Curve", "plot_svg"]

WIDE, NARROW = 1120, 560
"""How wide a plot is drawn, in pixels: for a screen, and for a telephone."""

_HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 220, 56, 14, 12, 26


class Curve(msgspec.Struct, frozen=True):
    """Numbers from left to right, what they are called, and the class of their colour."""

    name: str
    numbers: Sequence[int]
    style: str


def plot_svg(
    curves: Sequence[Curve], ticks: Sequence[tuple[float, str]], title: str, width: int, *, area: bool = False
) -> str:
    """The curves over one another; ``ticks`` are labels of the axis, each at its share (0 to 1) of it.

    With ``area`` they are filled down to the axis.
    """
    top = max((max(curve.numbers, default=0) for curve in curves), default=0) or 1
    inner, bottom = width - _LEFT - _RIGHT, _HEIGHT - _BOTTOM
    parts = [_level(step, top, width, bottom) for step in sorted({0, top // 2, top})]
    for share, words in ticks:
        anchor = "moment" if share < 0.05 else "moment end" if share > 0.95 else "moment middle"
        x = number(_LEFT + share * inner)
        parts.append(tag("text", escaped(words), class_=anchor, x=x, y=_HEIGHT - 8))
    for curve in curves:
        steps = max(1, len(curve.numbers) - 1)
        points = [
            f"{number(_LEFT + index * inner / steps)} {number(bottom - each * (bottom - _TOP) / top)}"
            for index, each in enumerate(curve.numbers)
        ]
        if area:
            path = f"M{_LEFT} {bottom}L{'L'.join(points)}L{number(_LEFT + inner)} {bottom}Z"
        else:
            path = f"M{'L'.join(points)}"
        kind = "area" if area else "curve"
        parts.append(
            f'<path class="{kind} {curve.style}" d="{path}"><title>{escaped(curve.name)}</title></path>'
        )
    size = "narrow" if width == NARROW else "wide"
    return tag(
        "svg",
        *parts,
        class_=f"chart plot {size}",
        viewBox=f"0 0 {width} {_HEIGHT}",
        role="img",
        aria_label=title,
    )


def _level(step: int, top: int, width: int, bottom: int) -> str:
    """A line across the plot, with its number."""
    y = bottom - step * (bottom - _TOP) / top
    line = f'<path class="tick" d="M{_LEFT} {number(y)}H{width - _RIGHT}"/>'
    return line + tag("text", f"{step:,}", class_="moment end", x=_LEFT - 8, y=number(y + 4))
