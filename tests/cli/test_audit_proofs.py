"""Keys, signatures, trusted heads and proofs at the command line: what holds, and what does not."""

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from cli.running import contents
from cli.test_bad_input import error_of

OTHER_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


@pytest.fixture
def used(cli, market):
    """A market with a purchase."""
    assert cli("purchase", "laptop-1").code == 0
    return market


@pytest.fixture
def key(cli):
    """A key in the place where it belongs; the verifier key is returned."""
    pytest.importorskip("cryptography")
    return cli("audit", "keygen", "shop.example/audit", "--json").document["verifier_key"]


def proof_of(cli, *arguments):
    assert cli("audit", "prove", *arguments, "--output", "proof.json", "--force").code == 0
    return json.loads(Path("proof.json").read_text())


def rules(ran):
    assert ran.code == 1, ran
    return {each["rule"] for each in ran.document["findings"]}


def state() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "marketsim"


def kept() -> list[Path]:
    return list((state() / "heads").glob("*"))


# Trust.


def test_a_verification_keeps_the_head_and_the_next_one_proves_that_the_log_grew(cli, used):
    first = cli("audit", "verify")
    assert first.code == 0
    assert "self-consistent only: no earlier head given" in first.out
    (file,) = kept()
    assert f"kept as the trusted head of {json_size(cli)} events: {file}" in first.out
    assert cli("purchase", "laptop-1").code == 0
    second = cli("audit", "verify")
    assert second.code == 0
    assert "consistency proof from" in second.out
    assert "self-consistent only" not in second.out
    assert "not rewritten before this" not in cli("audit", "verify").out
    assert used not in file.parents


def json_size(cli) -> int:
    return len(cli("audit", "list", "--json").document["events"])


def test_a_market_that_was_rewritten_with_right_hashes_is_found_out_and_the_head_stays(cli, used):
    assert cli("audit", "verify").code == 0
    (file,) = kept()
    before = file.read_bytes()
    shutil.rmtree(used)
    cli("init", "--catalog", "brought.json", "--market", "elsewhere/market")
    cli("purchase", "laptop-1", "--market", "elsewhere/market", "--seed", "5")
    shutil.copytree("elsewhere/market", used)
    found = cli("audit", "verify")
    assert found.code == 1
    assert "integrity-trust" in found.out
    assert f"the trusted head in {file} was left as it is" in found.err
    assert file.read_bytes() == before
    assert rules(cli("audit", "verify", "--json")) == {"integrity-trust"}
    alone = cli("audit", "verify", "--no-trust")
    assert alone.code == 0
    assert "no earlier head given" in alone.out


def test_events_that_were_cut_off_are_missed_though_the_head_was_made_anew(cli, used):
    shutil.copytree(used, "earlier")
    assert cli("purchase", "laptop-1").code == 0
    assert cli("audit", "verify").code == 0
    shutil.rmtree(used)
    shutil.copytree("earlier", used)
    assert rules(cli("audit", "verify", "--json")) == {"integrity-trust"}


def test_a_market_made_anew_by_its_owner_starts_anew(cli, used):
    assert cli("audit", "verify").code == 0
    shutil.rmtree(used)
    made = cli("init", "--catalog", "brought.json")
    assert made.code == 0
    assert "is forgotten" in made.err
    assert cli("audit", "verify").code == 0


def test_the_trusted_head_may_be_kept_anywhere_and_be_that_of_another_log(cli, used):
    assert cli("audit", "verify", "--trust", "mine/head").code == 0
    assert kept() == []
    assert Path("mine/head").read_text().startswith("market\n")
    cli("init", "--sample", "2", "--market", "other")
    before = Path("mine/head").read_bytes()
    assert rules(cli("audit", "verify", "--trust", "mine/head", "--market", "other", "--json")) == {
        "integrity-trust"
    }
    assert Path("mine/head").read_bytes() == before


def test_a_log_that_is_not_intact_is_not_kept(cli, used):
    log = used / "audit" / "000001.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"seed":0', b'"seed":1'))
    assert cli("audit", "verify").code == 1
    assert kept() == []


def test_where_nothing_can_be_kept_it_says_what_that_means(cli, used, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    found = cli("audit", "verify")
    assert found.code == 0
    assert (
        "not proven: that the log will not be rewritten after this: the trusted head cannot be kept"
        in found.out
    )
    assert "cannot be kept" in error_of(cli("audit", "verify", "--trust", "/proc/nowhere/head"))


def test_an_explanation_has_all_numbers_and_json_has_it_too(cli, used):
    shown = cli("audit", "verify", "--explain")
    assert "SHA-256(0x01 ‖ left ‖ right)" in shown.out
    assert "complete subtree over" not in cli("audit", "verify").out
    assert cli("audit", "verify", "-v", "--json").document["explanation"]
    assert "explanation" not in cli("audit", "verify", "--json").document


def test_the_number_of_cores_changes_nothing_but_time(cli, used):
    one = cli("audit", "verify", "--cores", "1", "--no-trust")
    assert one.code == 0
    assert cli("audit", "verify", "--no-trust").out == one.out
    assert cli("audit", "verify", "--cores", "2", "--no-trust").out == one.out


# Keys and signatures.


def test_a_key_is_written_once_for_its_owner_only_and_never_shown(cli, market):
    pytest.importorskip("cryptography")
    made = cli("audit", "keygen", "shop.example/audit", "--key", "shop.key")
    assert made.code == 0
    text = Path("shop.key").read_text()
    assert stat.S_IMODE(Path("shop.key").stat().st_mode) == 0o600
    secret = text.strip().split("+", 4)[4]
    assert "shop.example/audit+" in made.out
    assert secret not in made.out + made.err
    assert "the file exists" in error_of(cli("audit", "keygen", "again", "--key", "shop.key", "--force"))
    assert Path("shop.key").read_text() == text
    signed = cli("audit", "sign", "--key", "shop.key", "--json")
    assert signed.code == 0
    everything = b"".join(contents(market).values()).decode()
    assert secret not in signed.out + everything
    shown = error_of(cli("audit", "verify", "--key", "shop.key"))
    assert "this is a private key" in shown
    assert secret not in shown
    assert secret not in error_of(cli("audit", "verify", "--key", text.strip()))


def test_a_key_does_not_go_into_a_market_unless_it_is_forced_to(cli, market):
    pytest.importorskip("cryptography")
    for file in ("market/shop.key", "market/audit/deep/shop.key"):
        assert "inside a market" in error_of(cli("audit", "keygen", "shop", "--key", file))
        assert not Path(file).exists()
    assert cli("audit", "keygen", "shop", "--key", "market/shop.key", "--force").code == 0


def test_the_key_is_found_where_it_was_made_or_where_the_environment_says(cli, used, key, monkeypatch):
    assert (state() / "signing.key").exists()
    assert cli("audit", "sign").code == 0
    assert cli("audit", "keygen", "second", "--key", "second.key").code == 0
    monkeypatch.setenv("MARKETSIM_SIGNING_KEY", "second.key")
    assert cli("audit", "sign", "--json").document["signed_by"].startswith("second+")
    assert len((used / "audit" / "checkpoint").read_text().split("\n\n")[1].splitlines()) == 2


def test_a_signed_head_is_verified_and_says_by_whom(cli, used, key):
    assert cli("audit", "sign").code == 0
    found = cli("audit", "verify", "--key", key)
    assert found.code == 0
    assert "the head is signed by shop.example/audit+" in found.out
    Path("shop.pub").write_text(key + "\n")
    assert cli("audit", "verify", "--key", "shop.pub").code == 0
    assert "not proven: who signed the head" in cli("audit", "verify").out
    assert rules(cli("audit", "verify", "--key", OTHER_KEY, "--json")) == {"integrity-signature"}
    assert rules(cli("audit", "verify", "--key", key, "--key", OTHER_KEY, "--json")) == {
        "integrity-signature"
    }


def test_a_signature_lasts_until_something_is_written(cli, used, key):
    assert cli("audit", "sign").code == 0
    signed = (used / "audit" / "checkpoint").read_text()
    assert cli("recover").code == 0
    assert cli("audit", "sign").code == 0
    assert (used / "audit" / "checkpoint").read_text() == signed
    Path("kept").write_text(signed)
    assert cli("purchase", "laptop-1").code == 0
    assert rules(cli("audit", "verify", "--key", key, "--json")) == {"integrity-signature"}
    assert cli("audit", "verify", "--key", key, "--head", "kept").code == 0


def test_a_head_that_was_changed_after_it_was_signed_does_not_verify(cli, used, key):
    assert cli("audit", "sign").code == 0
    head = used / "audit" / "checkpoint"
    head.write_text(head.read_text().replace("market\n", "mall\n", 1))
    found = rules(cli("audit", "verify", "--key", key, "--json"))
    assert found == {"integrity-signature", "integrity-trust"}
    head.unlink()
    assert "integrity-signature" in rules(cli("audit", "verify", "--key", key, "--json"))


def test_what_is_not_intact_is_not_signed(cli, used, key):
    assert cli("audit", "verify").code == 0
    shutil.rmtree(used)
    cli("init", "--catalog", "brought.json", "--market", "elsewhere/market")
    shutil.copytree("elsewhere/market", used)
    before = (used / "audit" / "checkpoint").read_text()
    assert rules(cli("audit", "sign", "--json")) == {"integrity-trust"}
    assert "not signed" in cli("audit", "sign").out
    assert (used / "audit" / "checkpoint").read_text() == before
    log = used / "audit" / "000001.jsonl"
    log.write_bytes(log.read_bytes().replace(b"laptop-1", b"laptop-2"))
    assert cli("audit", "sign").code == 1


def test_without_the_extra_signing_says_what_to_install_and_the_rest_works(cli, used, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    for line in ("audit keygen shop", f"audit verify --key {OTHER_KEY}"):
        assert "pip install 'marketsim[signing]'" in error_of(cli(*line.split()))
    assert not (state() / "signing.key").exists()
    assert cli("audit", "verify").code == 0
    proof_of(cli, 3)
    assert cli("audit", "check-proof", "proof.json").code == 0


# Proofs.


def test_an_event_is_proven_to_somebody_who_has_no_log(cli, used, key, tmp_path):
    assert cli("audit", "sign").code == 0
    proof = proof_of(cli, 3)
    assert set(proof) == {"kind", "seq", "line", "path", "head"}
    Path("old-head").write_bytes((used / "audit" / "checkpoint").read_bytes())
    shutil.rmtree(used)
    found = cli("audit", "check-proof", "proof.json", "--key", key, "--head", "old-head")
    assert found.code == 0
    assert "event 3 (" in found.out
    assert "signed by shop.example/audit+" in found.out
    assert found.out.endswith("the proof holds\n")
    assert "not proven" not in found.out
    assert cli("audit", "check-proof", "proof.json", "--json").document["holds"] is True
    assert "no key was given" in cli("audit", "check-proof", "proof.json").out
    assert cli("audit", "check-proof", "proof.json", "--quiet").out == ""


def test_growth_is_proven_to_somebody_who_kept_a_head(cli, used):
    Path("old-head").write_bytes((used / "audit" / "checkpoint").read_bytes())
    size = int(Path("old-head").read_text().split("\n")[1])
    assert cli("purchase", "laptop-1").code == 0
    proof_of(cli, "--from", size)
    found = cli("audit", "check-proof", "proof.json", "--head", "old-head")
    assert (found.code, "not proven" in found.out) == (0, False)
    now = used / "audit" / "checkpoint"
    assert rules(cli("audit", "check-proof", "proof.json", "--head", now, "--json")) == {"proof-head"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"seq": 4}, "proof-path"),
        ({"line": "{}"}, "proof-path"),
        ({"path": []}, "proof-path"),
        ({"path": ["00" * 32] * 70}, "proof-path"),
    ],
)
def test_a_proof_that_was_altered_does_not_hold(cli, used, change, rule):
    Path("altered.json").write_text(json.dumps({**proof_of(cli, 3), **change}))
    assert rule in rules(cli("audit", "check-proof", "altered.json", "--json"))
    shown = cli("audit", "check-proof", "altered.json")
    assert (shown.code, shown.out.endswith("the proof does not hold\n")) == (1, True)


def test_a_proof_of_another_log_or_of_another_signer_does_not_hold(cli, used, key):
    proof_of(cli, 3)
    cli("init", "--sample", "2", "--market", "other")
    found = cli("audit", "check-proof", "proof.json", "--head", "other/audit/checkpoint", "--json")
    assert rules(found) == {"proof-head"}
    assert rules(cli("audit", "check-proof", "proof.json", "--key", key, "--json")) == {"proof-signature"}


def test_a_stranger_sees_nothing_move_on_the_terminal(cli, used):
    proof = proof_of(cli, 3)
    Path("hostile.json").write_text(json.dumps({**proof, "line": "\x1b[2J\u202e"}))
    shown = cli("audit", "check-proof", "hostile.json").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


BAD = [
    ("audit prove", "one thing can be proven at a time (give SEQ, or --from SIZE)"),
    ("audit prove 3 --from 2", "one thing can be proven at a time"),
    ("audit prove 0", "SEQ: the head of the log has no event '0' (give a number from 1 to"),
    ("audit prove 999999999999999999999999", "the head of the log has no event"),
    ("audit prove x", "'x' is not a valid int"),
    ("audit prove --from 0", "--from: a head of '0' events does not lie before this one"),
    ("audit prove --from -5", "a head of '-5' events does not lie before"),
    ("audit prove 3 --output brought.json", "brought.json: the file exists"),
    ("audit check-proof nowhere.json", "nowhere.json: the proof cannot be read: no such file"),
    ("audit check-proof market", "the proof cannot be read: is a directory"),
    ("audit check-proof brought.json", "brought.json: this is no proof"),
    ("audit check-proof cut.json", "cut.json: this is no proof"),
    ("audit check-proof huge.json", "this is no proof"),
    ("audit check-proof proof.json --key x", "--key: 'x' is no verifier key"),
    ("audit check-proof proof.json --key brought.json", "is no verifier key"),
    ("audit check-proof proof.json --head brought.json", "brought.json: the checkpoint is malformed"),
    ("audit check-proof proof.json --head nowhere", "nowhere: there is no checkpoint"),
    ("audit verify --key x+y+z", "--key: 'x+y+z' is no verifier key"),
    ("audit verify --trust brought.json", "brought.json: the trusted head cannot be read"),
    ("audit verify --trust market", "market: the trusted head cannot be read"),
    ("audit verify --trust head --no-trust", "--trust and --no-trust exclude each other"),
    ("audit verify --cores 0", "--cores: 0 cores (give 1 to 1024)"),
    ("audit verify --cores -3", "--cores: -3 cores"),
    ("audit keygen", "Missing argument 'NAME'"),
    ("audit keygen a+b", "'a+b' cannot name a key"),
    ("audit sign --key nowhere", "nowhere: the key file cannot be used: no such file or directory (make one"),
    ("audit sign --key market", "market: the key file cannot be used: is a directory"),
    ("audit sign --key open.key", "open.key: others may read this key (chmod 600 open.key)"),
    ("audit sign --key no.key", "no.key: this is no private key"),
]


@pytest.mark.parametrize(("line", "told"), BAD, ids=[line for line, _ in BAD])
def test_bad_input_is_told_in_a_line_and_changes_nothing(cli, used, line, told):
    proof = json.dumps(proof_of(cli, 3))
    Path("cut.json").write_text(proof[: len(proof) // 2])
    Path("huge.json").write_text(proof.replace('"seq": 3', '"seq": 1e30'))
    Path("open.key").write_text("x")
    Path("open.key").chmod(0o644)
    Path("no.key").write_text("x")
    Path("no.key").chmod(0o600)
    before = contents(Path())
    assert told in error_of(cli(*line.split()))
    assert contents(Path()) == before


@pytest.mark.parametrize("line", ["audit prove 1", "audit sign --key no.key"])
def test_where_there_is_no_market_none_is_read(cli, tmp_path, line):
    assert "there is no market here" in error_of(cli(*line.split(), "--market", "nowhere"))


def test_a_damaged_log_proves_nothing(cli, used):
    log = used / "audit" / "000001.jsonl"
    log.write_bytes(log.read_bytes().replace(b"laptop-1", b"laptop-2", 1))
    found = cli("audit", "prove", "3")
    assert (found.code, found.out) == (1, "")
    assert "not the one that its head has seen" in found.err
