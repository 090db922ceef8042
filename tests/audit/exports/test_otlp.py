"""A trace reader sees each transaction as a trace, and each revert linked to the span of its operation."""

import json
import re
from pathlib import Path

import pytest

from marketsim.audit.exports.otlp import otlp, span_id, trace_id
from marketsim.saga.errors import LogDamaged
from marketsim.saga.events import CompensationStarted, Event, TransactionBegan, TransactionCommitted
from marketsim.scenario.shipped import shipped

HEADER = {"head": {"origin": "shop"}}


def spans_of(records):
    document = json.loads("".join(otlp(records, HEADER)))
    (resource,) = document["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    return scope["spans"]


def attributes(of):
    return {each["key"]: next(iter(each["value"].values())) for each in of["attributes"]}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_ids_are_unique_and_every_parent_and_link_leads_to_a_span(redacted, name):
    spans = spans_of(redacted(name))
    ids = {(each["traceId"], each["spanId"]) for each in spans}
    assert len(ids) == len(spans)
    for each in spans:
        assert re.fullmatch("[0-9a-f]{32}", each["traceId"])
        assert re.fullmatch("[0-9a-f]{16}", each["spanId"])
        assert int(each["startTimeUnixNano"]) <= int(each["endTimeUnixNano"])
        for other in [each.get("parentSpanId"), *(link["spanId"] for link in each.get("links", []))]:
            assert other is None or (each["traceId"], other) in ids


@pytest.mark.parametrize("name", sorted(shipped()))
def test_no_event_is_lost(redacted, name):
    records = redacted(name)
    spans = spans_of(records)
    seqs = [attributes(each)["marketsim.seq"] for span in spans for each in [span, *span.get("events", [])]]
    assert sorted(map(int, seqs)) == [event.seq for event, _ in records]


@pytest.mark.parametrize("name", ["refund-after-order-fails", "revert-fails", "crash-in-a-revert"])
def test_every_revert_that_was_begun_is_linked_to_its_operation(redacted, name):
    records = redacted(name)
    spans = {(each["traceId"], each["spanId"]): each for each in spans_of(records)}
    reverts = {
        (each.transaction, each.operation, each.compensation)
        for each, _ in records
        if isinstance(each, CompensationStarted)
    }
    linked = [each for each in spans.values() if "links" in each]
    found = {(spans[each["traceId"], each["links"][0]["spanId"]]["name"], each["name"]) for each in linked}
    assert found == {(operation, revert) for _, operation, revert in reverts}
    assert len(linked) == len(reverts)


def test_statuses_tell_how_it_ended(redacted):
    spans = {each["name"]: each for each in spans_of(redacted("refund-after-order-fails"))}
    assert spans["purchase"]["status"] == {"code": 2, "message": "compensated"}
    assert spans["charge_payment"]["status"] == {"code": 1}
    assert spans["refund_payment"]["status"] == {"code": 1}
    assert spans["place_order"]["status"]["code"] == 2


def test_ids_come_from_the_log_and_the_transaction_alone():
    assert trace_id("shop", "tx-1") == trace_id("shop", "tx-1")
    assert len({trace_id("shop", "tx-1"), trace_id("shop", "tx-2"), trace_id("mall", "tx-1")}) == 3
    assert span_id("shop", "tx-1", "a", "b") != span_id("shop", "tx-1", "a")


def test_what_has_not_ended_is_there_and_says_so(recorded):
    events = recorded("happy-path")
    began = next(at for at, event in enumerate(events) if isinstance(event, TransactionBegan))
    spans = {each["name"]: each for each in spans_of([(each, "") for each in events[: began + 2]])}
    assert "status" not in spans["purchase"]
    assert attributes(spans["purchase"])["marketsim.open"] is True
    assert attributes(spans["check_availability"])["marketsim.open"] is True


def test_what_happens_after_the_end_is_a_span_of_its_own(recorded):
    events: list[Event] = recorded("happy-path")
    last = events[-1]
    assert isinstance(last, TransactionCommitted)
    at = {
        "transaction": "tx-1",
        "operation": "charge_payment",
        "compensation": "refund_payment",
        "attempt": 1,
    }
    late = CompensationStarted(seq=last.seq + 1, time=last.time, key="k", service="payment", **at)
    spans = spans_of([(each, "") for each in [*events, late]])
    assert spans[-1]["name"] == "refund_payment"
    assert spans[-1]["links"][0]["spanId"] == span_id("shop", "tx-1", "charge_payment")


def test_a_time_that_is_none_is_told():
    event = TransactionCommitted(seq=1, time="2025-02-30T00:00:00Z", transaction="tx-1")
    with pytest.raises(LogDamaged, match="no time"):
        list(otlp([(event, "")], HEADER))


def test_the_reader_of_opentelemetry_reads_it(redacted, tmp_path: Path):
    trace = pytest.importorskip("opentelemetry.proto_json.trace.v1.trace")
    records = redacted("revert-fails")
    text = "".join(otlp(records, HEADER))
    data = trace.TracesData.from_json(text)
    (scope,) = data.resource_spans[0].scope_spans
    assert len(scope.spans) == len(spans_of(records))
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in scope.spans)
    operations = {span.span_id: span for span in scope.spans}
    reverts = [span for span in scope.spans if span.links]
    assert reverts
    for span in reverts:
        (link,) = span.links
        assert operations[link.span_id].trace_id == link.trace_id == span.trace_id
    assert json.loads(data.to_json()) == json.loads(text)
