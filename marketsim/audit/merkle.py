"""The Merkle tree over the stream (RFC 9162, 2.1), built as the events come and never held whole."""

from collections.abc import Iterable
from hashlib import sha256
from struct import Struct

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "Frontier"]

HASH_BYTES = 32
"""The size of every hash in the tree: SHA-256."""

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

# To copy a hash that was begun costs less than to begin one and to join its input.
_node = sha256(b"\x01").copy
_pairs = Struct(f"{2 * HASH_BYTES}s").iter_unpack


class Frontier:
    """The right edge of a growing tree: what is needed to add leaves and to tell the root.

    ``size`` is the number of leaves so far. ``peaks`` are the roots of the complete subtrees that
    the leaves split into, largest first: one for each 1 in the binary spelling of ``size``, so
    the memory is O(log size). A frontier goes on from a saved ``size`` and ``peaks``; raises
    ValueError where the two do not belong together.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if size < 0 or len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves does not have {len(self.peaks)} peaks")
        if any(len(peak) != HASH_BYTES for peak in self.peaks):
            raise ValueError(f"a peak has {HASH_BYTES} bytes")

    def add(self, leaf_hash: bytes) -> None:
        """Add one leaf, by its hash."""
        node, peaks = leaf_hash, self.peaks
        for _ in range(_trailing_ones(self.size)):
            node = sha256(b"\x01" + peaks.pop() + node).digest()
        peaks.append(node)
        self.size += 1

    def extend(self, leaf_hashes: list[bytes]) -> None:
        """Add many leaves, by their hashes: the same as adding one after another, but faster."""
        self.extend_joined(b"".join(leaf_hashes))

    def extend_joined(self, joined: bytes) -> None:
        """Add the leaves whose hashes stand one after another in ``joined``.

        The tree is folded level by level. A node without a right neighbour stays behind as a
        peak of its level, and is taken up again by the next batch.
        """
        peaks, behind, count = self.peaks, list[bytes](), self.size
        self.size += len(joined) // HASH_BYTES
        while joined:
            if count & 1:
                joined = peaks.pop() + joined
            if len(joined) % (2 * HASH_BYTES):
                behind.append(joined[-HASH_BYTES:])
                joined = joined[:-HASH_BYTES]
            joined = _parents(joined)
            count >>= 1
        peaks.extend(reversed(behind))

    def root(self) -> bytes:
        """Tell the root of the tree over all leaves so far; it may go on growing."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = sha256(b"\x01" + peak + node).digest()
        return node

    def copy(self) -> "Frontier":
        """Return a frontier that grows apart from this one."""
        return Frontier(self.size, self.peaks)


def _parents(joined: bytes) -> bytes:
    above = []
    for (pair,) in _pairs(joined):
        node = _node()
        node.update(pair)
        above.append(node.digest())
    return b"".join(above)


def _trailing_ones(number: int) -> int:
    return (~number & (number + 1)).bit_length() - 1
