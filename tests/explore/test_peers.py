"""The page about the nearest peer says what marketsim says, run anew."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def without_counts(text: str) -> list[str]:
    """Its lines that say something, with runs uncounted: a better search takes fewer."""
    return [re.sub(r"\d+ runs", "so many runs", line) for line in text.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def ours() -> str:
    command = [sys.executable, "-m", "benchmarks.agent_saga", "--ours"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_refund_that_needs_the_answer_is_found_and_the_other_is_not(ours: str) -> None:
    from_answer, from_order = ours.split("The refund takes it from the order")
    assert "found, with charge:timeout_after@1:" in from_answer
    assert "till_minor 7500" in from_answer
    assert "exhausted: " in from_order
    assert "till_minor 0" in from_order


def test_the_page_has_what_was_said(ours: str) -> None:
    page = without_counts((ROOT / "docs" / "peers.md").read_text())
    assert [line for line in without_counts(ours) if line not in page] == []
