"""The driver of turns: who moved last goes on, unless the tape has another one come first."""

from drivers.runs import began, errors, opening

from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock, parse_time
from marketsim.drivers.turns import STEP_US, TurnDriver, Turns
from marketsim.market.sagas import saga_of
from marketsim.market.world import World
from marketsim.saga.events import Event, OperationLate
from marketsim.saga.faults import FaultPlan, parse_fault
from marketsim.saga.policies import policy_of
from marketsim.saga.tape import Tape

START_US = 1_700_000_000_000_000


def ran(*faults: list[str], choices: dict[str, int] | None = None, units: int = 5) -> list[Event]:
    """Purchases that may all begin at once, one for each list of faults; what happened."""
    log, world, tape = MemoryLog(), World(), Tape(None, choices)
    driver = TurnDriver(log, world, Clock(START_US))
    driver.turns = Turns(tape)
    for event in opening(units):
        driver.record(event)
    for number, texts in enumerate(faults, 1):
        request = began(*texts, number=number)
        plan = FaultPlan(parse_fault(text, saga_of(request)) for text in texts)
        driver.begin(saga_of(request), policy_of(request), tape, request, plan)
    driver.run()
    return log.events


def order(events: list[Event]) -> list[str]:
    """Whose events they are, each stretch of one of them once."""
    names = [event.transaction for event in events if getattr(event, "transaction", "")]
    return [name for at, name in enumerate(names) if not at or names[at - 1] != name]


def test_who_has_begun_goes_on_to_the_end_though_others_may_begin():
    assert order(ran([], [])) == ["tx-1", "tx-2"]


def test_a_pause_gives_nobody_a_turn_who_has_not_begun():
    assert order(ran(["check_availability:error@1"], [])) == ["tx-1", "tx-2"]


def test_the_tape_has_another_one_come_first_while_a_call_might_still_be_under_way():
    events = ran([], [], choices={"tx-1/reserve_stock@1/turn": 1})
    assert order(events) == ["tx-1", "tx-2", "tx-1"]


def test_a_point_that_comes_again_has_a_number():
    events = ran([], [], [], choices={"tx-1/turn": 1, "tx-1/turn#2": 1})
    assert order(events) == ["tx-2", "tx-3", "tx-1"]


def test_the_order_decides_who_gets_the_last_unit():
    first, second = (
        ran([], [], choices=choices, units=1) for choices in ({}, {"tx-1/check_availability@1/turn": 1})
    )
    bought = [[e.transaction for e in each if e.type == "order.placed"] for each in (first, second)]
    assert bought == [["tx-1"], ["tx-2"]]
    assert errors(first) == errors(second) == []


def test_what_a_service_says_late_comes_after_what_it_answered():
    events = ran(["charge_payment:webhook_reordered@1"], choices={"tx-1/charge_payment@1/turn": 1})
    outcomes = [e for e in events if getattr(e, "operation", "") == "charge_payment"]
    assert [type(e) for e in outcomes if isinstance(e, OperationLate)] == [OperationLate]
    assert outcomes.index(next(e for e in outcomes if isinstance(e, OperationLate))) == len(outcomes) - 1


def test_a_service_that_tells_twice_says_what_it_said():
    events = ran(["reserve_stock:reservation_expired@1", "place_order:webhook_duplicate@1"])
    (late,) = [event for event in events if isinstance(event, OperationLate)]
    assert (late.operation, late.outcome, late.code) == ("place_order", "failed", "reservation_expired")


def test_every_call_takes_one_step_and_one_without_an_answer_its_time_limit():
    def took_us(events: list[Event]) -> int:
        return parse_time(events[-1].time) - START_US

    # Of six calls two are made at once.
    assert took_us(ran([])) == 5 * STEP_US
    waited_us = took_us(ran(["notify_customer:timeout_before@1"])) - took_us(ran(["notify_customer:error@1"]))
    assert waited_us == saga_of(began()).operations["notify_customer"].time_limit_us - STEP_US
