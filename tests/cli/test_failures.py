"""Dead letters on the command line: what waits for a person, and what a person does about it."""

import json
from pathlib import Path

import pytest

from marketsim.cli import main
from marketsim.market.directory import open_market
from marketsim.saga.events import CatalogChanged

STUCK = (
    "--fail",
    "place_order:error",
    "--fail",
    "refund_payment:error",
    "--fail",
    "release_stock:timeout_before",
)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Run a command on a market with one stuck purchase; its exit code, output and errors."""
    market = str(tmp_path / "market")
    assert main(["init", "-q", "--market", market]) == 0
    assert main(["purchase", "laptop-1", "-q", "--market", market, *STUCK]) == 4

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--market", market])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_list_names_what_is_left_and_exits_4_while_something_waits(run) -> None:
    code, out, _ = run("failures", "list")
    assert code == 4
    assert "charge_payment" in out
    assert "USD 750.00 in money:merchant" in out
    assert "1 laptop-1 in stock:reserved" in out


def test_show_tells_a_person_what_to_do_in_money_and_units(run) -> None:
    code, out, _ = run("failures", "show", "tx-1")
    assert code == 0
    assert "give USD 750.00 back to user-1" in out
    assert "put 1 laptop-1 back on sale" in out


def test_retry_reverts_what_stands_and_the_books_balance(run) -> None:
    code, out, _ = run("failures", "retry", "tx-1")
    assert code == 0
    assert "USD 750.00 merchant → user-1" in out
    assert run("failures", "list")[0] == 0
    assert run("audit", "verify")[0] == 0
    assert "inStock            5" in run("catalog", "show", "laptop-1")[1]
    assert run("replay", "tx-1")[0] == 0


def test_a_retry_that_fails_again_leaves_it_waiting_and_the_log_whole(run) -> None:
    assert run("failures", "retry", "tx-1", "--fail", "refund_payment:error")[0] == 4
    states = {
        each["operation"]: each["state"]
        for each in json.loads(run("failures", "list", "--all", "--json")[1])["failures"]
    }
    assert states == {"charge_payment": "open", "reserve_stock": "resolved"}
    assert run("audit", "verify")[0] == 0


def test_a_retry_gives_back_once_however_often_it_is_asked(run) -> None:
    assert run("failures", "retry", "tx-1")[0] == 0
    code, _, err = run("failures", "retry", "tx-1")
    assert code == 2
    assert "nothing of tx-1 waits any more" in err
    assert run("audit", "verify")[0] == 0


@pytest.mark.parametrize("word", ["resolve", "ignore"])
def test_a_reason_closes_a_dead_letter_and_is_recorded(run, word: str) -> None:
    assert run("failures", word, "tx-1", "--reason", "done by hand")[0] == 0
    assert run("failures", "list")[0] == 0
    assert "done by hand" in run("failures", "show", "tx-1")[1]
    assert "done by hand" in run("audit", "list", "--type", "dead_letter")[1]
    assert run("audit", "verify")[0] == 0


def test_one_operation_can_be_closed_by_itself(run) -> None:
    assert run("failures", "resolve", "tx-1", "--operation", "reserve_stock", "--reason", "counted")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("show", "tx-2"), "did you mean 'tx-1'?"),
        (("retry", "tx-1", "--operation", "charge_paiment"), "did you mean 'charge_payment'?"),
        (("retry", "tx-1", "--fail", "refund_payment:nonsense"), "no fault is called"),
        (("resolve", "tx-1", "--reason", " "), "the reason is empty"),
        (("resolve", "tx-1", "--reason", "a\x1b[31m"), "cannot be printed"),
        (("resolve", "tx-1"), "--reason"),
    ],
)
def test_bad_input_is_one_error_and_changes_nothing(run, arguments: tuple[str, ...], told: str) -> None:
    before = run("audit", "list")[1]
    code, _, err = run("failures", *arguments)
    assert code == 2
    assert told in err
    assert err.count("error:") == 1
    assert run("audit", "list")[1] == before


def test_a_revert_that_came_too_late_is_told_without_what_struck_an_earlier_attempt(cli, tmp_path):
    scenario = tmp_path / "late.yaml"
    scenario.write_text(
        "scenario: late\n"
        "catalog: {products: [{id: laptop-1, name: Laptop, price: 750, inStock: 1}], "
        "users: [{id: user-1, name: Ada}]}\n"
        "purchases:\n  - {product: laptop-1, customer: user-1, "
        'faults: ["place_order:error", "refund_payment:error"]}\n'
        "expect: [{purchase: 1, outcome: stuck}]\n"
    )
    assert cli("run", str(scenario), "--keep", "kept", "--quiet").code == 0
    year_later = "2099-01-01T00:00:00.000000Z"
    with open_market(Path("kept")) as market:
        event = CatalogChanged(source="edit", fields=["a year passes"])
        event.time = year_later
        market.log.append(event)
    retried = cli("failures", "retry", "tx-1", "--market", "kept")
    assert retried.code == 4
    assert "expired: the time in which it could be" in retried.out
    assert "injected" not in retried.out
    shown = cli("failures", "show", "tx-1", "--market", "kept").out
    assert "failures resolve tx-1" in shown
    assert "failures retry tx-1" not in shown
