"""Mutation: an operator makes one thing wrong, and no mutant of the built-in sagas survives unexplained."""

import importlib.util
import json
from pathlib import Path

import msgspec
import pytest
from explore.bookings import right

from marketsim.audit.checks import examine
from marketsim.audit.findings import ERROR, Finding
from marketsim.explore.lint.rules import lint
from marketsim.explore.model import Cost, Counterexample, Exploration, case_of
from marketsim.explore.mutation.accepted import ACCEPTED, accepted
from marketsim.explore.mutation.ample import ample_case, refused_cases
from marketsim.explore.mutation.mutants import BOUNDS, OPERATORS, calm_difference, mutants_of, mutation_score
from marketsim.explore.mutation.operators import mutant
from marketsim.explore.mutation.rebuild import OtherWorld, altered, rebuilt, rewired
from marketsim.explore.run import replayed
from marketsim.saga.errors import InputError

DOCS = Path(__file__).parents[2] / "docs"
SAGAS = ("purchase", "checkout")
CASES = {saga: ample_case(saga) for saga in SAGAS}
MUTANTS = {saga: {each.name: each for each in mutants_of(case)} for saga, case in CASES.items()}
LOOKED_AT = json.loads((DOCS / "mutants.json").read_text(encoding="utf-8"))
ONE_FAULT = BOUNDS[0]


def name_of(facts) -> str:
    return f"{facts['operator']}@{facts['place']}"


def explored(case, bound, *found):
    return Exploration(case.name, bound, found, (), None, True, False, 1, 0, 0, 1, 0.0)


def blind(case, bound, *, wanted):
    """An exploration that finds nothing."""
    return explored(case, bound)


def noticed(by: str):
    return [
        pytest.param(saga, facts, id=f"{saga}-{name_of(facts)}")
        for saga, every in LOOKED_AT.items()
        for facts in every
        if facts.get("noticed_by") == by
    ]


# The operators.


@pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS)
def test_an_operator_says_what_it_does_and_makes_a_built_in_saga_wrong(operator):
    assert operator.sentence.endswith(".")
    made = [
        each for mutants in MUTANTS.values() for each in mutants.values() if each.operator == operator.name
    ]
    assert made
    for each in made:
        assert "{" not in each.difference
        assert each.place == "policy" or each.at.line > 0
        assert each.case.made_by is None


def test_there_are_many_operators_and_each_name_is_its_own():
    assert len(OPERATORS) > 50


@pytest.mark.slow
@pytest.mark.parametrize("saga", SAGAS)
def test_what_is_made_wrong_is_a_copy(saga):
    case = ample_case(saga)
    before = [
        msgspec.structs.astuple(case),
        *(dict(vars(each)) for each in case.sagas[0].operations.values()),
    ]
    for each in mutants_of(case):
        assert each.case.sagas != case.sagas or each.case.policy != case.policy
        assert len({id(one) for one in each.case.sagas}) == len({id(one) for one in case.sagas})
    after = [msgspec.structs.astuple(case), *(dict(vars(each)) for each in case.sagas[0].operations.values())]
    assert before == after


def test_a_mutant_tells_the_operator_the_place_the_difference_and_the_line():
    made = MUTANTS["purchase"]["revert-twice@reserve_stock"]
    assert made.difference == "release_stock: runs twice"
    assert Path(made.at.file).name == "purchase.py"
    source = Path(made.at.file).read_text().splitlines()
    assert "release_stock" in "".join(source[made.at.line - 1 : made.at.line + 1])


def test_an_unknown_operator_is_said_with_the_nearest():
    with pytest.raises(InputError, match="drop-revert"):
        list(mutants_of(CASES["purchase"], ["drop-reverts"]))


def test_a_saga_of_ones_own_is_made_wrong_as_well():
    names = {each.name for each in mutants_of(case_of(right(), {"nights": 2}))}
    assert {"drop-revert@book", "swap-order@pay", "too-early@confirm", "kind-compensatable@pay"} <= names


# What an operator does.


def operations(saga: str, name: str):
    return MUTANTS[saga][name].case.sagas[0].operations


def test_swapped_operations_wait_for_each_other_the_other_way_round():
    made = operations("purchase", "swap-order@place_order")
    assert list(made)[-3:] == ["place_order", "charge_payment", "notify_customer"]
    assert made["charge_payment"].after == ("place_order",)
    assert made["notify_customer"].after == ("charge_payment",)


def test_one_that_is_left_out_is_waited_for_by_nobody():
    made = operations("purchase", "drop-operation@charge_payment")
    assert "charge_payment" not in made
    assert made["place_order"].after == ("reserve_stock", "estimate_delivery")


def test_what_cannot_be_called_back_comes_before_the_pivot():
    made = operations("checkout", "too-early@notify_customer")
    assert made["capture_payment"].after == ("notify_customer",)
    assert made["notify_customer"].after == ("place_order",)


def test_a_saga_can_be_made_again_from_its_parts():
    saga = CASES["checkout"].sagas[0]
    again = rebuilt(saga, saga.operations.values())
    assert again.operations == saga.operations
    assert again.waits == saga.waits
    assert again.guardrails == saga.guardrails
    assert altered(saga, "place_order", kind="pivot2").operations["place_order"].kind == "pivot2"
    assert list(rewired(saga, {"check_cart": []}).operations) == ["check_cart"]


def test_another_world_answers_what_it_is_asked_otherwise_and_the_rest_as_it_did():
    world = OtherWorld([3, 1], index=lambda each: 7)
    assert world.index(1) == 7
    assert world.count(1) == 1


# The score.


def test_the_sagas_themselves_break_nothing_within_the_bound():
    for case in CASES.values():
        assert lint(case.sagas[0]) == []
        assert not replayed(case, [[], []]).findings


@pytest.mark.parametrize(
    ("operator", "rule"),
    [
        ("drop-revert", "can-be-reverted"),
        ("act-twice", "belief-is-truth"),
        ("act-unkeyed", "idempotency"),
        ("part-for-whole", "money-conserved"),
        ("revert-by-half", "quiescence"),
    ],
)
def test_a_mutant_of_the_payment_is_noticed_with_one_fault(operator, rule):
    verdicts = mutation_score(CASES["purchase"], [ONE_FAULT], operators=[operator])
    (verdict,) = [each for each in verdicts if each.mutant.place == "charge_payment"]
    assert verdict.killed_by
    assert verdict.finding is not None
    assert verdict.finding.rule == rule
    assert not verdict.survived


def test_without_a_run_only_the_linter_and_the_calm_run_can_notice():
    told = []
    verdicts = mutation_score(
        CASES["purchase"],
        [ONE_FAULT],
        blind,
        operators=["drop-revert", "act-not-at-all"],
        progress=told.append,
    )
    assert told == verdicts
    assert {each.killed_by for each in verdicts} == {"lint", "strict", "calm run"}


def test_where_the_case_itself_is_wrong_no_mutant_is_struck():
    """A counterexample of the case itself would be found in each of its mutants."""
    finding, bounds = Finding("stock-conserved", ERROR, "it is known"), []

    def one_place(case, bound, *, wanted):
        bounds.append(bound)
        struck = () if bound.targets and "place_order" not in bound.targets else ("place_order:error@1",)
        known = Counterexample((finding,), False, (struck,), {}, Cost(faults=1), ())
        return explored(case, bound, *([known] if struck else []))

    verdicts = mutation_score(CASES["purchase"], [ONE_FAULT], one_place, operators=["no-retry"])
    assert "charge_payment" in bounds[-1].targets
    assert "place_order" not in bounds[-1].targets
    assert {each.killed_by for each in verdicts} == {"", "lint"}
    assert {each.accepted.kind for each in verdicts if each.accepted} == {"harmless"}
    assert not any(each.survived for each in verdicts)


def test_a_saga_that_is_wrong_without_a_fault_is_mended_first():
    wrong = MUTANTS["purchase"]["act-twice@charge_payment"].case
    with pytest.raises(InputError, match="without any fault"):
        mutation_score(wrong, [ONE_FAULT], operators=["no-retry"])


@pytest.mark.parametrize("saga", SAGAS)
def test_each_refused_request_breaks_a_guardrail_that_a_mutant_does_not_ask(saga):
    verdicts = mutation_score(CASES[saga], [], operators=["drop-guardrail"], refused=refused_cases(saga))
    assert {each.mutant.place for each in verdicts if each.killed_by != "guardrails"} <= {"cart_size"}


# Every mutant of the built-in sagas.


@pytest.mark.parametrize("saga", SAGAS)
def test_the_list_has_every_mutant_and_none_survives_without_a_reason(saga):
    assert [name_of(each) for each in LOOKED_AT[saga]] == list(MUTANTS[saga])
    for facts in LOOKED_AT[saga]:
        assert facts["difference"] == MUTANTS[saga][name_of(facts)].difference
        reason = accepted(MUTANTS[saga][name_of(facts)], CASES[saga])
        if "noticed_by" not in facts:
            assert reason is not None, name_of(facts)
            assert (facts["kind"], facts["reason"]) == (reason.kind, reason.reason)


def test_no_reason_is_given_for_what_is_noticed_anyway():
    survivors = [
        accepted(MUTANTS[saga][name_of(facts)], CASES[saga])
        for saga, every in LOOKED_AT.items()
        for facts in every
        if "noticed_by" not in facts
    ]
    assert [each for each in ACCEPTED if each not in survivors] == []


@pytest.mark.parametrize(("saga", "facts"), noticed("lint"))
def test_what_the_linter_notices_it_notices(saga, facts):
    case = MUTANTS[saga][name_of(facts)].case
    assert facts["rule"] in {each.rule for each in lint(case.sagas[0], case.policy)}


@pytest.mark.parametrize(("saga", "facts"), noticed("explore"))
def test_what_the_checks_notice_they_notice_in_that_run_and_not_in_that_of_the_saga_itself(saga, facts):
    made = MUTANTS[saga][name_of(facts)].case
    faults, turns = facts.get("faults", [[]]), facts.get("turns")
    assert facts["rule"] in replayed(made, faults, turns).rules
    assert replayed(CASES[saga], faults, turns).findings == ()


@pytest.mark.parametrize(("saga", "facts"), noticed("strict"))
def test_what_a_strict_check_notices_it_notices(saga, facts):
    made = MUTANTS[saga][name_of(facts)].case
    assert examine(replayed(made, facts["faults"]).events, [facts["rule"]])
    assert not examine(replayed(CASES[saga], facts["faults"]).events, [facts["rule"]])


@pytest.mark.parametrize(("saga", "facts"), noticed("calm run"))
def test_what_a_calm_run_notices_it_notices(saga, facts):
    made = MUTANTS[saga][name_of(facts)].case
    assert calm_difference(made, CASES[saga], customers=2) is not None
    assert calm_difference(CASES[saga], CASES[saga], customers=2) is None


def test_who_asks_nobody_charges_twice_where_the_provider_remembers_no_keys():
    """The reason why nothing notices it in the shop, whose provider does."""
    made = MUTANTS["purchase"]["ask-nobody@policy"].case
    forgetful = {"services": {"payment": "none"}}
    faults = [["charge_payment:timeout_after@1"]]
    assert "money-conserved" in replayed(msgspec.structs.replace(made, **forgetful), faults).rules
    assert replayed(msgspec.structs.replace(CASES["purchase"], **forgetful), faults).findings == ()


def test_the_page_of_the_mutants_is_what_its_script_writes():
    spec = importlib.util.spec_from_file_location("make_mutants", DOCS / "make_mutants.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert (DOCS / "mutants.md").read_text(encoding="utf-8") == script.page(LOOKED_AT)


def test_a_mutant_of_a_mutant_can_be_made():
    first = MUTANTS["purchase"]["drop-probe@charge_payment"].case
    second = mutant(OPERATORS["drop-revert"], first, "charge_payment")
    made = second.case.sagas[0].operations["charge_payment"]
    assert made.probe is None
    assert made.revert is None
