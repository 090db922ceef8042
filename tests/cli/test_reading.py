"""Reading a log: filters, the pager, numbers, differences, following, and taking other logs in."""

import gzip
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from audit.histories import Orra, Temporal, Trace
from cli.running import Cli

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def used(cli: Cli, market: Path) -> Path:
    """A market with a purchase, one that failed, and one whose revert did."""
    declined = ["purchase", "laptop-1", "--fail", "payment:card_declined"]
    assert cli("purchase", "laptop-1").code == 0
    assert cli(*declined).code == 3
    assert cli(*declined, "--fail", "release_stock:error").code == 4
    return market


def types(cli: Cli, *options: object) -> list[str]:
    return [each["type"] for each in cli("audit", "list", "--json", *options).document["events"]]


# Filters.


def test_events_are_chosen_by_operation_revert_and_time(cli, used):
    assert set(types(cli, "--operation", "release_stock")) == {
        "compensation.started",
        "compensation.succeeded",
        "compensation.failed",
        "compensation.retry_scheduled",
        "fault.injected",
        "ledger.posted",
    }
    both = types(cli, "--operation", "reserve_stock", "--type", "operation")
    assert both == ["operation.started", "operation.succeeded"] * 3
    every = cli("audit", "list", "--json").document["events"]
    until = cli("audit", "list", "--json", "--until", "7").document["events"]
    assert until == every[:7]
    moment = every[20]["time"]
    before = cli("audit", "list", "--json", "--until", moment).document["events"]
    after = cli("audit", "list", "--json", "--since", moment).document["events"]
    assert before == [each for each in every if each["time"] <= moment]
    assert after == [each for each in every if each["time"] >= moment]


def test_the_same_filters_choose_what_is_exported_and_counted(cli, used):
    options = ("--operation", "charge_payment", "--until", "40", "--type", "operation")
    listed = cli("audit", "list", "--json", *options).document["events"]
    assert cli("audit", "export", *options).document["events"] == listed
    counted = cli("audit", "stats", "--json", *options).document
    assert counted["events"] == len(listed)


def test_show_keeps_to_the_filters_too(cli, used):
    ran = cli("audit", "show", "tx-2", "--operation", "release_stock", "--type", "compensation")
    assert ran.out.count("compensation.") == 2
    assert "2 of 16 events of tx-2" in ran.out
    assert len(cli("audit", "show", "tx-2", "--json", "--type", "fault").document["events"]) == 1


@pytest.mark.parametrize("command", ["list", "stats", "export"])
@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--operation", "reserve_stok"),
            "there is no operation 'reserve_stok' (did you mean 'reserve_stock'?)",
        ),
        (("--transaction", "tx-9"), "there is no transaction 'tx-9'"),
        (("--until", "junk"), "'junk' is no time"),
        (("--since", "2026-13-01"), "'2026-13-01' is no time"),
        (("--type", "operaton"), "there is no event type 'operaton'"),
    ],
)
def test_a_filter_that_cannot_be_meant_is_bad_input(cli, used, command, options, told):
    ran = cli("audit", command, *options)
    assert ran.code == 2
    assert told in ran.err


@pytest.mark.parametrize("command", ["list", "stats", "show", "diff"])
def test_a_log_of_a_newer_format_is_told_as_such(cli, used, command):
    path = used / "audit" / "000001.jsonl"
    path.write_text(
        path.read_text()
        .replace('{"currency"', '{"bells":1,"currency"')
        .replace('"origin"', '"format":2,"origin"', 1)
    )
    words = {"show": ["tx-1"], "diff": ["market", "market"]}.get(command, [])
    ran = cli("audit", command, *words)
    assert ran.code == 2
    told = "audit/000001.jsonl:1: the log is of format 2, newer than 1 (read it with a newer marketsim)"
    assert ran.err == f"error: {told}\n"


# The pager.

KEEP = """
import os, sys
data = sys.stdin.buffer.read()
open("paged.txt", "wb").write(data)
open("paged.env", "w").write(os.environ.get("LESS", ""))
"""


def on_terminal(folder: Path, *arguments: object, **environment: str) -> tuple[int, str]:
    """Run a command on a terminal of its own; how it ended, and what was written there."""
    main, beside = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("PAGER", "MARKETSIM_PAGER")}
    child = subprocess.Popen(
        [sys.executable, "-m", "marketsim", *map(str, arguments)],
        stdin=beside,
        stdout=beside,
        stderr=beside,
        cwd=folder,
        env={**kept, "TERM": "xterm-256color", "COLUMNS": "100", **environment},
    )
    os.close(beside)
    seen = b""
    while True:
        try:
            chunk = os.read(main, 65536)
        except OSError:  # The other side is closed: this is how a terminal ends.
            break
        if not chunk:
            break
        seen += chunk
    os.close(main)
    return child.wait(timeout=30), seen.decode(errors="replace").replace("\r\n", "\n")


@pytest.fixture
def keeping(tmp_path: Path) -> str:
    """A pager that keeps what it was given."""
    (tmp_path / "keep.py").write_text(KEEP)
    return f"'{sys.executable}' '{tmp_path / 'keep.py'}'"


@pytest.mark.parametrize("command", [("list",), ("show", "tx-2"), ("stats",), ("diff", "tx-1", "tx-2")])
def test_on_a_terminal_it_is_paged_with_its_colours(used, tmp_path, keeping, command):
    code, seen = on_terminal(tmp_path, "audit", *command, PAGER=keeping)
    assert code == (1 if command[0] == "diff" else 0)
    assert seen == ""
    paged = (tmp_path / "paged.txt").read_text()
    assert COLOUR.search(paged)
    assert "\x1b" not in COLOUR.sub("", paged)
    assert len(paged.splitlines()) > 10
    assert (tmp_path / "paged.env").read_text() == "FRX"


def test_our_own_pager_comes_first_and_can_be_turned_off(used, tmp_path, keeping):
    for options, environment in (
        (("--no-pager",), {"PAGER": keeping}),
        ((), {"PAGER": keeping, "MARKETSIM_PAGER": ""}),
        ((), {"PAGER": "no-such-pager", "MARKETSIM_PAGER": "cat"}),
        ((), {"PAGER": "no-such-pager"}),
        (("--quiet",), {"PAGER": keeping}),
        (("--json",), {"PAGER": keeping}),
    ):
        code, seen = on_terminal(tmp_path, "audit", "list", *options, **environment)
        assert code == 0
        assert not (tmp_path / "paged.txt").exists()
        assert ("market.created" in seen) == (options != ("--quiet",))
        assert ("there is no pager 'no-such-pager'" in seen) == (
            environment["PAGER"] == "no-such-pager" and "MARKETSIM_PAGER" not in environment
        )


def test_a_reader_who_leaves_at_once_ends_it_in_peace(used, tmp_path):
    code, seen = on_terminal(tmp_path, "audit", "list", PAGER=f"'{sys.executable}' -c pass")
    assert (code, seen) == (0, "")


def test_nothing_is_paged_where_there_is_no_terminal(cli, used, monkeypatch, keeping):
    monkeypatch.setenv("PAGER", keeping)
    assert "market.created" in cli("audit", "list").out
    assert not Path("paged.txt").exists()


def test_colours_can_be_refused(used, tmp_path, keeping):
    on_terminal(tmp_path, "audit", "list", PAGER=keeping, NO_COLOR="1")
    assert "\x1b" not in (tmp_path / "paged.txt").read_text()


@pytest.mark.parametrize("command", ["list", "follow"])
def test_hostile_text_stays_harmless_in_colour(tmp_path, command):
    story = Temporal("w\x1b]0;x\x07\x1b[2J\nfake")
    story.do("Book\x1b[31m").fail("Pay\u202e").end()
    (tmp_path / "h.json").write_text(story.text())
    (tmp_path / "market" / "audit").mkdir(parents=True)
    words = ["audit", "import", "h.json", "--format", "jsonl", "--output", "h.jsonl"]
    subprocess.run([sys.executable, "-m", "marketsim", *words], cwd=tmp_path, check=True)
    (tmp_path / "h.jsonl").replace(tmp_path / "market" / "audit" / "000001.jsonl")
    (tmp_path / "market" / "catalog.json").write_text("{}")
    name = "w\x1b]0;x\x07\x1b[2J\nfake"
    more = ["--from-start", "-t", name] if command == "follow" else ["--no-pager"]
    code, seen = on_terminal(tmp_path, "audit", command, *more)
    assert code == 0, seen
    bare = COLOUR.sub("", seen)
    assert "Book\\u001b[31m" in bare
    assert "\x1b" not in bare
    assert "\u202e" not in bare
    assert "\nfake" not in bare


# Numbers.


def test_stats_tell_counts_durations_and_causes(cli, used):
    ran = cli("audit", "stats")
    assert ran.code == 0
    assert "charge_payment: card_declined" in ran.out
    assert re.search(r"committed +1 +33\.3 %", ran.out)
    assert re.search(r"release_stock +6 +5 ", ran.out)
    assert "within 0.4 % of the duration at their rank" in ran.out
    told = cli("audit", "stats", "--json").document
    assert told["outcomes"] == {"committed": 1, "compensated": 1, "stuck": 1}
    assert told["relative_error_ppm"] == 3906
    (cause,) = told["causes"]
    assert (cause["count"], cause["rate_ppm"], cause["stuck"]) == (2, 666_666, 1)
    assert cli("audit", "stats", "--quiet").out == ""


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_stats_fit_the_terminal(cli, used, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = cli("audit", "stats").out.splitlines()
    assert width < 80 or max(map(len, (line for line in lines if "p50, p95" not in line))) <= width


def test_stats_of_an_empty_selection_are_0(cli, market):
    told = cli("audit", "stats", "--json", "--since", "2199-01-01").document
    assert (told["events"], told["transactions"]["count"]) == (0, 0)
    assert "0 events" in cli("audit", "stats", "--since", "2199-01-01").out


# Differences.


def test_a_market_equals_its_copy_and_its_export(cli, used, tmp_path):
    cli("audit", "export", "--include-personal", "--output", "all.json")
    for other in ("market", "market/audit", "all.json", "market/audit/000001.jsonl"):
        ran = cli("audit", "diff", "market", other, "--times", "--hashes")
        assert (ran.code, ran.err) == (0, "")
        assert "no difference in" in ran.out
    assert cli("audit", "diff", "tx-2", "tx-2").code == 0


def test_two_transactions_part_at_the_first_difference(cli, used):
    ran = cli("audit", "diff", "tx-2", "tx-3")
    assert ran.code == 1
    assert "the first difference" in ran.out
    assert '["payment:card_declined","release_stock:error"]' in ran.out
    told = cli("audit", "diff", "tx-1", "tx-2", "--json").document
    assert not told["equal"]
    assert told["rows"][0]["fields"] == ["faults"]
    assert cli("audit", "diff", "tx-1", "tx-2", "--quiet").out == ""


def test_an_altered_export_differs_where_it_was_altered(cli, used):
    cli("audit", "export", "--format", "jsonl", "--output", "one.jsonl")
    Path("two.jsonl").write_text(Path("one.jsonl").read_text().replace('"days":2', '"days":3', 1))
    told = cli("audit", "diff", "one.jsonl", "two.jsonl", "--json").document
    changed = [row for row in told["rows"] if row["mark"] == "|"]
    assert [row["fields"] for row in changed] == [["result"]]


@pytest.mark.parametrize(
    ("sides", "told"),
    [
        (("tx-1", "tx-9"), "there is no transaction 'tx-9'"),
        (("market", "tx-1"), "tx-1: there is no such file or market (compare two logs, or two transactions)"),
        (("nowhere", "market"), "nowhere: there is no such file or market"),
        (("market", "empty"), "empty: this is no market"),
        (("market", "brought.json"), "brought.json: not an export of events"),
    ],
)
def test_what_cannot_be_compared_is_bad_input(cli, used, sides, told):
    Path("empty").mkdir()
    ran = cli("audit", "diff", *sides)
    assert ran.code == 2
    assert told in ran.err


# Following.


@contextmanager
def started(folder: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    follower = subprocess.Popen(
        [sys.executable, "-m", "marketsim", "audit", "follow", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    with follower:
        try:
            yield follower
        finally:
            follower.kill()


def test_follow_shows_what_others_write_until_it_is_interrupted(cli, used, tmp_path):
    with started(tmp_path, "--from-start", "--type", "transaction.began") as follower:
        assert follower.stdout is not None
        assert follower.stderr is not None
        for name in ("tx-1", "tx-2", "tx-3"):
            assert name in follower.stdout.readline()
        cli("purchase", "laptop-1")
        assert "tx-4" in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=20) == 130
        assert follower.stdout.read() == ""
        assert "Traceback" not in follower.stderr.read()


def test_follow_in_json_is_one_document_however_it_ends(cli, used, tmp_path):
    with started(tmp_path, "--from-start", "--json") as follower:
        assert follower.stdout is not None
        lines = [follower.stdout.readline()]
        while '"tx-3"' not in lines[-1] or "stuck" not in lines[-1]:
            lines.append(follower.stdout.readline())
        follower.send_signal(signal.SIGINT)
        assert follower.wait(timeout=20) == 130
        document = json.loads("".join(lines) + follower.stdout.read())
    assert document == cli("audit", "list", "--json").document


def test_follow_ends_with_the_transaction_that_it_follows(cli, used):
    ran = cli("audit", "follow", "--from-start", "--transaction", "tx-2")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 16
    ran = cli("audit", "follow", "--transaction", "tx-2")
    assert (ran.code, ran.out) == (0, "")
    assert "tx-2 has ended; --from-start shows it" in ran.err
    assert cli("audit", "follow", "-t", "tx-9").code == 2


def test_follow_of_a_log_that_is_damaged_meanwhile_says_where(cli, used, tmp_path):
    with started(tmp_path, "--from-start", "--type", "market.created") as follower:
        assert follower.stdout is not None
        assert follower.stderr is not None
        follower.stdout.readline()
        time.sleep(0.5)
        with (used / "audit" / "000001.jsonl").open("ab") as file:
            file.write(b"junk\n")
        assert follower.wait(timeout=20) == 1
        assert "error: audit/000001.jsonl: this is no event" in follower.stderr.read()


# Taking in.


def history(make: Callable[[Any], Any], kind: type[Any]) -> str:
    return str(make(kind()).text())


WRONG = {
    "temporal": history(
        lambda story: (
            story.do("ReserveStock", "BookHotel", "BookFlight")
            .fail("Pay")
            .do("CancelHotel", "CancelFlight", "CancelFlight")
            .end()
        ),
        Temporal,
    ),
    "orra": history(
        lambda story: story.do("stock", "hotel", "flight").fail("pay").revert("hotel", "flight", "flight"),
        Orra,
    ),
    "otlp": history(
        lambda story: (
            story.do("stock", "hotel", "flight")
            .fail("pay")
            .revert("h", "hotel")
            .revert("f", "flight")
            .revert("f", "flight")
            .end()
        ),
        Trace,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_revert_missing_doubled_and_out_of_order_are_told_at_once(cli, name):
    Path("history.json").write_text(WRONG[name])
    ran = cli("audit", "import", "history.json", "--check")
    assert ran.code == 1
    assert f"from {name}" in ran.out
    assert "succeeded and was never reverted" in ran.out
    assert "was reverted 2 times" in ran.out
    assert "which had started after it" in ran.out
    assert "3 errors" in ran.out
    assert "not proven: what really took effect" in ran.out
    told = cli("audit", "import", "history.json", "--check", "--json").document
    assert [each["rule"] for each in told["findings"]] == [
        "reverted-once",
        "reverts-in-order",
        "reverted-once",
    ]
    assert not any("marketsim audit show" in each.get("remedy", "") for each in told["findings"])
    assert (told["from"], told["transactions"]) == (name, 1)


def test_what_was_taken_in_is_written_as_an_export_and_read_again(cli):
    Path("history.json").write_text(WRONG["temporal"])
    assert cli("audit", "import", "history.json", "--output", "ours.json").code == 0
    assert cli("audit", "import", "history.json", "--output", "ours.json").code == 2
    found = cli("audit", "import", "ours.json", "--check", "--json").document
    assert found["from"] == "export"
    assert len(found["findings"]) == 3
    document = cli("audit", "import", "history.json").document
    assert document == json.loads(Path("ours.json").read_text())
    assert document["imported"] == {"from": "temporal", "file": "history.json", "unmapped": []}
    lines = cli("audit", "import", "history.json", "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == document["events"]
    both = cli("audit", "import", "history.json", "--check", "--json", "--output", "b.json")
    assert len(json.loads(both.out)["findings"]) == 3
    assert "wrote b.json" in both.err


def test_what_is_left_behind_is_told_beside_the_export_and_in_it(cli):
    story = Temporal()
    for _ in range(2):
        story.add("TimerStarted")
    Path("history.json").write_text(story.do("Book").end("Completed").text())
    ran = cli("audit", "import", "history.json")
    told = "note: not taken in: TimerStarted (2 times): says nothing of an operation"
    assert ran.err == f"{told}; first at history.json: event 2\n"
    assert json.loads(ran.out)["imported"]["unmapped"][0]["count"] == 2
    assert cli("audit", "import", "history.json", "--check", "--json").document["unmapped"][0]["count"] == 2
    many = Temporal()
    for number in range(30):
        many.add(f"Kind{number}")
    Path("history.json").write_text(many.do("Book").end("Completed").text())
    assert "and 10 more kinds were not taken in" in cli("audit", "import", "history.json").err


def test_what_a_person_knows_of_the_operations_is_believed(cli):
    story = Temporal().do("LookUp", "Debit").fail("Ship").do("Credit").end()
    Path("history.json").write_text(story.text())
    assert cli("audit", "import", "history.json", "--check").code == 1
    known = ("--compensation", "Debit=Credit", "--read-only", "LookUp")
    assert cli("audit", "import", "history.json", "--check", *known).code == 0


def test_a_market_of_our_own_is_taken_in_with_the_findings_it_has(cli, used):
    ran = cli("audit", "import", "market/audit/000001.jsonl", "--check")
    assert ran.code == 0
    assert "2 warn" in ran.out
    cli("audit", "export", "--transaction", "tx-2", "--output", "tx-2.json")
    assert cli("audit", "import", "tx-2.json", "--check").code == 0
    assert cli("audit", "import", "tx-2.json").document == json.loads(Path("tx-2.json").read_text())


def test_a_redacted_export_that_was_taken_in_verifies_as_before(cli, used):
    for form in ("json", "jsonl"):
        files = [f"{name}.{form}" for name in ("log", "again")]
        assert cli("audit", "export", "--format", form, "--output", files[0]).code == 0
        assert cli("audit", "import", files[0], "--format", form, "--output", files[1]).code == 0
        assert Path(files[1]).read_text() == Path(files[0]).read_text()
        assert '"leaf":' in Path(files[1]).read_text()
        verified = cli("audit", "verify", files[1], "--head", "market/audit/checkpoint")
        assert (verified.code, verified.err) == (0, "")
        assert "equals the root of the head" in verified.out


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (b"", "", "in.json: the file is empty"),
        (gzip.compress(b"{}", mtime=0), "", "in.json: the file is packed (gzip) (gunzip it first)"),
        ('{"entryType":"é'.encode()[:-1], "", "in.json:1: the file ends in the middle of a character"),
        (b"x" * 10_000_000, "", "in.json: this is no log that is known (name its format with --from"),
        (b'{"seq":1,"prev":"' + b"x" * 10_000_000, "", "in.json:1: not an export of events"),
        (b'{"resourceSpans":' + b"[" * 100_000, "", "in.json:1: this is no OTLP in JSON"),
        (b'{"seq":1,"prev":"","type":"market.created","format":7}', "", "of format 7, newer than 1"),
        (b"{}", "--from orra", "in.json: no entry is of a task"),
        (b"{}", "--from xml", "--from: no format is called 'xml'"),
        (b"{}", "--format xml", "--format: no format is called 'xml'"),
        (b"{}", "--compensation a", "--compensation: 'a' is no pair (write OPERATION=REVERT"),
        (b"{}", "--compensation a=a", "--compensation: 'a=a' is no pair"),
    ],
)
def test_what_cannot_be_taken_in_is_one_line_and_changes_nothing(cli, content, options, told):
    Path("in.json").write_bytes(content)
    ran = cli("audit", "import", "in.json", *options.split(), "--output", "out.json")
    assert ran.code == 2
    assert told in ran.err
    assert len(ran.err.splitlines()) == 1
    assert len(ran.err) < 700
    assert not Path("out.json").exists()
