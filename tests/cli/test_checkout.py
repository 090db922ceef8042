"""A checkout as a person or a script makes it: a cart, its pivot, a deadline, and what is recovered."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cli.running import CATALOG, Cli, Ran

CART = ("checkout", "laptop-1", "mug-1=2", "--customer", "user-1")
TOTAL_MINOR = 75_000 + 2 * 850


@pytest.fixture
def stocked(cli: Cli, market: Path) -> Path:
    """The market of the other tests, and mugs."""
    assert cli("catalog", "add", "mug-1", "--name", "Mug", "--price", "8.50", "--stock", 9).code == 0
    return market


def catalog_of(cli: Cli) -> Any:
    return cli("catalog", "export", "--json").document


def stock(cli: Cli) -> dict[str, int]:
    """How many of each product are on sale."""
    return {each["id"]: each["inStock"] for each in catalog_of(cli)["products"]}


UNTOUCHED = {"laptop-1": 2, "lamp-1": 0, "mug-1": 9}


def untouched(cli: Cli) -> bool:
    """Whether nothing is sold, ordered or owed, and every check holds."""
    verified = cli("audit", "verify", "--json")
    return (
        stock(cli) == UNTOUCHED
        and catalog_of(cli)["orders"] == []
        and (verified.code, verified.document["findings"]) == (0, [])
    )


def changes(ran: Ran) -> dict[tuple[str, str], int]:
    """What each account of a JSON document gained or lost, but for those that came out even."""
    listed = ran.document["changes"]
    return {(each["account"], each["unit"]): each["amount"] for each in listed if each["amount"]}


# The main job.


def test_a_cart_is_paid_ordered_and_shipped_and_told_in_one_document(cli, stocked):
    ran = cli(*CART, "--json")
    assert ran.code == 0
    document = ran.document
    assert (document["outcome"], document["exit"], document["orders"]) == ("committed", 0, ["order-1"])
    assert document["request"] == {
        "customer": "user-1",
        "cart": [{"product": "laptop-1", "quantity": 1}, {"product": "mug-1", "quantity": 2}],
    }
    assert document["notifications"] == 1
    assert document["findings"] == []
    assert changes(ran) == {
        ("stock:available", "laptop-1"): -1,
        ("stock:available", "mug-1"): -2,
        ("stock:shipped", "laptop-1"): 1,
        ("stock:shipped", "mug-1"): 2,
        ("money:customer:user-1", "USD"): -TOTAL_MINOR,
        ("money:merchant", "USD"): TOTAL_MINOR,
    }
    assert stock(cli) == {"laptop-1": 1, "lamp-1": 0, "mug-1": 7}
    (order,) = catalog_of(cli)["orders"]
    assert order["total"] == 767
    assert order["lines"] == [
        {"product": "laptop-1", "quantity": 1, "price": 750},
        {"product": "mug-1", "quantity": 2, "price": 8.50},
    ]
    assert cli("audit", "verify").code == 0
    assert cli("replay", "tx-1").code == 0


def test_a_cart_that_is_bought_is_told_to_a_person(cli, stocked):
    ran = cli(*CART)
    assert ran.code == 0
    assert "1 × laptop-1 sold → shipped, 2 × mug-1 sold → shipped" in ran.out
    assert "stock   laptop-1: 2 → 1 available, shipped +1" in ran.out
    assert "stock   mug-1: 9 → 7 available, shipped +2" in ran.out
    assert "money   customer:user-1 -USD 767.00, merchant +USD 767.00" in ran.out
    assert "PURCHASED  order-1 stands (exit 0)" in ran.out
    assert ran.err == ""


def test_a_cart_whose_payment_is_declined_at_the_pivot_leaves_everything_as_it_was(cli, stocked):
    ran = cli(*CART, "--fail", "capture_payment:card_declined")
    assert ran.code == 3
    assert "capture_payment failed for good (card_declined): back the way it came" in ran.out
    assert "told    the customer: Your payment could not be made; please use another card." in ran.out
    assert "NOT PURCHASED" in ran.out
    assert untouched(cli)
    shown = cli("audit", "show", "tx-1", "--json").document["outcome"]
    reverts = shown["reverts"]
    assert reverts[:2] == ["cancel_order", "void_authorization"]
    assert sorted(reverts[2:]) == ["release_stock.laptop-1", "release_stock.mug-1"]
    assert cli("replay", "tx-1").code == 0


def test_a_fault_strikes_one_product_of_the_cart_or_each_of_its_family(cli, stocked):
    one = cli(*CART, "--fail", "reserve_stock.mug-1:out_of_stock", "--json")
    assert one.code == 3
    assert one.document["reason"] == "reserve_stock.mug-1 failed: out_of_stock"
    both = cli(*CART, "--fail", "reserve_stock:timeout_after@1", "--json")
    assert both.code == 0
    shown = cli("audit", "list", "-t", "tx-2", "--type", "operation.probed", "--json").document["events"]
    assert sorted(each["probe"] for each in shown) == [
        "find_reservation.laptop-1",
        "find_reservation.mug-1",
    ]


def test_what_nobody_can_tell_is_asked_until_it_is_known(cli, stocked):
    faults = ("--fail", "capture_payment:timeout_after@1", "--fail", "find_capture:error@1")
    ran = cli(*CART, *faults)
    assert ran.code == 0
    assert "asked: no answer (error): error ⚡ injected" in ran.out
    assert "asked: it had landed, amount USD 767.00" in ran.out
    assert cli("audit", "verify").code == 0


def test_a_product_that_is_not_there_in_such_a_number_sells_nothing_of_the_cart(cli, stocked):
    ran = cli("checkout", "mug-1", "laptop-1=3", "--json")
    assert ran.code == 3
    assert "out_of_stock" in ran.document["reason"]
    assert changes(ran) == {}
    assert untouched(cli)


# Limits of a cart.


def test_twenty_products_are_a_cart_and_one_more_is_rejected_before_anything_starts(cli):
    assert cli("init", "--sample", 21).code == 0
    products = [each["id"] for each in catalog_of(cli)["products"]]
    ran = cli("checkout", *products, "--json")
    assert ran.code == 3
    assert (ran.document["outcome"], ran.document["changes"]) == ("rejected", [])
    assert ran.document["reason"] == "cart_size: 21 products wanted; a cart has 1 to 20"
    assert cli("checkout", *products[:20], "--json").document["outcome"] == "committed"
    assert cli("audit", "verify").code == 0


def test_more_than_a_hundred_of_a_product_are_rejected(cli, stocked):
    ran = cli("checkout", "laptop-1", "mug-1=101", "--json")
    assert ran.code == 3
    assert ran.document["reason"].startswith("quantity_limit: 101 wanted")
    assert untouched(cli)


# Time limits.


@pytest.mark.parametrize("saga", [CART, ("purchase", "laptop-1")], ids=["checkout", "purchase"])
@pytest.mark.parametrize(
    ("limit", "told", "reason"),
    [
        (("--deadline", "150ms"), "the deadline passes", "deadline_exceeded"),
        (("--cancel-after", "150ms"), "somebody cancels it", "cancelled"),
    ],
)
def test_what_is_stopped_on_its_way_is_reverted_whole(cli, stocked, saga, limit, told, reason):
    ran = cli(*saga, *limit)
    assert ran.code == 3
    assert f"{told}\n" in ran.out
    assert f"{reason}; everything was reverted (exit 3)" in ran.out
    assert untouched(cli)
    outcome = cli("audit", "show", "tx-1", "--json").document["outcome"]
    assert (outcome["outcome"], outcome["reason"]) == ("compensated", reason)
    assert outcome["reverts"]
    assert cli("replay", "tx-1").code == 0


def test_what_is_cancelled_before_it_did_anything_has_nothing_to_revert(cli, stocked):
    ran = cli(*CART, "--cancel-after", "1ms")
    assert ran.code == 3
    assert "cancelled; there was nothing to revert (exit 3)" in ran.out
    assert untouched(cli)


@pytest.mark.parametrize("limit", [("--deadline", "700ms"), ("--cancel-after", "700ms")])
def test_what_is_past_its_pivot_goes_on_all_the_same(cli, stocked, limit):
    ran = cli(*CART, "--fail", "ship_order:error@1", *limit)
    assert ran.code == 0
    assert ": it goes on all the same" in ran.out
    assert "PURCHASED  order-1 stands" in ran.out
    assert cli("audit", "verify").code == 0


def test_a_limit_that_is_never_reached_changes_nothing(cli, stocked):
    assert cli(*CART, "--deadline", "1h", "--cancel-after", "1h").code == 0


def test_the_gateway_that_was_chosen_stands_in_the_stream_and_forgets_its_keys(cli, stocked):
    ran = cli("purchase", "laptop-1", "--gateway", "none", "--fail", "payment:timeout_after@1")
    assert "policy default, payment none, seed 0" in ran.out
    (began,) = cli("audit", "list", "--type", "transaction.began", "--json").document["events"]
    assert began["services"] == {"payment": "none"}
    assert ran.code == 0
    careless = ("--policy", "temporal", "--fail", "payment:timeout_after@1")
    charged_twice = cli("purchase", "laptop-1", "--gateway", "none", *careless, "--json")
    assert charged_twice.code == 1
    assert "money-conserved" in {each["rule"] for each in charged_twice.document["findings"]}


# Dead letters.


def test_a_revert_that_fails_for_ever_is_put_right_by_a_person(cli, stocked):
    faults = ("--fail", "capture_payment:card_declined", "--fail", "void_authorization:error")
    ran = cli(*CART, *faults)
    assert ran.code == 4
    assert "money   customer:user-1 -USD 767.00, authorized +USD 767.00" in ran.out
    assert "waits   for a person: authorize_payment could not be reverted" in ran.out
    assert stock(cli) == UNTOUCHED
    assert cli("failures", "list").code == 4
    shown = cli("failures", "show", "tx-1")
    assert shown.code == 0
    assert "let go of USD 767.00 that is held for user-1" in shown.out
    assert cli("failures", "resolve", "tx-1", "--reason", "voided at the bank").code == 0
    assert cli("failures", "list").code == 0
    verified = cli("audit", "verify", "--json")
    assert (verified.code, verified.document["findings"]) == (0, [])


@pytest.mark.parametrize(
    ("faults", "to_do"),
    [
        (("capture_payment:card_declined", "release_stock:error"), "put 1 laptop-1 back on sale"),
        (("capture_payment:card_declined", "release_stock.mug-1:error"), "put 2 mug-1 back on sale"),
        (("capture_payment:card_declined", "cancel_order:error"), "put 2 mug-1 back on sale; cancel order-1"),
        (
            ("capture_payment:timeout_after", "find_capture:timeout_before", "refund_payment:error"),
            "give USD 767.00 back to user-1",
        ),
    ],
)
def test_what_is_left_of_each_account_has_a_remedy(cli, stocked, faults, to_do):
    ran = cli(*CART, *(word for fault in faults for word in ("--fail", fault)), "--quiet")
    assert ran.code == 4
    assert to_do in cli("failures", "show", "tx-1").out
    assert cli("failures", "retry", "tx-1").code == 0
    assert cli("failures", "list").code == 0
    assert untouched(cli)


# Recovery.


def test_what_died_before_its_pivot_can_be_called_back(cli, stocked, process):
    died = process(*CART, "--fail", "capture_payment:crash_before_intent")
    assert died.returncode == -signal.SIGKILL
    ran = cli("recover", "--back")
    assert ran.code == 0
    assert "another process takes over\n            somebody cancels it\n" in ran.out
    assert "cancelled; everything was reverted" in ran.out
    assert untouched(cli)
    assert cli("replay", "tx-1").code == 0


def test_what_died_after_its_pivot_goes_forward_though_it_is_called_back(cli, stocked, process):
    assert process(*CART, "--fail", "ship_order:crash_before_intent").returncode == -signal.SIGKILL
    ran = cli("recover", "--back", "--json")
    assert ran.code == 0
    (recovered,) = ran.document["recovered"]
    assert (recovered["outcome"], recovered["orders"]) == ("committed", ["order-1"])
    assert stock(cli) == {"laptop-1": 1, "lamp-1": 0, "mug-1": 7}
    assert cli("audit", "verify").code == 0
    assert cli("replay", "tx-1").code == 0


def test_a_recovery_that_dies_on_its_way_back_is_finished_by_the_next_one(cli, stocked, process):
    assert process(*CART, "--fail", "capture_payment:crash_before_intent").returncode == -signal.SIGKILL
    died = process("recover", "--back", "--fail", "void_authorization:crash_after_effect")
    assert died.returncode == -signal.SIGKILL
    (recovered,) = cli("recover", "--json").document["recovered"]
    assert (recovered["outcome"], recovered["reason"]) == ("compensated", "cancelled")
    assert untouched(cli)
    assert cli("replay", "tx-1").code == 0


def test_a_fault_may_strike_one_product_of_the_cart_that_is_recovered(cli, stocked, process):
    assert process(*CART, "--fail", "capture_payment:crash_before_intent").returncode == -signal.SIGKILL
    mistyped = cli("recover", "--back", "--fail", "release_stock.mug-2:error")
    assert mistyped.code == 2
    assert "has no 'release_stock.mug-2' (did you mean 'release_stock.mug-1'?)" in mistyped.err
    ran = cli("recover", "--back", "--fail", "release_stock.mug-1:error", "--json")
    assert ran.code == 4
    assert ran.document["recovered"][0]["dead_letters"] == ["reserve_stock.mug-1"]
    assert cli("failures", "retry", "tx-1").code == 0
    assert untouched(cli)


def test_without_being_called_back_what_died_before_its_pivot_goes_forward(cli, stocked, process):
    assert process(*CART, "--fail", "capture_payment:crash_before_intent").returncode == -signal.SIGKILL
    (recovered,) = cli("recover", "--json").document["recovered"]
    assert recovered["outcome"] == "committed"
    assert cli("audit", "verify").code == 0


@pytest.mark.parametrize("back", [(), ("--back",)], ids=["forward", "back"])
def test_of_two_recoveries_at_once_one_does_the_work(cli, stocked, process, tmp_path, back):
    assert process(*CART, "--fail", "capture_payment:crash_after_effect").returncode == -signal.SIGKILL
    command = [sys.executable, "-m", "marketsim", "recover", "--json", *back]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, cwd=tmp_path, **pipes) for _ in range(2)]  # type: ignore[call-overload]
    told = [child.communicate(timeout=60) for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert [err for _, err in told] == ["", ""]
    recovered = [each for out, _ in told for each in json.loads(out)["recovered"]]
    assert [each["transaction"] for each in recovered] == ["tx-1"]
    events = cli("audit", "list", "--json").document["events"]
    assert sum(each["type"] == "process.recovered" for each in events) == 1
    assert recovered[0]["outcome"] == "committed"  # The capture had landed: there is no way back.
    verified = cli("audit", "verify", "--json")
    assert (verified.code, verified.document["findings"]) == (0, [])
    assert cli("recover").out == "nothing was left open\n"


def test_a_catalog_that_nobody_touched_is_the_one_that_was_brought(cli, stocked):
    cli(*CART, "--fail", "capture_payment:card_declined", "--quiet")
    exported = catalog_of(cli)["products"]
    assert exported[:2] == CATALOG["products"]
