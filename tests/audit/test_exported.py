"""A file that was handed on is verified as far as a file can be, and says how far that is."""

import json
from pathlib import Path

import pytest
from audit.conftest import Stream

from marketsim.audit.checkpoint import read_checkpoint
from marketsim.audit.exported import Disclosure, verify_export
from marketsim.audit.exports.formats import FORMATS
from marketsim.audit.log import LogWriter, read_events
from marketsim.audit.redaction import Redactor, plain
from marketsim.saga.errors import InputError
from marketsim.saga.events import GENESIS, CatalogChanged, MarketCreated, encode

SECRET = bytes(32)
FORMS = ("json", "jsonl")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A log with a customer and a purchase."""
    stream = Stream()
    stream.add(CatalogChanged(source="edit", customers=[{"id": "user-1", "name": "Ada"}]))
    stream.begin()
    for name in ("reserve_stock", "charge_payment"):
        stream.start(name)
        stream.effect(name)
        stream.succeed(name)
    with LogWriter(tmp_path / "audit", "shop") as log:
        for event in stream.events:
            event.time = "2025-01-01T00:00:00.000000Z"
            log.append(event)
    return tmp_path / "audit"


def exported(folder: Path, form: str = "json", *, keep: bool = False, only: slice = slice(None)) -> Path:
    events = list(read_events(folder))[only]
    head = read_checkpoint(folder / "checkpoint")
    header = {"head": {"origin": head.origin, "size": head.size, "root": head.root.hex()}}
    records = plain(events) if keep else Redactor(SECRET).records(events)
    path = folder.parent / f"out.{form}"
    path.write_text("".join(FORMATS[form].export(records, header)), encoding="utf-8")
    return path


def rules(verification) -> list[str]:
    return [each.rule for each in verification.findings]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("keep", [False, True])
def test_a_redacted_file_has_the_root_of_the_log(folder, form, keep):
    head = read_checkpoint(folder / "checkpoint")
    found, whole = verify_export(exported(folder, form, keep=keep), head=head)
    assert whole
    assert found.findings == []
    assert found.root == head.root.hex()
    assert any("redacted" in each for each in found.not_proven) is not keep


def test_a_file_that_was_laid_out_anew_verifies_too(folder):
    path = exported(folder)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=2))
    found, whole = verify_export(path)
    assert (found.findings, whole) == ([], True)


@pytest.mark.parametrize("form", FORMS)
def test_every_line_that_is_altered_dropped_doubled_or_moved_is_found(folder, form):
    path = exported(folder, form)
    head = read_checkpoint(folder / "checkpoint")
    lines = path.read_text().splitlines(keepends=True)
    first = 1 if form == "json" else 0
    last = len(lines) - first
    for at in range(first, last):
        altered = [lines[at].replace('"tx-1"', '"tx-2"', 1).replace('"source":"edit"', '"source":"x"', 1)]
        if '"leaf"' in lines[at]:
            altered = [lines[at].replace('"leaf":"', '"leaf":"00', 1).replace('",', '",', 1)]
            altered = [
                altered[0][: altered[0].index('"leaf":"') + 72]
                + altered[0][altered[0].index('"leaf":"') + 74 :]
            ]
        for change in (altered, [], [lines[at]] * 2):
            if change == [lines[at]]:
                continue
            text = "".join([*lines[:at], *change, *lines[at + 1 :]])
            path.write_text(text.replace(",\n]}", "\n]}"))
            found, whole = verify_export(path, head=head)
            assert found.findings or not whole, (at, change)
            if change:
                assert found.findings


def test_a_field_of_a_redacted_event_can_be_altered_and_that_is_said(folder):
    path = exported(folder)
    path.write_text(path.read_text().replace('"source":"edit"', '"source":"import"'))
    found, _ = verify_export(path)
    assert found.findings == []
    assert any("(seq 3)" in each and "not what the file says of it" in each for each in found.not_proven)


def test_a_disclosed_value_puts_the_event_together_again(folder):
    path = exported(folder)
    token = Redactor(SECRET).token("Ada")
    found, _ = verify_export(path, disclosures={token: "Ada"})
    assert found.findings == []
    assert not any("redacted" in each for each in found.not_proven)
    path.write_text(path.read_text().replace('"source":"edit"', '"source":"import"'))
    altered, _ = verify_export(path, disclosures={token: "Ada"})
    assert rules(altered) == ["integrity-line"]
    none, _ = verify_export(path, disclosures={Redactor(SECRET).token("Eve"): "Eve"})
    assert "nothing in the file was redacted to" in none.findings[0].message


def test_an_event_that_brings_its_own_hash_must_have_something_redacted(folder):
    path = exported(folder, "jsonl")
    lines = path.read_text().splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "leaf": json.loads(lines[1])["prev"]}, sort_keys=True)
    path.write_text("\n".join(lines) + "\n")
    assert rules(verify_export(path)[0]) == ["integrity-line"]


def test_a_part_of_a_log_says_that_it_is_one(folder):
    found, whole = verify_export(exported(folder, only=slice(4, 8)))
    assert not whole
    assert found.findings == []
    assert any("left out" in each for each in found.not_proven)


def test_without_a_head_it_says_what_is_not_proven(folder):
    found, _ = verify_export(exported(folder, "jsonl"))
    assert any("no head to compare" in each for each in found.not_proven)
    assert any("rewritten as a whole" in each for each in found.not_proven)


def test_a_file_that_ends_too_soon_is_found_against_the_head(folder):
    found, whole = verify_export(exported(folder, only=slice(0, 5)))
    assert whole
    assert rules(found) == ["integrity-head"]


@pytest.mark.parametrize(
    "head",
    [7, {}, {"origin": "shop", "size": -1, "root": "00" * 32}, {"origin": "x", "size": 1, "root": "zz"}],
)
def test_a_malformed_head_is_refused(folder, head):
    path = exported(folder)
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "head": head}))
    with pytest.raises(InputError, match="head"):
        verify_export(path)


def test_a_document_that_was_cut_off_is_refused(folder):
    path = exported(folder)
    text = path.read_text()
    for end in (len(text) - 3, len(text) - 200, text.rindex("{")):
        path.write_text(text[:end])
        with pytest.raises(InputError):
            verify_export(path)


def test_a_salt_that_is_none_is_refused():
    with pytest.raises(InputError, match="is no salt"):
        _ = Disclosure("Ada", "xyz").token


def test_an_export_of_a_newer_format_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "newer.jsonl"
    file.write_bytes(encode(MarketCreated(seq=1, prev=GENESIS, origin="m", currency="USD", format=9)) + b"\n")
    with pytest.raises(InputError, match="format 9, newer than 1"):
        verify_export(file)
