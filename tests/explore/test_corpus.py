"""The corpus: each wrong saga is found by its smallest counterexample, and in the right ones is nothing."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from corpus.expected import Explored, OffTape, Right, Wrong

from marketsim.explore.model import Cost
from marketsim.explore.run import replayed
from marketsim.explore.search import explore

FOLDER = Path(__file__).parent.parent / "corpus"
ENTRIES: dict[str, Explored] = {
    path.stem: import_module(f"corpus.{path.stem}").EXPECTED
    for path in sorted(FOLDER.glob("*.py"))
    if path.stem not in ("bookshop", "expected")
}


def entries_of(kind: type[Explored]) -> list[object]:
    return [pytest.param(entry, id=name) for name, entry in ENTRIES.items() if isinstance(entry, kind)]


def total(size: Cost) -> int:
    return size.faults + size.crashes + size.preemptions


def smaller(size: Cost) -> Iterator[Cost]:
    """Bounds with one fault, crash or preemption less."""
    for field in ("faults", "crashes", "preemptions"):
        parts = {name: getattr(size, name) - (name == field) for name in ("faults", "crashes", "preemptions")}
        if parts[field] >= 0:
            yield Cost(**parts)


def test_the_corpus_is_as_large_as_it_says_and_each_file_tells_its_own_story() -> None:
    assert len(entries_of(Wrong)) >= 18
    assert len(entries_of(Right)) >= 6
    told = [import_module(f"corpus.{name}").__doc__ for name in ENTRIES]
    assert len(set(told)) == len(ENTRIES)
    assert len({entry.saga.name for entry in ENTRIES.values()}) == len(ENTRIES)


@pytest.mark.parametrize("entry", entries_of(Wrong))
def test_a_wrong_saga_can_be_seen_to_be_wrong_without_a_search(entry: Wrong) -> None:
    nobody_else = [()] * (len(entry.requests) - 1)
    assert entry.rule in replayed(entry.case, [entry.shown_by, *nobody_else], entry.turns).rules


@pytest.mark.parametrize("reduction", [True, False], ids=["reduced", "raw"])
@pytest.mark.parametrize("entry", entries_of(Wrong))
def test_a_wrong_saga_is_found_by_its_smallest_counterexample(entry: Wrong, reduction: bool) -> None:
    found = explore(entry.case, entry.bound(entry.size, reduction=reduction), wanted=0).counterexamples
    assert found[0].spent == entry.size
    assert any(entry.rule in each.rules for each in found)


@pytest.mark.parametrize("entry", entries_of(Wrong))
def test_a_wrong_saga_is_found_as_soon_where_more_may_go_wrong(entry: Wrong) -> None:
    (found, *_) = explore(entry.case, entry.bound(Cost(2, 1, 1), only=False)).counterexamples
    assert total(found.spent) == total(entry.size)


@pytest.mark.parametrize("entry", entries_of(Wrong))
def test_a_wrong_saga_is_not_found_with_less(entry: Wrong) -> None:
    for size in smaller(entry.size):
        assert explore(entry.case, entry.bound(size)).passed


@pytest.mark.parametrize("entry", entries_of(Right))
def test_a_right_saga_is_exhausted_and_nothing_is_found(entry: Right) -> None:
    assert explore(entry.case, entry.bound(entry.size)).passed


@pytest.mark.slow
@pytest.mark.parametrize("entry", entries_of(Right))
def test_a_right_saga_is_right_though_a_process_dies_as_well(entry: Right) -> None:
    assert explore(entry.case, entry.bound(Cost(entry.faults, 1, entry.preemptions))).passed


@pytest.mark.parametrize("entry", entries_of(OffTape))
def test_a_choice_behind_the_back_of_the_tape_is_named(entry: OffTape) -> None:
    explored = explore(entry.case, entry.bound(entry.size))
    assert explored.irreproducible is not None
    assert explored.irreproducible.operation == entry.operation
    assert not explored.passed
