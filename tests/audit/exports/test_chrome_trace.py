"""A trace viewer draws every call on a lane of its service, and an arrow from an operation to its revert."""

import json
from itertools import pairwise

import pytest

from marketsim.audit.exports.chrome_trace import chrome_trace
from marketsim.saga.events import CompensationStarted, OperationStarted, TransactionBegan
from marketsim.scenario.shipped import shipped

HEADER = {"head": {"origin": "shop"}}


def entries_of(records):
    return json.loads("".join(chrome_trace(records, HEADER)))["traceEvents"]


@pytest.mark.parametrize("name", sorted(shipped()))
def test_bars_of_one_lane_never_overlap(redacted, name):
    lanes: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for each in entries_of(redacted(name)):
        if each["ph"] == "X":
            lanes.setdefault((each["pid"], each["tid"]), []).append((each["ts"], each["ts"] + each["dur"]))
    for bars in lanes.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(bars)))


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_call_and_every_transaction_is_a_bar(redacted, name):
    records = redacted(name)
    begun = [
        event.seq
        for event, _ in records
        if isinstance(event, OperationStarted | CompensationStarted | TransactionBegan)
    ]
    entries = entries_of(records)
    assert sorted(each["args"]["seq"] for each in entries if each["ph"] == "X") == begun
    seqs = {each["args"].get(key) for each in entries if each["ph"] in "Xi" for key in ("seq", "seq_end")}
    assert seqs - {None} == {event.seq for event, _ in records}
    named = {(each["pid"], each["name"]) for each in entries if each["ph"] == "M"}
    for each in entries:
        assert each["ph"] in "MXisf"
        assert (each["pid"], "process_name") in named


@pytest.mark.parametrize("name", ["refund-after-order-fails", "revert-fails"])
def test_an_arrow_leads_from_an_operation_to_its_revert(redacted, name):
    entries = entries_of(redacted(name))
    bars = [each for each in entries if each["ph"] == "X"]

    def at(arrow):
        lane = [each for each in bars if (each["pid"], each["tid"]) == (arrow["pid"], arrow["tid"])]
        return [each for each in lane if each["ts"] <= arrow["ts"] <= each["ts"] + each["dur"]]

    starts = {each["id"]: each for each in entries if each["ph"] == "s"}
    ends = {each["id"]: each for each in entries if each["ph"] == "f"}
    assert starts.keys() == ends.keys()
    assert len(starts) == sum("compensation" in each["args"] for each in bars)
    for number, start in starts.items():
        (revert,) = [each for each in at(ends[number]) if each["args"]["seq"] == number]
        assert any(each["args"].get("operation") == revert["args"]["operation"] for each in at(start))


def test_what_has_not_ended_is_drawn_as_open(recorded):
    events = recorded("happy-path")
    bars = [each for each in entries_of([(each, "") for each in events[:-3]]) if each["ph"] == "X"]
    assert any(each["args"].get("outcome") == "open" for each in bars)
