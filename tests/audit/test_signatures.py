"""Signatures are those of the signed-note format, and what is no key or no signature of a key is said so."""

import sys

import pytest

from marketsim.audit.checkpoint import Checkpoint
from marketsim.audit.signatures import (
    Signature,
    check_signature,
    make_key,
    parse_note,
    parse_signer,
    parse_verifier_key,
    sign_note,
)
from marketsim.saga.errors import InputError

KNOWN_SIGNER = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
KNOWN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
KNOWN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6"
    "RyyBwJnAM=\n"
)
HEAD = Checkpoint("shop", 5, b"r" * 32).text()


@pytest.fixture
def signer():
    pytest.importorskip("cryptography")
    return make_key("shop.example/audit")


def key_of(text):
    return parse_verifier_key(text, where="--key")


def test_the_known_note_has_the_known_signature_and_key():
    pytest.importorskip("cryptography")
    signer = parse_signer(KNOWN_SIGNER, where="a file")
    assert str(signer.key) == KNOWN_KEY
    assert signer.text() == KNOWN_SIGNER
    note = parse_note(KNOWN_NOTE)
    check_signature(note, key_of(KNOWN_KEY))
    assert str(sign_note(parse_note(note.body + "\n"), signer)) == str(note) == KNOWN_NOTE


def test_what_was_signed_is_verified_and_signing_again_changes_nothing(signer):
    note = sign_note(parse_note(HEAD), signer)
    check_signature(note, key_of(str(signer.key)))
    check_signature(parse_note(str(note)), signer.key)
    assert sign_note(note, signer) == note
    assert str(note).startswith(HEAD + "— shop.example/audit ")


def test_several_sign_one_head_and_each_is_found(signer):
    other = make_key("witness")
    note = sign_note(sign_note(parse_note(HEAD), signer), other)
    assert len(note.signatures) == 2
    check_signature(note, signer.key)
    check_signature(note, other.key)


def test_another_key_of_the_same_name_has_not_signed(signer):
    note = sign_note(parse_note(HEAD), signer)
    with pytest.raises(ValueError, match=r"has not signed it, but shop\.example/audit"):
        check_signature(note, make_key("shop.example/audit").key)
    with pytest.raises(ValueError, match="but nobody has"):
        check_signature(parse_note(HEAD), signer.key)


def test_each_bit_of_a_signature_and_each_character_of_the_text_counts(signer):
    note = sign_note(parse_note(HEAD), signer)
    (own,) = note.signatures
    for bit in range(0, 512, 7):
        wrong = int.from_bytes(own.signature, "big") ^ (1 << bit)
        forged = parse_note(f"{HEAD}{Signature(own.name, own.key_id, wrong.to_bytes(64, 'big'))}\n")
        with pytest.raises(ValueError, match="does not verify"):
            check_signature(forged, signer.key)
    for body in (HEAD.replace("5", "6"), HEAD.replace("shop", "shoq"), HEAD[:-1] + "more\n\n"):
        with pytest.raises(ValueError, match="does not verify"):
            check_signature(parse_note(f"{body}{own}\n"), signer.key)
    for short in (own.signature[:10], own.signature + b"x"):
        with pytest.raises(ValueError, match="does not verify"):
            check_signature(parse_note(f"{HEAD}{Signature(own.name, own.key_id, short)}\n"), signer.key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop",
        "a\n\n— shop\n",
        "a\n\n— shop !!!!\n",
        "a\n\n- shop AAAAAAAAAAAA\n",
        "a\n\n— s+p AAAAAAAAAAAA\n",
        "a\n\n— shop AAAAAAAAAAAA",
        "a\n\n— shop AAAA\n",
        "a\n\n" + "— shop AAAAAAAAAAAA\n" * 101,
    ],
)
def test_what_is_no_note_is_refused(text):
    with pytest.raises(ValueError, match=r"note|signature"):
        parse_note(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no verifier key"),
        ("shop", "no verifier key"),
        ("a+b+c", "no verifier key"),
        (KNOWN_KEY[:-4], "no verifier key"),
        (KNOWN_KEY.replace("LDE4", "LDE5"), "the id of the key"),
        (KNOWN_KEY.replace("c74f20a3", "c74f20a4"), "the id of the key"),
        (KNOWN_KEY.replace("c74f20a3", "C74F20A3"), "no verifier key"),
        (KNOWN_KEY.replace("Peter", "Peter "), "no verifier key"),
        (KNOWN_KEY.replace("+ARpc", "+AhpC"), "no verifier key"),
        ("x" * 10_000, "no verifier key"),
        ("\x1b[2J+c74f20a3+AA", "no verifier key"),
        (KNOWN_SIGNER, "this is a private key"),
        (f" \t{KNOWN_SIGNER}", "this is a private key"),
    ],
)
def test_what_is_no_verifier_key_is_refused_in_a_line(text, says):
    with pytest.raises(InputError, match=says) as caught:
        key_of(text)
    assert str(caught.value).isprintable()
    assert "AYEKFALV" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", KNOWN_KEY, KNOWN_SIGNER[:-8], KNOWN_SIGNER.replace("c74f20a3", "c74f20a4")]
)
def test_what_is_no_private_key_is_refused_and_not_repeated(text):
    pytest.importorskip("cryptography")
    with pytest.raises(InputError) as caught:
        parse_signer(text, where="a file")
    assert "AYEKFALV" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "new\nline", "x" * 256, "\x1b[2J"])
def test_a_name_that_no_key_can_have_is_refused(name):
    with pytest.raises(InputError, match="cannot name a key"):
        make_key(name)


def test_a_signer_shows_nothing_of_its_secret(signer):
    secret = signer.text().split("+", 4)[4]
    assert secret not in repr(signer) + str(signer)
    assert not hasattr(signer, "__dict__")


def test_without_the_extra_one_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric", None)
    for use in (
        lambda: make_key("shop"),
        lambda: parse_signer(KNOWN_SIGNER, where="a file"),
        lambda: check_signature(parse_note(KNOWN_NOTE), key_of(KNOWN_KEY)),
    ):
        with pytest.raises(InputError, match="`cryptography`") as caught:
            use()
        assert "marketsim[signing]" in caught.value.todo
