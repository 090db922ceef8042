"""What each policy leaves behind, found by the checks; the default leaves nothing."""

import pytest

from marketsim.audit.checks import examine
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import fault_plan
from marketsim.drivers.virtual import Driver
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.purchase import purchase
from marketsim.market.world import World
from marketsim.saga.events import CompensationStarted, Event, TransactionBegan
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape

CATALOG = Catalog(
    [{"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 5}], [{"id": "user-1", "name": "Ada"}]
)


def run(policy: str, *faults: str) -> list[Event]:
    log, world = MemoryLog(), World()
    driver = Driver(log, world, Clock(0))
    for event in opening_events("market", CATALOG, "USD"):
        driver.record(event)
    request = {"product": "laptop-1", "customer": "user-1", "quantity": 1}
    began = TransactionBegan(
        transaction="tx-1", saga="purchase", policy=policy, request=request, seed=0, faults=list(faults)
    )
    driver.begin(purchase, POLICIES[policy], Tape(0), began, fault_plan(began, purchase))
    driver.run()
    return log.events


def broken(events: list[Event]) -> set[str]:
    return {finding.rule for finding in examine(events) if finding.severity == "error"}


@pytest.mark.parametrize(
    ("policy", "fault", "rules"),
    [
        ("none", "payment:card_declined", {"stock-conserved"}),
        ("orra", "payment:timeout_after", {"money-conserved", "reverted-once"}),
        ("agent-saga", "payment:timeout_after", {"money-conserved", "reverted-once"}),
        ("saga-py", "place_order:error", {"revert-without-cause"}),
        ("camunda", "place_order:error", {"reverts-in-order"}),
    ],
)
def test_the_checks_find_what_a_policy_costs_and_nothing_under_the_default(
    policy: str, fault: str, rules: set[str]
) -> None:
    assert broken(run(policy, fault)) == rules
    assert broken(run("default", fault)) == set()


def test_under_no_order_a_release_that_comes_before_its_cancellation_is_stuck() -> None:
    assert run("camunda", "place_order:timeout_after")[-1].type == "transaction.stuck"
    assert run("default", "place_order:timeout_after")[-1].type == "transaction.committed"
    unseen = ("place_order:timeout_after", "find_order:timeout_before")
    assert run("default", *unseen)[-1].type == "transaction.compensated"
    assert run("saga-py", "place_order:timeout_after")[-1].type == "transaction.compensated"


@pytest.mark.parametrize(("policy", "skipped"), [("temporal", 1), ("agent-saga", 1), ("default", 0)])
def test_a_policy_that_halts_skips_the_reverts_behind_a_stuck_one(policy: str, skipped: int) -> None:
    types = [event.type for event in run(policy, "place_order:error", "refund_payment:error")]
    assert types.count("compensation.skipped") == skipped
    assert types[-1] == "transaction.stuck"


def test_at_once_all_reverts_begin_before_the_first_is_answered() -> None:
    events = run("temporal-parallel", "place_order:error")
    begun = [event for event in events if isinstance(event, CompensationStarted)]
    assert [event.operation for event in begun] == ["charge_payment", "reserve_stock"]
    assert begun[0].time == begun[1].time
    assert broken(events) == set()


@pytest.mark.parametrize(("policy", "attempts"), [("default", 5), ("orra", 10), ("agent-saga", 3)])
def test_a_revert_is_tried_as_often_as_the_policy_says(policy: str, attempts: int) -> None:
    events = run(policy, "place_order:error", "refund_payment:error")
    tried = [event for event in events if isinstance(event, CompensationStarted)]
    assert sum(event.operation == "charge_payment" for event in tried) == attempts


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_says_what_it_does_and_all_but_the_default_what_it_costs(policy: str) -> None:
    assert POLICIES[policy].sentence.endswith(".")
    assert bool(POLICIES[policy].costs) == (policy != "default")
