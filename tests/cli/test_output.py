"""Where output goes when it cannot go where it was sent, and what an export never overwrites."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.running import Cli

from marketsim.cli.render.text import escaped_json
from marketsim.cli.steady import Steady


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "marketsim", *arguments]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_standard_output_is_told_and_the_purchase_is_finished(market: Path, cli: Cli) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            command("purchase", "laptop-1"), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ran.returncode == 5
    assert ran.stderr == "error: standard output cannot be written: no space left on device\n"
    assert cli("catalog", "list", "orders", "--json").document["orders"][0]["id"] == "order-1"
    assert cli("recover").out == "nothing was left open\n"


def test_a_purchase_is_finished_when_its_reader_goes_away(market: Path, cli: Cli) -> None:
    with subprocess.Popen(
        command("purchase", "laptop-1"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 0
    assert cli("recover").out == "nothing was left open\n"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_a_closed_stream_is_no_mistake(market: Path, closed: str) -> None:
    number = {"stdout": 1, "stderr": 2}[closed]
    script = f"exec {number}>&-; exec {sys.executable} -m marketsim purchase laptop-1"
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a device"])
def test_an_export_never_takes_the_place_of_what_is_no_regular_file(
    market: Path, cli: Cli, tmp_path: Path, kind: str
) -> None:
    target = tmp_path / "target"
    if kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(os.devnull)
    ran = cli("audit", "export", "--output", str(target), "--force")
    assert ran.code == 2
    assert "no regular file" in ran.err
    assert not target.is_file()


@pytest.mark.parametrize("name", ["audit/000001.jsonl", "audit/000002.jsonl", "catalog.json", "new.json"])
def test_an_export_writes_nothing_into_a_market(market: Path, cli: Cli, name: str) -> None:
    ran = cli("catalog", "export", "--output", str(market / name), "--force")
    assert ran.code == 2
    assert "inside a market" in ran.err
    assert cli("audit", "verify").code == 0


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_every_encoding(market: Path, cli: Cli, encoding: str) -> None:
    brought = {
        "products": [{"id": "p-1", "name": "Läptop 😀", "price": 1, "inStock": 1, "ünïcode": "✓"}],
        "users": [{"id": "u-1", "name": "Zoë"}],
    }
    Path("other.json").write_text(json.dumps(brought), encoding="utf-8")
    assert cli("init", "--catalog", "other.json", "--market", "other").code == 0
    ran = subprocess.run(
        command("catalog", "export", "--market", "other"),
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=True,
    )
    exported = json.loads(ran.stdout.decode(encoding))
    assert exported["products"] == brought["products"]


def test_escaping_for_a_narrow_stream_changes_no_document() -> None:
    document = {"a\x7f": "Zoë 😀 \u202e \u2028"}
    text = json.dumps(document, ensure_ascii=False)
    assert escaped_json(text, "ascii").isascii()
    assert json.loads(escaped_json(text, "ascii")) == document
    assert json.loads(escaped_json(text, "utf-8")) == document


def test_a_stream_that_fails_is_silent_from_then_on() -> None:
    class Failing:
        def write(self, text: str) -> int:
            raise BrokenPipeError

        def fileno(self) -> int:
            raise ValueError

    steady = Steady(Failing())  # type: ignore[arg-type]
    assert steady.write("abc") == 3
    assert isinstance(steady.lost, BrokenPipeError)
    steady.writelines(["d"])
    steady.flush()


DENIED = ("purchase", "laptop-1", "--fail", "payment:card_declined", "--fail", "release_stock:did_nothing")


def test_a_purchase_that_the_ledger_denies_is_a_finding(market: Path, cli: Cli) -> None:
    ran = cli(*DENIED, "--policy", "temporal")
    assert ran.code == 1
    assert "says that it is done: did_nothing ⚡ injected" in ran.out
    assert "the ledger says" in ran.out


def test_a_revert_that_did_nothing_is_not_believed_under_the_default_rules(market: Path, cli: Cli) -> None:
    ran = cli(*DENIED)
    assert ran.code == 4
    assert "not_reverted (the service says that it still stands)" in ran.out
    assert ran.out.count("did_nothing ⚡ injected") == 5
    assert "says that it is done" not in ran.out
    assert cli("failures", "list").code == 4
    assert cli("audit", "verify").code == 0


def test_what_a_policy_abandoned_can_be_given_back(market: Path, cli: Cli) -> None:
    assert cli("purchase", "laptop-1", "--fail", "payment:card_declined", "--policy", "none").code == 4
    assert cli("failures", "list").code == 4
    assert cli("audit", "verify").code == 1
    assert "put 1 laptop-1 back on sale" in cli("failures", "show", "tx-1").out
    assert cli("failures", "retry", "tx-1").code == 0
    assert cli("audit", "verify").code == 0
    assert cli("failures", "list").code == 0
    assert cli("replay", "tx-1").code == 0
