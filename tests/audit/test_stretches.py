"""However many cores look, and wherever a log is cut for them, the findings are the same to the byte."""

import os
import random
import signal
from pathlib import Path

import pytest
from audit.test_verify import at, chained, put, stream, write

from marketsim.audit import stretches, walk
from marketsim.audit.segments import LINE_BYTES_MAX, segments
from marketsim.audit.stretches import instant, pieces_of, sound, sound_pieces
from marketsim.audit.verify import Verification, verify
from marketsim.saga.events import Event, MarketCreated


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut small logs into pieces, as only large ones are."""
    monkeypatch.setattr(stretches, "PIECE_BYTES", 700)
    monkeypatch.setattr(walk, "PARALLEL_BYTES", 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def both(folder: Path, **options: object) -> Verification:
    """Verify on one core and on three; they agree on every word, and on the events."""
    one_saw, many_saw = list[Event](), list[Event]()
    one = verify(folder, see=one_saw.append, **options)
    many = verify(folder, see=many_saw.append, workers=3, **options)
    assert one == many
    assert one_saw == many_saw
    return one


@pytest.mark.parametrize("segment_bytes", [600, 5000, 1 << 20])
def test_a_good_log_is_good_on_any_number_of_cores(folder, segment_bytes):
    head = write(folder, 120, group=1, segment_bytes=segment_bytes)
    assert len(pieces_of(folder / "000001.jsonl")) >= 1
    found = both(folder, head=head, trusted=head)
    assert found.findings == []
    assert found.size == 120


def test_whatever_is_wrong_is_told_in_the_same_words(folder):
    head = write(folder, 60, group=1, segment_bytes=4000)
    chance, kept = random.Random(7), {path: path.read_bytes() for path in segments(folder)}
    for _ in range(40):
        for path, data in kept.items():
            path.write_bytes(data)
        path = chance.choice(list(kept))
        data = bytearray(kept[path])
        for _ in range(chance.choice([1, 1, 2, 5])):
            where = chance.randrange(len(data))
            match chance.randrange(4):
                case 0:
                    data[where] ^= 1 << chance.randrange(8)
                case 1:
                    del data[where : where + chance.choice([1, 10, 500])]
                case 2:
                    data[where:where] = chance.choice([b"\n", b"x", b'"\n{', data[:300]])
                case _:
                    data[where:where] = b"y" * (LINE_BYTES_MAX + chance.randrange(3))
        path.write_bytes(data)
        assert not both(folder, head=head).intact


def test_a_line_that_is_too_long_is_the_same_line_wherever_reading_began(folder):
    events = stream(40)
    lines = chained(events)
    put(folder, [*lines[:20], b"z" * (2 * LINE_BYTES_MAX + 5), *lines[20:]])
    found = both(folder)
    assert [each.line for each in found.findings if "longer than" in each.message] == [21]


def test_a_torn_line_and_a_missing_segment_are_told_alike(folder):
    write(folder, 60, group=1, segment_bytes=3000)
    last = segments(folder)[-1]
    last.write_bytes(last.read_bytes()[:-7])
    (folder / "000002.jsonl").unlink()
    assert {each.rule for each in both(folder).findings} >= {"integrity-segment", "integrity-line"}


def test_pieces_end_with_lines_and_miss_nothing(folder):
    write(folder, 100)
    path = folder / "000001.jsonl"
    data, pieces = path.read_bytes(), pieces_of(path)
    assert len(pieces) > 10
    assert b"".join(data[piece.start : piece.end] for piece in pieces) == data
    assert all(data[piece.start - 1 : piece.start] == b"\n" for piece in pieces[1:])


def test_a_process_that_dies_costs_time_and_no_finding(folder, monkeypatch):
    head = write(folder, 60)
    monkeypatch.setattr(stretches, "_read_sound", die)
    assert list(sound_pieces(pieces_of(folder / "000001.jsonl"), 2)) == [None] * len(
        pieces_of(folder / "000001.jsonl")
    )
    assert both(folder, head=head).findings == []


def die(piece: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_segment_that_cannot_be_read_is_told_alike(folder, monkeypatch):
    write(folder, 60, group=1, segment_bytes=3000)
    path = folder / "000002.jsonl"
    path.unlink()
    path.symlink_to("/proc/self/mem")
    found = both(folder)
    assert "integrity-segment" in {each.rule for each in found.findings}


def events_at(*times: str) -> list[bytes]:
    return chained([MarketCreated(time=time, origin="a", currency="EUR") for time in times])


def test_a_stretch_says_what_its_lines_are(folder):
    lines = chained(stream(9))
    found = sound(lines[3:])
    assert found is not None
    stretch, events = found
    assert (stretch.seq, stretch.size, stretch.began, stretch.time) == (4, 6, at(3), at(8))
    assert stretch.prev == events[0].prev
    assert stretch.follows(4, events[0].prev, at(3))
    assert not stretch.follows(5, events[0].prev, at(3))
    assert not stretch.follows(4, events[1].prev, at(3))
    assert not stretch.follows(4, events[0].prev, at(4))


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b""],
        [b"x"],
        events_at("yesterday"),
        events_at(at(2), at(1)),
        events_at(at(1), at(2), at(1)),
        [events_at(at(1))[0].replace(b":1", b": 1")],
        events_at(at(1), at(1))[::-1],
        events_at(at(1)) * 2,
        [*events_at(at(1)), b"", *events_at(at(1), at(2))[1:]],
        [b"x" * (LINE_BYTES_MAX + 1)],
        [b"[" * 100_000],
    ],
)
def test_anything_that_is_wrong_makes_no_stretch(lines):
    assert sound(lines) is None


def test_hashes_whose_borders_were_moved_are_no_chain():
    """The same characters in a row, divided in another way."""
    events = stream(4)
    chained(events)
    events[2].prev, events[3].prev = events[2].prev[:-1], events[2].prev[-1] + events[3].prev
    from marketsim.saga.events import encode

    assert sound([encode(event) for event in events]) is None


def test_times_sort_as_instants_whatever_their_fractions():
    times = [
        "2025-01-01T00:00:00Z",
        "2025-01-01T00:00:00.5Z",
        "2025-01-01T00:00:00.51Z",
        "2025-01-01T00:00:01Z",
    ]
    assert sorted(times, key=instant) == times
    assert sound(events_at(*times)) is not None
