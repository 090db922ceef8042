"""A proof holds for its own event, line, log and signer, and for nothing else."""

from pathlib import Path

import msgspec
import pytest
from audit.test_verify import chained, put, stream, write

from marketsim.audit.checkpoint import Checkpoint, write_checkpoint
from marketsim.audit.portable import (
    PROOF_BYTES_MAX,
    ConsistencyProof,
    InclusionProof,
    judge,
    parse_proof,
    prove_event,
    prove_growth,
)
from marketsim.audit.signatures import make_key, parse_note, sign_note
from marketsim.saga.errors import InputError, LogDamaged

SIZE = 41


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def head(folder: Path) -> Checkpoint:
    return write(folder, SIZE, group=1, segment_bytes=2000)


def again(proof: InclusionProof | ConsistencyProof) -> InclusionProof | ConsistencyProof:
    return parse_proof(msgspec.json.encode(proof), where="proof.json")


def rules(proof: InclusionProof | ConsistencyProof, *given: object) -> set[str]:
    return {each.rule for each in judge(proof, *given).findings}


def changed(proof, **fields):
    return msgspec.structs.replace(proof, **fields)


def test_every_event_is_proven_and_checked_against_nothing_but_the_head(folder, head):
    lines = chained(stream(SIZE))
    for seq in range(1, SIZE + 1):
        proof = again(prove_event(folder, seq))
        assert isinstance(proof, InclusionProof)
        assert proof.line.encode() == lines[seq - 1]
        judged = judge(proof, (), head)
        assert (judged.findings, judged.not_proven) == ([], [])
        assert f"event {seq} (" in judged.working[0]


def test_every_growth_is_proven_and_checked_against_the_old_head(folder, head, tmp_path):
    for size in range(1, SIZE + 1):
        put(tmp_path / "old", chained(stream(size)))
        old = write(tmp_path / f"old-{size}", size)
        proof = again(prove_growth(folder, size))
        judged = judge(proof, (), old)
        assert (judged.findings, judged.not_proven) == ([], [])


def test_without_a_head_or_a_key_it_says_what_nobody_vouches_for(folder, head):
    assert "no key and no head" in judge(prove_event(folder, 3)).not_proven[0]
    assert "the old root is the one you have seen" in judge(prove_growth(folder, 3)).not_proven[0]


def test_an_altered_line_path_place_or_head_is_found(folder, head):
    proof = prove_event(folder, 7)
    other = prove_event(folder, 8)
    assert "proof-path" in rules(changed(proof, line=proof.line.replace('"tx-5"', '"tx-6"')))
    assert "proof-path" in rules(changed(proof, line=proof.line + " "))
    assert rules(changed(proof, seq=8)) == {"proof-path", "proof-line"}
    assert "proof-path" in rules(changed(proof, line=other.line))
    assert "proof-path" in rules(changed(proof, path=proof.path[::-1]))
    assert "proof-path" in rules(changed(proof, head=head.text().replace("41", "99")))
    assert "proof-path" in rules(changed(proof, head=Checkpoint("shop", SIZE, b"x" * 32).text()))


@pytest.mark.parametrize("prove", [prove_event, prove_growth])
def test_a_path_that_is_too_long_or_too_short_says_so(folder, head, prove):
    proof = prove(folder, 7)
    for path, says in ((proof.path[:-1], "too short"), ([*proof.path, proof.path[0]], "too long")):
        (finding,) = judge(changed(proof, path=path)).findings
        assert finding.rule == "proof-path"
        assert says in finding.message


def test_another_old_root_or_size_is_found(folder, head):
    proof = prove_growth(folder, 7)
    assert rules(changed(proof, from_root="00" * 32)) == {"proof-path"}
    assert rules(changed(proof, from_size=8)) == {"proof-path"}
    assert rules(changed(proof, from_size=SIZE + 1)) == {"proof-path"}


def test_a_proof_of_another_log_does_not_pass_for_one_of_this(folder, head, tmp_path):
    events = stream(SIZE)
    events[20].transaction = "tx-other"
    put(tmp_path / "elsewhere", chained(events))
    other = write(tmp_path / "elsewhere-head", SIZE)
    assert rules(prove_event(folder, 3), (), msgspec.structs.replace(other, origin="mall")) == {"proof-head"}
    assert rules(prove_event(folder, 3), (), msgspec.structs.replace(other, root=b"x" * 32)) == {"proof-head"}
    assert rules(prove_growth(folder, 3), (), head) == {"proof-head"}


def test_a_signature_is_asked_of_each_key(folder, head):
    pytest.importorskip("cryptography")
    signer, stranger = make_key("shop"), make_key("mall")
    (folder / "checkpoint").write_text(str(sign_note(parse_note(head.text()), signer)))
    proof = again(prove_event(folder, 3))
    judged = judge(proof, [signer.key])
    assert (judged.findings, judged.not_proven) == ([], [])
    assert f"signed by shop+{signer.key.id.hex()}" in judged.working[-1]
    assert rules(proof, [signer.key, stranger.key]) == {"proof-signature"}
    assert rules(changed(proof, head=head.text()), [signer.key]) == {"proof-signature"}
    assert "who signed the head" in judge(proof, (), head).not_proven[0]


def test_a_leaf_that_is_no_event_is_in_the_tree_and_no_event(folder):
    lines = chained(stream(3))
    lines[1] = lines[1].replace(b'"seq":2', b'"seq": 2')
    put(folder, lines)
    from marketsim.audit.merkle import Frontier
    from marketsim.saga.events import leaf_hash

    tree = Frontier()
    tree.extend([bytes.fromhex(leaf_hash(line)) for line in lines])
    write_checkpoint(folder, Checkpoint("shop", 3, tree.root()))
    assert rules(prove_event(folder, 2)) == {"proof-line"}


@pytest.mark.parametrize("number", [0, -1, SIZE + 1, 10**30])
def test_a_number_that_the_head_does_not_have_is_bad_input(folder, head, number):
    with pytest.raises(InputError, match="the head of the log has no event"):
        prove_event(folder, number)
    with pytest.raises(InputError, match="does not lie before"):
        prove_growth(folder, number)


def test_nothing_is_proven_of_a_log_that_is_not_the_one_of_its_head(folder, head):
    path = folder / "000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"n":1', b'"n":2', 1))
    for prove in (prove_event, prove_growth):
        with pytest.raises(LogDamaged, match="not the one that its head has seen"):
            prove(folder, 30)
    (folder / "000001.jsonl").write_bytes(b"")
    with pytest.raises(LogDamaged):
        prove_growth(folder, 30)


def test_without_a_checkpoint_there_is_nothing_to_prove_under(folder, head):
    (folder / "checkpoint").unlink()
    with pytest.raises(InputError, match="no checkpoint"):
        prove_event(folder, 1)


GOOD = {"kind": "inclusion", "seq": 1, "line": "x", "path": [], "head": Checkpoint("a", 1, b"r" * 32).text()}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
        msgspec.json.encode(GOOD)[:-9],
        *(
            msgspec.json.encode({**GOOD, **each})
            for each in (
                {"kind": "exclusion"},
                {"seq": -1},
                {"seq": 0},
                {"seq": 10**18},
                {"seq": 10**40},
                {"seq": "1"},
                {"path": ["0" * 63]},
                {"path": ["0" * 64 + "\n"]},
                {"path": ["G" * 64]},
                {"path": ["0" * 64] * 1001},
                {"head": "a\n-1\nAAAA\n\n"},
                {"head": "a\n" + "9" * 30 + "\nAAAA\n\n"},
                {"head": ""},
                {"head": GOOD["head"] + "— who signed\n"},
                {"extra": 1},
            )
        ),
        b" " * (PROOF_BYTES_MAX + 1),
    ],
)
def test_what_cannot_be_a_proof_is_refused_in_a_line(data):
    with pytest.raises(InputError) as caught:
        parse_proof(data, where="proof.json")
    assert caught.value.where == "proof.json"
    assert str(caught.value).isprintable()
    assert caught.value.todo
