"""Subscribers: each is told of what it wants, and none can break a transaction."""

import pytest

from marketsim.drivers.memory import run_in_memory
from marketsim.drivers.subscribers import FAILURES_MAX, Subscribers
from marketsim.saga import Call, Failed, Saga
from marketsim.saga.errors import DefinitionError
from marketsim.saga.events import Event, TransactionCommitted

one = Saga("one")


@one.operation(service="shop")
def buy(call: Call) -> dict[str, object]:
    """Buy it, unless there is none."""
    if call.request.get("none"):
        raise Failed("none_left")
    return {}


def test_a_subscriber_is_told_of_its_type_in_order():
    subscribers, told = Subscribers(), []
    subscribers.on("operation.succeeded")(lambda event: told.append(("one", event.type)))
    subscribers.on("transaction.committed")(lambda event: told.append(("other", event.type)))
    events = run_in_memory(one, {}, watch=subscribers)
    assert told == [("one", "operation.succeeded"), ("other", "transaction.committed")]
    assert events[-1].type == "transaction.committed"


def test_a_family_stands_for_its_types_and_for_no_other():
    subscribers, told = Subscribers(), []

    @subscribers.on("transaction")
    def hear(event: Event) -> None:
        told.append(event.type)

    run_in_memory(one, {"none": True}, watch=subscribers)
    assert told == ["transaction.began", "transaction.compensating", "transaction.compensated"]
    assert hear is not None


@pytest.mark.parametrize("error", [ValueError, KeyError, RecursionError, Failed])
def test_a_subscriber_that_raises_breaks_nothing_and_is_told(error):
    subscribers, told = Subscribers(), []

    @subscribers.on("operation")
    def break_it(event: Event) -> None:
        raise error("no")

    subscribers.on("operation")(told.append)
    events = run_in_memory(one, {}, watch=subscribers)
    assert events[-1].type == "transaction.committed"
    assert [event.type for event in told] == ["operation.started", "operation.succeeded"]
    assert [(event.type, type(raised)) for event, raised in subscribers.failures] == [
        ("operation.started", error),
        ("operation.succeeded", error),
    ]


def test_an_interrupt_is_no_failure_of_a_subscriber():
    subscribers = Subscribers()

    @subscribers.on("transaction")
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_memory(one, {}, watch=subscribers)


def test_failures_are_kept_up_to_a_bound():
    subscribers = Subscribers()

    @subscribers.on("transaction")
    def break_it(event: Event) -> None:
        raise ValueError

    for _ in range(FAILURES_MAX + 5):
        subscribers(TransactionCommitted(transaction="tx-1"))
    assert len(subscribers.failures) == FAILURES_MAX


@pytest.mark.parametrize(
    ("what", "told"), [("transaction.comitted", "did you mean 'transaction.committed'?"), ("", "known: ")]
)
def test_a_type_that_does_not_exist_is_refused(what, told):
    with pytest.raises(DefinitionError) as caught:
        Subscribers().on(what)
    assert told in str(caught.value)
