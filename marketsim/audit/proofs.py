"""Proofs that a stranger checks with a few hashes: that an event is in a log, and that a log only grew."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

from marketsim.audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier

__all__ = [
    "Growth",
    "RangeRoots",
    "check_consistency",
    "check_inclusion",
    "consistency_ranges",
    "inclusion_ranges",
]


def inclusion_ranges(index: int, size: int) -> list[range]:
    """The leaves under each hash of an inclusion proof, from the leaf up (RFC 9162, 2.1.3.1).

    ``index`` counts from 0; raises ValueError where it is no leaf of a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    low, high, ranges = 0, size, list[range]()
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append(range(middle, high))
            high = middle
        else:
            ranges.append(range(low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[range]:
    """The leaves under each hash of a consistency proof between two sizes (RFC 9162, 2.1.4.1).

    Raises ValueError unless 0 <= ``old`` <= ``new``; from an empty tree there is nothing to prove.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves did not grow from one of {old}")
    low, high, ranges = 0, new if old else 0, list[range]()
    while old < high:
        middle = low + _split(high - low)
        if old <= middle:
            ranges.append(range(middle, high))
            high = middle
        else:
            ranges.append(range(low, middle))
            low = middle
    if low:
        ranges.append(range(low, high))
    return ranges[::-1]


class RangeRoots:
    """The roots over some ranges of leaves that do not overlap, gathered as the leaves go by.

    ``start`` is the number of leaves that have gone by already. The memory is O(log size) a range.
    """

    def __init__(self, ranges: Sequence[range], *, start: int = 0) -> None:
        self._ranges = ranges
        self._order = sorted(range(len(ranges)), key=lambda which: ranges[which].start)
        self._frontiers = [Frontier() for _ in ranges]
        self._size, self._next = start, 0

    def extend_joined(self, joined: bytes) -> None:
        """Take in the hashes of the next leaves, one after another in ``joined``."""
        end = self._size + len(joined) // HASH_BYTES
        while self._next < len(self._order):
            which = self._order[self._next]
            wanted = self._ranges[which]
            low, high = max(wanted.start, self._size), min(wanted.stop, end)
            if low < high:
                at = slice((low - self._size) * HASH_BYTES, (high - self._size) * HASH_BYTES)
                self._frontiers[which].extend_joined(joined[at])
            if wanted.stop > end:
                break
            self._next += 1
        self._size = end

    def roots(self) -> list[bytes]:
        """Tell the roots, in the order of the ranges; raises ValueError if leaves are missing."""
        if self._next < len(self._order):
            raise ValueError("there are fewer leaves than the ranges need")
        return [frontier.root() for frontier in self._frontiers]


class Growth:
    """A tree that grows, and remembers itself at the sizes that matter: those of some heads.

    Once it has passed all of ``sizes``, it has the consistency proof between the least and the most.
    """

    def __init__(self, sizes: Iterable[int] = ()) -> None:
        self.frontier = Frontier()
        self.at: dict[int, Frontier] = {}
        self._awaited = sorted(set(sizes))
        self._bounds = self._awaited[:1] + self._awaited[-1:]
        self._beyond: RangeRoots | None = None
        self._note_size()

    def extend_joined(self, leaves: bytes) -> None:
        """Take in the hashes of the next leaves, one after another in ``leaves``."""
        while self._awaited:
            missing = (self._awaited[0] - self.frontier.size) * HASH_BYTES
            if missing > len(leaves):
                break
            self._extend(leaves[:missing])
            self._note_size()
            leaves = leaves[missing:]
        self._extend(leaves)

    def consistency_path(self) -> list[bytes] | None:
        """The proof between the least and the most of the sizes; None while they are not passed."""
        if not self._bounds or self._awaited or self._beyond is None:
            return None
        old, new = self._bounds
        known = self._beyond.roots()
        peaks = _by_start(self.at[old])
        ranges = consistency_ranges(old, new)
        beyond = dict(zip((each.start for each in ranges if each.start >= old), known, strict=True))
        return [(beyond if each.start >= old else peaks)[each.start] for each in ranges]

    def _extend(self, leaves: bytes) -> None:
        self.frontier.extend_joined(leaves)
        if self._beyond is not None:
            self._beyond.extend_joined(leaves)

    def _note_size(self) -> None:
        size = self.frontier.size
        if not self._awaited or self._awaited[0] != size:
            return
        self.at[self._awaited.pop(0)] = self.frontier.copy()
        if self._beyond is None:
            # The rest of the proof are peaks of the tree as it is now: nothing is hashed twice for it.
            ranges = [each for each in consistency_ranges(*self._bounds) if each.start >= size]
            self._beyond = RangeRoots(ranges, start=size)


def _by_start(frontier: Frontier) -> dict[int, bytes]:
    """The peaks, each by the number of leaves before it."""
    start, found = 0, dict[int, bytes]()
    for bit in reversed(range(frontier.size.bit_length())):
        if frontier.size >> bit & 1:
            found[start] = frontier.peaks[len(found)]
            start += 1 << bit
    return found


def check_inclusion(leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Raise ValueError unless the path leads from a leaf to the root (RFC 9162, 2.1.3.2)."""
    _check_length(path, len(inclusion_ranges(index, size)))
    node, at, last = leaf_hash, index, size - 1
    for beside in path:
        if at & 1 or at == last:
            node = _node(beside, node)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            node = _node(node, beside)
        at, last = at >> 1, last >> 1
    if node != root:
        raise ValueError(f"the path leads to the root {node.hex()}, and the head has {root.hex()}")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Raise ValueError unless the path shows that one tree is the beginning of another.

    RFC 9162, 2.1.4.2: it leads to the old root and to the new one, from the same hashes.
    """
    _check_length(path, len(consistency_ranges(old, new)))
    if old == 0:
        from_old, from_new = EMPTY_ROOT, new_root
    elif old == new:
        from_old, from_new = old_root, old_root
    else:
        from_old, from_new = _both_roots(old, old_root, new, path)
    if from_old != old_root:
        raise ValueError(f"the path leads to the old root {from_old.hex()}, not to {old_root.hex()}")
    if from_new != new_root:
        raise ValueError(f"the path leads to the root {from_new.hex()}, and the head has {new_root.hex()}")


def _both_roots(old: int, old_root: bytes, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    first, *others = path if old & (old - 1) else [old_root, *path]
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    from_old = from_new = first
    for beside in others:
        if at & 1 or at == last:
            from_old, from_new = _node(beside, from_old), _node(beside, from_new)
            while at and not at & 1:
                at, last = at >> 1, last >> 1
        else:
            from_new = _node(from_new, beside)
        at, last = at >> 1, last >> 1
    return from_old, from_new


def _check_length(path: Sequence[bytes], due: int) -> None:
    if len(path) != due:
        kind = "short" if len(path) < due else "long"
        raise ValueError(f"the path is too {kind}: it has {len(path)} hashes, and {due} are due")


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def _split(size: int) -> int:
    """The largest power of two that is smaller than ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
