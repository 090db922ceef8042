"""The conditions of the day: what strikes at which moment, and how long calls take then."""

import pytest
from simulate.shops import shop, simulation

from marketsim.audit.checks import examine
from marketsim.audit.findings import ERROR
from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.market.directory import opening_events
from marketsim.market.purchase import purchase
from marketsim.market.sagas import saga_for
from marketsim.market.world import World
from marketsim.saga.events import ENDS, FaultInjected, OperationUnknown, TransactionBegan
from marketsim.saga.faults import FaultPlan, parse_fault
from marketsim.saga.policies import policy_named
from marketsim.saga.tape import Tape
from marketsim.saga.taxonomy import FAULTS
from marketsim.simulate.conditions import Conditions, SimulatedDriver, is_sick

SECOND_US = 1_000_000
CHARGE = purchase.operations["charge_payment"]
RESERVE = purchase.operations["reserve_stock"]


class Day:
    """Conditions, and a clock that stands so many seconds after the start."""

    def __init__(self, **workload):
        made = simulation({"arrivals": {"steady": 1}, "purchases": 1, **workload})
        self.clock = Clock(made.start_us)
        self.start_us = made.start_us
        self.conditions = Conditions(made, self.clock)

    def call(self, second, operation=CHARGE, role="action", attempt=1, seed=1, transaction="tx-1"):
        """What strikes a call at this second, by name, and how many seconds it takes."""
        self.clock.now_us = self.start_us + round(second * SECOND_US)
        struck = self.conditions.strike(transaction, operation, role, attempt, Tape(seed))
        return struck.name if struck else "", self.conditions.took_us / SECOND_US


def test_on_a_fine_day_nothing_strikes_and_calls_take_what_the_operation_says():
    fault, took = Day().call(0)
    assert fault == ""
    assert 0.08 <= took <= 0.4


def test_a_latency_belongs_to_the_nearest_name():
    day = Day(latency={"payment": "1s", "charge_payment": "2s", "find_payment": "3s"})
    assert day.call(0) == ("", 2)
    assert day.call(0, role="probe") == ("", 3)
    assert day.call(0, role="revert") == ("", 1)
    assert day.call(0, RESERVE)[1] < 0.1


def test_an_outage_strikes_every_call_from_its_beginning_to_before_its_end():
    day = Day(outages=[{"service": "payment", "from": "10s", "to": "20s", "fault": "connection_reset"}])
    assert day.call(9.999999)[0] == ""
    assert day.call(10)[0] == "connection_reset"
    assert day.call(15, role="revert")[0] == "connection_reset"
    assert day.call(15, role="probe")[0] == "connection_reset"
    assert day.call(15, RESERVE)[0] == ""
    assert day.call(20)[0] == ""


def test_an_outage_may_be_of_one_revert_alone():
    day = Day(outages=[{"service": "refund_payment", "from": "0s", "to": "20s"}])
    assert day.call(1, role="revert") == ("gateway_down", 0.08)
    assert day.call(1)[0] == ""


def test_an_outage_that_swallows_requests_takes_the_time_limit():
    day = Day(outages=[{"service": "payment", "from": "0s", "to": "20s", "fault": "timeout_before"}])
    assert day.call(1) == ("timeout_before", 10)


def test_more_calls_than_the_limit_are_refused_for_all_operations_of_the_service_together():
    day = Day(limits={"payment": {"rate": 1, "burst": 2}})
    found = [day.call(0)[0], day.call(0, role="revert")[0], day.call(0)[0], day.call(0.5)[0], day.call(1)[0]]
    assert found == ["", "", "rate_limited", "rate_limited", ""]


def test_without_a_burst_a_second_of_calls_may_come_at_once():
    day = Day(limits={"payment": {"rate": 3}})
    assert [day.call(0)[0] for _ in range(4)] == ["", "", "", "rate_limited"]


def test_calls_wait_for_a_server_and_the_wait_is_part_of_the_latency():
    day = Day(servers={"payment": 1}, latency={"payment": "2s"})
    assert [day.call(second)[1] for second in (0, 0, 1)] == [2, 4, 5]


def test_who_waits_longer_than_the_time_limit_gets_no_answer_though_it_lands():
    day = Day(servers={"payment": 1}, latency={"payment": "4s"})
    assert [day.call(0) for _ in range(4)] == [("", 4), ("", 8), ("timeout_after", 10), ("timeout_after", 10)]
    # The service works on all four.
    assert day.call(12) == ("", 8)


def test_a_call_that_never_arrives_takes_no_server():
    day = Day(servers={"payment": 1}, latency={"payment": "2s"}, faults=["payment:gateway_down@2"])
    assert day.call(0, attempt=2) == ("gateway_down", 0.08)
    assert day.call(0) == ("", 2)


def test_a_card_that_is_declined_takes_its_time():
    day = Day(servers={"payment": 1}, latency={"payment": "2s"}, faults=["payment:card_declined"])
    assert [day.call(0) for _ in range(2)] == [("card_declined", 2), ("card_declined", 4)]


def test_a_slow_answer_takes_five_to_a_hundred_times_as_long():
    day = Day(latency={"payment": "10ms"}, faults=["payment:slow"])
    found = {day.call(0, transaction=f"tx-{each}")[1] for each in range(200)}
    assert 0.05 <= min(found) < 0.1
    assert 0.9 < max(found) <= 1


def test_declared_faults_strike_as_often_as_they_say_and_as_in_a_plan_of_their_own():
    texts = ["payment:card_declined%8", "charge_payment:timeout_after@2-3%50"]
    plan = FaultPlan([parse_fault(text, purchase) for text in texts])
    day = Day(faults=texts)
    for number in range(500):
        for attempt in (1, 2, 3, 4):
            alone = plan.strike(f"tx-{number}", CHARGE, "action", attempt, Tape(1))
            assert day.call(0, attempt=attempt, transaction=f"tx-{number}")[0] == (
                alone.name if alone else ""
            )


def test_a_breaker_stops_calls_at_once_and_lets_one_try_when_its_time_is_over():
    day = Day(
        outages=[{"service": "payment", "from": "0s", "to": "60s"}],
        limits={"payment": {"breaker": {"failures": 3, "window": "10s", "open": "30s"}}},
    )
    assert [day.call(second)[0] for second in (0, 1, 2)] == ["gateway_down"] * 3
    assert day.call(3) == ("connection_refused", 0)
    assert day.call(32.1)[0] == "gateway_down"
    assert day.call(33) == ("connection_refused", 0)
    assert day.call(62.3)[0] == ""
    assert day.call(63)[0] == ""


def test_a_declined_card_is_no_failure_of_the_service():
    day = Day(faults=["payment:card_declined"], limits={"payment": {"breaker": {"failures": 1}}})
    assert [day.call(second)[0] for second in range(5)] == ["card_declined"] * 5
    assert [name for name, fault in FAULTS.items() if is_sick(fault) and fault.group == "hard decline"] == []


def test_a_time_limit_that_passes_opens_the_breaker_when_it_has_passed():
    day = Day(latency={"payment": "1m"}, limits={"payment": {"breaker": {"failures": 1}}})
    assert day.call(0)[0] == "timeout_after"
    assert day.call(9.9)[0] == "timeout_after"
    assert day.call(10)[0] == "connection_refused"


# In a market.


def run(workload, count=40, gap_us=10_000, saga="purchase", policy="default"):
    """The stream of so many purchases, each a gap after the one before."""
    made = simulation({"arrivals": {"steady": 1}, "purchases": count, **workload}, shop(), saga=saga)
    log, world, clock = MemoryLog(), World(), Clock(made.start_us)
    driver = SimulatedDriver(log, world, clock)
    for event in opening_events("test", made.catalog, "USD"):
        driver.record(event)
    conditions = Conditions(made, clock)
    for number in range(count):
        line = {"product": f"p{number % 10}", "quantity": 1}
        request = {"customer": "u1", "cart": [line]} if saga == "checkout" else {"customer": "u1", **line}
        began = TransactionBegan(
            transaction=f"tx-{number}",
            saga=saga,
            policy=policy,
            request=request,
            seed=1,
            faults=[str(rule) for rule in conditions.rules],
        )
        driver.begin(
            saga_for(saga, request),
            policy_named(policy),
            Tape(1),
            began,
            conditions,
            delay_us=number * gap_us,
        )
    driver.run()
    return log.events


def test_everything_that_goes_wrong_is_recorded_as_a_fault():
    events = run(
        {
            "outages": [{"service": "payment", "from": "200ms", "to": "1s"}],
            "limits": {"orders": {"rate": 5, "burst": 1}},
            "latency": {"notifications": {"median": "5s", "sigma": 1}},
        }
    )
    struck = {event.fault for event in events if isinstance(event, FaultInjected)}
    assert struck == {"gateway_down", "rate_limited", "timeout_after"}
    for event in events:
        if isinstance(event, OperationUnknown):
            assert event.code in struck
    assert sum(isinstance(event, ENDS) for event in events) == 40
    assert [each for each in examine(events) if each.severity == ERROR] == []


@pytest.mark.parametrize("saga", ["purchase", "checkout"])
def test_a_queue_before_a_service_spreads_the_orders_in_time(saga):
    events = run({"servers": {"orders": 1}, "latency": {"orders": "100ms"}}, saga=saga)
    placed = [
        event.time
        for event in events
        if event.type == "operation.succeeded" and event.operation == "place_order"
    ]
    assert len(placed) == len(set(placed)) == 40


def test_a_call_lands_though_its_caller_has_given_up_and_the_books_balance():
    events = run({"servers": {"payment": 1}, "latency": {"payment": "3s"}}, count=20)
    assert sum(isinstance(event, FaultInjected) for event in events) > 5
    assert [each for each in examine(events) if each.severity == ERROR] == []
    assert sum(isinstance(event, ENDS) for event in events) == 20
