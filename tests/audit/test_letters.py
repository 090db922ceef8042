"""Dead letters are closed after the end, by a person, and only where there is one."""

from drivers.runs import errors, purchased

from marketsim.audit.checks import examine
from marketsim.audit.letters import dead_letters
from marketsim.saga.events import DeadLetterResolved, Event

STUCK = ("place_order:error", "refund_payment:error")


def resolved(operation: str) -> Event:
    return DeadLetterResolved(transaction="tx-1", operation=operation, reason="by hand")


def rules(events: list[Event]) -> set[str]:
    return {finding.rule for finding in examine(events) if finding.severity == "error"}


def test_a_dead_letter_says_what_is_left_and_how_often_it_was_tried() -> None:
    (letter,) = dead_letters(purchased(*STUCK).log.events)
    assert (letter.operation, letter.compensation, letter.state) == (
        "charge_payment",
        "refund_payment",
        "open",
    )
    assert [(left.account, left.amount, left.unit) for left in letter.left] == [
        ("money:merchant", 75_000, "USD")
    ]
    assert letter.attempts == 5


def test_after_the_end_a_dead_letter_can_be_resolved() -> None:
    events = [*purchased(*STUCK).log.events, resolved("charge_payment")]
    assert [letter.state for letter in dead_letters(events)] == ["resolved"]
    assert rules(events) == set()


def test_before_the_end_a_resolution_closes_nothing_and_is_a_finding() -> None:
    events = purchased(*STUCK).log.events
    early = [*events[:-1], resolved("charge_payment"), events[-1]]
    assert [letter.state for letter in dead_letters(early)] == ["open"]
    assert rules(early) == {"lifecycle"}


def test_what_is_no_dead_letter_cannot_be_resolved() -> None:
    assert rules([*purchased(*STUCK).log.events, resolved("reserve_stock")]) == {"lifecycle"}
    assert rules([*purchased().log.events, resolved("charge_payment")]) == {"lifecycle"}


def test_what_was_abandoned_is_a_dead_letter_of_each_operation_that_stands() -> None:
    letters = dead_letters(purchased("place_order:error", policy="none").log.events)
    assert [letter.operation for letter in letters] == ["charge_payment", "reserve_stock"]
    assert {letter.code for letter in letters} == {"abandoned"}


def test_a_call_that_landed_before_a_crash_and_was_then_declined_is_no_false_belief() -> None:
    decline = ("charge_payment:crash_after_effect", "charge_payment:card_declined", "refund_payment:error")
    assert errors(purchased(*decline).log.events) == []
    bounced = ("notify_customer:crash_after_effect@1", "notify_customer:bounced")
    assert errors(purchased(*bounced).log.events) == []
