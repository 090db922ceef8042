"""A right stream gives no finding; what is open or stuck waits for a person; an examination has bounds."""

from typing import TYPE_CHECKING

import pytest
from audit.mutations import ROWS, base
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.audit.checks import CHECKS, FINDINGS_MAX, TOGETHER, Examination, checks_of, examine
from marketsim.audit.findings import Finding
from marketsim.audit.watches import ORDERLESS_MAX
from marketsim.saga import events as e
from marketsim.saga.errors import InputError

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def only(findings: list[Finding], rule: str) -> Finding:
    [finding] = [finding for finding in findings if finding.rule == rule]
    return finding


@pytest.mark.parametrize("kind", ["purchase", "reverted", "uncertain", "rejected"])
def test_a_right_transaction_gives_no_finding(new_stream: "type[Stream]", kind: str) -> None:
    assert examine(getattr(new_stream(), kind)().numbered()) == []


def test_a_retry_under_the_same_key_that_had_landed_gives_no_finding(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.do("reserve_stock")
    s.start("charge_payment")
    s.effect("charge_payment")
    s.lose("charge_payment")
    s.start("charge_payment", attempt=2)
    s.succeed("charge_payment", attempt=2, amount_minor=75_000, currency="USD")
    s.do("place_order")
    s.start("notify_customer")
    s.lose("notify_customer")
    s.commit("tx-1", "notify_customer")
    assert examine(s.numbered()) == []


def test_what_a_probe_found_gives_no_finding(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.do("reserve_stock")
    s.start("charge_payment")
    s.lose("charge_payment")
    s.probe("charge_payment", "not_landed")
    s.start("charge_payment", attempt=2)
    s.effect("charge_payment", attempt=2)
    s.lose("charge_payment", attempt=2)
    s.probe("charge_payment", "unknown")
    s.probe("charge_payment", "landed", amount_minor=75_000)
    s.succeed("charge_payment", attempt=2, amount_minor=75_000)
    s.do("place_order")
    s.commit()
    assert examine(s.numbered()) == []


@pytest.mark.parametrize("ends", ["succeed", "fail"])
def test_a_suspended_call_has_its_outcome_later_and_may_be_reverted(
    new_stream: "type[Stream]", ends: str
) -> None:
    s = new_stream()
    s.begin()
    s.start("charge_payment")
    s.suspend("charge_payment")
    s.effect("charge_payment")
    getattr(s, ends)("charge_payment")
    s.turn_back("charge_payment")
    s.revert("charge_payment")
    s.compensated()
    assert examine(s.numbered()) == []


def test_the_truth_may_come_late_even_when_all_is_over(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.start("charge_payment")
    s.lose("charge_payment")
    s.turn_back("charge_payment")
    s.start_revert("charge_payment")
    s.note("charge_payment", "fenced", back=True)
    s.end_revert("charge_payment")
    s.compensated()
    s.late("charge_payment", outcome="failed")
    s.purchase("tx-2").late("charge_payment", "tx-2")
    assert examine(s.numbered()) == []


def test_what_landed_late_and_was_reverted_again_gives_no_finding(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.start("charge_payment")
    s.lose("charge_payment")
    s.turn_back("charge_payment")
    s.start_revert("charge_payment")
    s.end_revert("charge_payment")
    s.effect("charge_payment")
    s.late("charge_payment")
    s.start_revert("charge_payment", attempt=2)
    s.effect("charge_payment", back=True, attempt=2)
    s.end_revert("charge_payment", attempt=2)
    s.compensated()
    assert examine(s.numbered()) == []


def test_what_a_service_took_back_by_itself_gives_no_finding(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.do("reserve_stock")
    s.take_back("reserve_stock")
    s.refuse("place_order")
    s.turn_back("place_order")
    s.start_revert("reserve_stock")
    s.end_revert("reserve_stock")
    s.compensated()
    assert examine(s.numbered()) == []


def refunded_twice(s: "Stream", *letters: str) -> "Stream":
    s.purchase("tx-0")
    s.begin()
    s.do("charge_payment")
    s.refuse("place_order")
    s.turn_back("place_order")
    s.start_revert("charge_payment")
    s.effect("charge_payment", back=True)
    s.effect("charge_payment", back=True, key="another")
    s.end_revert("charge_payment", failed=bool(letters))
    if letters:
        s.stuck(*letters)
    else:
        s.compensated()
    return s


def test_that_too_much_was_returned_is_an_error_unless_a_person_was_asked(
    new_stream: "type[Stream]",
) -> None:
    silent = examine(refunded_twice(new_stream()).numbered())
    assert {(finding.rule, finding.severity) for finding in silent} == {
        ("money-conserved", "error"),
        ("reverted-once", "error"),
    }
    told = refunded_twice(new_stream(), "charge_payment")
    findings = examine(told.numbered())
    assert {(finding.rule, finding.severity) for finding in findings} == {
        ("money-conserved", "warning"),
        ("reverted-once", "warning"),
        ("dead-letters", "warning"),
    }
    assert only(findings, "reverted-once").operation == "charge_payment"
    told.resolve("charge_payment")
    assert examine(told.numbered()) == []


def test_an_outcome_that_follows_a_recovery_gives_no_finding(new_stream: "type[Stream]") -> None:
    s = new_stream().purchase()
    s.events.insert(s.at(e.OperationSucceeded, "charge_payment"), e.ProcessRecovered(transaction="tx-1"))
    assert examine(s.numbered()) == []


def test_what_was_asked_when_the_process_died_may_be_reverted_though_it_is_refused_later(
    new_stream: "type[Stream]",
) -> None:
    s = new_stream()
    s.begin()
    s.start("charge_payment")
    s.effect("charge_payment")
    s.add(e.ProcessRecovered(transaction="tx-1", asked_again=["tx-1/charge_payment"]))
    s.fail("charge_payment")
    s.turn_back("charge_payment")
    s.revert("charge_payment")
    s.compensated()
    assert examine(s.numbered()) == []


def test_a_saga_that_places_no_orders_needs_none(new_stream: "type[Stream]") -> None:
    s = new_stream().purchase("tx-1")
    for tx in ("tx-2", "tx-3"):
        s.begin(tx, saga="survey")
        s.do("notify_customer", tx=tx)
        s.commit(tx)
    assert examine(s.numbered()) == []


def test_an_empty_stream_gives_no_finding() -> None:
    assert examine([]) == []


GOOD = st.lists(st.sampled_from(["purchase", "reverted", "uncertain", "rejected"]), max_size=6)


@settings(max_examples=60, deadline=None)
@given(kinds=GOOD, data=st.data())
def test_good_transactions_in_any_interleaving_give_no_finding(
    new_stream: "type[Stream]", kinds: list[str], data: st.DataObject
) -> None:
    mixed = new_stream(stock=20)
    queues = []
    for number, kind in enumerate(kinds, 1):
        one = new_stream(stock=0)
        getattr(one, kind)(f"tx-{number}")
        queues.append(one.events[1:])
    while queues := [queue for queue in queues if queue]:
        mixed.add(data.draw(st.sampled_from(range(len(queues))).map(lambda which: queues[which].pop(0))))
    assert examine(mixed.numbered()) == []


def test_the_names_of_the_rules_are_the_contract() -> None:
    assert list(CHECKS) == [
        "postings-balance",
        "effects-have-a-cause",
        "stock-conserved",
        "money-conserved",
        "reverted-once",
        "reverts-in-order",
        "revert-without-cause",
        "one-order",
        "belief-is-truth",
        "lifecycle",
        "idempotency",
        "dead-letters",
        "time-runs-forward",
        "retries-as-declared",
        "isolation",
        "faults-reached",
        "messages-called-back",
    ]
    assert list(CHECKS)[-5:] == [name for name in checks_of("strict") if name not in checks_of("basic")]
    assert all(check.sentence.endswith(".") and len(check.sentence) <= 110 for check in CHECKS.values())
    assert {check.name for check in CHECKS.values() if check.scope == "stream"} == {
        "postings-balance",
        "effects-have-a-cause",
        "stock-conserved",
        "money-conserved",
        "one-order",
        "time-runs-forward",
        "isolation",
    }


def test_lost_stock_is_told_with_the_amount_and_the_posting(new_stream: "type[Stream]") -> None:
    [finding] = examine(new_stream().declined().numbered())
    assert finding.message == "1 laptop-1 is still in stock:reserved: gone from sale, sold to nobody"
    assert (finding.transaction, finding.operation, finding.seq) == ("tx-1", "reserve_stock", 5)
    assert (finding.expected, finding.actual) == (
        "0 laptop-1 in stock:reserved",
        "1 laptop-1 in stock:reserved",
    )


def test_a_dead_letter_is_warned_of_with_what_stands(new_stream: "type[Stream]") -> None:
    findings = examine(new_stream().refund_refused().numbered())
    assert {(finding.rule, finding.severity) for finding in findings} == {
        ("money-conserved", "warning"),
        ("dead-letters", "warning"),
    }
    letter = only(findings, "dead-letters")
    assert letter.actual == "75000 USD in minor units in money:merchant"
    assert letter.remedy == "see: marketsim failures show tx-1"


def test_a_dead_letter_whose_order_stands_is_a_warning_of_one_order(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.do("reserve_stock", "charge_payment", "place_order")
    s.refuse("notify_customer")
    s.turn_back("notify_customer")
    s.start_revert("place_order")
    s.end_revert("place_order", failed=True)
    s.stuck("place_order", "charge_payment", "reserve_stock")
    findings = examine(s.numbered())
    assert {finding.severity for finding in findings} == {"warning"}
    assert (
        only(findings, "one-order").message
        == "order order-tx-1 still stands, though the transaction did not commit"
    )
    assert only(findings, "stock-conserved").operation == "place_order"


def test_the_dead_letter_is_blamed_and_not_the_revert_before_it(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.do("reserve_stock", "charge_payment", "place_order")
    s.refuse("notify_customer")
    s.turn_back("notify_customer")
    s.revert("place_order", "charge_payment")
    s.start_revert("reserve_stock")
    s.end_revert("reserve_stock", failed=True)
    s.stuck("reserve_stock")
    finding = only(examine(s.numbered()), "stock-conserved")
    assert (finding.severity, finding.operation) == ("warning", "reserve_stock")


@pytest.mark.parametrize("kind", [e.DeadLetterResolved, e.DeadLetterIgnored])
def test_a_dead_letter_that_a_person_dealt_with_is_silent(
    new_stream: "type[Stream]", kind: type[e.Event]
) -> None:
    s = new_stream().refund_refused().purchase("tx-2")
    s.add(kind(transaction="tx-1", operation="charge_payment", reason="paid back by hand"))
    assert examine(s.numbered()) == []


def test_resolving_one_dead_letter_leaves_the_other_waiting(new_stream: "type[Stream]") -> None:
    s = new_stream().refund_refused("tx-1").refund_refused("tx-2")
    s.resolve("charge_payment", "tx-1")
    findings = examine(s.numbered())
    assert {finding.transaction for finding in findings} == {"tx-2"}


def test_a_dead_letter_that_is_tried_again_and_succeeds_is_silent(new_stream: "type[Stream]") -> None:
    s = new_stream().refund_refused().purchase("tx-2")
    s.start_revert("charge_payment", attempt=2)
    s.effect("charge_payment", back=True, attempt=2)
    s.end_revert("charge_payment", attempt=2)
    assert examine(s.numbered()) == []


def test_a_dead_letter_that_is_tried_again_and_does_nothing_is_a_lie(new_stream: "type[Stream]") -> None:
    s = new_stream().refund_refused()
    s.start_revert("charge_payment", attempt=2)
    s.end_revert("charge_payment", attempt=2)
    s.resolve("charge_payment")
    assert [finding.rule for finding in examine(s.numbered())] == ["belief-is-truth"]


def test_what_is_no_dead_letter_may_not_follow_the_end_of_a_stuck_transaction(
    new_stream: "type[Stream]",
) -> None:
    s = new_stream().refund_refused()
    s.start_revert("reserve_stock", attempt=2)
    s.resolve("charge_payment")
    assert [finding.rule for finding in examine(s.numbered())] == ["lifecycle"]


def test_an_open_transaction_that_holds_something_is_a_warning(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.do("reserve_stock")
    s.start("charge_payment")
    [finding] = examine(s.numbered())
    assert (finding.rule, finding.severity) == ("stock-conserved", "warning")
    assert finding.message == "open since 2025-01-01T00:00:03Z, and holds 1 laptop-1 in stock:reserved"
    assert finding.remedy == "run: marketsim recover"


def test_an_effect_whose_answer_is_not_yet_recorded_is_no_lie(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin()
    s.start("charge_payment")
    s.fail("charge_payment")
    s.start("charge_payment", attempt=2)
    s.effect("charge_payment", attempt=2)
    assert [finding.rule for finding in examine(s.numbered())] == ["money-conserved"]


def test_only_the_checks_that_are_named_are_applied(new_stream: "type[Stream]") -> None:
    s = new_stream().declined()
    s.effect("charge_payment")
    assert [finding.rule for finding in examine(s.numbered(), ["lifecycle"])] == ["lifecycle"]
    assert examine(s.numbered(), ["dead-letters"]) == []
    assert examine(s.numbered(), []) == []


def test_an_unknown_check_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'stock-conserved'"):
        examine([], ["stock-conserve"])


def test_findings_come_by_their_place_in_the_stream(new_stream: "type[Stream]") -> None:
    s = new_stream()
    s.begin("tx-1")
    s.do("reserve_stock", tx="tx-1")
    s.declined("tx-2").declined("tx-3")
    places = [finding.seq for finding in examine(s.numbered())]
    assert len(places) == 3
    assert places == sorted(places)


def test_many_findings_of_a_rule_are_counted_and_not_listed(new_stream: "type[Stream]") -> None:
    s = new_stream(stock=2000)
    for number in range(FINDINGS_MAX + 7):
        s.declined(f"tx-{number}")
    findings = examine(s.numbered())
    assert len(findings) == FINDINGS_MAX + 1
    assert findings[-1].message == "and 7 more of this rule that are not listed, one of them here"


def test_of_a_saga_without_orders_the_transactions_are_no_more_than_counted(
    new_stream: "type[Stream]",
) -> None:
    s = new_stream()
    for number in range(ORDERLESS_MAX + 2):
        s.begin(f"tx-{number}")
        s.commit(f"tx-{number}")
    s.purchase("tx-last")
    findings = examine(s.numbered())
    assert len(findings) == ORDERLESS_MAX
    assert findings[-1].message.endswith("; so did 2 more")


def test_of_an_ended_transaction_no_story_is_kept(new_stream: "type[Stream]") -> None:
    s = new_stream()
    for number in range(3):
        s.purchase(f"tx-{number}")
    s.refund_refused("tx-3")
    s.begin("tx-4")
    examination = Examination()
    for event in s.numbered():
        examination.see(event)
    assert set(examination._stories) == {"tx-3", "tx-4"}


def test_what_is_seen_soon_is_found_like_what_is_seen_at_once() -> None:
    events = [event for row in ROWS[:40] for event in row.change(list(base(row.base)))]
    assert len(events) < TOGETHER
    at_once, soon, both = (Examination(checks_of("strict")) for _ in range(3))
    for number, event in enumerate(events):
        at_once.see(event)
        soon.see_soon(event)
        (both.see if number % 3 else both.see_soon)(event)
    found = at_once.finish()
    assert found
    assert found == soon.finish() == both.finish()


def test_a_message_that_quotes_a_log_is_safe_for_a_terminal(new_stream: "type[Stream]") -> None:
    s = new_stream()
    evil = e.Posting("stock:\x1b[2J" + "x" * 10_000, product="p", quantity=1)
    s.add(e.LedgerPosted(transaction="tx-\x1b", postings=[evil]))
    for finding in examine(s.numbered()):
        for text in (finding.message, finding.expected, finding.actual, finding.remedy):
            assert text.isprintable()
            assert len(text) <= 700


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_any_order_of_any_events_gives_findings_and_no_crash(
    new_stream: "type[Stream]", data: st.DataObject
) -> None:
    s = new_stream().purchase().reverted("tx-2").refund_refused("tx-3")
    jumbled = data.draw(st.lists(st.sampled_from(s.events), max_size=30))
    findings = examine(jumbled)
    assert all(finding.rule in CHECKS for finding in findings)
