"""Every fault at every place: under the default rules the books balance, or a person is told what is left."""

from collections import Counter

import pytest
from drivers.matrix import (
    CELLS,
    DOCS,
    REQUESTS,
    VERDICTS,
    Cell,
    Made,
    charges_standing,
    ends_of,
    make,
    page,
    runs_of,
    verdict_of,
)

from marketsim.audit.letters import DeadLetter, dead_letters
from marketsim.market.gateway import RULES
from marketsim.market.sagas import SAGAS
from marketsim.saga.events import TransactionStuck
from marketsim.saga.faults import places
from marketsim.saga.policies import POLICIES
from marketsim.saga.taxonomy import FAULTS

OTHERS = [name for name in POLICIES if name != "default"]

BROKEN = {
    "none": 339,
    "orra": 72,
    "temporal": 21,
    "temporal-parallel": 21,
    "saga-py": 439,
    "camunda": 548,
    "agent-saga": 72,
}
"""How many cells break the books under the rules of others."""

REPORTED = [
    ("none", "charge_payment:card_declined", "stock-conserved"),
    ("orra", "charge_payment:timeout_after", "money-conserved"),
    ("agent-saga", "charge_payment:timeout_after", "money-conserved"),
    ("orra", "reserve_stock:timeout_after", "stock-conserved"),
    ("orra", "place_order:timeout_after", "one-order"),
    ("orra", "capture_payment:crash_after_effect", "money-conserved"),
    ("temporal", "release_stock:wrong_amount", "stock-conserved"),
    ("temporal", "refund_payment:wrong_amount", "money-conserved"),
    ("temporal", "release_stock:did_nothing", "belief-is-truth"),
    ("temporal", "charge_payment:late_success", "lifecycle"),
    ("agent-saga", "charge_payment:hanging", "lifecycle"),
    ("saga-py", "charge_payment:error", "revert-without-cause"),
    ("camunda", "place_order:error", "reverts-in-order"),
]
"""What people who run sagas report, as far as one fault is enough to show it."""


def struck_by(fault: str) -> list[Cell]:
    return [cell for cell in CELLS if cell.fault == fault]


def worst(policy: str) -> Counter[str]:
    """How many cells are as bad as this, by the worst of their runs."""
    return Counter(
        min((run.verdict for run in runs), key=VERDICTS.index) for runs in ends_of(policy).values()
    )


def standing(made: Made, operation: str) -> dict[tuple[str, str], int]:
    """What the world holds of an operation, unless another one moved it on; a dead letter calls it left."""
    lines = [line for line in made.world.standing("tx-1", operation) if line.amount > 0]
    places = {(line.account, line.unit): line.amount for line in lines}
    return {place: amount for place, amount in places.items() if made.world.held("tx-1", *place)}


def named(letter: DeadLetter) -> dict[tuple[str, str], int]:
    return {(left.account, left.unit): left.amount for left in letter.left}


def test_there_is_a_cell_for_each_fault_at_each_place_where_it_can_happen():
    assert len(CELLS) == len(set(CELLS)) > 700
    assert {cell.fault for cell in CELLS} == set(FAULTS)
    for fault in FAULTS.values():
        found = {cell.place for cell in struck_by(fault.name) if cell.saga == "purchase"}
        assert found == set(places(fault, SAGAS["purchase"]))
    assert {cell.role for cell in CELLS} == {"action", "revert", "probe"}


@pytest.mark.parametrize("fault", FAULTS)
def test_under_the_default_rules_the_books_balance_or_a_person_is_told_what_is_left(fault):
    for cell in struck_by(fault):
        for faults in runs_of(cell):
            made = make(cell, faults, "default")
            assert made.struck, faults
            verdict, end, broken = verdict_of(made)
            assert broken == (), faults
            assert verdict in ("balanced", "dead letter"), faults
            assert end in ("committed", "compensated", "stuck"), faults
            letters = dead_letters(made.events)
            assert bool(letters) == (verdict == "dead letter"), faults
            for letter in letters:
                assert (letter.state, named(letter)) == ("open", standing(made, letter.operation)), faults
                assert letter.code, faults
                assert letter.request == REQUESTS[cell.saga], faults


def test_what_no_dead_letter_names_was_given_back_to_the_last_unit():
    for cell, runs in ends_of("default").items():
        for run in runs:
            if run.verdict == "dead letter":
                made = make(cell, list(run.faults), "default")
                letters = {letter.operation: letter for letter in dead_letters(made.events)}
                operations = {event.operation for event in made.events if getattr(event, "operation", "")}
                left = {name for name in operations if standing(made, name)}
                assert left <= letters.keys(), run.faults
                stuck = [event for event in made.events if isinstance(event, TransactionStuck)]
                assert [event.dead_letters for event in stuck] == [list(letters)], run.faults


@pytest.mark.parametrize("policy", OTHERS)
def test_the_cells_that_break_the_books_under_the_rules_of_others_are_counted(policy):
    counts = worst(policy)
    assert counts["broken"] == BROKEN[policy]
    assert sum(counts.values()) == len(CELLS)


@pytest.mark.parametrize(("policy", "fault", "check"), REPORTED)
def test_what_people_report_is_among_the_cells_that_are_broken(policy, fault, check):
    found = [
        run
        for cell, runs in ends_of(policy).items()
        for run in runs
        if f"{cell.family}:{cell.fault}" == fault and check in run.broken
    ]
    assert found
    assert {run.verdict for run in found} == {"broken"}


@pytest.mark.parametrize("rule", RULES)
def test_a_charge_whose_answer_was_lost_never_stands_twice_under_the_default_rules(rule):
    assert charges_standing(rule, "default") in (0, 1)


def test_a_provider_that_ignores_keys_charges_twice_where_nobody_asks_first():
    assert {charges_standing("none", policy) for policy in OTHERS} == {2}


def test_the_page_of_the_faults_is_what_its_script_writes():
    written = (DOCS / "faults.md").read_text(encoding="utf-8")
    assert written == page()
    assert f"There are {len(CELLS)} of them" in written
    assert written.count("\n") < 700
