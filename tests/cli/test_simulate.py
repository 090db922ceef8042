"""A market full of customers from the command line: what is asked, what is told, and what is kept."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli.running import Cli, contents

SMALL = ("simulate", "--sample", "8", "--purchases", "120", "--seed", "3")
DECLINES = ("--fail", "payment:card_declined%30")


def test_the_same_seed_prints_the_same_head_and_another_one_another(cli: Cli) -> None:
    one, again, other = (cli(*SMALL[:-1], seed, *DECLINES) for seed in ("3", "3", "4"))
    assert one.code == again.code == other.code == 0
    assert one.out == again.out
    assert one.out.splitlines()[-1].startswith("head ")
    assert one.out.splitlines()[-1] != other.out.splitlines()[-1]


def test_without_reverts_the_phantom_stock_is_found_in_units_and_money(cli: Cli) -> None:
    ran = cli(*SMALL, *DECLINES, "--policy", "none", "--set", "popularity.hot.product=novel-1")
    assert ran.code == 2
    hot = ("--popularity", "hot:product=laptop-1,percent=60")
    ran = cli(*SMALL, *DECLINES, "--policy", "none", *hot)
    assert ran.code == 1
    assert "for stock that only looked sold" in ran.out
    assert "gone from sale and sold to nobody, worth USD" in " ".join(ran.out.split())
    assert "stock-conserved" in ran.out


def test_two_policies_are_told_side_by_side_with_what_the_better_one_saves(cli: Cli) -> None:
    ran = cli(*SMALL, *DECLINES, "--policy", "default", "--policy", "none")
    assert ran.code == 1
    assert "default" in ran.out
    assert "none" in ran.out
    assert "difference" in ran.out
    assert "would have saved" in ran.out


def test_json_is_one_document_with_figures_findings_and_head(cli: Cli) -> None:
    told = cli(*SMALL, *DECLINES, "--json").document
    assert told["purchases"] == 120
    assert told["figures"]["committed"] + told["figures"]["compensated"] == 120
    assert len(told["head"]) == 64
    assert told["findings"] == []


def test_a_sweep_is_a_table_a_heat_map_and_files(cli: Cli) -> None:
    axes = ("--sweep", "payment:card_declined%0..40/20", "--sweep", "policy=default,none")
    ran = cli(*SMALL, *axes, "--repeat", "2", "--on", "here", "--out", "s.csv", "--heat-map", "s.svg")
    assert ran.code == 1
    assert "± holds the true mean at 95%" in ran.out
    assert "none against default, on the same tapes" in ran.out
    rows = Path("s.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 2 * 2
    assert Path("s.svg").read_text().startswith("<svg ")


def test_two_policies_side_by_side_have_a_heat_map_too(cli: Cli) -> None:
    ran = cli(*SMALL, "--sweep", "policy=default,none", "--on", "here", "--heat-map", "pair.svg")
    assert "both sold the same" in ran.out
    assert Path("pair.svg").read_text().startswith("<svg ")


def test_a_shipped_day_names_what_was_cancelled_without_a_colon_before_it(cli: Cli) -> None:
    lines = cli("simulate", "flash-sale", "--purchases", "300").out.splitlines()
    assert any(line.startswith("cancelled ") for line in lines)


def test_a_sweep_is_the_same_on_several_processes(cli: Cli) -> None:
    axes = ("--sweep", "payment:card_declined%0..20/20", "--repeat", "2", "--json")
    axes += ("--sweep", "policy=default,none")
    here, there = (cli(*SMALL, *axes, "--on", place).out for place in ("here", "processes"))
    assert here == there


def test_a_sweep_goes_on_from_what_is_kept(cli: Cli) -> None:
    axes = ("--sweep", "payment:card_declined%0..20/20", "--on", "here", "--json")
    whole = cli(*SMALL, *axes, "--resume", "kept.jsonl").document
    lines = Path("kept.jsonl").read_text().splitlines(keepends=True)
    Path("kept.jsonl").write_text("".join(lines[:2]))
    assert cli(*SMALL, *axes, "--resume", "kept.jsonl").document == whole
    other = cli("simulate", "--sample", "8", "--purchases", "50", *axes[:-1], "--resume", "kept.jsonl")
    assert other.code == 2
    assert "answer another question" in other.err


def test_a_day_that_is_kept_is_a_market_to_verify_and_to_replay(cli: Cli) -> None:
    ran = cli(*SMALL, *DECLINES, "--record", "all", "--keep", "day", "--json")
    assert ran.code == 0
    verified = cli("audit", "verify", "--market", "day", "--json").document
    assert verified["root"] == ran.document["head"]
    assert cli("replay", "tx-7", "--market", "day").code == 0


def test_what_failed_is_kept_as_lines_that_the_audit_reads(cli: Cli) -> None:
    assert cli(*SMALL, *DECLINES, "--keep", "failed").code == 0
    events = [json.loads(line) for line in Path("failed/failed.jsonl").read_text().splitlines()]
    names = {event["transaction"] for event in events}
    assert names
    assert len(names) < 120


def test_a_market_that_is_here_is_simulated_and_never_written(cli: Cli) -> None:
    cli("init", "--sample", "4")
    before = contents(Path("market"))
    told = cli("simulate", "--purchases", "30", "--json").document
    assert told["name"] == "market"
    assert contents(Path("market")) == before


def test_a_shipped_workload_runs_by_its_name(cli: Cli) -> None:
    told = cli("simulate", "flash-sale", "--purchases", "50", "--json").document
    assert told["name"] == "flash-sale"
    assert told["purchases"] >= 50  # Some try again.


def test_a_trace_of_a_shop_runs_with_its_dates(cli: Cli) -> None:
    lines = ["00001 19970101 1 11.77", "00002 19970112 1 12.00", "00001 19970118 5 88.00"]
    Path("orders.txt").write_text("\n".join(lines) + "\n")
    columns = "customer=1,time=2,quantity=3,amount=4"
    ran = cli("simulate", "--trace", "orders.txt", "--columns", columns, "--record", "all", "--keep", "day")
    assert ran.code == 0, ran.err
    began = cli("audit", "list", "--market", "day", "--type", "transaction.began", "--json").document
    assert [event["time"][:10] for event in began["events"]] == ["1997-01-01", "1997-01-12", "1997-01-18"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--fail", "payment:card_declined%200"), "above 100 percent"),
        (("--arrivals", "poisson:-3"), "poisson"),
        (("--arrivals", "poison:3"), "did you mean 'poisson'?"),
        (("--set", "habit.again.percent=4"), "did you mean 'habits'?"),
        (("--purchases", "0"), "purchases"),
        (("--sweep", "payment:card_declined%0..100/0.0001", "--repeat", "1000"), "runs"),
        (("--sweep", "policy=default,non"), "did you mean 'none'?"),
        (("--on", "tcp://127.0.0.1:1", "--repeat", "2"), "127.0.0.1:1"),
        (("--on", "moon", "--repeat", "2"), "moon"),
        (("--record", "all"), "add --keep DIR"),
        (("--record", "some"), "does not say what is kept"),
        (("--tier", "strictest"), "did you mean 'strict'?"),
        (("--out", "figures.xls"), "which form is meant"),
        (("--trace", "no-such.csv"), "no-such.csv"),
        (("--columns", "time=1"), "there is no trace"),
        (("--policy", "non"), "did you mean 'none'?"),
        (("--seed", "-1"), "seed"),
        (("--heat-map", "x.svg"), "no heat map"),
        (("--repeat", "2", "--heat-map", "x.png"), "end its name in .svg"),
        (("--out", "no/where.csv"), "there is no such folder"),
        (("--set", "habits." * 5000 + "x=1"), "goes too deep"),
    ],
)
def test_what_cannot_be_meant_is_one_error_and_nothing_is_written(
    options: tuple[str, ...], words: str, cli: Cli
) -> None:
    ran = cli("simulate", "--sample", "4", "--purchases", "10", *options)
    assert ran.code == 2, ran.out
    assert words in ran.err
    assert ran.err.count("error:") == 1
    assert not list(Path().iterdir())


def test_an_empty_catalog_is_refused(cli: Cli) -> None:
    Path("empty.json").write_text('{"products": [], "users": [], "orders": []}')
    ran = cli("simulate", "--catalog", "empty.json")
    assert ran.code == 2
    assert "products" in ran.err


def test_ctrl_c_tells_what_came_of_it_so_far_and_that_it_is_partial(tmp_path: Path) -> None:
    run = [sys.executable, "-m", "marketsim", "simulate", "--sample", "4", "--purchases", "5000000", "--json"]
    with subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as process:
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = json.loads(out)
    assert told["partial"] is True
    assert 0 < told["purchases"] < 5_000_000
