"""The scenarios that ship: each runs, keeps what it promises, and would notice if it did not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, structs

from marketsim.audit.checks import examine
from marketsim.audit.log import LogReader
from marketsim.audit.verify import verify
from marketsim.drivers.replay import replay
from marketsim.market.sagas import saga_of
from marketsim.market.world import World
from marketsim.saga.errors import InputError
from marketsim.saga.events import TransactionBegan, encode
from marketsim.saga.policies import policy_of
from marketsim.scenario.load import load_scenario
from marketsim.scenario.model import Expectation, Find, Scenario
from marketsim.scenario.run import run_scenario
from marketsim.scenario.shipped import find_scenarios, shipped

NAMES = sorted(shipped())


def opposite(key: str, value: Any) -> Any:
    """Another value of an expectation, which cannot be true if this one is."""
    if key == "outcome":
        return "stuck" if value == "committed" else "committed"
    if key == "checks":
        return Find(["lifecycle"]) if value == "all" else "all"
    if key == "rule":
        return "price_limit"
    if key == "failed":
        return "notify_customer"
    if isinstance(value, list):
        return value[:-1] if value else ["release_stock"]
    if isinstance(value, bool):
        return not value
    return value + 1


def mutations(scenario: Scenario) -> Iterator[tuple[int, str, Expectation]]:
    """Every expectation with one thing in it turned into its opposite."""
    for index, expectation in enumerate(scenario.expect):
        for key, value in structs.asdict(expectation).items():
            if key == "purchase" or value is UNSET:
                continue
            if isinstance(value, dict):
                for name, each in value.items():
                    wrong = {**value, name: opposite(key, each)}
                    yield index, f"{key}.{name}", structs.replace(expectation, **{key: wrong})
            else:
                yield index, key, structs.replace(expectation, **{key: opposite(key, value)})


def test_there_are_at_least_the_scenarios_that_the_program_promises():
    promised = "happy-path lost-stock lost-stock-cured gateway-down last-item-two-customers revert-fails"
    assert set(promised.split()) <= set(NAMES)
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_keeps_what_it_promises(name):
    scenario = load_scenario(shipped()[name])
    result = run_scenario(scenario)
    assert result.failures == []
    assert result.notes == []
    assert result.passed
    assert scenario.name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_single_expectation_of_a_shipped_scenario_can_fail(name):
    scenario = load_scenario(shipped()[name])
    changed = list(mutations(scenario))
    assert changed
    for index, key, expectation in changed:
        expect = [*scenario.expect]
        expect[index] = expectation
        failures = run_scenario(structs.replace(scenario, expect=expect)).failures
        assert {failure.index for failure in failures} == {index}, key


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_gives_the_same_stream_every_time(name):
    first, second = (run_scenario(load_scenario(shipped()[name])).events for _ in range(2))
    assert [encode(event) for event in first] == [encode(event) for event in second]


@pytest.mark.parametrize("name", NAMES)
def test_a_kept_scenario_verifies_and_replays(name, tmp_path):
    scenario = load_scenario(shipped()[name])
    result = run_scenario(scenario, keep=tmp_path / "kept")
    kept = list(LogReader(tmp_path / "kept" / "audit"))
    assert [encode(event) for event in kept] == [encode(event) for event in result.events]
    assert verify(tmp_path / "kept" / "audit").findings == []
    assert examine(kept) == result.findings
    for event in kept:
        if isinstance(event, TransactionBegan):
            world = World.of(kept[: event.seq - 1])
            again = replay(kept[event.seq - 1 :], event.transaction, saga_of(event), policy_of(event), world)
            assert again.difference is None
            assert again.complete


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_opens_with_a_comment_that_teaches(name):
    text = shipped()[name].read_text()
    comment = text.partition("scenario:")[0]
    assert all(line.startswith("# ") for line in comment.splitlines())
    assert 2 <= len(re.findall(r"[.?](?:\s|\Z)", comment.replace("#", ""))) <= 4
    assert "ook at" in comment
    assert all(len(line) <= 110 for line in text.splitlines())


def test_a_name_leads_to_the_scenario_that_ships():
    assert find_scenarios("lost-stock") == [shipped()["lost-stock"]]


def test_a_file_leads_to_itself_and_a_folder_to_the_scenarios_in_it_by_name(tmp_path):
    for name in ("b.yaml", "a.json", "c.yml", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "d.yaml").mkdir()
    assert find_scenarios(str(tmp_path / "notes.txt")) == [tmp_path / "notes.txt"]
    assert find_scenarios(str(tmp_path)) == [tmp_path / name for name in ("a.json", "b.yaml", "c.yml")]


@pytest.mark.parametrize(
    ("said", "what", "todo"),
    [
        ("lost-stok", "no scenario is called 'lost-stok'", "did you mean 'lost-stock'?"),
        ("lost-stok.yaml", "there is no such file", "check the path"),
        ("no/such", "there is no such file", "check the path"),
        ("", "no scenario is called ''", "known: "),
        ("x" * 5000, "no scenario is called", "known: "),
        ("a\0b", "no scenario is called", "known: "),
    ],
)
def test_what_leads_nowhere_is_told_with_the_nearest_name(said, what, todo):
    with pytest.raises(InputError, match=re.escape(what)) as told:
        find_scenarios(said)
    assert todo in told.value.todo


def test_a_folder_without_scenarios_is_told(tmp_path):
    with pytest.raises(InputError, match="there is no scenario in this folder"):
        find_scenarios(str(tmp_path))


def test_an_installed_package_has_its_scenarios_inside(tmp_path, monkeypatch):
    (tmp_path / "package" / "scenarios").mkdir(parents=True)
    (tmp_path / "package" / "scenarios" / "mine.yaml").write_text("")
    monkeypatch.setattr("marketsim.scenario.shipped._PACKAGE", tmp_path / "package")
    assert list(shipped()) == ["mine"]
    monkeypatch.setattr("marketsim.scenario.shipped._PACKAGE", tmp_path / "package" / "deeper")
    assert list(shipped()) == ["mine"]
    monkeypatch.setattr("marketsim.scenario.shipped._PACKAGE", Path(tmp_path / "elsewhere" / "deeper"))
    assert shipped() == {}
