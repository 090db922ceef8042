"""Two streams are the same but for what is not compared, or part at an event that is named."""

from typing import TYPE_CHECKING

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.difference import CONTEXT_EVENTS, WINDOW_EVENTS, compare
from marketsim.saga import events as e

if TYPE_CHECKING:
    from tests.audit.conftest import Stream


def events(stream: "Stream") -> list[e.Event]:
    return list(stream.numbered())


def test_a_stream_equals_itself_and_times_and_hashes_are_not_compared(new_stream):
    one = events(new_stream().purchase())
    other = [msgspec.structs.replace(each, time="2030-01-01T00:00:00Z", prev="ff") for each in one]
    assert compare(one, other).equal
    assert compare(one, other).rows == []
    assert not compare(one, other, times=True).equal
    assert not compare(one, other, hashes=True).equal
    assert compare(one, one, times=True, hashes=True).equal


def test_the_first_difference_has_equal_events_before_it_and_names_its_fields(new_stream):
    one, other = new_stream().purchase(), new_stream().purchase()
    other.change(e.OperationSucceeded, "charge_payment", result={"amount_minor": 1, "currency": "USD"})
    found = compare(events(one), events(other))
    at = one.at(e.OperationSucceeded, "charge_payment")
    assert found.same == at
    assert [row.mark for row in found.rows[: CONTEXT_EVENTS + 1]] == ["=", "=", "=", "|"]
    assert found.rows[CONTEXT_EVENTS].fields == ["result"]
    assert {row.mark for row in found.rows[CONTEXT_EVENTS + 1 :]} == {"="}
    assert found.whole
    assert found.left_size == found.right_size == len(one.events)


def test_what_one_side_lacks_stands_alone_and_the_rest_meets_again(new_stream):
    one, other = new_stream().purchase(), new_stream().purchase()
    other.drop(e.LedgerPosted, "charge_payment")
    rows = compare(events(one), events(other)).rows
    assert [(row.mark, row.right) for row in rows if row.mark != "="] == [("<", None)]
    rows = compare(events(other), events(one)).rows
    assert [(row.mark, row.left) for row in rows if row.mark != "="] == [(">", None)]


def test_a_stream_that_goes_on_differs_where_the_other_ends(new_stream):
    one = events(new_stream().purchase())
    found = compare(one[:-2], one)
    assert not found.equal
    assert [row.mark for row in found.rows] == ["=", "=", "=", ">", ">"]
    assert compare([], []).equal


def test_two_transactions_are_the_same_but_for_their_names_orders_and_place(new_stream):
    stream = new_stream().purchase("tx-1").purchase("tx-22")
    one, other = (
        [each for each in stream.numbered() if getattr(each, "transaction", "") == name]
        for name in ("tx-1", "tx-22")
    )
    assert compare(one, other, transactions=True).equal
    assert not compare(one, other).equal


def test_only_a_window_is_kept_of_two_that_never_meet(new_stream):
    many = [e.MarketCreated(origin=f"a{number}", currency="USD", seq=number) for number in range(1, 2001)]
    others = [e.CatalogChanged(source=f"b{number}", seq=number) for number in range(1, 1001)]
    found = compare(many, others)
    assert (found.same, found.left_size, found.right_size, found.whole) == (0, 2000, 1000, False)
    assert len(found.rows) == 2 * WINDOW_EVENTS


PLAIN = st.lists(st.sampled_from("abcd"), max_size=12)


@given(PLAIN, PLAIN)
def test_the_rows_hold_each_event_of_both_sides_in_order(left, right):
    made = [
        [e.CatalogChanged(source=each, seq=seq) for seq, each in enumerate(side, 1)] for side in (left, right)
    ]
    found = compare(*made)
    assert found.equal == (left == right)
    skipped = found.same - sum(row.mark == "=" for row in found.rows[: min(found.same, CONTEXT_EVENTS)])
    if not found.equal:
        assert [row.left for row in found.rows if row.left] == made[0][skipped:]
        assert [row.right for row in found.rows if row.right] == made[1][skipped:]
