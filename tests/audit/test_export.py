"""What is exported is read back the same; what is no export is refused, with its place."""

import json
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.audit import export as export_module
from marketsim.audit.export import Filter, export_json, export_jsonl, read_export
from marketsim.audit.log import LINE_BYTES_MAX, LogWriter
from marketsim.saga.errors import InputError
from marketsim.saga.events import (
    CatalogChanged,
    Event,
    LedgerPosted,
    MarketCreated,
    OperationProgress,
    OperationStarted,
    TransactionCommitted,
    encode,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PAYLOADS = st.dictionaries(TEXTS, st.recursive(st.integers(-(2**53), 2**53) | TEXTS, st.lists, max_leaves=4))


def progress(number: int, payload: dict[str, object] | None = None) -> Event:
    time = f"2025-01-01T00:00:{number % 60:02d}.000000Z"
    transaction = f"tx-{number % 3}"
    return OperationProgress(
        seq=number, time=time, transaction=transaction, operation="pack", attempt=1, payload=payload or {}
    )


def write_text(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@settings(max_examples=50, deadline=None)
@given(payloads=st.lists(PAYLOADS, max_size=5), header=PAYLOADS)
def test_either_export_is_read_back_the_same(tmp_path_factory, payloads, header):
    folder = tmp_path_factory.mktemp("export")
    events = [progress(number, payload) for number, payload in enumerate(payloads, 1)]
    document = write_text(folder / "a.json", "".join(export_json(events, header)))
    back = read_export(document)
    assert back.events == events
    assert back.header == {key: header[key] for key in header if key not in {"format", "version", "events"}}
    if events:
        lines = write_text(folder / "a.jsonl", "".join(export_jsonl(events)))
        assert read_export(lines).events == events


def test_a_document_has_its_header_first_and_an_event_a_line():
    events = [progress(1), progress(2)]
    text = "".join(export_json(events, {"origin": "shop", "size": 2, "events": "not these"}))
    assert json.loads(text)["events"][1]["seq"] == 2
    assert text.splitlines() == [
        '{"format":"marketsim-events","version":1,"origin":"shop","size":2,"events":[',
        encode(events[0]).decode() + ",",
        encode(events[1]).decode(),
        "]}",
    ]


def test_an_export_without_events_is_a_document_too(tmp_path):
    assert read_export(write_text(tmp_path / "a.json", "".join(export_json([], {})))).events == []


@pytest.mark.parametrize("export", [export_jsonl, lambda events: islice(export_json(events, {}), 1, None)])
def test_an_export_streams_and_takes_no_more_events_than_it_needs(export):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield progress(len(taken))

    pieces = export(endless())
    assert len(next(pieces).splitlines()) >= 1000
    assert len(taken) == 1000
    next(pieces)
    assert len(taken) == 2000


def test_a_segment_of_a_log_is_read_as_it_stands(tmp_path):
    with LogWriter(tmp_path / "audit", "shop") as writer:
        writer.append(progress(1))
        writer.append(progress(2))
    path = tmp_path / "audit" / "000001.jsonl"
    assert "".join(export_jsonl(read_export(path).events)) == path.read_text()


def test_a_document_that_was_laid_out_anew_is_read(tmp_path):
    text = json.dumps(json.loads("".join(export_json([progress(1)], {"origin": "shop"}))), indent=2)
    back = read_export(write_text(tmp_path / "a.json", text))
    assert (back.events, back.header) == ([progress(1)], {"origin": "shop"})


GOOD = encode(progress(1)).decode()
UNKNOWN_FIELD = GOOD.replace('"attempt"', '"attampt"')
OPENING = '{"format":"marketsim-events","version":1,"events":[\n'


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", None, "the file is empty"),
        (" \n\n", None, "the file is empty"),
        ("hello\n", 1, "not an export"),
        ("[]", 1, "not an export"),
        ("{}", None, "does not say"),
        ('{"format":"else","version":1,"events":[]}', None, "does not say"),
        ('{"format":7,"version":1,"events":[]}', None, "'format' is wrong"),
        ('{"format":"marketsim-events","events":[]}', None, "version is missing"),
        ('{"format":"marketsim-events","version":"1","events":[]}', None, "'version' is wrong"),
        ('{"format":"marketsim-events","version":0,"events":[]}', None, "no version 0"),
        ('{"format":"marketsim-events","version":2,"events":[]}', None, "newer than 1"),
        ('{"format":"marketsim-events","version":1}', None, "events is missing"),
        ('{"format":"marketsim-events","version":1,"events":{}}', None, "'events' is wrong"),
        (OPENING + GOOD + ",\n" + UNKNOWN_FIELD + "\n]}", 3, "unknown field"),
        (OPENING + GOOD + ",\n7\n]}", 3, "this is no event"),
        (OPENING + GOOD + ",\n" + GOOD[:-1] + "\n]}", None, "not an export"),
        (OPENING + '{"type":' + "[" * 100_000, None, "not an export"),
        (GOOD + "\n" + UNKNOWN_FIELD + "\n", 2, "unknown field"),
        (GOOD + "\n" + GOOD.replace("operation.progress", "no.such\x1b[2J") + "\n", 2, "this is no event"),
        (GOOD + "\n\n" + GOOD[:-9], 3, "this is no event"),
        (GOOD + "\n" + "[" * 100_000 + "\n", 2, "this is no event"),
        (GOOD + "\n" + "x" * (LINE_BYTES_MAX + 1), 2, "longer than"),
    ],
)
def test_what_is_no_export_is_refused_with_its_place(tmp_path, text, line, says):
    path = write_text(tmp_path / "a.json", text)
    with pytest.raises(InputError, match=says) as caught:
        read_export(path)
    place = caught.value.where
    assert place.startswith(str(path))
    assert line is None or place == f"{path}:{line}"
    assert str(caught.value).isprintable()


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"\x00\xff\xfe" * 10)
    with pytest.raises(InputError, match="not an export"):
        read_export(path)
    path.write_bytes(GOOD.encode().replace(b"pack", b"\xff\xff\xff\xff"))
    with pytest.raises(InputError, match="this is no event"):
        read_export(path)


def test_a_file_that_cannot_be_read_or_is_too_large_is_refused(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        read_export(tmp_path / "none")
    with pytest.raises(InputError, match="is a directory"):
        read_export(tmp_path)
    monkeypatch.setattr(export_module, "EXPORT_BYTES_MAX", 100)
    with pytest.raises(InputError, match="larger than"):
        read_export(write_text(tmp_path / "a.jsonl", GOOD + "\n"))


# Filters.

STREAM: list[Event] = [
    MarketCreated(seq=1, time="2025-01-01T00:00:00.000000Z", origin="shop", currency="EUR"),
    CatalogChanged(seq=2, time="2025-01-01T00:00:00.000000Z", source="init"),
    OperationStarted(
        seq=3,
        time="2025-01-01T00:00:00.500000Z",
        transaction="tx-1",
        operation="pack",
        attempt=1,
        key="k",
        kind="read_only",
        service="hall",
    ),
    LedgerPosted(seq=4, time="2025-01-01T00:00:01.000000Z", transaction="tx-1", postings=[]),
    TransactionCommitted(seq=5, time="2025-01-01T00:00:02.000000Z", transaction="tx-2"),
]


@pytest.mark.parametrize(
    ("wanted", "matched"),
    [
        (Filter(), [1, 2, 3, 4, 5]),
        (Filter(transaction="tx-1"), [3, 4]),
        (Filter(transaction="tx-9"), []),
        (Filter(types=["operation.started"]), [3]),
        (Filter(types=["operation"]), [3]),
        (Filter(types=["operation.", "market."]), [1, 3]),
        (Filter(types=["compensation"]), []),
        (Filter(since="4"), [4, 5]),
        (Filter(since="0"), [1, 2, 3, 4, 5]),
        (Filter(since="2025-01-01T00:00:00Z"), [1, 2, 3, 4, 5]),
        (Filter(since="2025-01-01T00:00:00.000001Z"), [3, 4, 5]),
        (Filter(since="2025-01-01T00:00:00.5Z"), [3, 4, 5]),
        (Filter(since="2025-01-01T00:00:01Z"), [4, 5]),
        (Filter(since="2025-01-01T01:00:01+01:00"), [4, 5]),
        (Filter(since="2025-01-01 00:00:01"), [4, 5]),
        (Filter(since="2025-01-02"), []),
        (Filter(transaction="tx-1", types=["ledger"], since="2"), [4]),
        (Filter(until="3"), [1, 2, 3]),
        (Filter(until="0"), []),
        (Filter(since="2", until="3"), [2, 3]),
        (Filter(since="3", until="2"), []),
        (Filter(until="2025-01-01T00:00:00Z"), [1, 2]),
        (Filter(until="2024-12-31"), []),
        (Filter(until="2025-01-02"), [1, 2, 3, 4, 5]),
        (Filter(operations=["no_such"]), []),
    ],
)
def test_a_filter_matches_what_meets_all_its_conditions(wanted, matched):
    assert [event.seq for event in STREAM if wanted.matches(event)] == matched


@pytest.mark.parametrize(
    ("kind", "todo"),
    [
        ("operation.stated", "operation.started"),
        ("compensations", "compensation"),
        ("", "known:"),
        ("operations", "operation"),
        (".", "known:"),
    ],
)
def test_a_type_that_there_is_none_of_is_refused_with_the_nearest(kind, todo):
    with pytest.raises(InputError, match="no event type") as caught:
        Filter(types=[kind])
    assert todo in caught.value.todo


@pytest.mark.parametrize(
    "since", ["", "-1", "yesterday", "2025-13-01", "9" * 5000, "٣", "0001-01-01T00:00:00+23:00"]
)
def test_a_since_that_is_neither_time_nor_number_is_refused(since):
    with pytest.raises(InputError, match="is no time"):
        Filter(since=since)
