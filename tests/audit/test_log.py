"""What is appended is what is read, on real files: torn, rotated, failing, interrupted and damaged ones."""

import errno
import os
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.audit import log as log_module
from marketsim.audit.checkpoint import parse_checkpoint
from marketsim.audit.log import (
    LINE_BYTES_MAX,
    START,
    Checkpoint,
    LogReader,
    LogWriter,
    MemoryLog,
    Position,
    cut_torn_line,
    read_checkpoint,
    read_events,
    segments,
)
from marketsim.audit.merkle import Frontier
from marketsim.audit.segments import check_position
from marketsim.saga.errors import InputError, LogDamaged, MarketError
from marketsim.saga.events import GENESIS, Event, OperationProgress, encode, leaf_hash


def event(number: int, text: str = "x") -> Event:
    return OperationProgress(
        time=f"2025-01-01T00:00:{number % 60:02d}.000000Z",
        transaction=f"tx-{number}",
        operation="pack",
        attempt=1,
        payload={"text": text},
    )


def write(folder: Path, count: int, position: Position = START, **options: object) -> LogWriter:
    with LogWriter(folder, "shop", position, **options) as writer:
        for number in range(count):
            writer.append(event(number))
    return writer


def end_of(folder: Path) -> Position:
    reader = LogReader(folder)
    for _ in reader:
        pass
    return reader.position


def lines_of(folder: Path) -> list[bytes]:
    return b"".join(path.read_bytes() for path in segments(folder)).split(b"\n")[:-1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def test_events_are_read_as_they_were_appended_numbered_and_chained(folder):
    written = [event(number) for number in range(5)]
    with LogWriter(folder, "shop") as writer:
        for each in written:
            writer.append(each)
    read = list(read_events(folder))
    assert read == written
    assert [each.seq for each in read] == [1, 2, 3, 4, 5]
    assert [each.prev for each in read] == [GENESIS, *[leaf_hash(encode(each)) for each in read[:-1]]]


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 12), max_size=5),
    group=st.integers(1, 7),
    segment_bytes=st.integers(1, 2000),
    durability=st.sampled_from(["group", "each", "none"]),
)
def test_any_grouping_rotation_and_reopening_gives_the_same_bytes_and_tree(
    tmp_path_factory, counts, group, segment_bytes, durability
):
    folder = tmp_path_factory.mktemp("log") / "audit"
    position, plain, expected = START, MemoryLog(), Frontier()
    for count in counts:
        writer = write(
            folder, count, position, group=group, segment_bytes=segment_bytes, durability=durability
        )
        position = writer.position
        for number in range(count):
            plain.append(event(number))
    for line in lines_of(folder):
        expected.add(bytes.fromhex(leaf_hash(line)))
    assert [each.transaction for each in read_events(folder)] == [each.transaction for each in plain.events]
    assert end_of(folder) == position
    assert position.peaks == [peak.hex() for peak in expected.peaks]
    if counts:
        assert read_checkpoint(folder / "checkpoint") == Checkpoint("shop", sum(counts), expected.root())


def test_a_position_reads_only_the_tail(folder):
    position = write(folder, 7, segment_bytes=400, group=1).position
    write(folder, 3, position, segment_bytes=400, group=1)
    reader = LogReader(folder, position)
    assert [each.seq for each in reader] == [8, 9, 10]
    assert reader.position == end_of(folder)


def test_a_segment_is_begun_when_the_last_has_reached_its_size(folder):
    write(folder, 9, group=1, segment_bytes=600)
    names = [path.name for path in segments(folder)]
    sizes = [path.stat().st_size for path in segments(folder)]
    assert names == ["000001.jsonl", "000002.jsonl", "000003.jsonl"]
    assert all(size >= 600 for size in sizes[:-1])
    assert all(path.read_bytes().endswith(b"\n") for path in segments(folder))


def test_an_empty_segment_at_the_end_is_where_writing_goes_on(folder):
    write(folder, 2)
    (folder / "000002.jsonl").touch()
    position = end_of(folder)
    assert (position.segment, position.offset, position.size) == (2, 0, 2)
    assert cut_torn_line(folder) == 0
    write(folder, 1, position)
    assert len(list(read_events(folder))) == 3


def test_the_group_is_written_when_it_is_full_and_not_before(folder):
    with LogWriter(folder, "shop", group=3) as writer:
        writer.append(event(0))
        writer.append(event(1))
        assert (lines_of(folder), writer.position.size) == ([], 0)
        writer.append(event(2))
        assert (len(lines_of(folder)), writer.position.size) == (3, 3)


def test_each_event_is_written_at_once_where_that_is_asked_for(folder):
    with LogWriter(folder, "shop", durability="each") as writer:
        writer.append(event(0))
        assert len(lines_of(folder)) == 1


@pytest.mark.parametrize(("durability", "synced"), [("group", 2), ("each", 4), ("none", 0)])
def test_syncs_are_as_many_as_the_durability_says(folder, monkeypatch, durability, synced):
    syncs = []
    monkeypatch.setattr(log_module, "_sync_file", syncs.append)
    with LogWriter(folder, "shop", group=3, durability=durability) as writer:
        for number in range(4):
            writer.append(event(number))
    assert len(syncs) == synced
    assert len(lines_of(folder)) == 4


def test_an_exception_does_not_lose_what_was_appended(folder):
    def append_and_fail() -> None:
        with LogWriter(folder, "shop") as writer:
            writer.append(event(0))
            raise KeyError("something else")

    with pytest.raises(KeyError):
        append_and_fail()
    assert len(list(read_events(folder))) == 1
    assert read_checkpoint(folder / "checkpoint").size == 1


def test_a_writer_that_is_abandoned_leaves_only_what_was_flushed(folder):
    writer = LogWriter(folder, "shop")
    writer.append(event(0))
    writer.flush()
    writer.append(event(1))
    writer.abandon()
    assert len(lines_of(folder)) == 1
    assert not (folder / "checkpoint").exists()
    with pytest.raises(MarketError, match="takes no more events"):
        writer.append(event(2))


def test_closing_twice_is_fine_and_a_closed_log_takes_no_more_events(folder):
    writer = write(folder, 1)
    writer.close()
    with pytest.raises(MarketError, match="takes no more events"):
        writer.append(event(1))


def failing_write(code: int, after_bytes: int):
    """Write as a full disk does: a part of it, and then no more."""
    real, left = os.write, [after_bytes]

    def partly(file: int, data: bytes) -> int:
        if left[0] <= 0:
            raise OSError(code, os.strerror(code))
        written = real(file, data[: left[0]])
        left[0] -= written
        return written

    return partly


@pytest.mark.parametrize(
    ("code", "says"),
    [(errno.ENOSPC, "no space left"), (errno.EIO, "input/output"), (errno.EROFS, "read-only")],
)
def test_a_failed_write_leaves_whole_events_only_and_ends_the_writing(folder, monkeypatch, code, says):
    with LogWriter(folder, "shop") as writer:
        writer.append(event(0))
        writer.flush()
        before = writer.position
        writer.append(event(1))
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", failing_write(code, 40))
            with pytest.raises(MarketError, match=says) as caught:
                writer.flush()
        assert caught.value.where == "audit/000001.jsonl"
        assert caught.value.todo
        with pytest.raises(MarketError, match="could not be written"):
            writer.append(event(2))
        assert writer.position == before
    assert len(lines_of(folder)) == 1
    assert end_of(folder) == before


def test_a_failed_sync_takes_the_group_back(folder, monkeypatch):
    def fail(file: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = LogWriter(folder, "shop")
    writer.append(event(0))
    monkeypatch.setattr(log_module, "_sync_file", fail)
    with pytest.raises(MarketError, match="input/output"):
        writer.close()
    assert lines_of(folder) == []


def test_a_checkpoint_that_cannot_be_written_is_said_so_and_the_old_one_stays(folder, monkeypatch):
    with LogWriter(folder, "shop") as writer:
        writer.append(event(0))
        writer.checkpoint()
        writer.append(event(1))
        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", failing_write(errno.ENOSPC, 0))
            with pytest.raises(MarketError, match="no space left"):
                writer.checkpoint()
        assert read_checkpoint(folder / "checkpoint").size == 1
    assert read_checkpoint(folder / "checkpoint").size == 2


def test_short_writes_are_gone_on_with(folder, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:10]))
    write(folder, 3)
    assert len(list(read_events(folder))) == 3


def test_an_interrupted_flush_can_be_repeated(folder, monkeypatch):
    writer = LogWriter(folder, "shop")
    writer.append(event(0))
    with monkeypatch.context() as patched:

        def interrupt(file: int) -> None:
            raise KeyboardInterrupt

        patched.setattr(log_module, "_sync_file", interrupt)
        with pytest.raises(KeyboardInterrupt):
            writer.flush()
    writer.append(event(1))
    writer.close()
    assert [each.seq for each in read_events(folder)] == [1, 2]


INTERRUPTED = """
import signal, sys
from pathlib import Path
from marketsim.audit.log import LogWriter
from marketsim.audit.segments import read_events
from marketsim.saga.events import OperationProgress

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, interrupt)
writer = LogWriter(Path(sys.argv[1]), "shop", group=3, segment_bytes=20_000, durability="none")
appended = interrupts = 0
for round in range(500):
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.00002 + round % 50 * 0.000003)
        # An interrupt may strike where Python only prints it, so that no round may wait for its own.
        for _ in range(500):
            event = OperationProgress(transaction="tx-1", operation="a", attempt=1)
            event.time = "2026-01-01T00:00:00.000000Z"
            writer.append(event)
            appended += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        interrupts += 1
signal.setitimer(signal.ITIMER_REAL, 0)
writer.close()
read = sum(1 for _ in read_events(Path(sys.argv[1])))
print(interrupts, appended <= read <= appended + interrupts)
"""


def test_interrupts_at_any_moment_lose_nothing_that_was_appended_and_break_nothing(folder):
    """In a process of its own: a tracer that is interrupted may never let go of its lock."""
    command = [sys.executable, "-c", INTERRUPTED, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.stderr == ""
    interrupts, kept = ran.stdout.split()
    assert int(interrupts) > 50
    assert kept == "True"


def test_an_event_that_is_too_long_is_refused_and_the_next_one_goes_on(folder):
    with LogWriter(folder, "shop") as writer:
        writer.append(event(0))
        with pytest.raises(MarketError, match=r"operation\.progress is 10\d+ bytes long"):
            writer.append(event(1, "y" * LINE_BYTES_MAX))
        writer.append(event(2))
    assert [each.transaction for each in read_events(folder)] == ["tx-0", "tx-2"]


def test_the_longest_line_is_read_back(folder):
    long = event(0)
    length = LINE_BYTES_MAX - len(encode(event(0, ""))) - len('"prev":"",') - 64 - len('"seq":1,')
    long.payload = {"text": "z" * length}
    with LogWriter(folder, "shop") as writer:
        writer.append(long)
        writer.append(event(1))
    assert len(lines_of(folder)[0]) == LINE_BYTES_MAX
    assert [each.seq for each in read_events(folder)] == [1, 2]


@pytest.mark.parametrize("position", [START, Position(offset=10), Position(segment=2)])
def test_a_writer_refuses_a_position_that_is_not_the_end(folder, position):
    write(folder, 3, segment_bytes=100, group=1)
    with pytest.raises(LogDamaged, match="does not end at"):
        LogWriter(folder, "shop", position)


@pytest.mark.parametrize(
    "position",
    [
        Position(size=3),
        Position(peaks=["00"]),
        Position(size=1, peaks=["x"]),
        Position(segment=0),
        Position(prev="?"),
    ],
)
def test_a_position_that_makes_no_sense_is_refused(folder, position):
    with pytest.raises(LogDamaged, match="makes no sense"):
        LogReader(folder, position)
    with pytest.raises(LogDamaged, match="makes no sense"):
        LogWriter(folder, "shop", position)


@pytest.mark.parametrize("origin", ["", "two\nlines", "x" * 256])
def test_an_origin_that_fits_in_no_checkpoint_is_refused(folder, origin):
    with pytest.raises(InputError, match="cannot name a log"):
        LogWriter(folder, origin)


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MarketError, match="cannot be written: not a directory"):
        LogWriter(tmp_path / "file" / "audit", "shop")


def test_a_memory_log_numbers_and_keeps_and_does_not_chain():
    log = MemoryLog()
    log.append(event(0))
    log.append(event(1))
    log.flush()
    log.checkpoint()
    log.close()
    assert [(each.seq, each.prev) for each in log.events] == [(1, ""), (2, "")]


# Reading.


def test_a_torn_last_line_is_not_read_and_is_cut_and_said_so(folder):
    write(folder, 3)
    path = folder / "000001.jsonl"
    whole = path.read_bytes()
    start_of_last = whole[:-1].rfind(b"\n") + 1
    for cut in range(start_of_last, len(whole)):
        path.write_bytes(whole[:cut])
        reader = LogReader(folder)
        assert [each.seq for each in reader] == [1, 2]
        assert reader.torn_bytes == cut - start_of_last == cut_torn_line(folder)
        assert path.read_bytes() == whole[:start_of_last]
        assert cut_torn_line(folder) == 0
        assert reader.position == end_of(folder)


def test_a_log_that_is_not_there_has_no_events_and_nothing_to_cut(folder):
    assert list(read_events(folder)) == []
    assert cut_torn_line(folder) == 0
    assert segments(folder) == []


def damage(folder: Path, old: bytes, new: bytes, line: int) -> None:
    path = segments(folder)[0]
    lines = path.read_bytes().split(b"\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_bytes(b"\n".join(lines))


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        (b'"seq":3', b'"seq":4', 3, "event 4 stands where event 3 belongs"),
        (b'"attempt":1', b'"attempt":2', 4, "chained to another line"),
        (b'"attempt":1', b'"attempt":!', 3, "this is no event"),
        (b'"attempt":1', b'"attampt":1', 3, "unknown field"),
        (b"operation.progress", b"operation.\x1b[2J", 3, "this is no event"),
        (b'"text":"x"', b'"text":' + b"[" * 5000, 3, "this is no event"),
        (b'"text":"x"', b'"text":"' + b"x" * LINE_BYTES_MAX + b'"', 3, "longer than 1048576 bytes"),
    ],
)
def test_the_first_line_that_does_not_verify_is_refused_with_its_place(folder, old, new, place, says):
    write(folder, 5)
    damage(folder, old, new, line=3)
    with pytest.raises(LogDamaged, match=says) as caught:
        list(read_events(folder))
    assert caught.value.where == f"audit/000001.jsonl:{place}"
    assert caught.value.todo
    assert str(caught.value).isprintable()


def test_the_line_is_counted_from_the_segments_start_when_only_the_tail_is_read(folder):
    position = write(folder, 5).position
    write(folder, 5, position)
    damage(folder, b'"attempt":1', b'"attempt":!', line=8)
    with pytest.raises(LogDamaged) as caught:
        list(read_events(folder, position))
    assert caught.value.where == "audit/000001.jsonl:8"


def test_a_gap_in_the_segments_is_refused(folder):
    write(folder, 9, group=1, segment_bytes=600)
    (folder / "000002.jsonl").unlink()
    for read in (segments, cut_torn_line, lambda folder: list(read_events(folder))):
        with pytest.raises(LogDamaged, match="missing") as caught:
            read(folder)
        assert caught.value.where == "audit/000002.jsonl"


def test_other_files_are_no_segments(folder):
    write(folder, 1)
    for name in ("1.jsonl", "000002.jsonl.tmp", "x000002.jsonl", "000000.jsonl"):
        (folder / name).write_text("not ours")
    (folder / "000002.jsonl").mkdir()
    assert [path.name for path in segments(folder)] == ["000001.jsonl"]


def test_a_line_cut_off_before_the_last_segment_is_damage(folder):
    write(folder, 9, group=1, segment_bytes=600)
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LogDamaged, match="does not end"):
        list(read_events(folder))


def test_a_log_that_became_shorter_than_a_position_is_damage(folder):
    position = write(folder, 3).position
    (folder / "000001.jsonl").write_bytes(b"")
    with pytest.raises(LogDamaged, match="shorter"):
        list(read_events(folder, position))
    (folder / "000001.jsonl").unlink()
    with pytest.raises(LogDamaged, match="shorter"):
        list(read_events(folder, position))


def test_an_endless_last_line_is_damage_and_not_cut(folder):
    write(folder, 1)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b"x" * (3 * LINE_BYTES_MAX))
    with pytest.raises(LogDamaged, match="does not end") as caught:
        list(read_events(folder))
    assert caught.value.where == "audit/000001.jsonl:2"
    with pytest.raises(LogDamaged, match="does not end"):
        cut_torn_line(folder)


# The checkpoint.


def test_a_checkpoint_is_three_lines_and_an_empty_one(folder):
    root = write(folder, 3).position
    text = (folder / "checkpoint").read_text()
    frontier = Frontier(root.size, [bytes.fromhex(peak) for peak in root.peaks])
    origin, size, _, empty, end = text.split("\n")
    assert (origin, size, empty, end) == ("shop", "3", "", "")
    assert parse_checkpoint(text).root == frontier.root()
    assert not list(folder.glob("*.tmp"))


def test_a_checkpoint_may_have_extensions_and_signatures():
    text = Checkpoint("shop", 5, b"r" * 32).text()
    extended = text.removesuffix("\n") + "extension\n\n— shop az3akJk+\n"
    assert parse_checkpoint(extended) == Checkpoint("shop", 5, b"r" * 32)


def test_there_may_be_no_checkpoint(folder):
    assert read_checkpoint(folder / "checkpoint") is None


GOOD_ROOT = b64encode(b"r" * 32)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "three lines"),
        (b"shop\n3\n" + GOOD_ROOT + b"\n", "three lines"),
        (b"shop\n3\n\n", "three lines"),
        (b"\n3\n" + GOOD_ROOT + b"\n\n", "three lines"),
        (b"shop\n-3\n" + GOOD_ROOT + b"\n\n", "'-3' is no size"),
        (b"shop\n03\n" + GOOD_ROOT + b"\n\n", "'03' is no size"),
        (b"shop\n" + b"9" * 5000 + b"\n" + GOOD_ROOT + b"\n\n", "is no size"),
        (b"shop\n3\nAAAA\n\n", "'AAAA' is no root"),
        (b"shop\n3\n!" + GOOD_ROOT + b"\n\n", "is no root"),
        (b"shop\n3\n" + GOOD_ROOT[:-2] + b"J=\n\n", "is no root"),
        (b"shop\n3\n" + GOOD_ROOT + b"\n\nsigned, me\n", "no signature"),
        (b"\xff\n3\n" + GOOD_ROOT + b"\n\n", "not UTF-8"),
        (b"x" * 100_000, "longer than"),
    ],
)
def test_a_malformed_checkpoint_is_refused(tmp_path, text, says):
    path = tmp_path / "checkpoint"
    path.write_bytes(text)
    with pytest.raises(LogDamaged, match=says):
        read_checkpoint(path)


def test_a_checkpoint_that_cannot_be_read_is_said_so(tmp_path):
    with pytest.raises(MarketError, match="cannot be read"):
        read_checkpoint(tmp_path)


def test_a_position_at_the_beginning_of_a_segment_is_held_against_the_end_of_the_one_before(folder):
    write(folder, 9, group=1, segment_bytes=600)
    last = end_of(folder)
    behind = msgspec.structs.replace(last, segment=last.segment + 1, offset=0)
    (folder / f"{behind.segment:06d}.jsonl").touch()
    check_position(folder, behind)
    path = segments(folder)[-2]
    path.write_bytes(path.read_bytes().replace(b'"x"', b'"y"'))
    with pytest.raises(LogDamaged, match="event 9 is not the one that was written"):
        check_position(folder, behind)
    with pytest.raises(LogDamaged, match="event 9 is not the one that was written"):
        list(read_events(folder, behind))


@pytest.mark.parametrize(
    "nonsense", [{"offset": -5}, {"segment": 0}, {"segment": 10**15, "offset": 0}, {"offset": 10**15}]
)
def test_a_position_that_nobody_could_have_kept_is_refused_at_once(folder, nonsense):
    write(folder, 3)
    with pytest.raises(LogDamaged):
        check_position(folder, msgspec.structs.replace(end_of(folder), **nonsense))


def test_of_a_head_that_cannot_be_written_nothing_is_left(folder, monkeypatch):
    writer = LogWriter(folder, "shop")
    writer.append(event(1))
    writer.flush()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("marketsim.audit.checkpoint.os.fsync", full)
    with pytest.raises(MarketError, match="no space left"):
        writer.checkpoint()
    writer.abandon()
    assert [path.name for path in folder.iterdir()] == ["000001.jsonl"]
