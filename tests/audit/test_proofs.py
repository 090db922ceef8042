"""Every proof there is in small trees, against the definition of RFC 9162, and every way to break one."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.merkle import Frontier
from marketsim.audit.proofs import (
    RangeRoots,
    check_consistency,
    check_inclusion,
    consistency_ranges,
    inclusion_ranges,
)

SIZE_MAX = 64


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"\x00" + str(number).encode()).digest()


LEAVES = [leaf(number) for number in range(SIZE_MAX)]


def split(size: int) -> int:
    power = 1
    while power * 2 < size:
        power *= 2
    return power


def root_of(leaves: list[bytes]) -> bytes:
    """MTH, as 2.1.1 defines it."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return hashlib.sha256(b"\x01" + root_of(leaves[:k]) + root_of(leaves[k:])).digest()


def path_of(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH, as 2.1.3.1 defines it."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*path_of(index, leaves[:k]), root_of(leaves[k:])]
    return [*path_of(index - k, leaves[k:]), root_of(leaves[:k])]


def subproof(old: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF, as 2.1.4.1 defines it."""
    if old == len(leaves):
        return [] if whole else [root_of(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], whole), root_of(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), root_of(leaves[:k])]


def gathered(ranges: list[range], leaves: list[bytes], batch: int) -> list[bytes]:
    roots = RangeRoots(ranges)
    for start in range(0, len(leaves), batch):
        roots.extend_joined(b"".join(leaves[start : start + batch]))
    return roots.roots()


ROOTS = [root_of(LEAVES[:size]) for size in range(SIZE_MAX + 1)]


@pytest.mark.parametrize("size", range(1, SIZE_MAX + 1))
def test_every_inclusion_proof_is_the_defined_one_and_leads_to_the_root(size):
    leaves = LEAVES[:size]
    for index in range(size):
        path = gathered(inclusion_ranges(index, size), leaves, 1 + index % 7)
        assert path == path_of(index, leaves)
        check_inclusion(leaves[index], index, size, path, ROOTS[size])


@pytest.mark.parametrize("new", range(SIZE_MAX + 1))
def test_every_consistency_proof_is_the_defined_one_and_leads_to_both_roots(new):
    leaves = LEAVES[:new]
    for old in range(new + 1):
        path = gathered(consistency_ranges(old, new), leaves, 1 + old % 7)
        assert path == (subproof(old, leaves, True) if old else [])
        check_consistency(old, ROOTS[old], new, ROOTS[new], path)


@pytest.mark.parametrize("size", range(1, 34))
def test_an_inclusion_proof_holds_for_its_own_place_only(size):
    for index in range(size):
        path = path_of(index, LEAVES[:size])
        for other in (each for each in range(size) if each != index):
            with pytest.raises(ValueError, match="the path"):
                check_inclusion(LEAVES[index], other, size, path, ROOTS[size])
            with pytest.raises(ValueError, match="leads to the root"):
                check_inclusion(LEAVES[other], index, size, path, ROOTS[size])


@given(st.data())
def test_a_path_that_was_changed_in_any_way_leads_elsewhere(data):
    size = data.draw(st.integers(2, SIZE_MAX))
    index = data.draw(st.integers(0, size - 1))
    path = path_of(index, LEAVES[:size])
    at = data.draw(st.integers(0, len(path) - 1))
    changed = [path[:at] + path[at + 1 :], [*path, path[at]], [*path[:at], LEAVES[index], *path[at:]]]
    bit = data.draw(st.integers(0, 255))
    flipped = (int.from_bytes(path[at], "big") ^ (1 << bit)).to_bytes(32, "big")
    changed.append([*path[:at], flipped, *path[at + 1 :]])
    for each in changed:
        with pytest.raises(ValueError, match="the path"):
            check_inclusion(LEAVES[index], index, size, each, ROOTS[size])


@given(st.data())
def test_a_tree_that_was_rewritten_has_no_consistency_proof_from_the_old_one(data):
    new = data.draw(st.integers(2, SIZE_MAX))
    old = data.draw(st.integers(1, new))
    changed = data.draw(st.integers(0, old - 1))
    leaves = [*LEAVES[:changed], leaf(1000), *LEAVES[changed + 1 : new]]
    path = subproof(old, leaves, True)
    with pytest.raises(ValueError, match="leads to the"):
        check_consistency(old, ROOTS[old], new, root_of(leaves), path)
    for wrong in ([*path, path[-1]], path[:-1]) if path else ([LEAVES[0]],):
        with pytest.raises(ValueError, match=r"too (long|short)"):
            check_consistency(old, ROOTS[old], new, ROOTS[new], wrong)


def test_an_empty_tree_grows_into_any_and_no_other_root_is_its():
    check_consistency(0, ROOTS[0], 5, ROOTS[5], [])
    with pytest.raises(ValueError, match="old root"):
        check_consistency(0, ROOTS[1], 5, ROOTS[5], [])


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (0, 0), (0, -1)])
def test_a_leaf_that_a_tree_cannot_have_is_refused(index, size):
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_ranges(index, size)


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5), (0, -1)])
def test_sizes_between_which_no_tree_grew_are_refused(old, new):
    with pytest.raises(ValueError, match="did not grow"):
        consistency_ranges(old, new)


def test_sizes_without_end_cost_no_more_than_their_digits():
    assert len(inclusion_ranges(10**18 - 1, 10**18)) < 64
    assert len(consistency_ranges(10**18 - 1, 10**18)) < 70


def test_roots_over_leaves_that_never_came_are_not_told():
    roots = RangeRoots([range(2, 4)])
    roots.extend_joined(b"".join(LEAVES[:3]))
    with pytest.raises(ValueError, match="fewer leaves"):
        roots.roots()


def test_the_frontier_and_the_definition_agree():
    frontier = Frontier()
    for size, each in enumerate(LEAVES, 1):
        frontier.add(each)
        assert frontier.root() == ROOTS[size]
