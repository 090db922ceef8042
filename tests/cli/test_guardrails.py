"""Guardrails at the command line: declared, edited, listed, tried, and in force."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli.running import CATALOG, Cli, contents
from cli.test_bad_input import ADA, HEAD, LAPTOP, error_of

RULES: list[dict[str, Any]] = [
    {
        "name": "one-computer-each",
        "at_most": 1,
        "of": "quantity",
        "per": "customer",
        "where": [{"field": "category", "is": "computers"}],
        "sentence": "They are rare.",
    },
    {"name": "basket-ceiling", "at_most": 1000.5, "of": "total"},
    {"name": "blocked", "reject": True, "where": [{"field": "customer", "in": ["user-2"]}]},
]


@pytest.fixture
def ruled(cli: Cli, tmp_path: Path) -> Path:
    """A market whose catalog declares RULES."""
    (tmp_path / "ruled.json").write_text(json.dumps(CATALOG | {"guardrails": RULES}))
    assert cli("init", "--catalog", "ruled.json").code == 0
    return tmp_path / "market"


def edit(market: Path, change: Any) -> None:
    """Edit catalog.json as a person would."""
    file = market / "catalog.json"
    kept = json.loads(file.read_text())
    change(kept)
    file.write_text(json.dumps(kept, indent=1))


# In force.


def test_a_purchase_that_breaks_a_declared_rule_is_rejected_by_its_name(cli, ruled):
    ran = cli("purchase", "laptop-1", "--quantity", 2)
    assert ran.code == 3
    assert "one-computer-each" in ran.out
    assert cli("audit", "list", "--type", "transaction.rejected", "--json").document["events"][0]["rule"] == (
        "one-computer-each"
    )
    assert "rule one-computer-each" in cli("audit", "list", "--type", "transaction.rejected").out
    assert cli("purchase", "laptop-1", "--json").document["outcome"] == "committed"
    told = cli("purchase", "laptop-1", "--json").document
    assert told["reason"] == (
        "one-computer-each: They are rare: 1 unit wanted and 1 unit bought before; "
        "at most 1 unit for a customer"
    )
    assert cli("purchase", "laptop-1", "--customer", "user-2", "--json").document["reason"] == (
        "blocked: customer is user-2"
    )
    assert cli("audit", "verify").code == 0


def test_what_a_rejected_transaction_was_judged_by_is_in_its_export(cli, ruled):
    assert cli("purchase", "laptop-1").code == 0
    assert cli("purchase", "laptop-1").code == 3
    for name in ("tx-1", "tx-2"):
        assert cli("replay", name).code == 0
        assert cli("audit", "export", "--transaction", name, "--output", f"{name}.json").code == 0
        assert cli("replay", f"{name}.json").code == 0
    text = Path("tx-2.json").read_text()
    assert text.count('"at_most":1,') == 1
    Path("tx-2.json").write_text(text.replace('"at_most":1,', '"at_most":2,'))
    assert cli("replay", "tx-2.json").code == 6, "under another rule it takes another way"


def test_guardrails_survive_an_export_into_another_market(cli, ruled):
    assert cli("catalog", "export", "again.json").code == 0
    assert json.loads(Path("again.json").read_text())["guardrails"] == RULES
    assert cli("init", "--catalog", "again.json", "--market", "again").code == 0
    assert cli("purchase", "laptop-1", "--quantity", 2, "--market", "again").code == 3


def test_orders_that_were_brought_from_another_market_are_nobodys_in_this_one(cli, ruled):
    assert cli("purchase", "laptop-1").code == 0
    cli("catalog", "export", "again.json")
    assert cli("init", "--catalog", "again.json", "--market", "again").code == 0
    assert cli("purchase", "laptop-1", "--market", "again").code == 0
    assert cli("purchase", "laptop-1", "--market", "again").code == 3


def test_a_restock_keeps_the_guardrails(cli, ruled):
    assert cli("catalog", "restock", "laptop-1", 5).code == 0
    assert cli("catalog", "export", "--json").document["guardrails"] == RULES
    assert cli("purchase", "laptop-1", "--quantity", 2).code == 3


# Edited.


def test_an_edit_of_the_guardrails_is_booked_and_in_force_at_once(cli, ruled):
    def change(kept: dict[str, Any]) -> None:
        kept["guardrails"]["1"]["at_most"] = 2
        del kept["guardrails"]["3"]
        kept["guardrails"]["4"] = {"name": "night", "hours": "00:00-24:00"}

    edit(ruled, change)
    ran = cli("purchase", "laptop-1", "--customer", "user-2")
    assert ran.code == 0
    words = "night: guardrail added, one-computer-each: guardrail changed, blocked: guardrail removed"
    assert f"an edit of catalog.json was recorded: {words}" in ran.err
    last = cli("audit", "list", "--type", "catalog.changed", "--json").document["events"][-1]
    assert last["source"] == "edit"
    assert [rule["name"] for rule in last["guardrails"]] == ["one-computer-each", "basket-ceiling", "night"]
    assert last["guardrails"][1]["at_most"] == 100_050
    assert "source edit guardrails 3" in cli("audit", "list", "--type", "catalog.changed").out
    assert cli("purchase", "lamp-1").err == "", "it was booked once"
    assert cli("audit", "verify").code == 0


def test_a_first_guardrail_can_be_written_into_a_market_that_had_none(cli, market):
    edit(market, lambda kept: kept.update(guardrails={"1": {"name": "none", "at_most": 0, "of": "quantity"}}))
    assert cli("purchase", "laptop-1", "--quiet").code == 3
    edit(market, lambda kept: kept.pop("guardrails"))
    assert cli("purchase", "laptop-1", "--quiet").code == 0
    assert "none: guardrail removed" not in cli("purchase", "laptop-1").err


def test_the_order_of_the_rules_is_an_edit_and_other_spellings_are_none_of_the_rules(cli, ruled):
    def swap(kept: dict[str, Any]) -> None:
        table = kept["guardrails"]
        table["1"], table["2"] = table["2"], table["1"]

    edit(ruled, swap)
    assert "recorded: the order of the guardrails" in cli("catalog", "restock", "lamp-1", 1).err
    edit(ruled, lambda kept: kept["guardrails"]["1"].update(where=[]))
    assert "recorded: keys that the books do not use" in cli("catalog", "restock", "lamp-1", 1).err


def test_a_lost_catalog_is_rebuilt_with_its_guardrails(cli, ruled):
    (ruled / "catalog.json").unlink()
    assert cli("recover").code == 0
    assert cli("catalog", "export", "--json").document["guardrails"] == RULES


EDITS = [
    ("list", lambda kept: kept.update(guardrails=RULES), "guardrails: must be an object of records"),
    ("unknown key", lambda kept: kept["guardrails"]["2"].update(om="x"), "guardrails.2: unknown key 'om'"),
    (
        "negative",
        lambda kept: kept["guardrails"]["2"].update(at_most=-1),
        "guardrails.2.at_most: is negative",
    ),
    (
        "name twice",
        lambda kept: kept["guardrails"]["2"].update(name="blocked"),
        "guardrails.3.name: the name",
    ),
    ("number", lambda kept: kept["guardrails"].update(x={}), "guardrails.x: 'x' is no number of a record"),
    ("mistyped", lambda kept: kept.update(guardrail={}), "(did you mean 'guardrails'?)"),
]


@pytest.mark.parametrize(("change", "told"), [each[1:] for each in EDITS], ids=[each[0] for each in EDITS])
def test_a_wrong_edit_of_the_guardrails_is_refused_with_its_line_and_nothing_changes(
    cli, ruled, change, told
):
    edit(ruled, change)
    before = contents(ruled)
    for line in ("purchase laptop-1", "guardrails list", "guardrails check laptop-1"):
        error = error_of(cli(*line.split()))
        assert told in error
        assert "catalog.json:" in error
    assert contents(ruled) == before


# Listed and tried.


def test_the_list_says_where_each_rule_comes_from_and_what_it_says(cli, ruled):
    facts = cli("guardrails", "list", "--json").document["guardrails"]
    named = {each["name"]: each for each in facts}
    assert named["quantity_limit"]["source"].startswith("built in: purchase")
    assert named["known_product"]["says"] == "Every product is in the catalog."
    assert named["blocked"]["source"] == "catalog"
    assert named["blocked"]["says"] == "rejects, where customer is one of user-2"
    assert named["one-computer-each"]["rule"] == RULES[0]
    assert list(named)[-3:] == [rule["name"] for rule in RULES]
    shown = cli("guardrails", "list")
    for each in facts:
        assert each["name"] in shown.out
    assert shown.err == ""
    assert cli("guardrails", "list", "--quiet").out == ""


def test_a_request_is_tried_and_nothing_is_recorded(cli, ruled):
    before = contents(ruled)
    ran = cli("guardrails", "check", "laptop-1")
    assert ran.code == 0
    assert "1 of laptop-1 for user-1 at " in ran.out
    assert "nothing stands in its way" in ran.out
    ran = cli("guardrails", "check", "laptop-1", "--quantity", 2, "--customer", "user-2")
    assert ran.code == 3
    assert "it would be rejected by one-computer-each" in ran.out
    assert "broken: customer is user-2" in ran.out
    told = cli("guardrails", "check", "laptop-1", "--quantity", 2, "--json").document
    assert told["rejected_by"] == "one-computer-each"
    assert [each["rule"] for each in told["rules"] if not each["kept"]] == [
        "one-computer-each",
        "basket-ceiling",
    ]
    assert contents(ruled) == before


def test_what_is_tried_is_what_a_purchase_comes_to(cli, ruled):
    for quantity, customer in ((1, "user-1"), (1, "user-1"), (2, "user-1"), (1, "user-2"), (101, "user-1")):
        words = ["laptop-1", "--quantity", quantity, "--customer", customer, "--json"]
        tried = cli("guardrails", "check", *words)
        bought = cli("purchase", *words)
        assert (tried.code == 3) is (bought.document["outcome"] == "rejected")
        if tried.code:
            assert bought.document["reason"].startswith(f"{tried.document['rejected_by']}: ")


def test_a_request_is_tried_at_any_time(cli, market):
    edit(market, lambda kept: kept.update(guardrails={"1": {"name": "day", "hours": "08:00-18:00"}}))
    for at, code in (("07:59:59Z", 3), ("08:00:00Z", 0), ("20:00:00+02:30", 0), ("20:00:00+02:00", 3)):
        assert cli("guardrails", "check", "laptop-1", "--at", f"2026-01-31T{at}").code == code


def test_a_file_is_checked_without_a_market(cli, tmp_path):
    Path("c.json").write_text(json.dumps(CATALOG | {"guardrails": RULES}))
    Path("mine.yaml").write_text(HEAD + "guardrails:\n  - {name: lucky, at_most: 7, of: price}\n")
    Path("bare.json").write_text(json.dumps(CATALOG))
    before = contents(tmp_path)
    told = cli("guardrails", "check", "--catalog", "c.json", "--json").document
    assert told == {"file": "c.json", "guardrails": RULES, "notes": []}
    assert "mine.yaml: 1 guardrail, each in order" in cli("guardrails", "check", "--catalog", "mine.yaml").out
    assert "bare.json: 0 guardrails" in cli("guardrails", "check", "--catalog", "bare.json").out
    assert contents(tmp_path) == before


def test_a_value_that_nothing_in_the_catalog_has_is_noted(cli):
    rule = {"name": "x", "reject": True, "where": [{"field": "category", "is": "computer"}]}
    Path("c.json").write_text(json.dumps(CATALOG | {"guardrails": [rule]}))
    ran = cli("guardrails", "check", "--catalog", "c.json")
    assert ran.code == 0
    assert (
        "note: x: nothing in the catalog has the category 'computer' (did you mean 'computers'?)" in ran.err
    )


TYPED = [
    ("guardrails", "a command is missing"),
    ("guardrails lst", "Did you mean 'list'?"),
    ("guardrails check", "there is nothing to check (name a product, or give --catalog FILE)"),
    ("guardrails check laptp-1", "there is no product 'laptp-1' (did you mean 'laptop-1'?)"),
    ("guardrails check laptop-1 --customer usr-1", "--customer: there is no customer 'usr-1' (did you mean"),
    ("guardrails check laptop-1 --quantity 0", "--quantity: a quantity of '0' cannot be bought"),
    ("guardrails check laptop-1 --quantity -1", "a quantity of '-1' cannot be bought"),
    ("guardrails check laptop-1 --quantity 1.5", "'1.5' is not a valid int"),
    (f"guardrails check laptop-1 --quantity {'9' * 5000}", "is not a valid int"),
    ("guardrails check laptop-1 --at noon", "--at: 'noon' is not a time (write 2026-01-31T12:00:00Z)"),
    ("guardrails check laptop-1 --at 1950-01-01", "--at: '1950-01-01' is no time that a market has"),
    ("guardrails check laptop-1 --at 9999-12-31T23:59:59-14:00", "is no time that a market has"),
    ("guardrails check laptop-1 --at 0001-01-01T00:00:00+14:00", "is no time that a market has"),
    ("guardrails check laptop-1 --catalog ruled.json", "PRODUCT and --catalog exclude each other"),
    ("guardrails check --quantity 2 --catalog ruled.json", "--quantity and --catalog exclude each other"),
    ("guardrails check laptop-1 --currency USD", "--currency goes with --catalog"),
    ("guardrails check --catalog nowhere.json", "nowhere.json: there is no such file"),
    ("guardrails check --catalog market", "market: is a folder; a file is needed"),
    ("guardrails check --catalog ruled.json --currency USDD", "'USDD' is no currency code"),
    ("guardrails check --catalog ruled.json --currency JPY", "price: has 2 decimals; JPY has 0"),
    ("guardrails check --catalog market/catalog.json", "a market's own catalog.json is brought by"),
    ("guardrails check laptop-1 --market nowhere", "nowhere: there is no market here"),
    ("guardrails list --market nowhere", "nowhere: there is no market here"),
]


@pytest.mark.parametrize(("line", "told"), TYPED, ids=[line[:60] for line, _ in TYPED])
def test_what_is_typed_wrong_is_told_in_a_line_and_changes_nothing(cli, ruled, tmp_path, line, told):
    before = contents(tmp_path)
    assert told in error_of(cli(*line.split()))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"name": "x", "at_most": 2, "of": "quantty"}, "did you mean 'quantity'?"),
        ({"name": "x\u001b[31m", "reject": True}, "is no name for a rule"),
        ({"name": "x", "at_most": 2, "of": "total", "code": "import os"}, "unknown key 'code'"),
    ],
)
def test_a_catalog_with_a_wrong_guardrail_makes_no_market(cli, rule, told):
    catalog = {"products": [LAPTOP], "users": [ADA], "guardrails": [rule]}
    Path("bad.json").write_text(json.dumps(catalog, indent=1))
    error = error_of(cli("init", "--catalog", "bad.json"))
    assert told in error
    assert "bad.json:" in error
    assert error.partition(": ")[2] == error_of(cli("guardrails", "check", "--catalog", "bad.json"))[7:]
    assert not Path("market").exists()


SCENARIOS = [
    ("guardrails: 5\n", "mine.yaml:7: guardrails: expected a list, got an integer"),
    ("guardrails:\n  - 5\n", "mine.yaml:8: guardrails[0]: expected an object, got an integer"),
    ("guardrails:\n  - {name: x}\n", "mine.yaml:8: guardrails[0]: it forbids nothing"),
    ("guardrails:\n  - {name: x, hours: late}\n", "mine.yaml:8: guardrails[0].hours: 'late' are no hours"),
    ("guardrail: []\n", "mine.yaml:7: unknown key 'guardrail' (did you mean 'guardrails'?)"),
]


@pytest.mark.parametrize(("text", "told"), SCENARIOS, ids=[text for text, _ in SCENARIOS])
def test_a_scenario_with_a_wrong_guardrail_runs_nothing(cli, text, told):
    Path("mine.yaml").write_text(HEAD + text)
    assert told in error_of(cli("run", "mine.yaml", "--keep", "kept"))
    assert not Path("kept").exists()


def test_a_scenario_may_not_take_the_name_of_a_rule_in_its_catalog(cli):
    rule = "{name: x, at_most: 1, of: price}"
    head = HEAD.replace(
        "users: [{id: user-1, name: Ada}]", f"users: [{{id: user-1, name: Ada}}], guardrails: [{rule}]"
    )
    Path("mine.yaml").write_text(head + f"guardrails:\n  - {rule}\n")
    error = error_of(cli("run", "mine.yaml"))
    assert "mine.yaml:8: guardrails[0].name: the name 'x' is taken by another guardrail" in error


def test_an_expected_rule_is_one_that_is_built_in_or_declared(cli):
    rule = "guardrails:\n  - {name: no-laptops, reject: true, where: [{field: product, is: laptop-1}]}\n"
    Path("mine.yaml").write_text(HEAD.replace("outcome: committed", "rule: no-laptops") + rule)
    assert cli("run", "mine.yaml", "--keep", "kept").code == 0
    assert (
        cli("guardrails", "list", "--market", "kept", "--json").document["guardrails"][-1]["name"]
        == "no-laptops"
    )
    assert cli("audit", "verify", "--market", "kept").code == 0
    Path("mine.yaml").write_text(HEAD.replace("outcome: committed", "rule: no-laptps") + rule)
    error = error_of(cli("run", "mine.yaml"))
    assert "expect[0].rule: there is no guardrail 'no-laptps' (did you mean 'no-laptops'?)" in error


def test_the_schema_describes_the_guardrails(cli):
    schema = cli("scenarios", "schema", "--json").document
    assert set(schema["$defs"]["Rule"]["properties"]) >= {"name", "at_most", "of", "per", "hours", "where"}
    assert schema["properties"]["guardrails"]["items"] == {"$ref": "#/$defs/Rule"}
