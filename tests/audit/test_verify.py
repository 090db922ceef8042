"""No byte, line or segment of a log can change without a finding; a good log gives none."""

import shutil
from itertools import combinations
from pathlib import Path

import msgspec
import pytest

from marketsim.audit.checkpoint import Checkpoint, write_checkpoint
from marketsim.audit.log import LINE_BYTES_MAX, LogWriter, read_checkpoint, read_events, segments
from marketsim.audit.merkle import Frontier
from marketsim.audit.verify import FINDINGS_MAX, Verification, verify
from marketsim.saga.events import (
    GENESIS,
    Event,
    MarketCreated,
    OperationStarted,
    OperationSucceeded,
    TransactionBegan,
    TransactionCommitted,
    decode,
    encode,
    leaf_hash,
)


def at(second: int) -> str:
    return f"2025-01-01T00:{second // 60:02d}:{second % 60:02d}.000000Z"


def stream(count: int) -> list[Event]:
    events: list[Event] = [MarketCreated(origin="shop", currency="EUR")]
    while len(events) < count:
        tx = f"tx-{len(events)}"
        call = {"transaction": tx, "operation": "pack", "attempt": 1}
        events += [
            TransactionBegan(transaction=tx, saga="s", policy="p", request={}, seed=1),
            OperationStarted(**call, key="k", kind="read_only", service="hall"),
            OperationSucceeded(**call, result={"n": 1}),
            TransactionCommitted(transaction=tx),
        ]
    for second, event in enumerate(events):
        event.time = at(second)
    return events[:count]


def write(folder: Path, count: int, **options: object) -> Checkpoint:
    with LogWriter(folder, "shop", **options) as writer:
        for event in stream(count):
            writer.append(event)
    head = read_checkpoint(folder / "checkpoint")
    assert head is not None
    return head


def rules(verification: Verification, severity: str = "error") -> set[str]:
    return {finding.rule for finding in verification.findings if finding.severity == severity}


def chained(events: list[Event]) -> list[bytes]:
    """Lines as somebody writes them who can compute hashes: everything is consistent."""
    lines, prev = [], GENESIS
    for seq, event in enumerate(events, 1):
        event.seq, event.prev = seq, prev
        lines.append(encode(event))
        prev = leaf_hash(lines[-1])
    return lines


def put(folder: Path, lines: list[bytes]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "000001.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.mark.parametrize("segment_bytes", [100, 1000, 1 << 20])
def test_a_good_log_gives_no_finding_and_shows_its_working(folder, segment_bytes):
    head = write(folder, 30, group=1, segment_bytes=segment_bytes)
    seen: list[Event] = []
    result = verify(folder, head=head, see=seen.append)
    assert result.findings == []
    assert result.intact
    assert (result.size, result.head_size, result.root) == (30, 30, head.root.hex())
    assert seen == list(read_events(folder))
    assert result.not_proven == []
    size_bytes = sum(path.stat().st_size for path in segments(folder))
    count = len(segments(folder))
    assert result.working == [
        f"{count} segment{'s' if count > 1 else ''}, {size_bytes:,} bytes",
        "30 of 30 lines decoded: 30 events",
        "30 of 30 links of the hash chain hold",
        f"root over 30: {head.root.hex()}",
        "root over the first 30 equals the root of the head",
    ]


def test_without_a_head_it_says_that_the_log_vouches_for_itself(folder):
    write(folder, 5)
    assert "no earlier head" in verify(folder).not_proven[0]
    assert verify(folder).intact


def test_events_after_the_head_are_counted_and_not_vouched_for(folder):
    head = write(folder, 5)
    put(folder, chained(stream(12)))
    result = verify(folder, head=head)
    assert result.intact
    assert (result.size, result.head_size) == (12, 5)
    assert result.not_proven == ["that the 7 events after the head are all that were written"]


def test_an_empty_log_equals_an_empty_head(folder):
    put(folder, [])
    assert verify(folder, head=Checkpoint("shop", 0, Frontier().root())).findings == []
    assert rules(verify(folder, head=Checkpoint("shop", 0, b"x" * 32))) == {"integrity-head"}


# Every change there is, to a small log, against a head that was kept.


def test_flipping_any_byte_is_detected(folder):
    head = write(folder, 30)
    path = folder / "000001.jsonl"
    whole = path.read_bytes()
    for flip, step in ((0x01, 1), (0x20, 5)):
        for index in range(0, len(whole), step):
            changed = bytearray(whole)
            changed[index] ^= flip
            path.write_bytes(changed)
            assert not verify(folder, head=head).intact, (index, flip)


def test_cutting_the_end_at_any_byte_is_detected(folder):
    head = write(folder, 30)
    path = folder / "000001.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert "integrity-head" in rules(verify(folder, head=head)), length


def test_deleting_duplicating_or_swapping_lines_is_detected_even_if_all_is_chained_anew(folder):
    head = write(folder, 30)
    lines = (folder / "000001.jsonl").read_bytes().splitlines()
    changes = [lines[:one] + lines[two:] for one, two in combinations(range(len(lines) + 1), 2)]
    changes += [
        [*lines[:one], lines[two], *lines[one:]] for one in range(len(lines) + 1) for two in range(len(lines))
    ]
    for one, two in combinations(range(len(lines)), 2):
        swapped = lines.copy()
        swapped[one], swapped[two] = lines[two], lines[one]
        changes.append(swapped)
    for changed in changes:
        put(folder, changed)
        assert not verify(folder, head=head).intact
        # A history that is chained anew is consistent, and only the head finds it out; except that
        # the last line again, behind what the head has seen, is a log that went on.
        put(folder, chained([decode(line) for line in changed]))
        assert verify(folder, head=head).intact == (changed == [*lines, lines[-1]])


# One finding for each thing that is wrong, with its place.


def test_a_changed_value_breaks_the_chain_behind_it_and_the_root(folder):
    head = write(folder, 9)
    path = folder / "000001.jsonl"
    before = path.read_bytes().splitlines()
    changed = [*before[:3], before[3].replace(b'"n":1', b'"n":2'), *before[4:]]
    put(folder, changed)
    chain, root = verify(folder, head=head).findings
    assert (chain.rule, chain.seq, chain.line, chain.file) == ("integrity-chain", 5, 5, "audit/000001.jsonl")
    assert (chain.expected, chain.actual) == (leaf_hash(changed[3]), leaf_hash(before[3]))
    assert root.rule == "integrity-head"
    assert root.expected == head.root.hex()
    assert chain.remedy
    assert root.remedy


def test_a_broken_line_is_told_and_the_rest_is_still_read(folder):
    write(folder, 9)
    lines = (folder / "000001.jsonl").read_bytes().splitlines()
    put(folder, [*lines[:3], b'{"\x1b[2J', *lines[4:]])
    seen: list[Event] = []
    result = verify(folder, see=seen.append)
    assert [(each.rule, each.line) for each in result.findings] == [
        ("integrity-line", 4),
        ("integrity-chain", 5),
        ("integrity-head", 0),
    ]
    assert [event.seq for event in seen] == [1, 2, 3, 5, 6, 7, 8, 9]
    assert all(text.isprintable() for each in result.findings for text in (each.message, each.actual))
    assert "8 of 9 lines decoded: 8 events" in result.working
    assert "7 of 9 links of the hash chain hold" in result.working


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"null",
        b"[]",
        b"\xff\xfe",
        b"\x00" * 50,
        b"[" * 100_000,
        b'{"type":"market.created","origin":"\xff","currency":"EUR"}',
        b'{"type":"market.created","origin":"' + b"x" * (3 * LINE_BYTES_MAX) + b'","currency":"EUR"}',
        b'{"type":"market.created","currency":"EUR","origin":"shop","seq":' + b"9" * 5000 + b"}",
        b'{"type":"market.created","currency":"EUR","origin":"shop","secret":1}',
        b'{"type":"market.exploded"}',
    ],
)
def test_whatever_stands_in_a_line_is_a_finding_and_not_a_crash(folder, line):
    put(
        folder,
        [line, encode(MarketCreated(seq=2, prev=leaf_hash(line), time=at(0), origin="a", currency="EUR"))],
    )
    result = verify(folder)
    assert result.size == 2
    assert result.findings[1].rule == "integrity-line"
    assert result.findings[1].line == 1


def test_a_line_in_another_spelling_is_told_with_the_byte_where_it_differs(folder):
    head = write(folder, 3)
    lines = (folder / "000001.jsonl").read_bytes().splitlines()
    put(folder, [lines[0].replace(b'"seq":1', b'"seq": 1'), *lines[1:]])
    finding = verify(folder, head=head).findings[0]
    assert finding.rule == "integrity-line"
    assert "canonical" in finding.message
    assert '"seq": 1' in finding.actual
    assert '"seq":1' in finding.expected


def test_a_duplicate_key_is_not_canonical(folder):
    put(folder, [encode(MarketCreated(seq=1, prev=GENESIS, time=at(0), origin="a", currency="EUR"))])
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"seq":1', b'"seq":7,"seq":1'))
    assert rules(verify(folder)) == {"integrity-line"}


def test_a_wrong_number_is_told_once(folder):
    events = stream(9)
    lines = chained(events)
    events[4].seq = 50
    lines[4] = encode(events[4])
    put(folder, lines)
    told = [each for each in verify(folder).findings if each.rule == "integrity-sequence"]
    assert [(each.line, each.expected, each.actual) for each in told] == [(5, "5", "50"), (6, "51", "6")]


@pytest.mark.parametrize(
    ("times", "wrong"),
    [
        (["2025-01-01T00:00:00Z", "2025-01-01T00:00:00.000000Z", "2025-01-01T00:00:00.5Z"], 0),
        (["2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00.500Z", "2025-01-01T00:00:00.5Z"], 0),
        (["2025-01-01T00:00:00.5Z", "2025-01-01T00:00:00Z"], 2),
        (["2025-01-02T00:00:00Z", "2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z"], 2),
        (["", "2025-01-01T00:00:00Z"], 0),
        (["2025-01-01T00:00:00Z", "yesterday"], 2),
        (["2025-01-01T00:00:00Z", "2025-01-01T00:00:00+01:00"], 2),
    ],
)
def test_time_runs_forward_only(folder, times, wrong):
    events = [MarketCreated(time=time, origin="a", currency="EUR") for time in times]
    put(folder, chained(events))
    told = [each.line for each in verify(folder).findings if each.rule == "integrity-time"]
    assert told == ([wrong] if wrong else [])


def test_a_torn_last_line_is_a_warning_if_the_head_has_not_seen_it(folder):
    write(folder, 3)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b'{"attempt":1,')
    result = verify(folder)
    assert result.intact
    (finding,) = result.findings
    assert (finding.rule, finding.severity, finding.line) == ("integrity-line", "warning", 4)
    assert "13 bytes" in finding.message


def test_what_the_head_has_seen_is_not_promised_to_be_cut(folder):
    write(folder, 3)
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    result = verify(folder)
    assert rules(result) == {"integrity-head"}
    (torn,) = [each for each in result.findings if each.rule == "integrity-line"]
    assert torn.remedy == "restore the file from a copy"


def test_a_line_cut_off_in_the_middle_of_the_log_is_an_error(folder):
    write(folder, 9, group=1, segment_bytes=600)
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes()[:-1])
    assert "integrity-line" in rules(verify(folder))


def test_an_endless_last_line_is_an_error(folder):
    write(folder, 1)
    with (folder / "000001.jsonl").open("ab") as file:
        file.write(b"x" * (2 * LINE_BYTES_MAX))
    assert rules(verify(folder)) == {"integrity-line"}


def test_every_missing_segment_is_detected(folder, tmp_path):
    head = write(folder, 12, group=1, segment_bytes=400)
    names = [path.name for path in segments(folder)]
    assert len(names) > 3
    for name in names:
        copy = tmp_path / "copies" / name / "audit"
        shutil.copytree(folder, copy)
        (copy / name).unlink()
        found = rules(verify(copy, head=head))
        assert "integrity-head" in found
        assert ("integrity-segment" in found) == (name != names[-1])


def test_a_run_of_missing_segments_is_one_finding(folder):
    write(folder, 12, group=1, segment_bytes=400)
    (folder / "000002.jsonl").unlink()
    (folder / "000003.jsonl").unlink()
    told = [each for each in verify(folder).findings if each.rule == "integrity-segment"]
    assert [(each.message, each.file) for each in told] == [
        ("segments 2 to 3 are missing", "audit/000002.jsonl")
    ]


def test_a_folder_that_is_not_there_or_is_a_file_is_a_finding(tmp_path):
    assert rules(verify(tmp_path / "none")) == {"integrity-segment"}
    (tmp_path / "file").touch()
    assert "integrity-segment" in rules(verify(tmp_path / "file"))


def test_a_log_shorter_than_its_head_says_by_how_much(folder):
    head = write(folder, 9)
    put(folder, (folder / "000001.jsonl").read_bytes().splitlines()[:7])
    (finding,) = verify(folder, head=head).findings
    assert (finding.rule, finding.expected, finding.actual) == ("integrity-head", "9 events", "7 events")


def test_a_missing_checkpoint_is_a_warning_and_not_proven(folder):
    write(folder, 3)
    (folder / "checkpoint").unlink()
    result = verify(folder)
    assert result.intact
    assert rules(result, "warning") == {"integrity-head"}
    assert result.head_size is None
    assert "no head to compare with" in result.not_proven[0]


def test_a_malformed_checkpoint_is_an_error(folder):
    write(folder, 3)
    (folder / "checkpoint").write_text("shop\nmany\n\n")
    result = verify(folder)
    assert rules(result) == {"integrity-head"}
    assert result.findings[0].file == "audit/checkpoint"


def test_the_folders_own_checkpoint_is_the_head_if_none_is_given(folder):
    head = write(folder, 3)
    write_checkpoint(folder, msgspec.structs.replace(head, root=b"x" * 32))
    assert rules(verify(folder)) == {"integrity-head"}
    assert verify(folder, head=head).intact


def test_findings_are_told_up_to_a_limit_and_counted_beyond(folder):
    put(folder, [b"x"] * (FINDINGS_MAX + 500))
    result = verify(folder, head=Checkpoint("shop", 0, Frontier().root()))
    assert len(result.findings) == FINDINGS_MAX + 1
    assert result.findings[-1].message == "500 more findings are not told one by one"
