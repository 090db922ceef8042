"""The documentation does what it says: its Python is run, its commands exist."""

import re
from pathlib import Path

import pytest

from marketsim.cli.app import COMMANDS

ROOT = Path(__file__).parent.parent


def test_the_page_about_a_saga_of_your_own_runs_from_top_to_bottom() -> None:
    text = (ROOT / "docs" / "your-own-saga.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(blocks) == 9
    scope: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "your-own-saga.md", "exec"), scope)
    assert scope["events"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_readme_names_every_command(name: str) -> None:
    assert f"marketsim {name}" in (ROOT / "README.md").read_text()


def test_each_link_of_the_readme_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
