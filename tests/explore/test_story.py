"""A counterexample as a story and as a scenario file: whoever runs the file finds the same."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.explore.counterexample_file import candidate_of, kept_text, read_kept
from marketsim.explore.marketplace import Shop, market_case, scenario_case
from marketsim.explore.model import Bound, Case, Cost, Counterexample, case_of
from marketsim.explore.run import replayed
from marketsim.explore.scenario_file import scenario_text, story_and_wrong
from marketsim.explore.search import explore
from marketsim.explore.shrink import shrink
from marketsim.explore.story import story_of, wrong_in
from marketsim.market.catalog import Catalog
from marketsim.market.documents import parse_document
from marketsim.market.sagas import saga_for
from marketsim.saga.errors import InputError
from marketsim.saga.policies import POLICIES
from marketsim.scenario.load import scenario_of
from marketsim.scenario.run import Result, run_scenario

SMALL = Bound(faults=1, crashes=1, customers=2, preemptions=1, runs_max=600)


def made(case: Case, *faults: list[str], turns: dict[str, int] | None = None) -> Counterexample:
    """The counterexample that these faults are."""
    texts = tuple(tuple(each) for each in faults)
    judged = replayed(case, texts, turns)
    return Counterexample(judged.findings, judged.healed, texts, turns or {}, Cost(), tuple(judged.events))


def run(text: str | None) -> Result:
    assert text is not None
    return run_scenario(scenario_of(parse_document(text.encode(), "written.yaml"), Path()))


def errors(result: Result) -> set[str]:
    return {each.rule for each in result.findings if each.severity == "error"}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("saga", ["purchase", "checkout"])
def test_the_file_that_is_written_finds_the_same_when_it_is_run(saga, policy):
    case = market_case(saga, policy=policy)
    for found in explore(case, SMALL, wanted=0).counterexamples:
        small = shrink(case, found, saga_of=partial(saga_for, saga))
        if small.counterexample.healed:
            continue
        result = run(scenario_text(small.case, small.counterexample, "found"))
        assert result.passed
        assert errors(result) == set(small.counterexample.rules)
        assert result.notes == []


def test_a_file_says_who_moves_next_only_where_it_matters():
    case = market_case("purchase", policy="none")
    plain = scenario_text(case, made(case, ["payment:card_declined@1"]), "plain")
    assert plain is not None
    assert "choices" not in plain
    assert "at:" not in plain
    turns = {"tx-1/check_availability@1/turn": 1}
    case = market_case("purchase", policy="saga-py")
    overtaken = scenario_text(case, made(case, [], [], turns=turns), "overtaken")
    assert overtaken is not None
    assert 'choices: {"tx-1/check_availability@1/turn": 1}' in overtaken
    assert overtaken.count("at: 0s") == 2


def test_the_comment_tells_who_did_what_what_struck_and_what_is_wrong():
    case = market_case("purchase", policy="none")
    text = scenario_text(case, made(case, ["charge_payment:card_declined@1"]), "story")
    assert text is not None
    comment = [line for line in text.splitlines() if line.startswith("#")]
    assert comment == [
        "# user-1 asks for 2 laptop-1. check_availability, reserve_stock and estimate_delivery succeed.",
        "# charge_payment is struck by card_declined: the issuer said no and gave no reason. "
        "charge_payment has",
        "# failed for good (card_declined), and nothing is reverted.",
        "# Found:",
        "#   stock-conserved: 2 laptop-1 is still in stock:reserved: gone from sale, sold to nobody",
    ]


def test_the_file_states_the_rules_the_services_and_the_cart_that_it_was_found_with():
    case = market_case("checkout", policy="temporal", rules={"shielded": False}, gateway="none")
    found = made(case, ["authorize_payment:crash_after_effect@1"])
    text = scenario_text(case, found, "rules")
    assert text is not None
    assert "policy: {like: temporal, shielded: false}" in text
    assert "gateway: none" in text
    assert "saga: checkout" in text
    assert "cart: {laptop-1: 2, mouse-1: 3}" in text


def test_a_story_of_two_says_whose_turn_it_is_when_that_changes():
    case = market_case("purchase", policy="saga-py")
    found = made(case, [], [], turns={"tx-1/check_availability@1/turn": 1})
    story = story_of(found.events)
    assert story[:2] == ["user-1 asks for 2 laptop-1.", "user-2 asks for 2 laptop-1."]
    assert [each for each in story if each.startswith("user-1: ")] == ["user-1: check_availability succeeds."]
    assert "reserve_stock fails (out_of_stock)." in story


def test_a_story_counts_what_fails_again_and_again_and_tells_of_the_crash():
    case = market_case("purchase", policy="orra")
    story, wrong = story_and_wrong(made(case, ["charge_payment:cached_error@1"]))
    assert "charge_payment fails (cached_error) 3 times." in story
    assert (
        wrong[0]
        == "money-conserved: USD 1,500.00 is still in money:merchant: taken, and nothing was sold for it"
    )
    story, _ = story_and_wrong(made(case, ["charge_payment:crash_after_effect@1"]))
    assert "Another process takes over." in story


def test_a_story_does_not_go_on_for_ever_and_has_one_line_for_each_rule():
    case = market_case("purchase", policy="none")
    events = made(case, ["payment:gateway_down"], []).events
    assert len(story_of(events * 40)) == 40
    findings = made(case, ["charge_payment:late_success@1"]).findings
    lines = wrong_in(findings)
    assert [each.partition(":")[0] for each in lines] == ["stock-conserved", "lifecycle"]
    assert "it moved" in lines[1]


def test_every_fault_of_every_place_has_a_story():
    case = market_case("purchase")
    for policy in ("default", "none"):
        case = market_case("purchase", policy=policy)
        for fault in ("slow", "cancel", "abort", "error", "timeout_after", "hanging"):
            story = story_of(made(case, [f"charge_payment:{fault}@1"]).events)
            assert all(each.endswith(".") and "  " not in each and ".." not in each for each in story)


NAMES = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf", "Zl", "Zp")), min_size=1, max_size=20
).filter(lambda name: not name.isspace())
"""What a catalog lets through: nothing that steers a terminal."""


@settings(max_examples=40, deadline=None)
@given(NAMES, NAMES, st.sampled_from(["yes", "on", "null", "1e3", "0x1f", "a: b", "- a", "#", "Laptop 14"]))
def test_whatever_a_product_and_a_customer_are_called_the_file_is_read_as_it_was_written(product, user, odd):
    products = [
        {"id": "laptop-1", "name": product, "price": 750.5, "inStock": 3, "category": odd},
        {"id": "never-asked-for", "name": "x", "price": 1, "inStock": 1},
    ]
    shop = Shop(Catalog(products, [{"id": "user-1", "name": user}]), "EUR")
    case = msgspec.structs.replace(market_case("purchase", policy="none"), opening=shop)
    found = made(case, ["payment:card_declined@1"])
    text = scenario_text(case, found, "named")
    assert text is not None
    scenario = scenario_of(parse_document(text.encode(), "named.yaml"), Path())
    assert [(each["name"], each["category"]) for each in scenario.catalog.products] == [(product, odd)]
    assert [each["name"] for each in scenario.catalog.users] == [user]
    assert scenario.currency == "EUR"
    assert all(line.isprintable() for line in text.splitlines())


# What no scenario can say.


def test_what_shows_only_when_all_is_healed_and_a_saga_of_ones_own_have_no_scenario():
    case = market_case("purchase", policy="none")
    found = made(case, ["payment:card_declined@1"])
    assert scenario_text(msgspec.structs.replace(case, opening=lambda: case.opening()), found, "own") is None
    elsewhere = msgspec.structs.replace(found.findings[0], rule="quiescence")
    healed = msgspec.structs.replace(found, findings=(elsewhere,), healed=True)
    assert scenario_text(case, healed, "healed") is None


def test_a_counterexample_that_is_kept_is_read_as_it_was(tmp_path):
    case = market_case("checkout", policy="none")
    small = shrink(case, made(case, ["payment:card_declined"]), saga_of=partial(saga_for, "checkout"))
    path = tmp_path / "a.counterexample.json"
    path.write_text(kept_text(small.case, small.counterexample, "a", ["It went wrong."]))
    kept = read_kept(path)
    assert (kept.saga, kept.policy, kept.find) == ("checkout", "none", ["stock-conserved"])
    again = candidate_of(case, kept, str(path))
    judged = replayed(again.case, again.faults, again.turns)
    assert judged.findings == small.counterexample.findings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no counterexample"),
        ("[1]", "no counterexample"),
        ('{"counterexample": "a"}', "no counterexample"),
        (b"\xff\xfe", "no counterexample"),
        (
            '{"counterexample":"a","saga":"purchase","policy":"none","requests":[],"faults":[[]],'
            '"choices":{},"find":[]}',
            "faults for each",
        ),
    ],
)
def test_a_file_that_is_no_counterexample_is_refused(tmp_path, text: Any, says: str):
    path = tmp_path / "wrong.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=says):
        read_kept(path)


def test_a_counterexample_of_another_saga_is_refused(tmp_path):
    case = market_case("purchase", policy="none")
    path = tmp_path / "a.json"
    path.write_text(kept_text(case, made(case, ["payment:card_declined"]), "a", []))
    with pytest.raises(InputError, match="of purchase, and this is checkout"):
        candidate_of(market_case("checkout"), read_kept(path), "a.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_kept(tmp_path / "missing.json")


# A scenario as a case.


def test_a_scenarios_market_and_requests_are_explored_without_its_faults(tmp_path):
    path = tmp_path / "own.yaml"
    case = market_case("purchase", policy="none")
    text = scenario_text(case, made(case, ["payment:card_declined@1"], []), "own")
    assert text is not None
    path.write_text(text)
    again = scenario_case(str(path))
    assert again.policy.name == "none"
    assert [request["customer"] for request in again.requests] == ["user-1", "user-2"]
    assert replayed(again, [[], []]).findings == ()
    assert scenario_case(str(path), policy="default").policy.name == "default"
    assert scenario_case(str(path), gateway="none").services == {"payment": "none"}


def test_a_saga_with_no_customers_name_in_its_request_has_a_story():
    from marketsim.saga import Call, Saga

    trip = Saga("trip", "A flight.")

    @trip.operation(service="airline")
    def book_flight(call: Call) -> dict[str, int]:
        """Book."""
        return {}

    case = case_of(trip, {"nights": 2})
    assert story_of(replayed(case, [[]]).events) == [
        "trip is asked for with nights 2.",
        "book_flight succeeds.",
        "It is committed.",
    ]
