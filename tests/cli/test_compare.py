"""One scenario under several policies: what each leaves behind, in one table."""

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
