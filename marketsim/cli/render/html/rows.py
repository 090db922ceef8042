"""What a timeline is made of, in time: rows of calls with their waits and marks, and milestones."""

import msgspec

__all__ = ["Bar", "Course", "Mark", "Milestone", "Row", "Wait"]


class Bar(msgspec.Struct):
    """One call, from when to when; ``style`` says how it ended (open: nobody heard)."""

    seq: int
    from_us: int
    to_us: int
    style: str
    words: str


class Wait(msgspec.Struct, frozen=True):
    """A time in which nothing is asked: a pause before the next attempt, or for somebody's answer."""

    seq: int
    from_us: int
    to_us: int
    words: str


class Mark(msgspec.Struct, frozen=True):
    """Something that happens at one moment of a call; ``kind`` is fault, effect, late, note or end."""

    seq: int
    at_us: int
    kind: str
    words: str


class Milestone(msgspec.Struct, frozen=True):
    """A moment of the whole transaction."""

    seq: int
    at_us: int
    style: str
    label: str
    words: str


class Row(msgspec.Struct):
    """An operation, or (``back``) its revert: all attempts, in order. ``said`` is what came of them."""

    name: str
    operation: str
    service: str
    back: bool = False
    kind: str = ""
    style: str = "open"
    bars: list[Bar] = []
    waits: list[Wait] = []
    marks: list[Mark] = []
    said: list[str] = []

    @property
    def from_us(self) -> int:
        """When it begins, in microseconds."""
        return min([each.from_us for each in self.bars] + [each.at_us for each in self.marks], default=0)


class Course(msgspec.Struct):
    """All of it: rows by the order of their beginning, each revert behind its operation."""

    rows: list[Row]
    milestones: list[Milestone]
    length_us: int

    def moments(self) -> list[int]:
        """Every moment at which something begins, ends or happens, in microseconds."""
        found = [0, self.length_us, *(each.at_us for each in self.milestones)]
        for row in self.rows:
            found += [moment for bar in row.bars for moment in (bar.from_us, bar.to_us)]
            found += [moment for wait in row.waits for moment in (wait.from_us, wait.to_us)]
            found += [mark.at_us for mark in row.marks]
        return found
