"""What each policy leaves behind, found by the checks; the default leaves nothing."""

import msgspec
import pytest
from saga.strangers import Trip

from marketsim.audit.checks import examine
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.recovery import fault_plan
from marketsim.drivers.virtual import Driver
from marketsim.market.catalog import Catalog
from marketsim.market.directory import opening_events
from marketsim.market.purchase import purchase
from marketsim.market.world import World
from marketsim.saga.definition import SECOND_US, Policy, Retry
from marketsim.saga.errors import InputError, Unknown
from marketsim.saga.events import CompensationStarted, Event, OperationStarted, TransactionBegan
from marketsim.saga.policies import NOT_RULES, POLICIES, policy_named, policy_of, policy_with
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


DEFAULT = POLICIES["default"]


def test_a_policy_without_rules_of_its_own_is_the_one_it_is_named_after() -> None:
    assert policy_with(DEFAULT, {}) is DEFAULT
    began = TransactionBegan(transaction="tx-1", saga="purchase", policy="orra", request={}, seed=0)
    assert policy_of(began) is POLICIES["orra"]


def test_a_policy_differs_from_another_in_the_rules_that_are_said_and_in_no_other() -> None:
    made = policy_with(DEFAULT, {"probe": False, "order": "oldest_first"})
    assert (made.probe, made.order) == (False, "oldest_first")
    assert msgspec.structs.replace(made, probe=True, order="newest_first") == DEFAULT


def test_of_a_retry_the_rest_stays_as_it_was() -> None:
    made = policy_with(DEFAULT, {"retry": {"attempts_max": 2}})
    assert made.retry == msgspec.structs.replace(DEFAULT.retry, attempts_max=2)


def test_a_transaction_has_the_rules_that_it_began_with() -> None:
    rules = {"new_keys": True, "retry": {"delay_us": SECOND_US}}
    began = TransactionBegan(
        transaction="tx-1", saga="purchase", policy="temporal", request={}, seed=0, rules=rules
    )
    made = policy_of(began)
    assert (made.new_keys, made.retry.delay_us, made.halt_on_stuck) == (True, SECOND_US, True)


@pytest.mark.parametrize(
    ("rules", "what", "todo"),
    [
        ({"prob": False}, "no rule of a policy is called 'prob'", "did you mean 'probe'?"),
        ({"name": "mine"}, "no rule of a policy is called 'name'", ""),
        ({"sentence": "Mine."}, "no rule of a policy is called 'sentence'", ""),
        ({"costs": []}, "no rule of a policy is called 'costs'", ""),
        ({"": 1}, "no rule of a policy is called ''", ""),
        ({"probe": 1}, "Expected `bool`, got `int` - at `$.probe`", "see: marketsim policies show default"),
        ({"probe": "yes"}, "Expected `bool`, got `str` - at `$.probe`", "see: "),
        ({"order": "random"}, "Invalid enum value 'random' - at `$.order`", "see: "),
        ({"expiry": None}, "at `$.expiry`", "see: "),
        ({"retry": 3}, "at `$.retry`", "see: "),
        ({"retry": {"attempts_max": 0}}, "Expected `int` >= 1 - at `$.retry.attempts_max`", "see: "),
        ({"retry": {"attempts_max": 1001}}, "<= 1000 - at `$.retry.attempts_max`", "see: "),
        ({"retry": {"attempts_max": "5"}}, "Expected `int`, got `str`", "see: "),
        ({"retry": {"delay_us": -1}}, ">= 0 - at `$.retry.delay_us`", "see: "),
        ({"retry": {"delay_us": 10**15}}, "at `$.retry.delay_us`", "see: "),
        ({"retry": {"jitter_percent": 101}}, "<= 100 - at `$.retry.jitter_percent`", "see: "),
        ({"retry": {"elapsed_max_us": 1.5}}, "at `$.retry.elapsed_max_us`", "see: "),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place_and_the_remedy(
    rules: dict[str, object], what: str, todo: str
) -> None:
    with pytest.raises(InputError) as refused:
        policy_with(DEFAULT, rules)
    assert what in refused.value.what
    assert refused.value.todo.startswith(todo)


def test_a_pause_that_is_misspelt_is_refused() -> None:
    with pytest.raises(InputError, match="no rule of a retry is called 'atempts_max'") as refused:
        policy_with(DEFAULT, {"retry": {"atempts_max": 2}})
    assert refused.value.todo == "did you mean 'attempts_max'?"


@pytest.mark.parametrize("rule", [name for name in Policy.__struct_fields__ if name not in NOT_RULES])
def test_every_rule_can_be_said(rule: str) -> None:
    value = msgspec.to_builtins(DEFAULT)[rule]
    assert policy_with(DEFAULT, {rule: value}) == DEFAULT


def test_only_the_default_asks_and_waits() -> None:
    for name, policy in POLICIES.items():
        assert {policy.probe, policy.verify, policy.await_late} == {name == "default"}
        assert policy.shielded
    assert [name for name, each in POLICIES.items() if each.expiry == "from_attempt"] == ["orra"]
    assert policy_named("default") is DEFAULT


def test_a_policy_of_new_keys_sends_each_attempt_under_its_own() -> None:
    fresh = policy_with(POLICIES["temporal"], {"new_keys": True})
    trip = Trip(flight=[Unknown("timeout"), Unknown("timeout"), {}]).book("flight", retry=Retry())
    started = [event for event in trip.run(policy=fresh) if isinstance(event, OperationStarted)]
    assert [event.key for event in started] == ["tx-1:flight", "tx-1:flight#2", "tx-1:flight#3"]
