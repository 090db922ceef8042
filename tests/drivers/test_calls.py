"""One call: whatever somebody's own handler raises or returns becomes an answer that a stream can hold."""

from collections.abc import Callable
from typing import Any

import pytest

from marketsim.drivers.memory import run_in_memory
from marketsim.saga.definition import Call, Retry, Saga
from marketsim.saga.errors import Failed
from marketsim.saga.events import OperationFailed, OperationUnknown, encode


def raising(error: BaseException) -> Callable[[Call], dict[str, Any]]:
    def act(call: Call) -> dict[str, Any]:
        raise error

    return act


def saga_of(act: Callable[[Call], dict[str, Any]]) -> Saga:
    saga = Saga("small")
    act.__name__ = "act"
    saga.operation(service="service", retry=Retry(attempts_max=1))(act).compensation(lambda call: {})
    return saga


@pytest.mark.parametrize(
    "error", [SystemExit(3), GeneratorExit(), ValueError("\ud800"), RecursionError()], ids=repr
)
def test_what_a_handler_breaks_by_ends_its_call_and_nothing_else(error):
    events = run_in_memory(saga_of(raising(error)), {})
    (unknown,) = [event for event in events if isinstance(event, OperationUnknown)]
    assert unknown.code == type(error).__name__
    assert encode(unknown)


@pytest.mark.parametrize("result", [{"a": "\ud800"}, {1: 2}, {"a": 10**30}, None], ids=repr)
def test_a_result_that_no_stream_can_hold_is_no_answer(result):
    events = run_in_memory(saga_of(lambda call: result), {})
    (unknown,) = [event for event in events if isinstance(event, OperationUnknown)]
    assert unknown.code == "TypeError"


def test_the_words_of_a_failure_are_cut_to_what_a_line_can_hold():
    events = run_in_memory(saga_of(raising(Failed("\udc80", "x" * (1 << 21)))), {})
    (failed,) = [event for event in events if isinstance(event, OperationFailed)]
    assert (failed.code, len(failed.reason)) == ("\\udc80", 1000)
