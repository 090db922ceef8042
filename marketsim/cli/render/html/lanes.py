"""The geometry of the timeline: a course as bars, waits, marks and ways back, in a lane for each service."""

from collections.abc import Iterable

import msgspec
from rich.cells import cell_len

from marketsim.cli.render.html.axis import WORDS_PX, Flag, GapMark, Tick, flags_of, gap_marks_of, ticks_of
from marketsim.cli.render.html.markup import clipped
from marketsim.cli.render.html.rows import Course, Mark, Row
from marketsim.cli.render.html.scale import Scale, scale_of
from marketsim.cli.render.words import duration, moment

__all__ = [
    "NARROW",
    "WIDE",
    "Box",
    "Chart",
    "Dot",
    "Hook",
    "Label",
    "Lane",
    "Paper",
    "Pause",
    "chart_of",
    "said_words",
]

_NAME_PX = 6.7
"""How wide a column of a name is at the most, in pixels."""

_BAR_HEIGHT = 9
_MARK_APART = 10
_LANE_PADDING = 9


class Paper(msgspec.Struct, frozen=True):
    """What is drawn on, in pixels: its width, and what the lanes' names take at its left (0: a line above).

    ``gap`` and ``least`` are those of its scale, ``tick`` is how far apart the moments of its axis are.
    """

    width: int
    names: int
    gap: int
    least: int
    tick: int


WIDE = Paper(1120, 124, 30, 6, 84)
NARROW = Paper(368, 0, 14, 3, 66)


class Box(msgspec.Struct, frozen=True):
    """A call; one that goes ``back`` points to the left."""

    x: float
    y: float
    width: float
    seq: int
    style: str
    words: str
    back: bool


class Pause(msgspec.Struct, frozen=True):
    """A wait: a thin line from ``x`` to ``to_x``."""

    x: float
    to_x: float
    y: float
    seq: int
    words: str


class Dot(msgspec.Struct, frozen=True):
    """A mark; ``kind`` says which."""

    x: float
    y: float
    kind: str
    seq: int
    words: str


class Label(msgspec.Struct, frozen=True):
    """What stands beside the bars of a row: its name, and what came of it, cut to the room there is.

    ``from_x`` is where the row begins.
    """

    x: float
    from_x: float
    y: float
    at_end: bool
    name: str
    words: str
    style: str
    title: str
    seq: int


class Hook(msgspec.Struct, frozen=True):
    """The way back of a revert: from its left end, to the left, and up to the operation's beginning."""

    x: float
    y: float
    to_x: float
    to_y: float


class Lane(msgspec.Struct, frozen=True):
    """A service's lane."""

    name: str
    y: float
    height: float


class Chart(msgspec.Struct, frozen=True):
    """Everything that is drawn, in pixels; ``top`` and ``bottom`` are where the lanes begin and end."""

    width: int
    height: float
    left: float
    top: float
    bottom: float
    lanes: list[Lane]
    boxes: list[Box]
    pauses: list[Pause]
    dots: list[Dot]
    labels: list[Label]
    hooks: list[Hook]
    gaps: list[GapMark]
    ticks: list[Tick]
    flags: list[Flag]


def chart_of(course: Course, paper: Paper) -> Chart:
    """Lay out a course on paper."""
    left, right = paper.names + 14.0, paper.width - 12.0
    scale = scale_of(course.moments(), left, right, gap=paper.gap, least=paper.least)
    flags = flags_of(course, scale, left, right)
    levels = max([flag.level for flag in flags], default=-1) + 1
    top = 8 + 15 * levels + 18
    drawn = _Drawn(scale, left, right)
    y = float(top)
    for service, rows in _by_service(course.rows):
        y = drawn.lane(service, rows, y, named_above=not paper.names)
    return Chart(
        paper.width,
        y + 20,
        left,
        top,
        y,
        drawn.lanes,
        drawn.boxes,
        drawn.pauses,
        drawn.dots,
        drawn.labels,
        drawn.hooks,
        gap_marks_of(scale, left, right),
        ticks_of(scale, paper.tick, right, flags),
        flags,
    )


def said_words(said: Iterable[str]) -> str:
    """What was said of a row, one after another; what was said again and again is counted."""
    counted: list[tuple[str, int]] = []
    for words in said:
        if counted and counted[-1][0] == words:
            counted[-1] = (words, counted[-1][1] + 1)
        else:
            counted.append((words, 1))
    return " · ".join(words if count == 1 else f"{words} ×{count}" for words, count in counted)


class _Drawn:
    """What is laid out so far."""

    def __init__(self, scale: Scale, left: float, right: float) -> None:
        self.scale, self.left, self.right = scale, left, right
        self.lanes: list[Lane] = []
        self.boxes: list[Box] = []
        self.pauses: list[Pause] = []
        self.dots: list[Dot] = []
        self.labels: list[Label] = []
        self.hooks: list[Hook] = []
        self._heads: dict[str, tuple[float, float]] = {}

    def lane(self, service: str, rows: list[Row], y: float, *, named_above: bool) -> float:
        """Lay out a lane from ``y`` down; returns where it ends."""
        begin = y
        y += _LANE_PADDING + (15 if named_above else 0)
        for row in rows:
            y = self._back(row, y) if row.back else self._forward(row, y)
        y += _LANE_PADDING - 5
        self.lanes.append(Lane(service, begin, y - begin))
        return y

    def _forward(self, row: Row, y: float) -> float:
        """The label above, the bars under it, and under them what happened: room for the way back."""
        self._label(row, y + 10)
        bars = y + 15
        x = self._bars(row, bars)
        self._heads[row.operation] = (x, bars + _BAR_HEIGHT / 2)
        marks = self._marks(row, bars + _BAR_HEIGHT + 6)
        return bars + _BAR_HEIGHT + (12 if marks else 0) + 5

    def _back(self, row: Row, y: float) -> float:
        """The bars first, so that the way back crosses no words."""
        bars = y + 1
        x = self._bars(row, bars)
        head = self._heads.get(row.operation)
        if head is not None and row.bars:
            self.hooks.append(Hook(x, bars + _BAR_HEIGHT / 2, *head))
        marks = self._marks(row, bars + _BAR_HEIGHT + 6)
        below = bars + _BAR_HEIGHT + (12 if marks else 0)
        self._label(row, below + 12)
        return below + 12 + 14

    def _bars(self, row: Row, y: float) -> float:
        for wait in row.waits:
            x, to_x = self.scale.at(wait.from_us), self.scale.at(wait.to_us)
            self.pauses.append(Pause(x, to_x, y + _BAR_HEIGHT / 2, wait.seq, wait.words))
        for bar in row.bars:
            x = min(self.scale.at(bar.from_us), self.right - 3)
            width = max(3.0, self.scale.at(bar.to_us) - x)
            words = f"{bar.words}; {moment(bar.from_us)}, {duration(bar.to_us - bar.from_us)}"
            self.boxes.append(Box(x, y, width, bar.seq, bar.style, words, row.back))
        return self.scale.at(row.from_us)

    def _marks(self, row: Row, y: float) -> bool:
        marks = sorted(row.marks, key=lambda mark: (mark.at_us, mark.seq))
        marks = marks[: int((self.right - self.left) / _MARK_APART)]
        for mark, x in zip(marks, self._places(marks), strict=True):
            self.dots.append(Dot(x, y, mark.kind, mark.seq, f"{mark.words}; {moment(mark.at_us)}"))
        return bool(marks)

    def _places(self, marks: list[Mark]) -> list[float]:
        """Where the marks go: each at its moment, or as near to it as its neighbours leave room."""
        places: list[float] = []
        for mark in marks:
            wanted = self.scale.at(mark.at_us) + 4
            places.append(max([wanted, *(each + _MARK_APART for each in places[-1:])]))
        limit = self.right
        for index in range(len(places) - 1, -1, -1):
            places[index] = min(places[index], limit)
            limit = places[index] - _MARK_APART
        return places

    def _label(self, row: Row, y: float) -> None:
        """At the row's beginning, or where the words would not fit there, so that they end at its end."""
        words = said_words(row.said)
        name = f"◀ {row.name}" if row.back else f"{row.name} ◆ pivot" if row.kind == "pivot" else row.name
        name_px, room = cell_len(name) * _NAME_PX, self.right - self.left - 4
        wanted = min(name_px + 10 + cell_len(words) * WORDS_PX, room)
        x = self.scale.at(row.from_us)
        at_end = x + wanted > self.right - 4
        last = max([self.scale.at(bar.to_us) for bar in row.bars], default=x)
        if at_end:
            x = min(self.right - 4, max(last, self.left + wanted))
        shown = clipped(name, int(room / _NAME_PX))
        rest = clipped(words, round((wanted - name_px - 10) / WORDS_PX)) if wanted > name_px + 30 else ""
        seq = row.bars[0].seq if row.bars else row.marks[0].seq if row.marks else 0
        title = f"{name}: {words}" if words else name
        self.labels.append(
            Label(x, self.scale.at(row.from_us), y, at_end, shown, rest, row.style, title, seq)
        )


def _by_service(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    lanes: dict[str, list[Row]] = {}
    for row in rows:
        lanes.setdefault(row.service or "?", []).append(row)
    return list(lanes.items())
