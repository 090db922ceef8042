"""Counts over time: at most a hundred buckets, whose width doubles whenever they run out."""

import msgspec

__all__ = ["BUCKETS_MAX", "Counts", "Series"]

BUCKETS_MAX = 100
"""Into how many buckets the whole time is divided, at the most; there are more than half as many."""

_WIDTH_US = 1_000_000


class Counts(msgspec.Struct, frozen=True):
    """How often something happened in each bucket of time, by name; all rows are of the same length."""

    width_us: int = _WIDTH_US
    rows: dict[str, list[int]] = {}

    def and_those(self, other: "Counts") -> "Counts":
        """Both together, each from its own beginning."""
        width_us = max(self.width_us, other.width_us)
        rows = [_halved(each, width_us // each.width_us) for each in (self, other)]
        length = max((len(row) for each in rows for row in each.values()), default=0)
        names = dict.fromkeys(name for each in rows for name in each)
        return Counts(
            width_us,
            {
                name: [
                    sum(pair)
                    for pair in zip(*(_long(each.get(name, []), length) for each in rows), strict=True)
                ]
                for name in names
            },
        )


class Series:
    """Counts in buckets that are a second wide at first, from the first event on."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._rows: dict[str, list[int]] = {name: [] for name in names}
        self._width_us = _WIDTH_US

    def add(self, name: str, since_us: int) -> None:
        """Something happens, ``since_us`` microseconds after the beginning."""
        row = self._rows[name]
        index = max(0, since_us) // self._width_us
        while index >= BUCKETS_MAX:
            index //= 2
            self._width_us *= 2
            for each in self._rows.values():
                each[:] = _pairs(each)
        if index >= len(row):
            row += [0] * (index + 1 - len(row))
        row[index] += 1

    def told(self) -> Counts:
        """The counts until now."""
        length = max(map(len, self._rows.values()), default=0)
        return Counts(self._width_us, {name: _long(row, length) for name, row in self._rows.items()})


def _pairs(row: list[int]) -> list[int]:
    return [sum(row[index : index + 2]) for index in range(0, len(row), 2)]


def _halved(counts: Counts, times: int) -> dict[str, list[int]]:
    """The rows with buckets that are so many times as wide: a power of two."""
    return {
        name: [sum(row[index : index + times]) for index in range(0, len(row), times)]
        for name, row in counts.rows.items()
    }


def _long(row: list[int], length: int) -> list[int]:
    return row + [0] * (length - len(row))
