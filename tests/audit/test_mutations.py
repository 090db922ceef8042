"""Each check fails on a log made wrong for it, and only there; a page shows what it says."""

import os
from collections import Counter
from pathlib import Path

import pytest
from audit.mutations import BASES, ROWS, STRICT, Row, base, findings, page

from marketsim.audit.checks import CHECKS, examine

PAGE = Path(__file__).parents[2] / "docs" / "mutations.md"
ROWS_MIN = 45
IMPORTANT = (
    "stock-conserved",
    "money-conserved",
    "reverted-once",
    "reverts-in-order",
    "revert-without-cause",
    "one-order",
    "belief-is-truth",
    "lifecycle",
)


@pytest.mark.parametrize("name", BASES)
def test_a_log_that_was_not_made_wrong_has_no_findings(name: str) -> None:
    assert examine(base(name), STRICT) == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_mutation_gives_its_findings_and_no_others(row: Row) -> None:
    assert {(found.rule, found.severity) for found in findings(row)} == row.expected


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_finding_names_an_event_of_the_log_and_what_was_expected_there(row: Row) -> None:
    for found in findings(row):
        assert 0 < found.seq <= len(base(row.base)) + 2
        assert found.message
        assert found.expected
        assert found.actual


def test_there_are_mutations_enough_for_every_check() -> None:
    counts = Counter(row.rule for row in ROWS)
    assert set(counts) == set(CHECKS)
    assert len({row.name for row in ROWS}) == len(ROWS) >= ROWS_MIN
    assert min(counts[rule] for rule in IMPORTANT) >= 2
    assert all(row.rule not in row.follows for row in ROWS)


def test_the_page_of_the_mutations_is_what_the_checks_say() -> None:
    if os.environ.get("REGENERATE"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()
