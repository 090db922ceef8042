"""Who follows a log sees each event once, in order, whatever the writer is at."""

import pytest

from marketsim.audit.follow import Follower
from marketsim.audit.log import LogWriter
from marketsim.saga.errors import LogDamaged
from marketsim.saga.events import CatalogChanged, MarketCreated


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "audit"


def put(writer: LogWriter, *sources: str) -> None:
    for source in sources:
        writer.append(CatalogChanged(source=source, time="2025-01-01T00:00:00Z"))
    writer.flush()


def seen(follower: Follower) -> list[str]:
    return [event.source for event in follower.poll()]


def test_events_are_seen_once_each_as_they_are_written(folder):
    follower = Follower(folder, from_start=True)
    assert seen(follower) == []
    with LogWriter(folder, "shop", durability="none") as writer:
        put(writer, "a", "b")
        assert seen(follower) == ["a", "b"]
        assert seen(follower) == []
        put(writer, "c")
        assert seen(follower) == ["c"]
    assert follower.seq == 3


def test_without_from_start_only_what_comes_later_is_seen(folder):
    with LogWriter(folder, "shop", durability="none") as writer:
        put(writer, "a", "b")
        follower = Follower(folder)
        assert follower.seq == 2
        put(writer, "c")
        assert seen(follower) == ["c"]


def test_the_next_segment_is_followed_and_so_are_many(folder):
    with LogWriter(folder, "shop", durability="none", segment_bytes=1) as writer:
        put(writer, "a")
        late, early = Follower(folder), Follower(folder, from_start=True)
        put(writer, "b")
        assert seen(late) == ["b"]
        put(writer, "c")
        put(writer, "d")
        assert seen(late) == ["c", "d"]
        assert seen(early) == ["a", "b", "c", "d"]
    assert (folder / "000004.jsonl").exists()


def test_an_empty_segment_at_the_end_is_where_following_begins(folder):
    with LogWriter(folder, "shop", durability="none") as writer:
        put(writer, "a")
    (folder / "000002.jsonl").touch()
    follower = Follower(folder)
    assert follower.seq == 1
    assert seen(follower) == []


def test_a_line_that_is_being_written_waits_for_its_end(folder):
    with LogWriter(folder, "shop", durability="none") as writer:
        put(writer, "a")
        follower = Follower(folder, from_start=True)
        put(writer, "b")
    whole = (folder / "000001.jsonl").read_bytes()
    for end in range(len(whole) - 30, len(whole)):
        (folder / "000001.jsonl").write_bytes(whole[:end])
        Follower(folder)
        list(follower.poll())
        assert follower.seq == 1
    (folder / "000001.jsonl").write_bytes(whole)
    assert seen(follower) == ["b"]


def test_a_long_last_line_is_found_from_the_end(folder):
    with LogWriter(folder, "shop", durability="none") as writer:
        put(writer, "a", "x" * 300_000)
        follower = Follower(folder)
        assert follower.seq == 2
        put(writer, "c")
        assert seen(follower) == ["c"]


def cut(path):
    path.write_bytes(path.read_bytes()[:50])


def replaced(path):
    path.write_bytes(path.read_bytes() + b'{"type":"market.created"}\n')


def rewritten(path):
    path.write_bytes(path.read_bytes() + b"junk\n")


def rechained(path):
    line = path.read_bytes().split(b"\n")[1]
    path.write_bytes(path.read_bytes() + line.replace(b'"seq":2', b'"seq":3') + b"\n")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut, "the segment is shorter than it was"),
        (rewritten, "this is no event"),
        (replaced, "this is no event"),
        (rechained, "was chained to another line"),
        (lambda path: path.unlink(), "the segment is missing"),
    ],
)
def test_what_was_not_written_is_refused_with_its_place(folder, damage, told):
    with LogWriter(folder, "shop", durability="none") as writer:
        put(writer, "a", "b")
    follower = Follower(folder)
    damage(folder / "000001.jsonl")
    with pytest.raises(LogDamaged, match=told) as damaged:
        list(follower.poll())
    assert damaged.value.where == "audit/000001.jsonl"


def test_a_segment_that_ends_in_half_a_line_while_the_log_goes_on_is_refused(folder):
    with LogWriter(folder, "shop", durability="none", segment_bytes=1) as writer:
        put(writer, "a")
        follower = Follower(folder)
        put(writer, "b")
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b"{")
    with pytest.raises(LogDamaged, match="the line is cut off, although the log goes on"):
        list(follower.poll())


def test_a_line_that_never_ends_is_refused(folder):
    with LogWriter(folder, "shop", durability="none") as writer:
        writer.append(MarketCreated(origin="shop", currency="USD", time="2025-01-01T00:00:00Z"))
        writer.flush()
        follower = Follower(folder)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b"x" * (1 << 21))
    with pytest.raises(LogDamaged, match="the line is longer than"):
        list(follower.poll())
