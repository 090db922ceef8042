"""What a command loads: start-up is paid by every run, so each loads what it needs and no more."""

import json
import subprocess
import sys

import pytest

LOADED = """
import json, sys
from marketsim.cli import main
try:
    code = main(sys.argv[1:])
finally:
    print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""
COSTLY = {
    "dask",
    "distributed",
    "faker",
    "numpy",
    "yaml",
    "asyncio",
    "jsonschema",
    "hypothesis",
    "pydantic",
    "cryptography",
    "multiprocessing",
    "plotext",
}


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules that a process has loaded after a command."""
    child = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True
    )
    code, modules = json.loads(child.stderr)
    assert code in (0, 3)
    return {name.partition(".")[0] for name in modules} | set(modules)


def test_the_version_loads_nothing_of_the_program(cli):
    loaded = loaded_by("--version")
    assert loaded & {"typer", "rich", "msgspec", "tinydb", *COSTLY} == set()
    assert {name for name in loaded if name.startswith("marketsim")} == {"marketsim", "marketsim.cli"}


@pytest.mark.parametrize("arguments", [["--help"], ["purchase", "--help"], ["audit", "--help"]])
def test_help_loads_nothing_that_it_does_not_show(cli, arguments):
    assert loaded_by(*arguments) & {"tinydb", "filelock", *COSTLY} == set()


@pytest.mark.parametrize(
    "arguments",
    [
        ["purchase", "laptop-1"],
        ["purchase", "laptop-1", "--fail", "payment:card_declined"],
        ["purchase", "laptop-1", "--json"],
    ],
)
def test_a_purchase_loads_nothing_of_samples_scenarios_or_schemas(market, arguments):
    loaded = loaded_by(*arguments)
    assert loaded & COSTLY == set()
    assert not any(name.startswith("marketsim.scenario") for name in loaded)


def test_a_purchase_that_is_told_to_others_leaves_the_sending_to_them(market, monkeypatch):
    monkeypatch.setenv("MARKETSIM_WEBHOOKS", "off")
    loaded = loaded_by("purchase", "laptop-1", "--webhook", "http://127.0.0.1:9/", "--quiet")
    assert "marketsim.drivers.hooks.endpoints" in loaded
    assert loaded & {"http", "ssl", "email", *COSTLY} == set()


def test_a_purchase_where_no_rule_is_declared_loads_nothing_of_them(market):
    loaded = loaded_by("purchase", "laptop-1", "--quiet")
    assert loaded & {"marketsim.market.rules", "marketsim.market.guardrails"} == set()


def test_a_purchase_that_nobody_looks_at_draws_nothing(market):
    assert "rich" not in loaded_by("purchase", "laptop-1", "--json")


@pytest.mark.parametrize(
    "arguments",
    [
        ["audit", "list", "--json"],
        ["audit", "export"],
        ["audit", "verify", "--json"],
        ["audit", "stats", "--json"],
        ["audit", "diff", "market", "market", "--json"],
        ["audit", "import", "market/audit/000001.jsonl", "--check", "--json"],
    ],
)
def test_the_log_is_read_without_catalog_lock_or_colour(market, arguments):
    assert loaded_by(*arguments) & {"rich", "tinydb", "filelock", *COSTLY} == set()


def test_a_scenario_in_json_needs_no_yaml(cli, tmp_path):
    catalog = {
        "products": [{"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 1}],
        "users": [{"id": "user-1", "name": "Ada"}],
    }
    purchases = [{"product": "laptop-1", "customer": "user-1"}]
    expect = [{"purchase": 1, "outcome": "committed"}]
    scenario = {"scenario": "mine", "catalog": catalog, "purchases": purchases, "expect": expect}
    (tmp_path / "mine.json").write_text(json.dumps(scenario))
    assert loaded_by("run", "mine.json") & COSTLY == set()


def test_a_report_needs_neither_catalog_nor_lock_and_its_help_no_drawing(market):
    assert loaded_by("report") & {"tinydb", "filelock", *COSTLY} == set()
    assert not any(name.startswith("marketsim.cli.render.html") for name in loaded_by("report", "--help"))
