"""The command line inside the tests' process: what it ended with, and what it printed where."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.running import CATALOG, Cli, Ran

from marketsim.cli import main

ENVIRONMENT = ("MARKETSIM_MARKET", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Run a command in a folder of its own, at 100 columns."""
    monkeypatch.chdir(tmp_path)
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run


@pytest.fixture
def market(cli: Cli, tmp_path: Path) -> Path:
    """A market of CATALOG in ./market, where every command looks for it."""
    (tmp_path / "brought.json").write_text(json.dumps(CATALOG))
    assert cli("init", "--catalog", "brought.json").code == 0
    return tmp_path / "market"


@pytest.fixture
def process(cli: Cli, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own, in the same folder."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "marketsim", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False, **options
        )

    return run
