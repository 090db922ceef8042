"""Each expectation is met by what happened, and is told with what was expected and what came instead."""

import pytest
from msgspec import structs

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.scenario.expect import PLACES_MAX, checks_unmet, judge, market_unmet, purchase_unmet
from marketsim.scenario.load import load_scenario
from marketsim.scenario.model import CheckExpectation, Find, MarketExpectation, PurchaseExpectation
from marketsim.scenario.run import run_scenario
from marketsim.scenario.shipped import shipped

NOTHING = {"orders": 0, "notifications": 0, "dead_letters": 0}


@pytest.fixture(scope="module")
def results():
    """A run of a shipped scenario, by its name."""
    made = {}

    def result(name):
        if name not in made:
            made[name] = run_scenario(load_scenario(shipped()[name]))
        return made[name]

    return result


@pytest.mark.parametrize(
    ("name", "expected", "told"),
    [
        ("happy-path", {"outcome": "stuck"}, ("outcome of purchase 1", "stuck", "committed")),
        ("happy-path", {"reverts": ["refund_payment"]}, ("reverts of purchase 1", "refund_payment", "none")),
        ("happy-path", {"failed": "place_order"}, ("failed of purchase 1", "place_order", "none")),
        ("happy-path", {"rule": "known_product"}, ("rule of purchase 1", "known_product", "none")),
        ("happy-path", {"recovered": True}, ("recovered of purchase 1", "yes", "no")),
        (
            "refund-after-order-fails",
            {"reverts": ["release_stock", "refund_payment"]},
            ("reverts of purchase 1", "release_stock, refund_payment", "refund_payment, release_stock"),
        ),
        ("lost-stock", {"failed": "place_order"}, ("failed of purchase 1", "place_order", "charge_payment")),
        ("revert-fails", {"reverts": ["release_stock"]}, ("reverts of purchase 1", "release_stock", "none")),
        (
            "revert-fails",
            {"attempts": {"release_stock": 1, "charge_payment": 1}},
            ("attempts at release_stock in purchase 1", "1", "5"),
        ),
        (
            "customer-cannot-be-reached",
            {"left": []},
            ("left of purchase 1", "none", "notify_customer"),
        ),
    ],
)
def test_what_did_not_become_of_a_purchase_is_told(name, expected, told, results):
    expectation = PurchaseExpectation(1, **expected)
    assert list(purchase_unmet(expectation, results(name).courses[0])) == [told]


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"stock": {"laptop-1": 5}}, ("stock of laptop-1", "5", "4")),
        ({"reserved": {"laptop-1": 1}}, ("reserved of laptop-1", "1", "0")),
        ({"sold": {"laptop-1": 0}}, ("sold of laptop-1", "0", "1")),
        ({"money": {"merchant": 749.99}}, ("money of merchant", "USD 749.99", "USD 750.00")),
        (
            {"money": {"customer:user-1": 750}},
            ("money of customer:user-1", "USD 750.00", "-USD 750.00"),
        ),
        ({"orders": 1}, ("orders", "1", "0")),
        ({"notifications": 2}, ("notifications", "2", "0")),
        ({"dead_letters": 3}, ("dead letters", "3", "0")),
    ],
)
def test_what_is_not_in_the_market_is_told(expected, told, results):
    expectation = MarketExpectation(**expected)
    assert list(market_unmet(expectation, results("happy-path").world, NOTHING)) == [told]


def test_an_account_that_nothing_ever_reached_holds_nothing(results):
    expectation = MarketExpectation(money={"merchant": 0}, reserved={"laptop-1": 0})
    assert list(market_unmet(expectation, results("out-of-stock").world, NOTHING)) == []


FOUND = [
    Finding("one-order", ERROR, "two orders"),
    Finding("one-order", ERROR, "three orders"),
    Finding("dead-letters", WARNING, "somebody is waited for"),
]


def test_a_warning_is_no_failure_and_an_error_is():
    assert list(checks_unmet(CheckExpectation("all"), FOUND[2:])) == []
    told = ("check one-order", "nothing found", "two orders (and 1 more)")
    assert list(checks_unmet(CheckExpectation("all"), FOUND)) == [told]


def test_exactly_the_rules_that_are_named_must_be_found_as_errors():
    assert list(checks_unmet(CheckExpectation(Find(["one-order", "one-order"])), FOUND)) == []
    assert list(checks_unmet(CheckExpectation(Find(["dead-letters"])), FOUND)) == [
        ("check dead-letters", "errors found", "nothing found"),
        ("check one-order", "nothing found", "two orders (and 1 more)"),
    ]


def test_all_that_is_not_met_is_told_and_the_first_of_it_with_the_line(results):
    result = results("happy-path")
    wrong = [MarketExpectation(orders=2), *result.scenario.expect[1:]]
    wrong += [PurchaseExpectation(1, outcome="stuck", recovered=True)] * (PLACES_MAX // 2)
    scenario = structs.replace(result.scenario, expect=wrong)
    unmet = judge(scenario, result.courses, result.events, result.world, result.findings)
    assert [each.index for each in unmet] == [0, *(4 + n // 2 for n in range(PLACES_MAX))]
    path = shipped()["happy-path"]
    line = path.read_text().splitlines().index("expect:") + 2
    assert unmet[0].where == f"{path}:{line}"
    assert (unmet[0].what, unmet[0].expected, unmet[0].actual) == ("orders", "2", "1")
    assert unmet[-1].where == str(path)
