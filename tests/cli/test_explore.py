"""Explore: the verdict and its exit code, the files it writes, and what it refuses before it begins."""

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

SMALL = ["--faults", "1", "--crashes", "0", "--preemptions", "0", "--customers", "1", "--on", "here"]

TRIP = '''
from random import randrange

from marketsim.explore.model import case_of
from marketsim.saga import Call, Saga

trip = Saga("trip", "A flight.")


@trip.operation(service="airline")
def book_flight(call: Call) -> dict:
    """Book one seat."""
    return {"nights": call.request["nights"]}


dice = Saga("dice", "A throw.")


@dice.operation(service="table")
def throw(call: Call) -> dict:
    """Throw."""
    return {"eyes": randrange(10**9)}


case = case_of(trip, {"nights": 1}, {"nights": 2})
'''


@pytest.fixture
def own(cli, tmp_path) -> Path:
    """Sagas of somebody's own."""
    path: Path = tmp_path / "own.py"
    path.write_text(TRIP)
    return path


# What came of it.


def test_the_lost_stock_is_found_told_kept_and_found_again_by_run(cli, tmp_path):
    ran = cli("explore", "purchase", "--policy", "none", *SMALL)
    assert ran.code == 1
    assert "explore purchase under none" in ran.out
    assert "again: marketsim explore purchase --policy none --crashes 0" in ran.out
    assert "stock-conserved at reserve_stock, with 1 fault" in ran.out
    assert "gone from sale, sold to nobody" in ran.out
    assert "ended by a counterexample:" in ran.out
    assert "nothing found" not in ran.out
    file = tmp_path / "purchase-none-stock-conserved.scenario.yaml"
    assert file.read_text().startswith("# user-1 asks for 1 laptop-1.")
    again = cli("run", file.name)
    assert again.code == 0
    assert "error stock-conserved" in again.out


def test_nothing_found_is_said_with_the_bound_and_only_when_all_was_tried(cli):
    ran = cli("explore", *SMALL)
    assert ran.code == 0
    assert "exhausted: " in ran.out
    assert "bound 1 fault, 0 crashes, 1 customer, 0 preemptions: nothing found" in ran.out.replace(
        "\n  ", " "
    )


@pytest.mark.parametrize("limit", [["--time-limit", "0.001s"], ["--runs-max", "5"]])
def test_a_limit_is_never_called_a_pass(cli, limit):
    ran = cli("explore", "purchase", *SMALL, *limit)
    assert ran.code == 5
    assert "not exhausted: " in ran.out
    assert "was reached" in ran.out
    assert "--resume FILE" in ran.out


def test_a_search_is_taken_up_where_it_was_left_and_comes_to_the_same(cli, tmp_path):
    ran = cli("explore", "purchase", *SMALL, "--runs-max", "50", "--checkpoint", "search.json")
    assert ran.code == 5
    assert "--resume search.json" in ran.out
    ran = cli("explore", "purchase", *SMALL, "--resume", "search.json", "--json")
    assert ran.code == 0
    (resumed,) = ran.document["explorations"]
    (whole,) = cli("explore", "purchase", *SMALL, "--json").document["explorations"]
    assert resumed["exhausted"]
    for key in ("runs", "states", "verdict", "unreached"):
        assert resumed[key] == whole[key]


def test_a_checkpoint_of_another_question_is_refused(cli):
    assert cli("explore", "purchase", *SMALL, "--runs-max", "5", "--checkpoint", "search.json").code == 5
    for other in (
        ["checkout", *SMALL],
        ["purchase", *SMALL, "--target", "charge_payment"],
        ["purchase", *SMALL, "--policy", "none"],
        ["purchase", *SMALL, "--gateway", "none"],
    ):
        ran = cli("explore", *other, "--resume", "search.json")
        assert ran.code == 2
        assert "search.json: " in ran.err


def test_several_processes_come_to_the_same(cli):
    ways = ["--on", "processes", "--workers", "2"], ["--on", "here"]
    one, other = (cli("explore", "purchase", *SMALL[:-2], *way, "--json").document for way in ways)
    for each in (one, other):
        del each["explorations"][0]["seconds"]
    assert one == other


def test_the_reduction_changes_the_number_of_runs_and_not_the_verdict(cli):
    for policy, code in (("default", 0), ("none", 1)):
        limited = ["--policy", policy, "--target", "charge_payment", *SMALL]
        assert cli("explore", "purchase", *limited).code == code
        ran = cli("explore", "purchase", *limited, "--no-reduction", "--json")
        assert ran.code == code
        assert ran.document["explorations"][0]["cut"] == 0


def test_policies_are_compared_in_a_table_and_the_worst_decides(cli):
    ran = cli("explore", "purchase", "--policy", "default", "--policy", "orra", *SMALL)
    assert ran.code == 1
    rows = [line.split() for line in ran.out.splitlines() if line.startswith(("default ", "orra "))]
    assert [row[:2] for row in rows] == [["default", "nothing"], ["orra", "reverted-once"]]


def test_to_keep_going_gives_one_for_each_rule(cli, tmp_path):
    ran = cli("explore", "purchase", "--policy", "none", *SMALL, "--keep-going", "--json")
    assert ran.code == 1
    (explored,) = ran.document["explorations"]
    assert explored["exhausted"]
    rules = [each["rule"] for each in explored["counterexamples"]]
    assert len(rules) == len(set(rules)) > 2
    for each in explored["counterexamples"]:
        assert each["minimal"]
        assert cli("run", each["file"], "--brief").code == 0


def test_json_is_one_document_that_says_everything(cli):
    ran = cli("explore", "purchase", "--policy", "none", *SMALL, "--json")
    assert ran.code == 1
    (explored,) = ran.document["explorations"]
    assert explored["verdict"] == "counterexample"
    assert explored["bound"]["faults"] == 1
    (told,) = explored["counterexamples"]
    assert told["takes"] == {"faults": 1, "crashes": 0, "preemptions": 0}
    assert told["replay"] == f"marketsim run {told['file']}"


def test_quiet_says_nothing_and_still_answers(cli):
    ran = cli("explore", "purchase", "--policy", "none", *SMALL, "--quiet")
    assert (ran.code, ran.out, ran.err) == (1, "", "")


def test_a_scenarios_market_is_explored_under_its_own_policy(cli):
    ran = cli("explore", "lost-stock", *SMALL, "--json")
    assert ran.code == 1
    (explored,) = ran.document["explorations"]
    assert explored["policy"] == "none"
    assert explored["command"].startswith("marketsim explore lost-stock --crashes 0")
    assert cli("explore", "lost-stock", "--policy", "default", *SMALL).code == 0


def test_who_interrupts_it_is_told_what_is_known_by_then(cli, tmp_path):
    command = [sys.executable, "-m", "marketsim", "explore", "purchase", "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        time.sleep(2.5)
        child.send_signal(signal.SIGINT)
        told = child.communicate(timeout=30)[0].replace("\n  ", " ")
    assert child.returncode == 130
    assert "interrupted: " in told
    assert "nothing found so far" in told


def test_who_interrupts_it_goes_on_from_where_it_was(cli, tmp_path):
    command = [sys.executable, "-m", "marketsim", "explore", "purchase", "--checkpoint", "search.json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd=tmp_path, **pipes) as child:
        time.sleep(3)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=30)
    assert (child.returncode, err) == (130, "interrupted\n")
    assert "--resume search.json" in out
    ran = cli(
        "explore", "purchase", "--resume", str(tmp_path / "search.json"), "--time-limit", "1ms", "--json"
    )
    (resumed,) = ran.document["explorations"]
    assert ran.code == 5
    assert resumed["runs"] > 1


def test_its_workers_end_with_whoever_is_killed(tmp_path):
    command = [sys.executable, "-m", "marketsim", "explore", "purchase", "--workers", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path) as child:
        time.sleep(3)
        child.kill()
        child.communicate(timeout=20)  # Until nobody holds its output any more.
    assert child.returncode == -signal.SIGKILL


# A saga of one's own.


def test_what_a_saga_of_ones_own_prints_is_no_part_of_the_result(cli, own):
    own.with_name("printing.py").write_text(f"print('loaded')\n{own.read_text()}")
    for command in (["explore", "--request", '{"nights": 1}', *SMALL], ["lint"]):
        ran = cli(*command, "printing.py:trip", "--json")
        assert json.loads(ran.out)
        assert ran.err == "loaded\n"


def test_a_saga_without_operations_has_nothing_that_could_be_tried(cli, tmp_path):
    Path("empty.py").write_text("from marketsim.saga import Saga\nnothing = Saga('nothing')\n")
    ran = cli("explore", "empty.py:nothing", "--request", "{}")
    assert (ran.code, ran.out) == (2, "")
    assert "nothing has no operations" in ran.err


def test_as_many_customers_as_nobody_can_mean_take_no_memory(cli, own):
    ran = cli("explore", "own.py:trip", "--request", "{}", "--customers", str(10**12))
    assert ran.code == 2
    assert "give 1 to 9" in ran.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with a name")
def test_a_pipe_is_no_counterexample_and_is_not_waited_for(cli):
    os.mkfifo("pipe.json")
    ran = cli("explore", "purchase", "--replay", "pipe.json")
    assert ran.code == 2
    assert "pipe.json: it is not a regular file" in ran.err


def test_a_counterexample_has_no_more_customers_than_can_be_explored(cli):
    kept = {"counterexample": "x", "saga": "purchase", "policy": "default", "choices": {}, "find": []}
    Path("many.json").write_text(json.dumps(kept | {"faults": [[]] * 10, "requests": [{}] * 10}))
    ran = cli("explore", "purchase", "--replay", "many.json")
    assert ran.code == 2
    assert "there are 1 to 9" in ran.err


def test_a_request_that_is_nested_without_end_is_bad_input(cli, own):
    ran = cli("explore", "own.py:trip", "--request", '{"a":' * 3000 + "1" + "}" * 3000)
    assert ran.code == 2
    assert ran.err.startswith("error: --request: ")


def test_a_saga_of_ones_own_is_explored_with_the_request_that_is_given(cli, own):
    ran = cli("explore", f"{own}:trip", "--request", '{"nights": 3}', *SMALL)
    assert ran.code == 0
    assert "explore trip under default" in ran.out
    assert cli("explore", f"{own}:case", "--faults", "0", "--crashes", "1").code == 0


def test_what_is_not_on_the_tape_is_found_and_placed(cli, own):
    ran = cli("explore", f"{own}:dice", "--request", "{}", *SMALL)
    assert ran.code == 6
    assert "tx-1: throw, attempt 1" in ran.out
    assert "not reproducible" in ran.out


def test_a_counterexample_that_no_scenario_can_say_is_kept_and_replayed(cli, tmp_path):
    assert cli("explore", "purchase", "--policy", "none", *SMALL).code == 1
    kept = {
        "counterexample": "mine",
        "saga": "purchase",
        "policy": "none",
        "requests": [{"product": "laptop-1", "customer": "user-1", "quantity": 1}],
        "faults": [["charge_payment:card_declined@1"]],
        "choices": {},
        "find": ["stock-conserved"],
    }
    (tmp_path / "mine.json").write_text(json.dumps(kept))
    ran = cli("explore", "purchase", "--replay", "mine.json")
    assert ran.code == 1
    assert "error stock-conserved" in ran.out
    ran = cli("explore", "purchase", "--replay", "mine.json", "--policy", "default")
    assert ran.code == 0
    assert "note: it found stock-conserved when it was kept" in ran.err
    document = cli("explore", "purchase", "--replay", "mine.json", "--json").document
    assert [each["rule"] for each in document["findings"]] == ["stock-conserved"]


# Files.


def test_a_file_of_the_same_name_is_never_lost(cli, tmp_path):
    file = tmp_path / "purchase-none-stock-conserved.scenario.yaml"
    file.write_text("mine")
    ran = cli("explore", "purchase", "--policy", "none", *SMALL)
    assert ran.code == 1
    assert file.read_text() == "mine"
    assert "kept    purchase-none-stock-conserved-2.scenario.yaml" in ran.out
    assert cli("explore", "purchase", "--policy", "none", *SMALL).code == 1
    assert len(list(tmp_path.glob("*.yaml"))) == 2
    assert cli("explore", "purchase", "--policy", "none", *SMALL, "--force").code == 1
    assert file.read_text() != "mine"


def test_the_counterexample_goes_where_it_is_told_to_and_overwrites_nothing(cli, tmp_path):
    (tmp_path / "there").mkdir()
    assert cli("explore", "purchase", "--policy", "none", *SMALL, "--output", "there").code == 1
    assert len(list((tmp_path / "there").iterdir())) == 1
    assert cli("explore", "purchase", "--policy", "none", *SMALL, "-o", "it.scenario.yaml").code == 1
    ran = cli("explore", "purchase", "--policy", "none", *SMALL, "-o", "it.scenario.yaml")
    assert ran.code == 2
    assert "--force" in ran.err
    ran = cli("explore", "purchase", "--policy", "none", *SMALL, "-o", "one.yaml", "--keep-going")
    assert ran.code == 2
    assert "several may be found" in ran.err


def reports(cli: Any, tmp_path: Path, *more: str) -> tuple[int, ET.Element, dict[str, Any], str]:
    ran = cli(
        *["explore", "purchase", *SMALL, *more, "--force"],
        *["--junit", "j.xml", "--sarif", "s.json", "--markdown", "m.md"],
    )
    junit = ET.parse(tmp_path / "j.xml").getroot()
    sarif = json.loads((tmp_path / "s.json").read_text())
    return ran.code, junit, sarif, (tmp_path / "m.md").read_text()


def test_the_reports_of_what_was_found(cli, tmp_path):
    code, junit, sarif, markdown = reports(cli, tmp_path, "--policy", "none", "--policy", "default")
    assert code == 1
    none, default = junit.findall("testsuite")
    assert none.get("failures") == str(len(none.findall("testcase/failure"))) == "1"
    assert none.get("skipped") == str(len(none.findall("testcase/skipped")))
    assert none.get("tests") == str(len(none.findall("testcase")))
    assert [default.get(each) for each in ("failures", "errors", "skipped")] == ["0", "0", "0"]
    (run,) = sarif["runs"]
    assert sarif["version"] == "2.1.0"
    (result,) = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == "stock-conserved"
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert (tmp_path / place).is_file()
    assert [each["executionSuccessful"] for each in run["invocations"]] == [True, True]
    assert "| purchase | none | stock-conserved | 1 |" in markdown
    assert "| purchase | default | exhausted, nothing found |  |" in markdown
    assert "marketsim run purchase-none-stock-conserved.scenario.yaml" in markdown


def test_in_the_reports_a_limit_is_no_pass_either(cli, tmp_path):
    code, junit, sarif, markdown = reports(cli, tmp_path, "--runs-max", "5")
    assert code == 5
    (suite,) = junit.findall("testsuite")
    assert suite.get("skipped") == suite.get("tests") == str(len(suite.findall("testcase/skipped")))
    (invocation,) = sarif["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"]
    assert "not exhausted" in invocation["toolExecutionNotifications"][0]["message"]["text"]
    assert "not exhausted" in markdown


# On a cluster.


@pytest.mark.parametrize("what", ["purchase", "lost-stock", "own.py:trip", "own.py:case"])
def test_a_dask_cluster_comes_to_the_same(cli, own, what):
    pytest.importorskip("distributed")
    asked = [what, *(["--request", '{"nights": 1}'] if what == "own.py:trip" else []), "--policy", "none"]
    asked += ["--faults", "2", "--customers", "1", "--keep-going", "--runs-max", "200", "--json", "--force"]
    ways = ["--on", "dask", "--workers", "2"], ["--on", "here"]
    one, other = (cli("explore", *asked, *way) for way in ways)
    assert one.code == other.code
    assert one.err == other.err
    there, here = (ran.document["explorations"][0] | {"seconds": 0} for ran in (one, other))
    assert there == here
    assert there["runs"] > 16


def test_a_cluster_that_is_not_there_is_refused(cli):
    pytest.importorskip("distributed")
    ran = cli("explore", "purchase", "--on", "tcp://127.0.0.1:9")
    assert ran.code == 2
    assert "--on tcp://127.0.0.1:9: no cluster answers there" in ran.err


# What cannot be meant.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["purchas"], "did you mean 'purchase'?"),
        (["lost-stok"], "did you mean 'lost-stock'?"),
        (["missing.yaml"], "there is no such file"),
        (["missing.py:trip"], "there is no such file"),
        (["purchase", "--policy", "nun"], "did you mean 'none'?"),
        (["purchase", "--gateway", "strip"], "did you mean 'stripe'?"),
        (["purchase", "--fault", "card_decline"], "--fault: no fault is called"),
        (["purchase", "--target", "charge_paymen"], "did you mean 'charge_payment'?"),
        (["purchase", "--faults", "-1"], "--faults: -1 of them (give 0 to 9)"),
        (["purchase", "--crashes", "10"], "--crashes: 10 of them"),
        (["purchase", "--preemptions", "-1"], "--preemptions"),
        (["purchase", "--customers", "0"], "--customers"),
        (["lost-stock", "--customers", "2"], "lost-stock has 1, not 2"),
        (["purchase", "--runs-max", "-1"], "--runs-max"),
        (["purchase", "--states-max", "0"], "--states-max"),
        (["purchase", "--time-limit", "soon"], "no time to work in"),
        (["purchase", "--time-limit", "0s"], "no time to work in"),
        (["purchase", "--on", "there"], "--on"),
        (["purchase", "--on", "dusk"], "did you mean 'dask'?"),
        (["purchase", "--on", "tcp://host"], "write tcp://HOST:PORT"),
        (["purchase", "--workers", "0"], "--workers"),
        (["purchase", "--request", "{}"], "requests of its own"),
        (["purchase", "--resume", "missing.json"], "missing.json"),
        (["purchase", "--replay", "missing.json"], "missing.json"),
        (["purchase", "--output", "nowhere/a.yaml"], "there is no such folder"),
        (["purchase", "--junit", "nowhere/a.xml"], "there is no such folder"),
        (["purchase", "--policy", "none", "--policy", "orra", "--checkpoint", "c.json"], "of one policy"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_tried(cli, tmp_path, arguments, says):
    ran = cli("explore", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert ran.out == "" or arguments[1] == "--resume"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "more", "says"),
    [
        ("trip", [], "has to be asked for something"),
        ("trip", ["--request", "{"], "--request"),
        ("trip", ["--request", "[1]"], "--request"),
        ("trip", ["--request", "{}", "--gateway", "none"], "no payment provider"),
        ("case", ["--request", "{}"], "requests of its own"),
        ("case", ["--customers", "3"], "has 2, not 3"),
        ("trap", [], "did you mean 'trip'?"),
        ("randrange", [], "randrange"),
    ],
)
def test_what_a_saga_of_ones_own_cannot_be_asked(cli, own, name, more, says):
    ran = cli("explore", f"{own}:{name}", *more)
    assert ran.code == 2
    assert says in ran.err


# Mutation.


@pytest.mark.slow
def test_mutants_are_shown_with_who_noticed_them_and_the_one_that_lives_with_its_line(cli, own):
    ran = cli("explore", "purchase", "--mutate", "--operator", "drop-revert")
    assert ran.code == 0
    assert "drop-revert@reserve_stock    lint" in ran.out
    assert "4 mutants of purchase under default: 4 are noticed" in ran.out
    request = ["--request", '{"nights": 1}']
    ran = cli("explore", f"{own}:trip", *request, "--operator", "drop-operation", "--operator", "act-twice")
    assert ran.code in (0, 1)
    assert ("alive: " in ran.out) == (ran.code == 1)
    assert ran.code == 0 or "own.py:" in ran.out
    document = cli("explore", "purchase", "--mutate", "--operator", "drop-revert", "--json").document
    assert [each["noticed_by"] for each in document["mutants"]] == ["lint", "lint", "lint", "strict"]
    assert cli("explore", "purchase", "--mutate", "--operator", "nope").code == 2


# On a terminal.


def test_how_far_it_has_come_is_one_line_that_goes_again():
    from io import StringIO

    from marketsim.cli.render.exploration import Watch, progress_words
    from marketsim.explore.model import Progress

    progress = Progress(12_345, 9_000, 4_321, 2, 777, 0, 10.0)
    words = progress_words(progress)
    assert words == "12,345 runs, 1,234/s, depth 2, 4,321 states, at least 777 to go"
    stream = StringIO()
    watch = Watch(stream)
    watch(progress)
    watch.close()
    assert stream.getvalue() == ""
    watch._shown_s -= 1
    watch(progress)
    watch.close()
    assert stream.getvalue() == f"\r\x1b[K{words}\r\x1b[K"


def test_what_was_not_reached_is_a_note_and_a_healed_finding_is_told_as_one(cli, capsys):
    import msgspec

    from marketsim.cli.render.exploration import show_explored
    from marketsim.cli.render.theme import console
    from marketsim.explore.marketplace import market_case
    from marketsim.explore.model import Bound, Cost, Counterexample
    from marketsim.explore.run import replayed
    from marketsim.explore.search import explore
    from marketsim.explore.told import Explored, Told

    case = market_case("purchase", policy="none")
    judged = replayed(case, [["charge_payment:card_declined@1"]])
    found = Counterexample(judged.findings, True, ((),), {}, Cost(1, 1, 2), tuple(judged.events))
    told = Told("stock-conserved", "", case, found, ("It begins.",), ("It is wrong.",), False)
    exploration = explore(case, Bound(faults=0, crashes=0, preemptions=0, customers=1))
    exploration = msgspec.structs.replace(exploration, unreached=tuple(f"place-{n}" for n in range(12)))
    capsys.readouterr()
    show_explored(Explored("none", "again", exploration, (told,)), console(sys.stdout), sys.stdout)
    printed = capsys.readouterr().out
    assert "stock-conserved, with 1 fault and 1 crash and 2 turns out of order" in printed
    assert "only when the faults are over" in printed
    assert "could not be made smaller" in printed
    assert printed.count("was never reached") == 10
    assert "2 more were never reached" in printed
