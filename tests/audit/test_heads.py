"""What a log tells that keeps no events."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from marketsim.audit.heads import CountingLog, HeadLog
from marketsim.audit.log import LogWriter, read_checkpoint
from marketsim.saga.events import GENESIS, TransactionRejected


def _events(count: int) -> list[TransactionRejected]:
    time = "2026-01-01T00:00:00.000000Z"
    return [
        TransactionRejected(time=time, transaction=f"tx-{number}", rule="r", reason=str(number))
        for number in range(count)
    ]


def test_a_counting_log_numbers_events_from_one() -> None:
    log, events = CountingLog(), _events(3)
    for event in events:
        log.append(event)
    assert [event.seq for event in events] == [1, 2, 3]
    assert [event.prev for event in events] == ["", "", ""]


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 2500])
def test_a_head_log_has_the_head_that_the_log_on_the_disk_has(count: int, tmp_path: Path) -> None:
    light = HeadLog()
    with LogWriter(tmp_path / "audit", "m") as disk:
        for ours, theirs in zip(_events(count), _events(count), strict=True):
            light.append(ours)
            disk.append(theirs)
            assert (ours.seq, ours.prev) == (theirs.seq, theirs.prev)
    assert light.head("m") == read_checkpoint(tmp_path / "audit" / "checkpoint")


@settings(max_examples=20, deadline=None)
@given(some.integers(1, 60), some.data())
def test_asking_for_the_head_in_between_changes_nothing(count: int, data: some.DataObject) -> None:
    asked, silent = HeadLog(), HeadLog()
    at = data.draw(some.integers(0, count - 1))
    for number, (one, other) in enumerate(zip(_events(count), _events(count), strict=True)):
        if number == at:
            asked.head("m")
        asked.append(one)
        silent.append(other)
    assert asked.head("m") == silent.head("m")


def test_the_first_event_of_a_head_log_follows_nothing() -> None:
    log, (event,) = HeadLog(), _events(1)
    log.append(event)
    assert event.prev == GENESIS
