"""Every command, as a person or a script uses it: what it does, what it says, and how it ends."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.running import CATALOG, Cli, contents

from marketsim.market import directory
from marketsim.scenario.shipped import shipped, shipped_simulations


def catalog_of(cli: Cli) -> Any:
    """The market's catalog, as it is taken elsewhere."""
    return cli("catalog", "export", "--json").document


def stock(cli: Cli, product: str = "laptop-1") -> int:
    return next(each["inStock"] for each in catalog_of(cli)["products"] if each["id"] == product)


# The main job.


def test_a_purchase_whose_gateway_is_down_leaves_stock_money_and_orders_as_they_were(cli, market):
    ran = cli("purchase", "laptop-1", "--customer", "user-1", "--fail", "payment:gateway_down")
    assert ran.code == 3
    assert "charge_payment failed for good (gateway_down): back the way it came" in ran.out
    assert "laptop-1: 2 available, as before" in ran.out
    assert "money   as before" in ran.out
    assert "orders  none" in ran.out
    assert "NOT PURCHASED" in ran.out
    assert ran.err == ""
    assert stock(cli) == 2
    assert catalog_of(cli)["orders"] == []
    verified = cli("audit", "verify")
    assert verified.code == 0
    assert "checks hold" in verified.out


def test_a_purchase_takes_one_unit_and_makes_one_order(cli, market):
    cli("purchase", "laptop-1", "--customer", "user-1", "--fail", "payment:gateway_down")
    ran = cli("purchase", "laptop-1", "--customer", "user-1")
    assert ran.code == 0
    assert "PURCHASED  order-2 stands" in ran.out
    assert "customer:user-1 -USD 750.00, merchant +USD 750.00" in ran.out
    assert stock(cli) == 1
    (order,) = catalog_of(cli)["orders"]
    assert order["customer"] == "user-1"
    assert order["lines"] == [{"product": "laptop-1", "quantity": 1, "price": 750}]
    assert cli("audit", "verify").code == 0


def test_the_last_unit_can_be_sold_once_and_nothing_is_charged_for_the_one_after(cli, market):
    assert cli("purchase", "laptop-1", "--quantity", 2, "--customer", "user-2").code == 0
    ran = cli("purchase", "laptop-1", "--json")
    assert ran.code == 3
    assert "out_of_stock" in ran.document["reason"]
    assert [each for each in ran.document["changes"] if each["account"].startswith("money:")] == []
    assert stock(cli) == 0
    assert len(catalog_of(cli)["orders"]) == 1
    assert cli("audit", "verify").code == 0


def test_every_key_that_was_brought_is_kept_through_purchases(cli, market):
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    cli("purchase", "laptop-1")
    exported = catalog_of(cli)
    assert {**exported, "orders": []} == {
        **CATALOG,
        "products": [{**CATALOG["products"][0], "inStock": 1}, CATALOG["products"][1]],
    }
    kept = json.loads((market / "catalog.json").read_text())
    assert list(kept["products"].values()) == exported["products"]
    assert list(kept["users"].values()) == CATALOG["users"]
    assert kept["extra"] == {"1": {"season": {"name": "spring"}}}


def test_an_exported_catalog_makes_another_market(cli, market):
    cli("purchase", "laptop-1")
    assert cli("catalog", "export", "copy.json").code == 0
    assert cli("init", "--catalog", "copy.json", "--market", "second").code == 0
    again = cli("catalog", "export", "--market", "second", "--json").document
    assert again["products"] == catalog_of(cli)["products"]
    assert again["season"] == {"name": "spring"}


def test_a_policy_that_reverts_nothing_loses_a_unit_and_the_audit_finds_it(cli, market):
    ran = cli("purchase", "laptop-1", "--policy", "none", "--fail", "payment:gateway_down")
    assert ran.code == 4
    assert "ABANDONED" in ran.out
    assert stock(cli) == 1
    verified = cli("audit", "verify", "--json")
    assert verified.code == 1
    (error,) = [each for each in verified.document["findings"] if each["severity"] == "error"]
    assert error["rule"] == "stock-conserved"
    assert error["transaction"] == "tx-1"
    assert "1 laptop-1" in error["message"]
    assert error["actual"] == "1 laptop-1 in stock:reserved"
    shown = cli("audit", "verify").out
    assert "1 of 12 checks is broken" in shown
    assert "error stock-conserved (tx-1, seq" in shown


def test_a_revert_that_fails_for_good_waits_for_a_person(cli, market):
    ran = cli("purchase", "laptop-1", "--fail", "payment:card_declined", "--fail", "release_stock:error")
    assert ran.code == 4
    assert "STUCK" in ran.out
    assert "for a person: reserve_stock could not be reverted" in ran.out
    assert cli("audit", "show", "tx-1", "--json").document["outcome"]["dead_letters"] == ["reserve_stock"]


@pytest.mark.parametrize("how", ["resolve", "ignore"])
def test_what_a_person_did_about_it_is_shown(cli, market, how):
    cli("purchase", "laptop-1", "--fail", "payment:card_declined", "--fail", "release_stock:error")
    assert cli("failures", how, "tx-1", "--reason", "counted by Ada").code == 0
    shown = cli("audit", "show", "tx-1").out
    assert f"reserve_stock: {how.removesuffix('e')}ed by a person (counted by Ada)" in shown
    assert "could not be reverted" not in shown
    assert cli("audit", "show", "tx-1", "--json").document["outcome"]["dead_letters"] == []
    assert cli("replay", "tx-1").code == 0


def test_a_fault_that_was_never_reached_is_told(cli, market):
    ran = cli("purchase", "laptop-1", "--fail", "refund_payment:error")
    assert ran.code == 0
    assert "refund_payment:error was never reached" in ran.out


# Exit codes.


def test_each_exit_code_has_the_meaning_that_is_documented(cli, market, monkeypatch, process):
    assert cli("purchase", "laptop-1").code == 0
    assert cli("run", "lost-stock", "--policy", "default", "--brief").code == 1
    assert cli("purchase", "laptop-2").code == 2
    assert cli("purchase", "laptop-1", "--fail", "payment:card_declined").code == 3
    assert cli("purchase", "laptop-1", "--fail", "payment:card_declined", "--policy", "none").code == 4
    assert cli("catalog", "restock", "laptop-1", 3).code == 0
    process("purchase", "laptop-1", "--fail", "place_order:crash_after_effect")
    assert cli("replay", "tx-4").code == 5
    cli("audit", "export", "--transaction", "tx-2", "--output", "tx-2.json")
    altered = Path("tx-2.json").read_text().replace('"code":"card_declined"', '"code":"card_accepted"')
    Path("tx-2.json").write_text(altered)
    assert cli("replay", "tx-2.json").code == 6

    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(directory, "read_catalog", interrupted)
    ran = cli("catalog", "list")
    assert ran.code == 130
    assert ran.err == "interrupted; what was done is in the log\n"


def test_a_mistake_of_the_program_is_told_in_one_line_and_shown_whole_on_demand(cli, market, monkeypatch):
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("what no one thought of")

    monkeypatch.setattr(directory, "read_catalog", broken)
    ran = cli("catalog", "list")
    assert ran.code == 1
    assert ran.err.startswith("error: a mistake in marketsim itself: RuntimeError: what no one thought of")
    assert "Traceback" not in ran.err
    assert "Traceback" in cli("catalog", "list", "--debug").err


# Replay.


def test_a_replay_comes_out_the_same_from_the_market_and_from_a_file_elsewhere(
    cli, market, tmp_path_factory, monkeypatch
):
    cli("purchase", "laptop-1")
    cli("purchase", "laptop-1", "--fail", "charge_payment:timeout_after@1", "--fail", "place_order:error")
    ran = cli("replay", "tx-2")
    assert ran.code == 0
    assert "events came again as they were recorded" in ran.out
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert cli("audit", "export", "--transaction", "tx-2", "--output", elsewhere / "tx-2.json").code == 0
    monkeypatch.chdir(elsewhere)
    again = cli("replay", "tx-2.json", "--json").document["replays"]
    assert [(each["transaction"], each["same"], each["complete"]) for each in again] == [("tx-2", True, True)]


def test_a_whole_export_is_replayed_transaction_by_transaction(cli, market):
    cli("purchase", "laptop-1")
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    cli("audit", "export", "--format", "jsonl", "--output", "all.jsonl")
    replays = cli("replay", "all.jsonl", "--json").document["replays"]
    assert [(each["transaction"], each["same"]) for each in replays] == [("tx-1", True), ("tx-2", True)]
    one = cli("replay", "all.jsonl", "--transaction", "tx-2", "--json").document["replays"]
    assert [each["transaction"] for each in one] == ["tx-2"]


def test_an_answer_that_was_altered_in_a_file_does_not_come_again(cli, market):
    cli("purchase", "laptop-1")
    cli("audit", "export", "--transaction", "tx-1", "--output", "tx-1.json")
    text = Path("tx-1.json").read_text()
    Path("tx-1.json").write_text(
        text.replace('"result":{"amount_minor":75000', '"result":{"amount_minor":74999')
    )
    ran = cli("replay", "tx-1.json")
    assert ran.code == 6
    assert "tx-1 takes another way at event" in ran.out
    assert "74999" in ran.out
    difference = cli("replay", "tx-1.json", "--json").document["replays"][0]["difference"]
    assert difference["recorded"]["operation"] == "charge_payment"


def test_a_time_that_was_altered_in_a_file_is_found_by_the_chain(cli, market):
    cli("purchase", "laptop-1")
    cli("audit", "export", "--transaction", "tx-1", "--output", "tx-1.json")
    lines = Path("tx-1.json").read_text().split("\n")
    index = next(i for i, line in enumerate(lines) if "operation.succeeded" in line)
    seq = json.loads(lines[index].rstrip(","))["seq"]
    lines[index] = lines[index].replace('"time":"2', '"time":"3')
    Path("tx-1.json").write_text("\n".join(lines))
    ran = cli("replay", "tx-1.json")
    assert ran.code == 1
    assert f"tx-1.json: event {seq} (operation.succeeded) was altered" in ran.err


def test_a_replay_stops_showing_where_it_is_told_to(cli, market):
    cli("purchase", "laptop-1")
    whole, part = cli("replay", "tx-1").out, cli("replay", "tx-1", "--until", 8).out
    assert "notify_customer" in whole
    assert "check_availability" in part
    assert "notify_customer" not in part


def test_a_replay_can_be_stepped_through(cli, market, monkeypatch):
    cli("purchase", "laptop-1")
    pressed: list[str] = []
    monkeypatch.setattr("builtins.input", lambda: pressed.append("enter") or "")
    ran = cli("replay", "tx-1", "--step")
    assert ran.code == 0
    assert len(pressed) == len(cli("audit", "list", "-t", "tx-1", "--json").document["events"])


# Crash and recovery.


def test_a_crash_kills_the_process_and_recovery_finishes_with_one_charge_and_one_order(cli, market, process):
    died = process("purchase", "laptop-1", "--fail", "charge_payment:crash_after_effect")
    assert died.returncode == -signal.SIGKILL
    assert "the process dies here: crash_after_effect" in died.stdout
    opened = cli("audit", "show", "tx-1")
    assert opened.code == 0
    assert "finish it with: marketsim recover" in opened.out
    assert cli("audit", "show", "tx-1", "--json").document["outcome"]["outcome"] == "open"
    ran = cli("recover")
    assert ran.code == 0
    assert "another process takes over\n" in ran.out
    assert "find_payment         asked: it had landed, amount USD 750.00" in ran.out
    assert "PURCHASED" in ran.out
    assert len(catalog_of(cli)["orders"]) == 1
    assert stock(cli) == 1
    assert cli("audit", "verify").code == 0
    assert cli("replay", "tx-1").code == 0
    assert cli("recover").out == "nothing was left open\n"


def test_a_purchase_beside_an_open_one_says_so(cli, market, process):
    process("purchase", "laptop-1", "--fail", "reserve_stock:crash_after_effect")
    ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert ran.err == "note: left open by a crash: tx-1; finish with: marketsim recover\n"
    assert cli("recover", "--json").document["recovered"][0]["outcome"] == "committed"
    assert stock(cli) == 0


def test_a_fault_can_be_injected_into_the_recovery(cli, market, process):
    process("purchase", "laptop-1", "--fail", "place_order:crash_after_intent")
    ran = cli("recover", "--fail", "place_order:error", "--json")
    assert ran.code == 0
    assert ran.document["recovered"][0]["outcome"] == "compensated"
    assert ran.document["recovered"][0]["reverts"] == ["cancel_order", "refund_payment", "release_stock"]
    assert stock(cli) == 2


def test_recovery_rebuilds_a_lost_snapshot(cli, market):
    cli("purchase", "laptop-1")
    (market / "catalog.json").unlink()
    assert cli("purchase", "laptop-1").err.startswith("error: ")
    ran = cli("recover")
    assert ran.code == 0
    assert "catalog.json was missing and was rebuilt from the stream" in ran.err
    assert stock(cli) == 1


def test_a_torn_last_line_is_cut_and_told(cli, market):
    with (market / "audit" / "000001.jsonl").open("ab") as file:
        file.write(b'{"seq":')
    ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert "note: a last line that was never finished was cut off (7 bytes)" in ran.err
    assert cli("audit", "verify").code == 0


def test_a_persons_edit_of_the_catalog_is_booked(cli, market):
    path = market / "catalog.json"
    path.write_text(path.read_text().replace('"inStock": 2', '"inStock": 7'))
    ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert "note: an edit of catalog.json was recorded" in ran.err
    assert stock(cli) == 6
    assert cli("audit", "verify").code == 0


def test_a_damaged_log_is_refused_with_its_line_and_nothing_is_written(cli, market):
    cli("purchase", "laptop-1")
    segment = market / "audit" / "000001.jsonl"
    segment.write_bytes(segment.read_bytes().replace(b'"quantity":1', b'"quantity":3', 1))
    before = contents(market)
    ran = cli("audit", "list")
    assert ran.code == 1
    assert "000001.jsonl:" in ran.err
    verified = cli("audit", "verify", "--json")
    assert verified.code == 1
    assert any(
        each["file"] == "audit/000001.jsonl" and each["line"] for each in verified.document["findings"]
    )
    assert contents(market) == before


# JSON and silence.

READERS = [
    "catalog list",
    "catalog list users",
    "catalog list orders",
    "catalog show laptop-1",
    "catalog show order-1",
    "catalog export",
    "audit list",
    "audit list --type compensation",
    "audit show tx-2",
    "audit show 3",
    "audit verify",
    "audit checks",
    "audit export",
    "audit export --format ocel",
    "audit schema",
    "faults list",
    "faults show timeout_after",
    "faults mixes",
    "policies list",
    "policies show none",
    "sagas list",
    "sagas show checkout",
    "failures list --all",
    "guardrails list",
    "compare happy-path",
    "scenarios list",
    "scenarios show lost-stock",
    "scenarios schema",
    "replay tx-1",
    "run lost-stock gateway-down",
]
WRITERS = [
    "catalog add mug-1 --name Mug --price 8.50 --stock 3",
    "catalog restock lamp-1 4",
    "purchase laptop-1 --fail payment:card_declined",
    "purchase laptop-1",
    "checkout laptop-1",
    "checkout laptop-1 --fail capture_payment:card_declined",
    "recover",
    "recover --back",
    "scenarios new mine.yaml",
    "catalog export catalog-copy.json",
    "audit export --output events.json",
    "audit export --format csv --output events.csv",
    "init --sample 3 --market other",
    "run happy-path --keep kept",
]
DOCUMENTS = (
    *("catalog export", "audit export", "audit export --format ocel", "audit schema", "scenarios schema"),
)
"""Commands whose whole output is what was asked for: to be silent would be to do nothing."""


@pytest.fixture
def used(cli: Cli, market: Path) -> Path:
    """A market with a purchase and a failed one."""
    cli("purchase", "laptop-1")
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    return market


@pytest.mark.parametrize("line", READERS + WRITERS)
def test_json_is_one_document_and_nothing_else(cli, used, line):
    ran = cli(*line.split(), "--json")
    assert ran.code in (0, 3)
    assert ran.document is not None


@pytest.mark.parametrize("line", READERS + WRITERS)
def test_quiet_prints_nothing(cli, used, line):
    ran = cli(*line.split(), "--quiet")
    assert ran.code in (0, 3)
    assert ran.err == ""
    if line not in DOCUMENTS:
        assert ran.out == ""


@pytest.mark.parametrize("line", ["audit export --type compensation", "audit list --since 9"])
def test_json_of_no_event_and_of_some_is_a_document_too(cli, market, line):
    assert cli(*line.split(), "--json").document["events"] == []
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    assert cli(*line.split(), "--json").document["events"] != []


# The audit.


def test_the_log_is_listed_an_event_a_line_with_its_place(cli, used):
    lines = cli("audit", "list").out.splitlines()
    events = cli("audit", "list", "--json").document["events"]
    assert lines[-1] == f"{len(events)} events"
    assert len(lines) == len(events) + 1
    for line, event in zip(lines, events, strict=False):
        assert line.split()[:2] == [str(event["seq"]), event["time"]]
        assert event["type"] in line


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (["--transaction", "tx-2"], lambda event: event.get("transaction") == "tx-2"),
        (["-t", "tx-1"], lambda event: event.get("transaction") == "tx-1"),
        (["--type", "compensation"], lambda event: event["type"].startswith("compensation.")),
        (["--type", "operation.failed"], lambda event: event["type"] == "operation.failed"),
        (
            ["--type", "order", "--type", "ledger.posted"],
            lambda event: event["type"] in ("order.placed", "ledger.posted"),
        ),
        (["--since", "12"], lambda event: event["seq"] >= 12),
        (["--since", "2020-01-01"], lambda event: True),
        (["--since", "2999-01-01T00:00:00Z"], lambda event: False),
        (["-t", "tx-2", "--since", "30", "--type", "operation"], lambda event: False),
    ],
)
def test_the_filters_choose_the_same_events_in_a_list_and_in_both_exports(cli, used, options, wanted):
    every = cli("audit", "list", "--json").document["events"]
    chosen = [event for event in every if wanted(event)]
    if "30" in options:
        chosen = [each for each in every if each["seq"] >= 30 and each["type"].startswith("operation.")]
    assert cli("audit", "list", *options, "--json").document["events"] == chosen
    whole = ("audit", "export", "--include-personal")
    assert cli(*whole, *options, "--json").document["events"] == chosen
    lines = cli(*whole, "--format", "jsonl", *options).out.splitlines()
    assert [json.loads(line) for line in lines] == chosen


def test_json_lines_are_the_very_lines_of_the_log(cli, used):
    assert cli("audit", "export", "--format", "jsonl", "--include-personal").out.encode() == (
        (used / "audit" / "000001.jsonl").read_bytes()
    )


def test_one_event_is_shown_whole(cli, used):
    event = cli("audit", "show", "4", "--json").document
    assert event["seq"] == 4
    assert json.loads(cli("audit", "show", "4").out) == event


def test_a_transaction_is_shown_as_it_was_when_it_happened(cli, used):
    bought = cli("audit", "show", "tx-1")
    assert bought.code == 0
    assert "laptop-1: 2 → 1 available, sold +1" in bought.out
    failed = cli("audit", "show", "tx-2").out
    assert "release_stock" in failed
    assert "NOT PURCHASED" in failed


def test_one_check_alone_can_be_made(cli, used):
    assert "1 checks hold" in cli("audit", "verify", "--check", "one-order").out


def test_every_check_is_listed_with_its_rule(cli):
    shown = cli("audit", "checks")
    assert shown.code == 0
    for each in cli("audit", "checks", "--json").document["checks"]:
        assert each["name"] in shown.out
        assert each["rule"].endswith(".")


def test_a_head_kept_elsewhere_proves_that_the_log_only_grew(cli, used):
    Path("kept-head").write_bytes((used / "audit" / "checkpoint").read_bytes())
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    assert cli("audit", "verify", "--head", "kept-head").code == 0
    other = Path("kept-head").read_text().splitlines()
    cli("init", "--sample", 1, "--market", "other")
    Path("other-head").write_bytes(Path("other/audit/checkpoint").read_bytes())
    assert other
    assert cli("audit", "verify", "--head", "other-head").code == 1


def test_every_event_of_a_log_is_valid_by_the_schema_that_is_printed(cli, used):
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(cli("audit", "schema", "--json").document)
    events = cli("audit", "list", "--json").document["events"]
    assert events[-1]["type"] == "transaction.compensated"
    for event in events:
        validator.validate(event)


@pytest.mark.parametrize(
    "line",
    [
        "audit export --output FILE",
        "audit export --format jsonl --output FILE",
        "audit schema --output FILE",
        "catalog export FILE",
        "catalog export --output FILE",
        "scenarios schema --output FILE",
        "scenarios new FILE",
    ],
)
def test_a_file_is_never_overwritten_without_being_told_to(cli, used, line):
    arguments = line.replace("FILE", "there.yaml").split()
    Path("there.yaml").write_text("precious")
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.err == "error: there.yaml: the file exists (overwrite it with --force)\n"
    assert Path("there.yaml").read_text() == "precious"
    forced = cli(*arguments, "--force")
    assert forced.code == 0
    assert "wrote there.yaml" in forced.out
    assert Path("there.yaml").read_text() != "precious"
    assert not list(Path().glob(".there.yaml*"))


# Scenarios.


def test_every_shipped_scenario_is_listed_with_what_it_shows(cli):
    shown = cli("scenarios", "list").out
    listed = cli("scenarios", "list", "--json").document["scenarios"]
    assert [each["name"] for each in listed] == list(shipped())
    simulations = cli("scenarios", "list", "--json").document["simulations"]
    assert [each["name"] for each in simulations] == list(shipped_simulations())
    for each in listed + simulations:
        assert each["name"] in shown
        assert each["description"]


def test_a_simulation_is_not_run_as_a_scenario_but_shown_and_found(cli, tmp_path):
    refused = cli("run", "flash-sale")
    assert refused.code == 2
    assert "'flash-sale' is a simulation" in refused.err
    assert "marketsim simulate flash-sale" in refused.err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "sale.yaml").write_bytes(shipped_simulations()["flash-sale"].read_bytes())
    refused = cli("run", "happy-path", "mine")
    assert refused.code == 2
    assert f"marketsim simulate {Path('mine/sale.yaml')}" in refused.err
    assert refused.out == ""
    assert cli("scenarios", "show", "flash-sale").out.startswith("# ")


def test_a_scenario_is_run_by_name_by_file_and_by_folder(cli, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("happy-path", "gateway-down"):
        (folder / f"{name}.yaml").write_bytes(shipped()[name].read_bytes())
    assert cli("run", "happy-path").code == 0
    assert cli("run", "mine/happy-path.yaml").code == 0
    ran = cli("run", "mine", "--brief")
    assert ran.code == 0
    assert "2 of 2 scenarios are as expected" in ran.out
    assert sorted(each.name for each in tmp_path.iterdir()) == ["mine"]


def test_an_expectation_that_is_not_met_is_told_with_its_line(cli):
    ran = cli("run", "lost-stock", "--policy", "default")
    assert ran.code == 1
    assert "lost-stock.yaml:14: outcome of purchase 1" in ran.out
    assert "expected abandoned; actual compensated" in ran.out
    unmet = cli("run", "lost-stock", "--policy", "default", "--json").document["scenarios"][0]["unmet"]
    assert unmet[0]["expected"] == "abandoned"


def test_the_market_of_a_run_can_be_kept_and_audited(cli):
    assert cli("run", "lost-stock", "--keep", "kept").code == 0
    verified = cli("audit", "verify", "--market", "kept", "--json")
    assert verified.code == 1
    assert [each["rule"] for each in verified.document["findings"]] == ["stock-conserved"]
    assert cli("run", "lost-stock", "--keep", "kept").code == 2
    assert cli("run", "lost-stock", "happy-path", "--keep", "more").code == 2


def test_a_scenario_is_shown_as_it_is_written(cli):
    assert cli("scenarios", "show", "lost-stock").out.encode() == shipped()["lost-stock"].read_bytes()
    shown = cli("scenarios", "show", "lost-stock", "--json").document["scenarios"]
    assert [each["name"] for each in shown] == ["lost-stock"]


def test_a_new_scenario_runs_as_it_is(cli):
    assert cli("scenarios", "new", "mine.yaml").code == 0
    ran = cli("run", "mine.yaml")
    assert ran.code == 0
    assert "mine" in ran.out


def test_every_shipped_scenario_is_valid_by_the_schema_that_is_printed(cli):
    import yaml
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(cli("scenarios", "schema", "--json").document)
    assert len(shipped()) >= 10
    for path in shipped().values():
        validator.validate(yaml.safe_load(path.read_text()))


# The catalog.


def test_the_catalog_is_listed_with_its_stock_now(cli, used):
    shown = cli("catalog", "list").out
    assert "laptop-1  Laptop    750        1  computers" in shown
    assert "2 products; prices in USD" in shown
    assert "order-1" in cli("catalog", "list", "orders").out
    assert "Grace" in cli("catalog", "list", "users").out


def test_a_record_is_shown_with_every_key(cli, used):
    shown = cli("catalog", "show", "laptop-1").out
    assert 'colour             {"lid":"grey","keys":[1,2.5,null]}' in shown
    assert cli("catalog", "show", "laptop-1", "--json").document == {**CATALOG["products"][0], "inStock": 1}


def test_what_is_added_and_restocked_can_be_bought_and_the_books_balance(cli, market):
    assert cli("catalog", "add", "mug-1", "--name", "Mug", "--price", "8.50", "--stock", 1).code == 0
    assert cli("catalog", "restock", "lamp-1", 4).out == "4 more of lamp-1\n"
    assert (stock(cli, "mug-1"), stock(cli, "lamp-1")) == (1, 4)
    assert cli("purchase", "mug-1").code == 0
    assert cli("purchase", "lamp-1", "--quantity", 2).code == 0
    assert (stock(cli, "mug-1"), stock(cli, "lamp-1")) == (0, 2)
    assert cli("audit", "verify").code == 0


# The rest.


def test_a_sample_market_is_the_same_for_the_same_seed(cli):
    first = cli("init", "--sample", 5, "--seed", 7, "--market", "one", "--json").document
    assert first["products"] == 5
    cli("init", "--sample", 5, "--seed", 7, "--market", "two")
    one, two = (cli("catalog", "export", "--market", name).out for name in ("one", "two"))
    assert one == two


def test_the_market_is_named_by_the_environment_too(cli, market, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert cli("catalog", "list").code == 2
    monkeypatch.setenv("MARKETSIM_MARKET", str(market))
    assert cli("catalog", "list").code == 0


def test_another_currency_has_its_own_decimals(cli):
    products = [{"id": "bowl", "name": "Bowl", "price": 1200, "inStock": 1}]
    users = [{"id": "user-1", "name": "Ada"}]
    Path("yen.json").write_text(json.dumps({"products": products, "users": users}))
    assert cli("init", "--catalog", "yen.json", "--currency", "JPY").code == 0
    assert "merchant +JPY 1,200" in cli("purchase", "bowl").out


def test_the_same_seed_gives_the_same_purchase(cli, market):
    line = ["purchase", "laptop-1", "--fail", "payment:card_declined%50", "--json", "--seed"]
    cli("init", "--catalog", "brought.json", "--market", "second")
    one = [cli(*line, seed).document["outcome"] for seed in range(4)]
    two = [cli(*line, seed, "--market", "second").document["outcome"] for seed in range(4)]
    assert one == two


def test_a_fault_and_a_policy_are_explained(cli):
    shown = cli("faults", "show", "timeout_after").out
    assert "the effect  lands" in shown
    assert "a retry     is safe" in shown
    assert "  purchase    check_availability, reserve_stock, " in shown
    assert "  checkout    check_cart, reserve_stock, " in shown
    assert "find_payment" in shown
    only = cli("faults", "show", "partial_capture").out
    assert "  checkout    capture_payment\n" in only
    assert "  purchase  " not in only
    listed = cli("faults", "list").out
    assert "payment:card_declined@1" in listed
    assert "default" in cli("policies", "list").out


def test_the_mixes_are_listed_with_the_source_of_each_rate(cli):
    mixes = cli("faults", "mixes", "--json").document["mixes"]
    assert [mix["name"] for mix in mixes] == ["typical", "bad-day", "network"]
    shown = cli("faults", "mixes").out
    for mix in mixes:
        assert f"{mix['name']}: {mix['sentence']}" in shown
        assert all(share["fault"] in shown for share in mix["shares"])


def test_the_list_of_faults_says_of_each_what_it_is_what_lands_and_what_the_engine_is_told(cli):
    faults = cli("faults", "list", "--json").document["faults"]
    assert len(faults) == 81
    head, *rows = cli("faults", "list").out.splitlines()
    assert head.split() == ["fault", "class", "strikes", "landed", "engine", "is", "told"]
    for fault, row in zip(faults, rows, strict=False):
        assert re.match(rf"{fault['name']} +{fault['group']} +{fault['phase']} +{fault['landed']} +\S", row)


@pytest.mark.parametrize(
    ("policy", "probes", "reverts", "keys"),
    [("default", "yes", "yes", "no"), ("none", "no", "no", "no"), ("temporal", "no", "yes", "no")],
)
def test_the_rules_of_a_policy_are_shown_each_on_a_line(cli, policy, probes, reverts, keys):
    shown = cli("policies", "show", policy).out
    assert f"reverts what was done       {reverts}\n" in shown
    for question in ("asks what is unknown", "asks whether it is undone", "waits for late results"):
        assert re.search(rf"^  {question} +{probes}$", shown, re.MULTILINE)
    assert re.search(rf"^  a key for each attempt +{keys}$", shown, re.MULTILINE)
    assert re.search(r"^  time to revert counts from  the operation's success$", shown, re.MULTILINE)
    assert re.search(rf"^  reverts though cancelled +{reverts}$", shown, re.MULTILINE)


def test_a_saga_is_shown_with_every_name_that_a_fault_may_strike(cli):
    listed = cli("sagas", "list", "--json").document["sagas"]
    assert [each["name"] for each in listed] == ["purchase", "checkout"]
    for saga in listed:
        assert f"{saga['name']} " in cli("sagas", "list").out
        shown = cli("sagas", "show", saga["name"]).out
        document = cli("sagas", "show", saga["name"], "--json").document
        assert document["saga"] == saga["name"]
        for each in document["operations"]:
            row = [each["operation"], each["kind"], each["revert"] or "-", each["probe"] or "-"]
            assert re.search("^" + " +".join(row) + "$", shown, re.MULTILINE)
            assert re.search(rf"^  {each['service']} .*\b{each['operation']}\b", shown, re.MULTILINE)
        assert f"guardrails first: {', '.join(document['guardrails'])}" in shown
    assert "reserve_stock.PRODUCT" in cli("sagas", "show", "checkout").out
    kinds = {each["operation"]: each["kind"] for each in document["operations"]}
    assert [name for name, kind in kinds.items() if kind == "pivot"] == ["capture_payment"]


def test_every_fault_that_is_explained_can_be_tried_as_it_says_and_strikes(cli, market):
    assert cli("catalog", "restock", "laptop-1", 1000).code == 0
    for fault in cli("faults", "list", "--json").document["faults"]:
        line = cli("faults", "show", fault["name"]).out.splitlines()[-1].split()
        assert line[:2] == ["try", "marketsim"]
        assert line[2] in ("purchase", "checkout")
        if fault["outcome"] != "crash":
            tried = cli(*line[2:], "--json")
            assert tried.code in (0, 3, 4)
            assert tried.document["never_reached"] == []


def test_the_demo_tells_its_story_and_leaves_nothing(cli, tmp_path):
    ran = cli("demo", "--json")
    assert ran.code == 0
    assert [each["exit"] for each in ran.document["steps"]] == [4, 3, -signal.SIGKILL, 0, 1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("buffered", ["", "1"])
def test_nobody_complains_when_nobody_reads_on(market, monkeypatch, buffered):
    """Whoever closes a pipe has read enough: the command ends as it would have."""
    monkeypatch.setenv("PYTHONUNBUFFERED", buffered)
    command = [sys.executable, "-m", "marketsim", "audit", "list", "--market", str(market)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0


def test_a_terminal_that_knows_only_ascii_gets_ascii(market, process, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    ran = process("purchase", "laptop-1", "--fail", "payment:card_declined")
    assert ran.returncode == 3
    assert ran.stdout.isascii()
    assert "< release_stock" in ran.stdout
    assert ran.stderr == ""
