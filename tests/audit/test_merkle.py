"""The incremental tree agrees with the recursive definition of RFC 9162, however the leaves come."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.merkle import EMPTY_ROOT, Frontier

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOT_OF_LEAVES = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def root_by_definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 9162, 2.1.1, over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = root_by_definition(leaves[:split]), root_by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


def hashes(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def test_the_known_vector_has_the_known_root():
    added, extended = Frontier(), Frontier()
    for leaf in LEAVES:
        added.add(leaf_hash(leaf))
    extended.extend([leaf_hash(leaf) for leaf in LEAVES])
    assert added.root().hex() == extended.root().hex() == ROOT_OF_LEAVES


def test_an_empty_tree_has_the_hash_of_nothing_for_its_root():
    assert Frontier().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()


@given(st.lists(st.integers(0, 40), max_size=8))
def test_any_way_to_cut_the_leaves_into_batches_gives_the_defined_root(batches):
    leaves = hashes(sum(batches))
    frontier, start = Frontier(), 0
    for batch in batches:
        frontier.extend(leaves[start : start + batch])
        start += batch
    assert frontier.size == len(leaves)
    assert frontier.root() == root_by_definition(leaves)


@given(st.integers(0, 200))
def test_adding_one_by_one_gives_the_same_frontier_as_a_batch(count):
    one_by_one, batch = Frontier(), Frontier()
    for leaf in hashes(count):
        one_by_one.add(leaf)
    batch.extend(hashes(count))
    assert (one_by_one.size, one_by_one.peaks) == (batch.size, batch.peaks)


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_saved_frontier_goes_on_where_it_stopped(before, after):
    leaves = hashes(before + after)
    first = Frontier()
    first.extend(leaves[:before])
    resumed = Frontier(first.size, first.peaks)
    resumed.extend(leaves[before:])
    assert resumed.root() == root_by_definition(leaves)
    assert first.root() == root_by_definition(leaves[:before])


def test_a_copy_grows_apart():
    frontier = Frontier()
    frontier.extend(hashes(5))
    root = frontier.root()
    frontier.copy().extend(hashes(7))
    assert frontier.root() == root


@pytest.mark.parametrize(("size", "peaks"), [(1, []), (0, [b"\0" * 32]), (-1, []), (1, [b"short"])])
def test_a_size_and_peaks_that_do_not_belong_together_are_refused(size, peaks):
    with pytest.raises(ValueError, match="peak"):
        Frontier(size, peaks)
