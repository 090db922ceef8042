"""The payment gateway: what becomes of a key that was seen before, and of authorizations and refunds."""

from collections.abc import Callable

import msgspec
import pytest
from drivers.runs import PRICE_MINOR, START_US, Shop, began, errors, purchased, shop

from marketsim.market import gateway
from marketsim.market.ledger import AUTHORIZED, MERCHANT, customer_account
from marketsim.saga.definition import Call
from marketsim.saga.errors import Aborted, Failed, InputError, Partial, Unknown
from marketsim.saga.events import JSONObject, LedgerPosted, ServiceNoted
from marketsim.saga.fault import SETTLED

HOUR_US = 3_600_000_000
TAKEN = {"amount_minor": PRICE_MINOR, "currency": "USD"}
RULES = list(gateway.RULES)


@pytest.fixture
def market() -> Shop:
    made = shop()
    made.driver.record(began())
    return made


def call_of(
    market: Shop,
    name: str = "charge",
    rule: str = "stripe",
    fault: str = "",
    *,
    back: bool = False,
    attempt: int = 1,
) -> Call:
    services = {"payment": rule}
    key = f"tx-1:{name}"
    call = Call(
        msgspec.structs.replace(began(), services=services),
        {},
        market.world,
        market.driver.record,
        operation=name,
        compensation=f"undo_{name}" if back else "",
        attempt=attempt,
        key=f"{key}:undo_{name}" if back else key,
        action_key=key,
        fault=fault,
    )
    call.now_us = market.driver.clock.now_us
    return call


def charge(
    market: Shop, rule: str = "stripe", fault: str = "", amount_minor: int = PRICE_MINOR
) -> JSONObject:
    return gateway.charge(call_of(market, "charge", rule, fault), "user-1", amount_minor, "USD")


def refund(market: Shop, name: str = "charge", fault: str = "", *, attempt: int = 1) -> JSONObject:
    return gateway.refund(call_of(market, name, fault=fault, back=True, attempt=attempt))


def authorize(market: Shop, fault: str = "") -> JSONObject:
    return gateway.authorize(call_of(market, "authorize", fault=fault), "user-1", PRICE_MINOR, "USD")


def capture(market: Shop, fault: str = "") -> JSONObject:
    call = call_of(market, "capture", fault=fault)
    call.results = {"authorize": TAKEN}
    return gateway.capture(call, "authorize", "user-1")


def paid(market: Shop) -> int:
    return market.world.balances[MERCHANT, "USD"]


def postings(market: Shop) -> list[LedgerPosted]:
    return [event for event in market.log.events if isinstance(event, LedgerPosted) and event.transaction]


# What the provider remembers of a key, and for how long.


@pytest.mark.parametrize(("rule", "charges"), [(rule, 2 if rule == "none" else 1) for rule in RULES])
def test_the_same_request_again_is_answered_from_memory_where_there_is_one(market, rule, charges):
    assert charge(market, rule) == charge(market, rule) == TAKEN
    assert paid(market) == charges * PRICE_MINOR


@pytest.mark.parametrize("rule", ["stripe", "cache_2xx"])
def test_another_body_under_the_key_is_refused(market, rule):
    charge(market, rule)
    with pytest.raises(Failed, match="with another amount") as failed:
        charge(market, rule, amount_minor=PRICE_MINOR + 1)
    assert (failed.value.code, failed.value.retry) == ("key_reused", "never")
    assert paid(market) == PRICE_MINOR


@pytest.mark.parametrize(
    ("rule", "paid_minor"), [("lenient_30m", PRICE_MINOR), ("none", 2 * PRICE_MINOR + 1)]
)
def test_another_body_under_the_key_is_not_minded(market, rule, paid_minor):
    charge(market, rule)
    charge(market, rule, amount_minor=PRICE_MINOR + 1)
    assert paid(market) == paid_minor


@pytest.mark.parametrize(
    ("rule", "kept_us"),
    [("stripe", 24 * HOUR_US), ("cache_2xx", 24 * HOUR_US), ("lenient_30m", HOUR_US // 2)],
)
@pytest.mark.parametrize("over", [False, True], ids=["just in time", "too late"])
def test_a_key_is_forgotten_when_its_time_is_over_and_the_money_is_taken_again(market, rule, kept_us, over):
    charge(market, rule)
    assert market.driver.clock.now_us == START_US
    market.driver.clock.now_us += kept_us - 1 + over
    assert charge(market, rule) == TAKEN
    assert paid(market) == (1 + over) * PRICE_MINOR
    assert len({event.key for event in postings(market)}) == 1


def test_a_fault_may_have_the_key_forgotten_at_once(market):
    charge(market)
    charge(market, fault="key_expired")
    assert paid(market) == 2 * PRICE_MINOR


@pytest.mark.parametrize(
    ("rule", "again", "charges"),
    [
        ("stripe", "cached_error", 1),
        ("lenient_30m", "cached_error", 1),
        ("cache_2xx", "", 2),
        ("none", "", 2),
    ],
)
@pytest.mark.parametrize("fault", ["cached_error", "server_error_after"])
def test_an_error_after_the_effect_is_replayed_or_the_money_is_taken_again(
    market, fault, rule, again, charges
):
    with pytest.raises(Unknown) as told:
        charge(market, rule, fault)
    assert told.value.code == fault
    assert paid(market) == PRICE_MINOR, "it had landed"
    for _ in range(2 if again else 1):
        if again:
            with pytest.raises(Unknown) as told:
                charge(market, rule)
            assert told.value.code == again
        else:
            assert charge(market, rule) == TAKEN
    assert paid(market) == charges * PRICE_MINOR


@pytest.mark.parametrize(("rule", "charges"), [(rule, 2 if rule == "none" else 1) for rule in RULES])
def test_a_request_that_is_delivered_twice_counts_once_where_keys_count(market, rule, charges):
    assert charge(market, rule, "key_replayed") == TAKEN
    assert paid(market) == charges * PRICE_MINOR


@pytest.mark.parametrize("rule", ["stripe", "cache_2xx"])
def test_a_key_that_another_request_had_is_refused_before_anything_is_taken(market, rule):
    with pytest.raises(Failed, match="with another body"):
        charge(market, rule, "key_reused")
    assert paid(market) == 0


def test_a_lenient_provider_answers_a_key_that_another_request_had_and_takes_nothing(market):
    charge(market, "lenient_30m", "key_reused")
    assert paid(market) == 0


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "none"])
def test_a_charge_that_arrives_after_its_refund_is_refused_where_keys_count(market, rule):
    refund(market)
    with pytest.raises(Failed) as failed:
        charge(market, rule)
    assert failed.value.code == "fenced"
    assert paid(market) == 0


def test_where_keys_are_ignored_a_charge_that_arrives_after_its_refund_is_taken(market):
    refund(market)
    charge(market, "none")
    assert paid(market) == PRICE_MINOR


def test_rules_are_found_by_their_names_and_say_what_they_do():
    assert RULES == ["stripe", "cache_2xx", "lenient_30m", "none"]
    assert gateway.DEFAULT_RULE == "stripe"
    assert all(rule.sentence.endswith(".") for rule in gateway.RULES.values())
    with pytest.raises(
        InputError, match=r"no rules of a gateway are called 'strip' \(did you mean 'stripe'\?\)"
    ):
        gateway.rule_named("strip")


def test_a_new_key_for_another_attempt_takes_the_money_twice_and_the_checks_find_it():
    twice = ("charge_payment:timeout_after@1", "charge_payment:new_key@2")
    market = purchased(*twice, policy="temporal")
    assert paid(market) == 2 * PRICE_MINOR
    assert {event.key for event in postings(market) if event.operation == "charge_payment"} == {
        "tx-1:charge_payment",
        "tx-1:charge_payment#2",
    }
    assert "money-conserved" in {found.rule for found in errors(market.log.events)}
    asked = purchased(*twice)
    assert paid(asked) == PRICE_MINOR, "the probe finds the first, and there is no second"
    assert errors(asked.log.events) == []


# Authorizations: held, captured bit by bit, expired, let go.


def test_what_is_authorized_is_held_until_it_is_captured(market):
    assert authorize(market) == TAKEN
    assert (market.world.balances[AUTHORIZED, "USD"], paid(market)) == (PRICE_MINOR, 0)
    assert capture(market) == capture(market) == TAKEN
    assert (market.world.balances[AUTHORIZED, "USD"], paid(market)) == (0, PRICE_MINOR)
    assert len(postings(market)) == 2


def test_what_is_authorized_is_let_go_once(market):
    authorize(market)
    assert refund(market, "authorize") == refund(market, "authorize") == TAKEN
    assert market.world.balances[AUTHORIZED, "USD"] == 0
    assert market.world.balances[customer_account("user-1"), "USD"] == 0


def test_a_part_is_authorized_and_told_and_let_go_whole(market):
    told = {"amount_minor": PRICE_MINOR // 2, "wanted_minor": PRICE_MINOR, "currency": "USD"}
    for fault in ("partial_authorization", ""):
        with pytest.raises(Aborted) as aborted:
            authorize(market, fault)
        assert aborted.value.payload == told
    assert market.world.balances[AUTHORIZED, "USD"] == PRICE_MINOR // 2
    with pytest.raises(Failed) as partly:
        gateway.payment_status(call_of(market, "authorize"), PRICE_MINOR)
    assert partly.value.code == "partly_done"
    assert refund(market, "authorize") == {"amount_minor": PRICE_MINOR // 2, "currency": "USD"}
    assert market.world.balances[AUTHORIZED, "USD"] == 0


def test_what_is_captured_in_part_is_captured_whole_by_the_next_attempt_under_a_key_of_its_own(market):
    authorize(market)
    with pytest.raises(Unknown, match="were captured") as part:
        capture(market, "partial_capture")
    assert part.value.code == "partial_capture"
    assert paid(market) == PRICE_MINOR // 2
    assert capture(market) == TAKEN
    assert paid(market) == PRICE_MINOR
    assert [event.key for event in postings(market)] == ["tx-1:authorize", "tx-1:capture", "tx-1:capture#2"]
    assert gateway.payment_status(call_of(market, "capture"), PRICE_MINOR) == TAKEN


def test_what_was_authorized_too_long_ago_is_let_go_unasked_and_cannot_be_captured(market):
    authorize(market)
    with pytest.raises(Failed) as failed:
        capture(market, "authorization_expired")
    assert (failed.value.code, failed.value.retry) == ("authorization_expired", "never")
    back = postings(market)[-1]
    assert (back.operation, back.unasked, back.compensation, back.reason) == (
        "authorize",
        True,
        "",
        "expired",
    )
    assert (market.world.balances[AUTHORIZED, "USD"], paid(market)) == (0, 0)
    assert refund(market, "authorize")["amount_minor"] == 0, "there is nothing left to let go"


# Payments that are pending, and refunds that are.


def test_a_pending_payment_is_no_answer_until_it_settles(market):
    asked: list[Callable[[], object]] = [
        lambda: charge(market, fault="late_success"),
        lambda: charge(market),
        lambda: gateway.payment_status(call_of(market), PRICE_MINOR),
    ]
    for ask in asked:
        with pytest.raises(Unknown, match=r"pending|has not settled yet"):
            ask()
    assert paid(market) == 0
    charge(market, fault=SETTLED)
    assert paid(market) == PRICE_MINOR
    assert gateway.payment_status(call_of(market), PRICE_MINOR) == TAKEN
    assert charge(market, fault=SETTLED) == charge(market) == TAKEN
    assert paid(market) == PRICE_MINOR


def test_a_pending_payment_settles_though_it_was_refunded_and_is_refunded_then(market):
    with pytest.raises(Unknown):
        charge(market, fault="late_success")
    assert refund(market) == {"amount_minor": 0, "currency": "USD", "awaits_us": gateway.PENDING_MAX_US}
    charge(market, fault=SETTLED)
    assert paid(market) == PRICE_MINOR, "no fence keeps back what the bank has begun"
    assert refund(market) == TAKEN
    assert paid(market) == 0
    notes = [event.note for event in market.log.events if isinstance(event, ServiceNoted)]
    assert notes == ["pending", "settled"]


def test_a_late_payment_is_refunded_within_the_same_transaction():
    market = purchased("payment:late_success")
    assert market.types[-1] == "transaction.compensated"
    assert "operation.late" in market.types
    assert paid(market) == 0
    assert errors(market.log.events) == []


def test_a_refund_is_pending_and_then_fails(market):
    charge(market)
    with pytest.raises(Unknown, match="pending"):
        refund(market, fault="refund_pending_then_failed")
    with pytest.raises(Failed) as failed:
        refund(market, fault="refund_pending_then_failed", attempt=2)
    assert failed.value.code == "refund_failed"
    assert paid(market) == PRICE_MINOR


def test_a_half_is_refunded_and_the_rest_goes_under_a_key_of_its_own(market):
    charge(market)
    with pytest.raises(Partial) as partial:
        refund(market, fault="refund_partial")
    half = {"amount_minor": PRICE_MINOR // 2, "currency": "USD"}
    assert (partial.value.result, partial.value.remains) == (half, half)
    assert refund(market) == half
    assert paid(market) == 0
    assert [event.key for event in postings(market)] == [
        "tx-1:charge",
        "tx-1:charge:undo_charge",
        "tx-1:charge:undo_charge#2",
    ]


@pytest.mark.parametrize("fault", ["refund_double", "delivered_twice"])
def test_a_refund_that_is_delivered_twice_is_made_once(market, fault):
    charge(market)
    assert refund(market, fault=fault) == TAKEN
    assert paid(market) == 0
