"""The command line inside the tests' process: what it ended with, and what it printed where."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from marketsim.cli import main

CATALOG: dict[str, Any] = {
    "products": [
        {
            "id": "laptop-1",
            "name": "Laptop",
            "description": "Hardly used.",
            "price": 750,
            "condition": "used",
            "category": "computers",
            "tags": ["portable"],
            "inStock": 2,
            "warehouseAddress": "1 Quay Street",
            "colour": {"lid": "grey", "keys": [1, 2.5, None]},
        },
        {"id": "lamp-1", "name": "Lamp", "price": 19.99, "inStock": 0},
    ],
    "users": [
        {"id": "user-1", "name": "Ada", "email": "ada@example.com", "address": "2 Hill", "vip": True},
        {"id": "user-2", "name": "Grace"},
    ],
    "orders": [],
    "season": {"name": "spring"},
}
"""A catalog as a person brings it, with keys that no one foresaw in every place."""

ENVIRONMENT = ("MARKETSIM_MARKET", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TERM")


class Ran(msgspec.Struct, frozen=True):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output, with nothing beside it anywhere."""
        assert self.err == ""
        return json.loads(self.out)


Cli: TypeAlias = Callable[..., Ran]


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
        environment = os.environ | {"COVERAGE_PROCESS_START": ""}
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60, **options
        )

    return run


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes, but for the lock, which only says who had it last."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }
