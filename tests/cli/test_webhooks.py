"""`webhooks` as a whole: what a purchase leaves to be told, and that it arrives without holding it up."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.running import Cli, Ran, contents
from cli.test_bad_input import error_of
from drivers.receiver import Receiver, free_port, receiving
from standardwebhooks import Webhook

from marketsim.drivers.hooks.endpoints import EVENTS, SETTINGS, lock_of, read_settings
from marketsim.drivers.hooks.outbox import DELIVERING

Process = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is delivered but by the command."""
    monkeypatch.setenv("MARKETSIM_WEBHOOKS", "off")


def wait_for(holds: Callable[[], Any], limit_s: float = 15.0) -> None:
    """Wait until something holds, and fail if it never does."""
    until_s = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < until_s
        time.sleep(0.05)


def nobody_delivers(market: Path) -> bool:
    with lock_of(market, DELIVERING, 0) as free:
        return free


def types(receiver: Receiver) -> list[str]:
    return [got.event["type"].removeprefix("marketsim.") for got in receiver.got]


# From the purchase to the receiver.


def test_a_purchase_is_told_by_a_process_of_its_own_that_ends_by_itself(process, market, receiver):
    assert process("purchase", "laptop-1", "--webhook", receiver.url).returncode == 0
    wait_for(lambda: receiver.got)
    assert types(receiver) == ["transaction.committed"]
    [endpoint] = read_settings(market)
    got = receiver.got[0]
    assert Webhook(endpoint.secret).verify(got.body.decode(), got.headers) == got.event
    data = got.event["data"]
    assert data["request"] == {"product": "laptop-1", "customer": "user-1", "quantity": 1}
    assert data["orders"] == [{"order": "order-1", "total_minor": 75000, "currency": "USD"}]
    wait_for(lambda: nobody_delivers(market))


def test_each_kind_of_end_is_told_and_in_order(cli, market, receiver, by_hand):
    cli("webhooks", "add", receiver.url)
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    cli("purchase", "laptop-1", "--fail", "place_order:error", "--fail", "refund_payment:error")
    cli("purchase", "laptop-1")
    ran = cli("webhooks", "deliver", "--json")
    assert (ran.code, ran.document["due"]) == (0, 0)
    told = types(receiver)
    assert told[0] == "transaction.compensated"
    assert set(told[1:-2]) == {"compensation.failed"}
    assert told[-2:] == ["transaction.stuck", "transaction.committed"]
    assert ran.document["webhooks"][0]["delivered"] == len(told)
    assert receiver.got[-2].event["data"]["dead_letters"]


def test_what_happened_before_is_told_from_the_start_only(cli, market, by_hand):
    cli("purchase", "laptop-1")
    with receiving() as late, receiving() as whole:
        cli("webhooks", "add", late.url)
        cli("webhooks", "add", whole.url, "--from-start", "--event", "transaction.committed")
        cli("purchase", "laptop-1")
        assert cli("webhooks", "deliver").code == 0
        assert [len(each.got) for each in (late, whole)] == [1, 2]


@pytest.mark.parametrize("behaviour", ["down", 500, "hang", "trickle", "redirect"])
def test_a_receiver_in_trouble_changes_nothing_about_a_purchase_and_gets_it_later(
    process, cli, market, behaviour
):
    port = free_port()
    url = f"http://127.0.0.1:{port}/hooks?of=market"
    alone = process("purchase", "laptop-1", "--json")
    with receiving() as elsewhere:
        if behaviour == "down":
            ran = process("purchase", "laptop-1", "--json", "--quiet", "--webhook", url)
        else:
            with receiving(port) as receiver:
                receiver.location = elsewhere.url
                receiver.then = 307 if behaviour == "redirect" else behaviour
                ran = process("purchase", "laptop-1", "--json", "--quiet", "--webhook", url)
                wait_for(lambda: receiver.got)
        assert (ran.returncode, ran.stderr) == (alone.returncode, "")
        assert json.loads(ran.stdout)["outcome"] == "committed"
        with receiving(port) as receiver:
            assert cli("webhooks", "deliver", "--time-limit", "30").code == 0
            assert types(receiver) == ["transaction.committed"]
        assert elsewhere.got == []
    wait_for(lambda: nobody_delivers(market))


def test_a_purchase_killed_in_the_middle_is_told_when_it_was_recovered(process, market, receiver):
    dead = process("purchase", "laptop-1", "--webhook", receiver.url, "--fail", "payment:crash_after_effect")
    assert dead.returncode == -signal.SIGKILL
    assert process("webhooks", "deliver").returncode == 0
    assert receiver.got == []
    assert process("recover").returncode == 0
    wait_for(lambda: receiver.got)
    assert types(receiver) == ["transaction.committed"]
    assert receiver.got[0].event["subject"] == "tx-1"
    wait_for(lambda: nobody_delivers(market))


def test_an_end_that_was_recorded_before_a_kill_is_told_though_no_head_covers_it(
    cli, market, receiver, by_hand
):
    cli("webhooks", "add", receiver.url)
    head = (market / "audit" / "checkpoint").read_bytes()
    catalog = (market / "catalog.json").read_bytes()
    cli("purchase", "laptop-1")
    (market / "audit" / "checkpoint").write_bytes(head)
    (market / "catalog.json").write_bytes(catalog)
    assert cli("webhooks", "deliver").code == 0
    assert types(receiver) == ["transaction.committed"]


def test_a_revert_that_a_person_tries_again_is_told(cli, market, receiver, by_hand):
    cli("purchase", "laptop-1", "--fail", "payment:card_declined", "--fail", "release_stock:error")
    cli("webhooks", "add", receiver.url)
    cli("failures", "retry", "tx-1", "--fail", "release_stock:error")
    cli("webhooks", "deliver")
    assert set(types(receiver)) == {"compensation.failed"}
    assert receiver.got[0].event["data"]["request"]["product"] == "laptop-1"


def test_while_one_delivers_a_purchase_starts_no_other(cli, market, monkeypatch, receiver):
    started = []
    monkeypatch.setattr("marketsim.cli.telling._start", started.append)
    cli("purchase", "laptop-1", "--webhook", receiver.url)
    assert started == [market]
    with lock_of(market, DELIVERING, 0):
        cli("catalog", "restock", "laptop-1", "5")
        cli("purchase", "laptop-1")
    assert started == [market]
    monkeypatch.setenv("MARKETSIM_WEBHOOKS", "off")
    cli("purchase", "laptop-1")
    assert started == [market]


def test_a_market_that_tells_nobody_loads_nothing_for_it(market):
    code = "import json, sys; from marketsim.cli import main; main(sys.argv[1:])"
    code += "\nprint(json.dumps([*sys.modules]))"
    words = [sys.executable, "-c", code, "purchase", "laptop-1", "--quiet"]
    loaded = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert not {
        "marketsim.drivers.hooks.outbox",
        "marketsim.drivers.hooks.endpoints",
        "http.client",
        "ssl",
    } & set(loaded)
    Path("market", SETTINGS).write_text('{"endpoints": []}')
    loaded = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    assert "marketsim.drivers.hooks.outbox" in loaded
    assert not {"marketsim.drivers.hooks.messages", "http.client", "ssl", "email"} & set(loaded)


# The commands.


def test_the_secret_is_shown_once_and_stands_in_one_file_alone(cli, process, market, receiver):
    added = cli("webhooks", "add", receiver.url, "--json").document
    secret = added["secret"]
    assert added["events"] == list(EVENTS)
    assert stat.S_IMODE((market / SETTINGS).stat().st_mode) == 0o600
    said = [process("purchase", "laptop-1"), process("purchase", "laptop-1", "--debug")]
    wait_for(lambda: len(receiver.got) == 2)
    wait_for(lambda: nobody_delivers(market))
    for words in ("list", "list --json", "deliver", "deliver --json", f"test {receiver.url}"):
        said.append(process("webhooks", *words.split()))
    said += [process("audit", "export"), process("catalog", "export"), process("audit", "list", "--json")]
    told = "".join(each.stdout + each.stderr for each in said)
    assert secret not in told
    assert [name for name, data in contents(market).items() if secret.encode() in data] == [SETTINGS]
    assert secret.encode() not in b"".join(got.body + str(got.headers).encode() for got in receiver.got)
    assert stat.S_IMODE((market / SETTINGS).stat().st_mode) == 0o600


def test_a_secret_that_was_given_is_used_and_not_shown(cli, market):
    secret = f"whsec_{'A' * 43}="
    ran = cli("webhooks", "add", "https://example.com/", "--secret", secret)
    assert ran.code == 0
    assert secret not in ran.out + ran.err
    assert read_settings(market)[0].secret == secret


def test_a_list_says_how_far_each_was_told_and_what_went_wrong(cli, market, by_hand):
    assert "nobody is told" in cli("webhooks", "list").out
    port = free_port()
    cli("purchase", "laptop-1", "--webhook", f"http://127.0.0.1:{port}/")
    ran = cli("webhooks", "deliver", "--time-limit", "1")
    assert ran.code == 5
    assert "connection refused" in ran.out
    assert "again in" in ran.err
    [found] = cli("webhooks", "list", "--json").document["webhooks"]
    assert (found["due"], found["failure"]) == (1, "connection refused")
    assert "secret" not in found
    shown = cli("webhooks", "list").out
    assert "connection refused" in shown.replace("\n", " ") or "refused" in shown


def test_a_test_says_what_came_of_it(cli, market, receiver, by_hand):
    cli("webhooks", "add", receiver.url)
    assert "it answered 200" in cli("webhooks", "test", receiver.url).out
    got = receiver.got[0]
    assert got.event["type"] == "marketsim.test"
    assert Webhook(read_settings(market)[0].secret).verify(got.body.decode(), got.headers)
    receiver.then = 302
    ran = cli("webhooks", "test", receiver.url, "--json")
    assert ran.code == 5
    assert ran.document["status"] == 302


def test_whoever_is_removed_is_told_no_more(cli, market, receiver, by_hand):
    cli("purchase", "laptop-1", "--webhook", receiver.url)
    assert cli("webhooks", "remove", receiver.url, "--json").document == {"removed": receiver.url, "due": 1}
    assert "nobody is told" in cli("webhooks", "deliver").out
    assert receiver.got == []


def test_a_webhook_that_is_there_already_is_left_as_it_is_by_a_purchase(cli, market, by_hand):
    for _ in range(2):
        ran = cli("purchase", "laptop-1", "--webhook", "https://example.com/a")
        assert ran.code == 0
    assert ran.err == ""
    [found] = read_settings(market)
    assert found.seq < 10


def test_a_market_that_is_deleted_is_not_made_again_by_whoever_delivers(cli, process, market, tmp_path):
    port = free_port()
    cli("purchase", "laptop-1", "--webhook", f"http://127.0.0.1:{port}/")
    wait_for(lambda: read_settings(market)[0].failures)
    market.rename(tmp_path / "away")
    wait_for(lambda: nobody_delivers(tmp_path / "away"))
    assert not market.exists()


def test_a_folder_in_which_only_locks_are_left_is_empty_and_one_with_secrets_is_not(cli):
    for name, code in (("webhooks.lock", 0), ("webhooks.delivering", 0), ("webhooks.json", 2)):
        folder = Path(f"with-{name}")
        folder.mkdir()
        (folder / name).touch()
        assert cli("init", "--sample", "3", "--market", folder).code == code


# Bad input.

TYPED = [
    ("webhooks add ftp://example.com/", "URL: 'ftp://example.com/' is not of the web"),
    ("webhooks add https://ada:pass@example.com/", "a name or password in the URL"),
    (f"webhooks add https://h/{'x' * 3000}", "the URL has 3,010 characters"),
    ("webhooks add https://h/ --event transaction.comitted", "did you mean 'transaction.committed'?"),
    ("webhooks add https://h/ --event order.placed", "--event: nobody is told of 'order.placed'"),
    ("webhooks add https://h/ --secret hunter2", "--secret: this is no secret (write whsec_ and 24 to 64"),
    ("webhooks add https://example.com/known", "is told already (see: marketsim webhooks list)"),
    ("webhooks add", "Missing argument 'URL'"),
    ("webhooks remove https://example.com/knwn", "did you mean 'https://example.com/known'?"),
    ("webhooks test https://example.com/knwn", "did you mean 'https://example.com/known'?"),
    ("webhooks deliver --time-limit 0", "--time-limit: '0' seconds (give 1 to 86,400)"),
    ("webhooks deliver --time-limit soon", "'soon' is not a valid int"),
    ("webhooks delver", "Did you mean 'deliver'?"),
    ("webhooks list --market nowhere", "there is no market here"),
    ("webhooks deliver --market nowhere", "there is no market here"),
    ("webhooks add https://h/ --market nowhere", "there is no market here"),
    ("purchase laptop-1 --webhook ftp://h/", "--webhook: 'ftp://h/' is not of the web"),
    ("purchase laptop-2 --webhook https://h/", "there is no product 'laptop-2'"),
]


@pytest.mark.parametrize(("line", "told"), TYPED, ids=[line[:50] for line, _ in TYPED])
def test_what_is_typed_wrong_is_told_in_a_line_and_changes_nothing(
    cli, market, tmp_path, by_hand, line, told
):
    cli("webhooks", "add", "https://example.com/known")
    before = contents(tmp_path)
    ran = cli(*line.split())
    assert told in error_of(ran)
    assert not any(word in ran.err for word in ("hunter2", "ada:pass"))
    assert contents(tmp_path) == before


def test_one_webhook_too_many_is_refused(cli, market, by_hand):
    given: list[str] = []
    for number in range(33):
        given += ["--webhook", f"https://example.com/{number}"]
    before = contents(market)
    ran = cli("purchase", "laptop-1", *given)
    assert "at most 32 webhooks" in error_of(ran)
    assert {k: v for k, v in contents(market).items() if k != "webhooks.lock"} == before


def test_damaged_settings_are_one_clear_error_of_each_command_of_their_own(cli, market):
    (market / SETTINGS).write_text('{"endpoints": [')
    before = contents(market)
    for words in ("list", "add https://h/", "remove https://h/", "test https://h/", "deliver"):
        told = error_of(cli("webhooks", *words.split()))
        assert "market/webhooks.json: the webhooks are damaged" in told
        assert "delete the file and add the webhooks again" in told
    assert contents(market) == before


def test_damaged_settings_fail_no_purchase_that_was_recorded(cli, market):
    (market / SETTINGS).write_text("{")
    ran: Ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert ran.err.startswith("note: nobody was told: market/webhooks.json: the webhooks are damaged")
    assert cli("audit", "verify").code == 0


def test_settings_that_are_a_pipe_are_not_waited_for(cli, market):
    os.mkfifo(market / SETTINGS)
    ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert "this is no regular file" in ran.err
    assert "this is no regular file" in error_of(cli("webhooks", "list"))


def test_settings_that_are_no_file_fail_no_purchase_either(cli: Cli, market: Path):
    (market / SETTINGS).mkdir()
    ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert "note: nobody was told" in ran.err
    assert os.listdir(market / SETTINGS) == []


def test_a_python_that_cannot_start_another_still_purchases(cli, market, monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    ran = cli("purchase", "laptop-1", "--webhook", "http://127.0.0.1:9/")
    assert ran.code == 0
    assert "run: marketsim webhooks deliver" in ran.err
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    ran = cli("purchase", "laptop-1")
    assert ran.code == 0
    assert "note: nobody was told: " in ran.err


def test_where_a_process_cannot_be_spawned_one_way_it_is_another(cli, market, monkeypatch, receiver):
    monkeypatch.delattr(os, "posix_spawn")
    assert cli("purchase", "laptop-1", "--webhook", receiver.url).code == 0
    wait_for(lambda: receiver.got)
    wait_for(lambda: nobody_delivers(market))
