"""Foreign histories become streams of ours, nothing is dropped in silence, and the checks run over them."""

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from audit.histories import Orra, Temporal, Trace, attribute, written
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.checks import examine
from marketsim.audit.export import export_json, export_jsonl
from marketsim.audit.imports import source
from marketsim.audit.imports.formats import FORMATS, take_in
from marketsim.audit.imports.history import Imported, Mapping, Rest, instant_ns, stamp_of
from marketsim.audit.imports.temporal import reverts_among
from marketsim.audit.log import LogWriter
from marketsim.audit.verify import verify
from marketsim.saga import events as e
from marketsim.saga.errors import InputError


def taken(folder: Path, text: str | bytes, name: str | None = None, **mapping: Any) -> Imported:
    return take_in(written(folder, text), name, Mapping(**mapping))[1]


def broken(imported: Imported) -> list[tuple[str, str]]:
    return [(each.rule, each.operation) for each in examine(imported.events)]


def kinds(imported: Imported) -> list[str]:
    return [each.type for each in imported.events]


# What is right is found right, in each format.


def temporal_right() -> str:
    story = Temporal().do("BookHotel", "BookFlight").fail("ChargeCard")
    return story.do("CancelFlight", "CancelHotel").end().text()


def orra_right() -> str:
    return Orra().do("hotel", "flight").fail("charge").revert("flight", "hotel").text()


def otlp_right() -> str:
    story = Trace().do("hotel", "flight").fail("charge")
    return story.revert("cancel_flight", "flight").revert("cancel_hotel", "hotel").end().text()


RIGHT = [("temporal", temporal_right), ("orra", orra_right), ("otlp", otlp_right)]


@pytest.mark.parametrize(("name", "right"), RIGHT)
def test_a_history_in_which_all_was_reverted_has_no_finding(tmp_path, name, right):
    found, imported = take_in(written(tmp_path, right()), None, Mapping())
    assert found.name == name
    assert broken(imported) == []
    assert kinds(imported)[:2] == ["market.created", "transaction.began"]
    assert kinds(imported)[-1] == "transaction.compensated"
    assert kinds(imported).count("operation.succeeded") == 2
    assert kinds(imported).count("operation.failed") == 1
    assert kinds(imported).count("compensation.succeeded") == 2
    assert kinds(imported).count("transaction.compensating") == 1


# A revert missing, doubled, and out of order.


def temporal_wrong() -> str:
    story = Temporal().do("ReserveStock", "BookHotel", "BookFlight").fail("ChargeCard")
    return story.do("CancelHotel", "CancelFlight", "CancelFlight").end().text()


def orra_wrong() -> str:
    story = Orra().do("ReserveStock", "BookHotel", "BookFlight").fail("charge")
    return story.revert("BookHotel", "BookFlight", "BookFlight").text()


def otlp_wrong() -> str:
    story = Trace().do("ReserveStock", "BookHotel", "BookFlight").fail("charge")
    for name in ("BookHotel", "BookFlight", "BookFlight"):
        story.revert(f"Cancel{name}", name)
    return story.end().text()


@pytest.mark.parametrize("wrong", [temporal_wrong, orra_wrong, otlp_wrong])
def test_a_revert_missing_doubled_and_out_of_order_are_three_findings(tmp_path, wrong):
    imported = taken(tmp_path, wrong())
    findings = examine(imported.events)
    assert sorted((each.rule, each.operation.lower(), each.severity) for each in findings) == [
        ("reverted-once", "bookflight", "error"),
        ("reverted-once", "reservestock", "error"),
        ("reverts-in-order", "bookflight", "error"),
    ]
    told = " ".join(each.message for each in findings)
    assert "was never reverted" in told
    assert "was reverted 2 times" in told
    assert "which had started after it" in told


# The stream is one of ours.


@pytest.mark.parametrize(("name", "right"), RIGHT)
def test_what_was_taken_in_is_a_log_that_verifies_and_can_be_taken_in_again(tmp_path, name, right):
    imported = taken(tmp_path, right())
    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "000001.jsonl").write_text("".join(export_jsonl(imported.events)))
    found = verify(folder)
    assert [each.rule for each in found.findings] == ["integrity-head"]  # There is none, and that is all.
    for text in ("".join(export_json(imported.events, {})), "".join(export_jsonl(imported.events))):
        assert taken(tmp_path, text).events == imported.events


@pytest.mark.parametrize("right", [temporal_right, orra_right])
def test_an_order_that_the_file_tells_is_kept_where_the_clock_stood_still(tmp_path, right):
    text = json.loads(right())
    for each in text["events"] if isinstance(text, dict) else text:
        each["eventTime" if "eventTime" in each else "timestamp"] = "2026-01-01T00:00:00Z"
    assert broken(taken(tmp_path, json.dumps(text))) == []


@given(st.permutations(range(1, 6)))
def test_spans_may_come_in_any_order(tmp_path_factory, order):
    text = json.loads(otlp_right())
    spans = text["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans[1:] = [spans[index] for index in order]
    folder = tmp_path_factory.mktemp("any")
    assert broken(taken(folder, json.dumps(text))) == []


def test_several_transactions_are_interleaved_by_time_and_keep_their_names(tmp_path):
    both = [{"events": Temporal(name).do("Book").end("Completed").events} for name in ("a", "b", "a")]
    imported = taken(tmp_path, json.dumps(both))
    names = [each.transaction for each in imported.events if isinstance(each, e.TransactionBegan)]
    assert names == ["a", "b", "a.2"]
    assert broken(imported) == []
    assert [each.time for each in imported.events] == sorted(each.time for each in imported.events)


# What is not known is not claimed.


def test_an_operation_that_needs_no_revert_is_named_as_such(tmp_path):
    story = Temporal().do("LookUp").fail("ChargeCard").end().text()
    assert broken(taken(tmp_path, story)) == [("reverted-once", "LookUp")]
    assert "--read-only" in examine(taken(tmp_path, story).events)[0].remedy
    assert broken(taken(tmp_path, story, read_only=["LookUp"])) == []


def test_a_history_that_goes_on_is_open_and_nothing_is_missing_yet(tmp_path):
    imported = taken(tmp_path, Temporal().do("BookHotel").fail("ChargeCard").text())
    assert "transaction.compensating" not in kinds(imported)
    assert broken(imported) == []


def test_what_failed_for_no_certain_reason_may_be_reverted(tmp_path):
    unsure = Temporal().fail("BookHotel", sure=False).do("CancelHotel").end().text()
    assert broken(taken(tmp_path, unsure)) == []
    sure = Temporal().fail("BookHotel", sure=True).do("CancelHotel").end().text()
    assert broken(taken(tmp_path, sure)) == [("revert-without-cause", "BookHotel")]


def test_a_timeout_is_unknown_but_not_of_what_never_started(tmp_path):
    landed = taken(tmp_path, Temporal().time_out("BookHotel").do("CancelHotel").end().text())
    assert "operation.unknown" in kinds(landed)
    assert broken(landed) == []
    assert "operation.failed" in kinds(
        taken(tmp_path, Temporal().time_out("BookHotel", "SCHEDULE_TO_START").end().text())
    )
    spans = Trace().fail("hotel", "DEADLINE_EXCEEDED").end().text()
    assert "operation.unknown" in kinds(taken(tmp_path, spans))


def test_operations_of_one_name_are_told_apart_and_reverted_newest_first(tmp_path):
    story = Temporal().do("BookHotel", "BookHotel").fail("ChargeCard").do("CancelHotel", "CancelHotel")
    imported = taken(tmp_path, story.end().text())
    reverted = [each.operation for each in imported.events if isinstance(each, e.CompensationSucceeded)]
    assert reverted == ["BookHotel.2", "BookHotel"]
    assert broken(imported) == []


def test_an_operation_that_is_tried_again_is_the_same(tmp_path):
    imported = taken(tmp_path, Temporal().fail("BookHotel").do("BookHotel").end("Completed").text())
    started = [each for each in imported.events if isinstance(each, e.OperationStarted)]
    assert [(each.operation, each.attempt) for each in started] == [("BookHotel", 1), ("BookHotel", 2)]
    assert kinds(imported)[-1] == "transaction.committed"
    assert broken(imported) == []


def test_a_revert_is_of_what_may_have_landed_and_not_of_a_later_one_that_failed(tmp_path):
    story = Temporal().do("BookHotel").fail("BookHotel").do("CancelHotel").end()
    assert broken(taken(tmp_path, story.text())) == []


def test_a_history_of_very_many_calls_is_taken_in_quickly(tmp_path):
    story = Temporal()
    for number in range(3000):
        story.do("BookHotel", f"Visit{number}").fail("BookHotel")
    for number in reversed(range(3000)):
        story.do(f"UndoVisit{number}", "CancelHotel")
    for each in story.end().events:
        each["eventTime"] = "2026-01-01T00:00:00Z"
    assert broken(taken(tmp_path, story.text())) == []


@pytest.mark.parametrize("answer", ["failure", "partial", "expired"])
def test_a_revert_that_did_not_succeed_leaves_a_dead_letter(tmp_path, answer):
    imported = taken(tmp_path, Orra().do("hotel").fail("charge").revert("hotel", answer=answer).text())
    end = imported.events[-1]
    assert isinstance(end, e.TransactionStuck)
    assert end.dead_letters == ["hotel"]
    assert broken(imported) == [("dead-letters", "hotel")]


def test_a_revert_that_was_tried_again_is_one_revert(tmp_path):
    story = Orra().do("hotel").fail("charge").revert("hotel", answer="failure").revert("hotel")
    assert broken(taken(tmp_path, story.text())) == []


def test_an_expired_revert_that_was_never_attempted_needs_no_intent(tmp_path):
    story = Orra().do("hotel").fail("charge")
    story.add("compensation_expired", "comp_fail_hotel", "hotel", {"error": "too late"})
    imported = taken(tmp_path, story.text())
    assert "compensation.started" not in kinds(imported)
    assert broken(imported) == [("dead-letters", "hotel")]


def test_a_task_without_compensation_data_is_not_missed(tmp_path):
    story = Orra().do("look", revertible=False).do("hotel").fail("charge").revert("hotel")
    assert broken(taken(tmp_path, story.text())) == []


@pytest.mark.parametrize("prefix", ["comp_partial", "comp_failure", "comp_expired", "comp_fail"])
def test_the_task_is_read_from_the_id_of_an_entry(tmp_path, prefix):
    story = Orra().do("two_words").fail("charge").revert("two_words", answer="failure")
    story.entries[-1]["id"] = f"{prefix}_two_words"
    assert broken(taken(tmp_path, story.text())) == [("dead-letters", "two_words")]


@pytest.mark.parametrize("shape", ["list", "entries", "by name", "lines"])
def test_orras_entries_come_in_several_shapes(tmp_path, shape):
    entries = json.loads(orra_right())
    texts = {
        "list": json.dumps(entries),
        "entries": json.dumps({"orchestrationId": "o-1", "entries": entries}),
        "by name": json.dumps({"o-1": entries}),
        "lines": "\n".join(json.dumps(each | {"orchestrationId": "o-1"}) for each in entries),
    }
    imported = taken(tmp_path, texts[shape], None if shape != "by name" else "orra")
    assert broken(imported) == []
    assert imported.events[1].transaction == ("orchestration" if shape == "list" else "o-1")


# What names an operation, and what marks a revert.


@pytest.mark.parametrize(
    ("revert", "operation"),
    [
        ("CancelHotel", "BookHotel"),
        ("refund_payment", "charge_payment"),
        ("UndoBookHotel", "BookHotel"),
        ("WithdrawCompensation", "Withdraw"),
        ("releaseStockActivity", "ReserveStock"),
        ("CancelCar", ""),
        ("BookHotel", ""),
        ("Cancel", ""),
    ],
)
def test_a_revert_is_known_by_its_name(revert, operation):
    names = ["BookHotel", "charge_payment", "Withdraw", "ReserveStock", "CancelFlight", revert]
    assert reverts_among(names).get(revert, "") == operation


def test_pairs_that_a_person_names_come_first(tmp_path):
    story = Temporal().do("Debit").fail("Ship").do("Credit").end().text()
    assert broken(taken(tmp_path, story)) == [("reverted-once", "Debit"), ("reverted-once", "Credit")]
    assert broken(taken(tmp_path, story, pairs={"Credit": "Debit"})) == []


def test_a_span_is_a_revert_by_a_link_to_its_operation(tmp_path):
    story = Trace().do("hotel").fail("charge")
    span = story.span("give back", story.root["spanId"], **{"saga.compensation": True})
    span["links"] = [{"traceId": "ab" * 16, "spanId": story.spans[1]["spanId"]}]
    imported = taken(tmp_path, story.end().text())
    (reverted,) = (each for each in imported.events if isinstance(each, e.CompensationSucceeded))
    assert (reverted.operation, reverted.compensation) == ("hotel", "give back")


def test_other_attributes_and_the_spans_own_names_can_be_named(tmp_path):
    story = Trace()
    story.span("hotel", story.root["spanId"], step="hotel")
    text = story.end(failed=False).text()
    for key in ("step", "name"):
        imported = taken(tmp_path, text, operation_attribute=key)
        assert kinds(imported)[-3:] == ["operation.started", "operation.succeeded", "transaction.committed"]
    with pytest.raises(InputError, match="no span names its operation"):
        taken(tmp_path, text)


def test_a_span_may_say_that_it_is_read_only_or_open_or_unknown(tmp_path):
    story = Trace()
    story.span("look", story.root["spanId"], **{"saga.operation": "look", "saga.kind": "read_only"})
    imported = taken(tmp_path, story.fail("charge").end().text())
    assert broken(imported) == []
    story.spans[2]["events"] = [{"name": "operation.failed"}, {"name": "operation.unknown"}]
    assert "operation.unknown" in kinds(taken(tmp_path, story.text()))
    story.spans[2]["attributes"].append(attribute("marketsim.open", True))
    assert "operation.failed" not in kinds(taken(tmp_path, story.text()))


def test_a_trace_that_is_no_transaction_is_listed(tmp_path):
    story, other = Trace().do("hotel").end(failed=False), Trace()
    other.span("dead_letter.resolved", other.root["spanId"], **{"marketsim.operation": "hotel"})
    told = taken(tmp_path, story.text() + "\n" + other.text().replace("abab", "cdcd")).unmapped
    assert [each.what for each in told] == ["span dead_letter.resolved", "trace"]


def test_traces_come_one_a_line_too(tmp_path):
    text = otlp_right()
    imported = taken(tmp_path, text + "\n" + text.replace("abab", "cdcd") + "\n")
    assert kinds(imported).count("transaction.began") == 2
    assert broken(imported) == []


def test_a_span_without_an_end_waits_for_its_answer(tmp_path):
    story = Trace().do("hotel")
    story.spans[1]["endTimeUnixNano"] = "0"
    story.root["endTimeUnixNano"] = 0
    assert kinds(taken(tmp_path, story.text()))[2:] == ["operation.started"]


# Nothing is dropped in silence.


def test_what_has_no_place_is_listed_with_its_number_and_its_first_place(tmp_path):
    story = Temporal()
    story.add("WorkflowTaskScheduled")
    story.do("Book")
    story.add("WorkflowTaskScheduled")
    story.add("ActivityTaskCompleted", scheduledEventId="77")
    story.add("ActivityTaskCompleted", scheduledEventId="3")
    scheduled = story.schedule("Pay")
    story.add("ActivityTaskStarted", scheduledEventId=scheduled, attempt=3)
    rest = taken(tmp_path, story.end().text()).unmapped
    assert [(each.what, each.count) for each in rest] == [
        ("WorkflowTaskScheduled", 2),
        ("ActivityTaskCompleted", 1),
        ("ActivityTaskCompleted", 1),
        ("earlier attempts of Pay", 2),
    ]
    assert rest[0].where.endswith("history.json: event 2")
    story = Orra().do("hotel")
    story.add("paused", "x", "y")
    story.add("task_output", "task0", "z")
    assert [each.what for each in taken(tmp_path, story.text()).unmapped] == ["paused", "task0"]
    spans = Trace().do("hotel")
    spans.span("SELECT", spans.root["spanId"])
    spans.span("lonely", spans.root["spanId"], **{"saga.compensation": True})
    spans.spans[1]["events"] = [{"name": "cache miss"}]
    told = [each.what for each in taken(tmp_path, spans.end().text()).unmapped]
    assert told == ["span event cache miss", "span SELECT", "revert lonely"]


def test_kinds_that_cannot_be_mapped_are_bounded():
    rest = Rest()
    for number in range(5000):
        rest.add(f"kind {number}", "why", "here")
    assert len(rest.listed()) == 1001
    assert sum(each.count for each in rest.listed()) == 5000


def test_old_and_new_names_of_temporals_events_are_the_same(tmp_path):
    story = json.loads(temporal_right())
    for each in story["events"]:
        words = "".join(f"_{letter}" if letter.isupper() else letter for letter in each["eventType"])
        each["eventType"] = f"EVENT_TYPE{words.upper()}"
        each["eventId"] = int(each["eventId"])
    assert broken(taken(tmp_path, json.dumps(story))) == []


# Bad input: one clear error each.

DEEP = b'[{"key":"a","value":{"arrayValue":' + b"[" * 100_000
CREATED = {"seq": 1, "prev": "0" * 64, "time": "2026-01-01T00:00:00Z", "type": "market.created"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (gzip.compress(b"{}", mtime=0), "the file is packed (gzip)"),
        (b"\x28\xb5\x2f\xfd....", "the file is packed (zstd)"),
        (b"PK\x03\x04....", "the file is packed (zip)"),
        ('{"a": "é"}'.encode("utf-16"), "the file is in UTF-16"),
        (b'{"seq": \xff\xff}', "this is no text in UTF-8"),
        ('{"events": [{"eventType": "é'.encode()[:-1], "the file ends in the middle of a character"),
        (b"hello\n", "this is no log that is known"),
        (b"[1, 2, 3]", "this is no log that is known"),
        (b"{}", "this is no log that is known"),
        (json.dumps(CREATED | {"format": 2, "unheard": 1}).encode(), "the log is of format 2, newer than 1"),
        (b'{"format":"marketsim-events","version":9,"events":[]}', "the file is of version 9, newer than 1"),
        (b'{"seq":1,"prev":"x","type":"market.cre', "not an export of events"),
        (b'{"seq":1,"prev":"x","type":"no.such"}\n', "this is no event"),
        (b'{"seq":1,"prev":"x","type":"' + b"x" * 10_000_000 + b'"}\n', ""),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":' + DEEP, "it is nested too deeply"),
        (b'{"resourceSpans":[{"scopeSpans":', "it ends in the middle of a document"),
        (b'{"resourceSpans": 7}', "this is no OTLP in JSON"),
        (b'{"resourceSpans": []}', "no span names its operation"),
        (b'[{"entryType":"task_output","producerId":"x"}]', "this is no log of orra"),
        (b'[{"entryType":"x","producerId":"y","id":"z","timestamp":"2026-01-01T00:00:00Z"}]', "no entry is"),
        (b'[{"entryType":"x","producerId":"y","id":"z","timestamp":"soon"}]', "'soon' is no time"),
        (b'[{"entryType":"x","producerId":"y","id":"z","timestamp":"2026-13-01T00:00:00Z"}]', "is no time"),
        (b'{"events":[{"eventType":"WorkflowExecutionStarted"}]}', "this is no history of Temporal"),
        (
            b'{"events":[{"eventId":1,"eventType":"WORKFLOW_EXECUTION","eventTime":"2026-01-01T00:00:00Z"}]}',
            "the history has no WorkflowExecutionStarted",
        ),
    ],
)
def test_what_cannot_be_taken_in_is_one_clear_error(tmp_path, content, told):
    path = written(tmp_path, content)
    with pytest.raises(InputError) as wrong:
        take_in(path, None, Mapping())
    assert told in wrong.value.what
    assert wrong.value.where.startswith(str(path))
    assert len(str(wrong.value)) < 600


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"[",
        b"{",
        b"null",
        b'"a"',
        b"[[]]",
        b"[null]",
        b'{"a":' * 50_000,
        b"[" * 200_000,
        b'{"events":7}',
    ],
)
def test_a_file_that_is_not_of_the_format_named_is_one_clear_error(tmp_path, name, content):
    with pytest.raises(InputError):
        take_in(written(tmp_path, content), name, Mapping())


def test_a_format_that_there_is_none_of_is_told_with_the_nearest(tmp_path):
    with pytest.raises(InputError, match="no format is called 'orrra'"):
        take_in(tmp_path / "x", "orrra", Mapping())
    with pytest.raises(InputError, match="the file cannot be read: no such file"):
        take_in(tmp_path / "x", None, Mapping())
    with pytest.raises(InputError, match="the file cannot be read: is a directory"):
        take_in(tmp_path, None, Mapping())


def test_a_file_that_is_too_large_is_refused_before_it_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "IMPORT_BYTES_MAX", 1000)
    path = written(tmp_path, b"x" * 5000)
    tracemalloc.start()
    with pytest.raises(InputError, match="the file is larger than"):
        take_in(path, None, Mapping())
    tracemalloc.stop()


@given(st.binary(max_size=300))
def test_no_bytes_at_all_end_in_anything_but_an_input_error(tmp_path_factory, content):
    path = written(tmp_path_factory.mktemp("bytes"), content)
    for name in (None, *FORMATS):
        with pytest.raises(InputError):
            take_in(path, name, Mapping())


JSON = st.sampled_from(
    [None, True, -1, 2**70, 0.5, "", "x" * 5000, "\ud800", "\x1b[31m", "tx\n", [], {}, [[]], {"": None}, "7"]
)


@given(st.sampled_from(RIGHT), st.data())
def test_a_history_with_something_else_anywhere_in_it_is_taken_in_or_refused(tmp_path_factory, right, data):
    document = json.loads(right[1]())
    target: Any = document
    while isinstance(target, dict | list) and target and data.draw(st.integers(0, 5)):
        keys = list(target) if isinstance(target, dict) else list(range(len(target)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(target[key], dict | list) or data.draw(st.integers(0, 3)) == 0:
            target[key] = data.draw(JSON)
            break
        target = target[key]
    path = written(tmp_path_factory.mktemp("other"), json.dumps(document))
    try:
        _, imported = take_in(path, right[0], Mapping())
    except InputError:
        return
    examine(imported.events)
    for event in imported.events:
        assert e.encode(e.decode(e.encode(event))) == e.encode(event)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-01T02:00:00.123456789+02:00", "2026-01-01T00:00:00.123456Z"),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_told_as_the_stream_tells_them(text, told):
    assert stamp_of(instant_ns(text, lambda: "here")) == told


def test_a_log_of_ours_is_taken_in_as_it_is(tmp_path, new_stream):
    folder = tmp_path / "audit"
    with LogWriter(folder, "shop", durability="none") as writer:
        for event in new_stream().purchase().reverted("tx-2").numbered():
            writer.append(event)
    found, imported = take_in(folder / "000001.jsonl", None, Mapping())
    assert found.name == "export"
    assert len(imported.events) == len(list(new_stream().purchase().reverted("tx-2").events))
    assert broken(imported) == []
    assert imported.unmapped == []
