"""Definitions: what cannot work is refused when it is declared, and pauses keep their bounds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from saga.strangers import Trip

from marketsim.saga.definition import SECOND_US, Call, Retry, Saga, plain
from marketsim.saga.errors import DefinitionError
from marketsim.saga.events import Event
from marketsim.saga.tape import Tape

retries = st.builds(
    Retry,
    attempts_max=st.integers(1, 10),
    delay_us=st.integers(0, 10**9),
    factor=st.integers(1, 10),
    delay_max_us=st.integers(0, 10**9),
    jitter_percent=st.integers(0, 100),
)


def test_two_operations_of_one_name_are_refused():
    with pytest.raises(DefinitionError, match=r"trip: two operations are called flight"):
        Trip().book("flight").book("flight")


def test_an_operation_waits_only_for_what_is_declared_before_it():
    other = Trip().book("hotel").saga.operations["hotel"]
    trip = Trip().book("flight")
    with pytest.raises(DefinitionError, match="car is to run after hotel, which is not declared before it"):

        @trip.saga.operation(service="cars", after=[other])
        def car(call: Call) -> dict[str, object]:
            return {}


def test_a_second_pivot_is_refused():
    with pytest.raises(DefinitionError, match="at most one pivot"):
        Trip().book("flight", kind="pivot").book("hotel", kind="pivot")


def test_a_read_only_operation_has_no_compensation():
    trip = Trip().book("look", kind="read_only")
    with pytest.raises(DefinitionError, match="look is read_only"):
        trip.saga.operations["look"].compensation(lambda call: {})


def test_two_compensations_of_one_operation_are_refused():
    trip = Trip().book("flight")
    with pytest.raises(DefinitionError, match="flight has two compensations"):
        trip.saga.operations["flight"].compensation(lambda call: {})


def test_two_guardrails_of_one_name_are_refused():
    saga = Saga("trip")

    @saga.guardrail
    def budget(call: Call) -> str | None:
        return None

    with pytest.raises(DefinitionError, match="two guardrails are called budget"):
        saga.guardrail(budget)


def test_an_operation_without_after_waits_for_the_one_before_it():
    trip = Trip().book("flight").book("hotel").book("car", after=[])
    assert [each.after for each in trip.saga.operations.values()] == [(), ("flight",), ()]


def test_an_operation_is_found_by_its_own_name_and_by_those_of_its_revert_and_its_probe():
    saga = Trip().book("flight", probe=True).book("hotel").saga
    flight = saga.operations["flight"]
    assert saga.find("flight") == (flight, "action")
    assert saga.find("cancel_flight") == (flight, "revert")
    assert saga.find("find_flight") == (flight, "probe")
    assert [flight.point(role) for role in ("action", "revert", "probe")] == [
        "flight",
        "cancel_flight",
        "find_flight",
    ]
    assert saga.find("train") is None
    assert saga.find("find_hotel") is None
    assert saga.find("") is None


def test_an_operation_of_a_family_is_found_by_its_own_name_and_by_that_of_the_family():
    saga = Trip().book("flight", of="KL 1", probe=True).book("flight", of="KL 2", probe=True).saga
    first, second = saga.operations.values()
    assert list(saga.operations) == ["flight.KL 1", "flight.KL 2"]
    assert (first.family, first.revert_name, first.probe_name) == (
        "flight",
        "cancel_flight.KL 1",
        "find_flight.KL 1",
    )
    assert saga.find("flight.KL 2") == (second, "action")
    assert saga.find("cancel_flight.KL 2") == (second, "revert")
    assert saga.find("find_flight.KL 2") == (second, "probe")
    for name, role in (("flight", "action"), ("cancel_flight", "revert"), ("find_flight", "probe")):
        assert saga.find(name) == (first, role), (
            "a family stands for its members, and the first tells the role"
        )
        assert name in saga.targets()
    with pytest.raises(DefinitionError, match=r"two operations are called flight\.KL 2"):
        Trip().book("flight", of="KL 2").book("flight", of="KL 2")


def test_an_operation_has_at_most_one_probe():
    flight = Trip().book("flight", probe=True).saga.operations["flight"]
    with pytest.raises(DefinitionError, match="flight has two probes"):
        flight.status(lambda call: {})


def test_operations_reverts_and_services_can_be_targets():
    saga = Trip().book("look", kind="read_only").book("flight").saga
    assert saga.targets() == ["look", "flight", "cancel_flight", "look desk", "flight desk"]


@given(retries, st.integers(1, 10_000), st.integers() | st.none())
def test_a_pause_is_within_its_jitter_of_the_capped_exponential(retry, attempt, seed):
    exact = min(retry.delay_us * retry.factor ** (attempt - 1), retry.delay_max_us)
    pause = retry.pause_us(attempt, Tape(seed), "tx-1/flight@2/pause")
    assert abs(pause - exact) <= exact * retry.jitter_percent / 100
    assert pause >= 0


def test_without_jitter_the_pauses_double_up_to_the_cap():
    retry = Retry(delay_us=SECOND_US, factor=2, delay_max_us=5 * SECOND_US, jitter_percent=0)
    assert [retry.pause_us(n, Tape(1), "") // SECOND_US for n in range(1, 6)] == [1, 2, 4, 5, 5]


def test_jitter_uses_the_whole_of_its_range():
    retry = Retry(delay_us=1000, jitter_percent=10)
    pauses = {retry.pause_us(1, Tape(7), f"tx-{n}") for n in range(2000)}
    assert (min(pauses), max(pauses)) == (900, 1100)


ITSELF: dict[str, Any] = {}
ITSELF["a"] = ITSELF


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "text",
        {"a": 1.5},
        {"a": [1, {"b": 2.0}]},
        {"a": {1, 2}},
        {"a": b"bytes"},
        {1: 2},
        {"a": 10**30},
        {"a": "\ud800"},
        {"a": "x" * (1 << 20)},
        ITSELF,
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_no_stream_can_hold_is_refused(value):
    with pytest.raises(TypeError):
        plain(value)


def test_plain_objects_pass_as_they_are():
    value = {"a": 1, "b": "text", "c": [True, None, {"d": []}], "e": {}}
    assert plain(value) is value


def test_progress_holds_no_floats_either():
    written: list[Event] = []
    call = Call(Trip().began(), {}, None, written.append, operation="flight", attempt=1)
    call.progress(done=3, of=4)
    with pytest.raises(TypeError, match="no floats"):
        call.progress(done=0.75)
    assert len(written) == 1
