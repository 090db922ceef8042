"""Every small change there is to a log of 200 events is found out against a head that was kept."""

import random
from itertools import combinations
from pathlib import Path

import pytest
from audit.test_verify import chained, put, stream, write

from marketsim.audit.checkpoint import Checkpoint
from marketsim.audit.verify import verify
from marketsim.saga.events import OperationSucceeded, decode

COUNT = 200
PARTS = 8


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def head(folder: Path) -> Checkpoint:
    return write(folder, COUNT)


def lines_of(folder: Path) -> list[bytes]:
    return (folder / "000001.jsonl").read_bytes().splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_flipping_any_bit_of_any_byte_is_detected(folder, head, part):
    """One bit of each byte, another one for the next; all parts together are all bytes."""
    path = folder / "000001.jsonl"
    whole = path.read_bytes()
    with path.open("r+b", buffering=0) as file:
        for index in range(part, len(whole), PARTS):
            file.seek(index)
            file.write(bytes([whole[index] ^ 1 << (index // PARTS) % 8]))
            assert not verify(folder, head=head).intact, index
            file.seek(index)
            file.write(whole[index : index + 1])
    assert verify(folder, head=head).intact


@pytest.mark.slow
@pytest.mark.parametrize("change", ["delete", "insert", "swap", "truncate"])
def test_deleting_inserting_swapping_and_cutting_bytes_is_detected(folder, head, change):
    path = folder / "000001.jsonl"
    whole = path.read_bytes()
    for at in range(3 if change == "swap" else 0, len(whole), 61):
        changed = {
            "delete": whole[:at] + whole[at + 1 :],
            "insert": whole[:at] + b"7" + whole[at:],
            "swap": whole[: at - 1] + whole[at : at + 1] + whole[at - 1 : at] + whole[at + 1 :],
            "truncate": whole[:at],
        }[change]
        path.write_bytes(changed)
        assert verify(folder, head=head).intact == (changed == whole), at


def test_deleting_or_repeating_any_event_or_cutting_behind_it_is_detected_even_if_chained_anew(folder, head):
    lines = lines_of(folder)
    for at in range(COUNT):
        for changed in (lines[:at] + lines[at + 1 :], [*lines[:at], lines[at], *lines[at:]], lines[:at]):
            put(folder, changed)
            assert not verify(folder, head=head).intact
            put(folder, chained([decode(line) for line in changed]))
            assert verify(folder, head=head).intact == (changed == [*lines, lines[-1]])


@pytest.mark.slow
def test_swapping_any_two_events_is_detected_even_if_chained_anew(folder, head):
    lines = lines_of(folder)
    pairs = list(combinations(range(COUNT), 2))
    chosen = [(at, at + 1) for at in range(COUNT - 1)] + random.Random(1).sample(pairs, 300)
    for one, two in chosen:
        changed = lines.copy()
        changed[one], changed[two] = lines[two], lines[one]
        put(folder, changed)
        assert not verify(folder, head=head).intact, (one, two)
        put(folder, chained([decode(line) for line in changed]))
        assert not verify(folder, head=head).intact, (one, two)


def test_splicing_two_logs_at_any_event_is_detected_even_if_chained_anew(folder, head):
    """The beginning of one log, and the end of another that differs in one value."""
    lines, events = lines_of(folder), stream(COUNT)
    changed = next(at for at, event in enumerate(events) if isinstance(event, OperationSucceeded))
    events[changed].result = {"n": 2}
    other = chained(events)
    for at in range(COUNT + 1):
        spliced = lines[:at] + other[at:]
        put(folder, spliced)
        assert verify(folder, head=head).intact == (spliced == lines), at
        put(folder, chained([decode(line) for line in spliced]))
        assert verify(folder, head=head).intact == (spliced[changed] == lines[changed]), at


def test_a_log_that_was_rewritten_whole_with_right_hashes_is_found_out_by_an_earlier_head_only(folder, head):
    events = stream(COUNT + 50)
    events[3].result = {"n": 2}
    rewritten = write_anew(folder, events)
    assert verify(folder).intact
    assert "no earlier head given" in verify(folder).not_proven[0]
    for earlier in (head, Checkpoint("shop", 0, b"x" * 32)):
        found = verify(folder, trusted=earlier)
        assert {each.rule for each in found.findings} == {"integrity-trust"}
        assert any("no consistency proof" in line for line in found.working)
    assert verify(folder, trusted=rewritten).intact


def write_anew(folder: Path, events: list) -> Checkpoint:
    """As somebody does who has the program itself."""
    from marketsim.audit.log import LogWriter, read_checkpoint

    (folder / "000001.jsonl").unlink()
    (folder / "checkpoint").unlink()
    with LogWriter(folder, "shop") as writer:
        for event in events:
            writer.append(event)
    found = read_checkpoint(folder / "checkpoint")
    assert found is not None
    return found


@pytest.mark.parametrize("size", [0, 1, 2, 3, 64, 127, 128, 199, 200])
def test_a_log_that_grew_from_the_trusted_head_shows_a_consistency_proof(folder, tmp_path, size):
    trusted = write(tmp_path / "before" / "audit", size)
    write(folder, COUNT)
    found = verify(folder, trusted=trusted)
    assert found.findings == []
    assert f"consistency proof from {size} to {COUNT}" in found.working[-1]
    assert found.working[-1].endswith("it holds")
    assert not any("no earlier head" in line for line in found.not_proven)


def test_a_head_that_is_older_than_the_trusted_one_is_proven_the_other_way(folder, tmp_path):
    """A process died after the trusted head was computed, and before it wrote its own."""
    old = write(tmp_path / "before" / "audit", 150)
    trusted = write(folder, COUNT)
    (folder / "checkpoint").write_text(old.text())
    found = verify(folder, trusted=trusted)
    assert found.findings == []
    assert "consistency proof from 150 to 200" in found.working[-1]


def test_a_log_that_is_shorter_than_the_trusted_head_is_found_out_though_its_own_head_fits(folder, tmp_path):
    trusted = write(tmp_path / "before" / "audit", COUNT)
    write(folder, 150)
    (finding,) = verify(folder, trusted=trusted).findings
    assert (finding.rule, finding.expected, finding.actual) == ("integrity-trust", "200 events", "150 events")


def test_a_log_that_gave_itself_another_name_is_found_out(folder, head):
    trusted = Checkpoint("mall", head.size, head.root)
    (finding,) = verify(folder, trusted=trusted).findings
    assert (finding.rule, finding.expected, finding.actual) == ("integrity-trust", "'mall'", "'shop'")


def test_the_explanation_has_every_number_of_the_proof(folder, head, tmp_path):
    trusted = write(tmp_path / "before" / "audit", 150)
    told = "\n".join(verify(folder, trusted=trusted).explanation)
    assert head.root.hex() in told
    assert trusted.root.hex() in told
    assert "consistency proof (RFC 9162, 2.1.4), hash 1: " in told
    assert "complete subtree over 128: " in told
