"""Faults: how they are written, what is refused, and when a rule strikes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saga.strangers import Trip

from marketsim.market.purchase import purchase
from marketsim.market.sagas import saga_for
from marketsim.saga.definition import Role
from marketsim.saga.errors import InputError
from marketsim.saga.events import FaultInjected
from marketsim.saga.faults import FAULTS, FaultPlan, FaultRule, explains, fits, parse_fault, places
from marketsim.saga.tape import MILLION, Tape


def can_be_put(target: str, fault: str) -> bool:
    try:
        parse_fault(f"{target}:{fault}", purchase)
    except InputError:
        return False
    return True


FITTING = [(target, name) for target in purchase.targets() for name in FAULTS if can_be_put(target, name)]

rules = st.builds(
    lambda pair, span, ppm: FaultRule(pair[0], FAULTS[pair[1]], *span, ppm),
    st.sampled_from(FITTING),
    st.tuples(st.integers(1, 999_999), st.integers(0, 999_999)).map(
        lambda span: (span[0], span[1] and max(span))
    ),
    st.integers(0, MILLION),
)


@given(rules)
def test_a_rule_is_written_as_it_is_read(rule):
    assert parse_fault(str(rule), purchase) == rule


@pytest.mark.parametrize(
    ("text", "first", "last", "ppm"),
    [
        ("payment:error", 1, 0, MILLION),
        ("payment:error@*", 1, 0, MILLION),
        ("payment:error@1", 1, 1, MILLION),
        ("payment:error@2-", 2, 0, MILLION),
        ("payment:error@1-3", 1, 3, MILLION),
        ("payment:error%20", 1, 0, 200_000),
        ("payment:error%0.5", 1, 0, 5_000),
        ("payment:error%0.0001", 1, 0, 1),
        ("payment:error%100", 1, 0, MILLION),
        ("payment:error@2%0", 2, 2, 0),
    ],
)
def test_attempts_and_probability_are_read(text, first, last, ppm):
    rule = parse_fault(text, purchase)
    assert (rule.attempt_first, rule.attempt_last, rule.probability_ppm) == (first, last, ppm)


@pytest.mark.parametrize(
    ("text", "what", "todo"),
    [
        ("", "'' is not a fault", "write TARGET:FAULT"),
        ("payment", "'payment' is not a fault", "write TARGET:FAULT"),
        (":error", "':error' is not a fault", "write TARGET:FAULT"),
        ("payment:", "'payment:' is not a fault", "write TARGET:FAULT"),
        ("paymnt:error", "the saga purchase has no 'paymnt'", "did you mean 'payment'?"),
        ("realease_stock:error", "has no 'realease_stock'", "did you mean 'release_stock'?"),
        ("payment:card_decline", "no fault is called 'card_decline'", "did you mean 'card_declined'?"),
        ("payment:@1", "no fault is called ''", "known: "),
        ("payment:error@", "attempts of", "write @1, @1-3, @2- or @*"),
        ("payment:error@0", "count from 1 up", "write @1, @1-3, @2- or @*"),
        ("payment:error@3-2", "count from 1 up", "write @1"),
        ("payment:error@-3", "attempts of", "write @1"),
        ("payment:error@1-2-3", "attempts of", "write @1"),
        ("payment:error@x", "attempts of", "write @1"),
        ("payment:error@٣", "attempts of", "write @1"),
        ("payment:error@9999999", "attempts of", "write @1"),
        ("payment:error%", "probability of", "write a percentage"),
        ("payment:error%x", "probability of", "write a percentage"),
        ("payment:error%-1", "probability of", "write a percentage"),
        ("payment:error%.5", "probability of", "write a percentage"),
        ("payment:error%٣", "probability of", "write a percentage"),
        ("payment:error%1e1", "probability of", "write a percentage"),
        ("payment:error%0.00001", "probability of", "write a percentage"),
        ("payment:error%101", "above 100 percent", ""),
        ("payment:error%20@1", "probability of", "write a percentage"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_remedy(text, what, todo):
    with pytest.raises(InputError) as refused:
        parse_fault(text, purchase, where="run.yaml:7")
    assert what in refused.value.what
    assert refused.value.todo.startswith(todo)
    assert refused.value.where == "run.yaml:7"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("refund_payment:card_declined", "card_declined strikes operations; refund_payment is a revert"),
        (
            "reserve_stock:card_declined",
            "card_declined happens at payment; reserve_stock belongs to inventory",
        ),
        ("orders:card_declined", "card_declined happens at payment; place_order belongs to orders"),
        ("payment:out_of_stock", "out_of_stock happens at inventory; charge_payment belongs to payment"),
        ("release_stock:out_of_stock", "out_of_stock strikes operations; release_stock is a revert"),
        ("delivery:bounced", "bounced happens at notifications; estimate_delivery belongs to delivery"),
        ("charge_payment:did_nothing", "did_nothing strikes reverts; charge_payment is none"),
        ("payment:did_nothing", "did_nothing strikes reverts; charge_payment is none"),
    ],
)
def test_a_fault_that_cannot_happen_there_is_refused(text, what):
    with pytest.raises(InputError) as refused:
        parse_fault(text, purchase)
    assert refused.value.what == what


def test_a_strangers_service_can_fail_in_every_way_an_operation_can():
    saga = Trip().book("flight").saga
    for name, fault in FAULTS.items():
        if fault.on != "revert":
            assert parse_fault(f"flight desk:{name}", saga).fault is fault


def plan(*texts: str) -> FaultPlan:
    return FaultPlan(parse_fault(text, purchase) for text in texts)


def strikes(
    faults: FaultPlan, name: str, attempts: range, *, role: Role = "action", seed: int = 1
) -> list[str]:
    operation = purchase.operations[name]
    found = [faults.strike("tx-1", operation, role, attempt, Tape(seed)) for attempt in attempts]
    return [fault.name if fault else "" for fault in found]


def test_a_rule_strikes_the_attempts_that_it_names():
    assert strikes(plan("payment:error@2-3"), "charge_payment", range(1, 5)) == ["", "error", "error", ""]
    assert strikes(plan("payment:error@3-"), "charge_payment", range(2, 5)) == ["", "error", "error"]


def test_a_service_stands_for_its_operations_and_not_for_its_reverts():
    faults = plan("payment:error")
    assert strikes(faults, "charge_payment", range(1, 2)) == ["error"]
    assert strikes(faults, "charge_payment", range(1, 2), role="revert") == [""]
    assert strikes(faults, "place_order", range(1, 2)) == [""]


def test_a_revert_is_struck_by_its_own_name():
    faults = plan("refund_payment:error")
    assert strikes(faults, "charge_payment", range(1, 2), role="revert") == ["error"]
    assert strikes(faults, "charge_payment", range(1, 2)) == [""]


@pytest.mark.parametrize(
    ("text", "event", "yes"),
    [
        ("charge_payment:error", {}, True),
        ("payment:error@1", {}, True),
        ("payment:error@2", {}, False),
        ("payment:gateway_down", {}, False),
        ("refund_payment:error", {}, False),
        ("refund_payment:error", {"compensation": "refund_payment"}, True),
        ("charge_payment:error", {"compensation": "refund_payment"}, False),
        ("find_payment:error", {"probe": "find_payment"}, True),
        ("charge_payment:error", {"probe": "find_payment"}, False),
    ],
)
def test_a_rule_explains_what_it_struck_and_nothing_else(text, event, yes):
    struck = FaultInjected(transaction="tx-1", operation="charge_payment", attempt=1, fault="error", **event)
    assert explains(parse_fault(text, purchase), struck, purchase) == yes


def test_the_first_rule_that_happens_strikes():
    faults = plan("payment:error%0", "payment:gateway_down@1", "payment:card_declined")
    assert strikes(faults, "charge_payment", range(1, 3)) == ["gateway_down", "card_declined"]


def test_a_chance_strikes_as_often_as_it_says():
    faults, operation, tape = plan("payment:error%30"), purchase.operations["charge_payment"], Tape(1)
    struck = sum(faults.strike(f"tx-{n}", operation, "action", 1, tape) is not None for n in range(5000))
    assert 1350 < struck < 1650


def test_a_probe_is_struck_by_its_own_name():
    faults = plan("find_payment:timeout_before@2")
    assert strikes(faults, "charge_payment", range(1, 4), role="probe") == ["", "timeout_before", ""]
    for role in ("action", "revert"):
        assert strikes(faults, "charge_payment", range(1, 4), role=role) == [""] * 3
    assert strikes(plan("payment:error"), "charge_payment", range(1, 2), role="probe") == [""]


CHECKOUT = saga_for("checkout", {"cart": [{"product": name, "quantity": 1} for name in ("desk", "lamp")]})


def struck_in_the_cart(target: str) -> list[str]:
    """The operations, reverts and probes of a cart of two that a fault put there strikes."""
    rule = parse_fault(f"{target}:error", CHECKOUT)
    roles: tuple[Role, ...] = ("action", "revert", "probe")
    every = [(each, role) for each in CHECKOUT.operations.values() for role in roles]
    return [each.point(role) for each, role in every if each.point(role) and rule.covers(each, role, 1)]


@pytest.mark.parametrize(
    ("target", "struck"),
    [
        ("reserve_stock", ["reserve_stock.desk", "reserve_stock.lamp"]),
        ("reserve_stock.lamp", ["reserve_stock.lamp"]),
        ("release_stock", ["release_stock.desk", "release_stock.lamp"]),
        ("release_stock.desk", ["release_stock.desk"]),
        ("find_reservation", ["find_reservation.desk", "find_reservation.lamp"]),
        ("find_reservation.lamp", ["find_reservation.lamp"]),
        ("inventory", ["check_cart", "reserve_stock.desk", "reserve_stock.lamp"]),
        ("payment", ["authorize_payment", "capture_payment"]),
    ],
)
def test_a_family_stands_for_all_its_members_and_a_member_for_itself(target, struck):
    assert struck_in_the_cart(target) == struck


def test_a_member_that_the_cart_does_not_have_is_no_target():
    with pytest.raises(InputError, match=r"no 'reserve_stock\.lmp'") as refused:
        parse_fault("reserve_stock.lmp:error", CHECKOUT)
    assert refused.value.todo == "did you mean 'reserve_stock.lamp'?"


@pytest.mark.parametrize("saga", [purchase, CHECKOUT], ids=["purchase", "checkout"])
@pytest.mark.parametrize("name", FAULTS)
def test_where_a_fault_fits_is_where_it_can_be_put(saga, name):
    fault, roles = FAULTS[name], ("action", "revert", "probe")
    fitting = places(fault, saga)
    for operation in saga.operations.values():
        for role in roles:
            point = operation.point(role)
            if not point:
                continue
            why = fits(fault, operation, role)
            assert (point in fitting) == (why == "")
            if why:
                with pytest.raises(InputError) as refused:
                    parse_fault(f"{point}:{name}", saga)
                assert refused.value.what == why
                assert refused.value.todo == f"see where it can: marketsim faults show {name}"
            else:
                assert parse_fault(f"{point}:{name}", saga).fault is fault


def test_every_fault_can_happen_somewhere():
    assert [
        name for name, fault in FAULTS.items() if not places(fault, purchase) + places(fault, CHECKOUT)
    ] == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_probe_never_lands_anything_kills_nobody_and_stops_nothing(name):
    fault, operation = FAULTS[name], purchase.operations["charge_payment"]
    if fault.outcome == "crash" or fault.stops or fault.on != "both":
        assert "only asks" in fits(fault, operation, "probe")


def test_every_fault_says_in_a_sentence_what_it_does():
    for fault in FAULTS.values():
        assert fault.sentence.endswith(".")
        assert fault.group
