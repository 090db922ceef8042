"""One scenario under several policies: what each leaves behind, in one table."""

from pathlib import Path

from cli.running import Cli


def test_every_policy_is_compared_unless_some_are_named(cli: Cli) -> None:
    ran = cli("compare", "answer-never-comes", "--json")
    assert ran.code == 0
    rows = {row["policy"]: row for row in ran.document["policies"]}
    assert rows["default"]["findings"] == []
    assert rows["default"]["money_minor"] == 0
    assert rows["none"]["reserved"] == {"laptop-1": 1}
    assert rows["orra"]["money_minor"] == 75_000
    assert rows["orra"]["findings"] == ["money-conserved", "reverted-once"]
    assert len(rows) == 8


def test_the_table_tells_what_is_reserved_taken_and_broken(cli: Cli) -> None:
    ran = cli("compare", "lost-stock", "--policy", "none", "--policy", "default")
    lines = ran.out.splitlines()
    none, default = (line for line in lines if line.startswith(("none  ", "default  ")))
    assert "1 laptop-1" in none
    assert default.endswith("hold")
    assert "none breaks stock-conserved" in lines


def test_a_policy_that_does_not_exist_and_a_folder_of_scenarios_are_refused(cli: Cli) -> None:
    assert "did you mean 'orra'?" in cli("compare", "lost-stock", "--policy", "ora").err
    assert cli("compare", "no-such").code == 2


OWN = """scenario: own
catalog: {products: [{id: laptop-1, name: Laptop, price: 750, inStock: 1}], users: [{id: user-1, name: Ada}]}
policy: {like: default, probe: false, retry: {attempts_max: 2}}
purchases:
  - {product: laptop-1, customer: user-1, faults: ["charge_payment:timeout_after"]}
expect:
  - {purchase: 1, outcome: compensated}
"""


def test_the_rules_that_a_scenario_brings_are_compared_first(cli: Cli) -> None:
    Path("own.yaml").write_text(OWN)
    own, default, *others = cli("compare", "own.yaml", "--json").document["policies"]
    assert (own["policy"], own["outcomes"]) == ("default, its rules", {"compensated": 1})
    assert (default["policy"], default["outcomes"]) == ("default", {"committed": 1})
    assert len(others) == 7
    shown = cli("compare", "own.yaml").out
    assert shown.startswith("own\n\npolicy ")
    assert "\ndefault, its rules  compensated" in shown
    only = cli("compare", "own.yaml", "--policy", "none", "--json").document["policies"]
    assert [each["policy"] for each in only] == ["none"]


def test_the_rules_of_a_scenario_are_shown_in_words_where_it_runs(cli: Cli) -> None:
    Path("own.yaml").write_text(OWN)
    ran = cli("run", "own.yaml")
    assert ran.code == 0
    assert "policy default but probe no, retry (attempts_max 2), seed 0" in ran.out
    assert "policy none, seed 0" in cli("run", "own.yaml", "--policy", "none").out
