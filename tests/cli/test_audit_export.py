"""The log leaves the program redacted, in the form that was asked for, and comes back as far as it can."""

import csv
import io
import json
import stat
import sys
from pathlib import Path

import pytest

from marketsim.audit.exports.formats import FORMATS

TEXTS = [name for name, form in FORMATS.items() if form.is_text]
DOCUMENTS = [name for name, form in FORMATS.items() if form.is_json]


@pytest.fixture
def used(cli, market):
    """A market with a purchase and a failed one."""
    cli("purchase", "laptop-1")
    cli("purchase", "laptop-1", "--fail", "payment:card_declined")
    return market


def export(cli, *options):
    ran = cli("audit", "export", *options)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


@pytest.mark.parametrize("form", TEXTS)
def test_no_name_of_a_customer_leaves_unless_it_is_asked_for(cli, used, form):
    out = export(cli, "--format", form)
    assert "Ada" not in out
    assert "Grace" not in out
    assert "Laptop" in out
    assert "user-1" in out
    assert "Ada" in export(cli, "--format", form, "--include-personal")


def test_neither_does_it_in_what_came_before_a_transaction(cli, used):
    assert "Ada" not in export(cli, "--transaction", "tx-1")
    assert "Ada" in export(cli, "--transaction", "tx-1", "--include-personal")


@pytest.mark.parametrize("form", DOCUMENTS)
def test_a_document_goes_to_standard_output_alone(cli, used, form):
    assert cli("audit", "export", "--format", form, "--json").document
    assert json.loads(export(cli, "--format", form, "--quiet"))


@pytest.mark.parametrize("form", TEXTS)
def test_a_file_holds_what_standard_output_would(cli, used, form):
    out = export(cli, "--format", form, "--include-personal")
    ran = cli("audit", "export", "--format", form, "--include-personal", "--output", "there")
    assert ran.out == "wrote there\n"
    assert Path("there").read_bytes().decode() == out


def test_what_was_redacted_is_told_with_the_file(cli, used):
    ran = cli("audit", "export", "--output", "there.json")
    assert ran.out == "wrote there.json\n  redacted in 1 event; --include-personal keeps what is personal\n"
    assert cli("audit", "export", "-o", "there.json", "--force", "--json").document == {"wrote": "there.json"}


def test_csv_goes_out_as_it_is(cli, used):
    rows = list(csv.DictReader(io.StringIO(export(cli, "--format", "csv"), newline="")))
    assert [row["type"] for row in rows][:2] == ["market.created", "catalog.changed"]


def test_a_table_is_no_json_document_and_bytes_are_no_text(cli, used):
    ran = cli("audit", "export", "--format", "csv", "--json")
    assert (ran.code, ran.err) == (
        2,
        "error: --json: csv is no JSON document (write it to a file with --output)\n",
    )
    ran = cli("audit", "export", "--format", "parquet")
    assert (ran.code, ran.err) == (
        2,
        "error: --format: parquet is not text (write it to a file with --output)\n",
    )


def test_a_missing_extra_is_named_and_no_file_is_left(cli, used, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    ran = cli("audit", "export", "--format", "parquet", "--output", "log.parquet")
    assert ran.code == 2
    assert "marketsim[parquet]" in ran.err
    assert not list(Path().glob("*log.parquet*"))


def test_parquet_is_written_to_a_file(cli, used):
    duckdb = pytest.importorskip("duckdb")
    assert cli("audit", "export", "--format", "parquet", "--output", "log.parquet").code == 0
    rows = duckdb.sql("SELECT seq FROM read_parquet('log.parquet')").fetchall()
    assert len(rows) == len(cli("audit", "list", "--json").document["events"])


def test_what_a_person_had_tried_again_after_the_end_is_a_revert_that_is_linked_too(cli, market):
    cli("purchase", "laptop-1", "--fail", "payment:card_declined", "--fail", "release_stock:error")
    assert cli("failures", "retry", "tx-1").code == 0
    document = cli("audit", "export", "--format", "otlp", "--json").document
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    (operation,) = [each["spanId"] for each in spans if each["name"] == "reserve_stock"]
    reverts = [each for each in spans if each["name"] == "release_stock"]
    assert [each["status"]["code"] for each in reverts] == [2, 1]
    assert [link["spanId"] for each in reverts for link in each["links"]] == [operation] * 2
    events = cli("audit", "list", "--json").document["events"]
    assert len(cli("audit", "export", "--format", "ocel", "--json").document["events"]) == len(events)
    bars = cli("audit", "export", "--format", "chrome-trace", "--json").document["traceEvents"]
    done = [each["args"]["outcome"] for each in bars if each["name"].startswith("release_stock")]
    assert done[-1] == "compensation.succeeded"


# A redacted file is still good for something.


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_a_redacted_log_verifies_against_the_head_and_runs_again(cli, used, form):
    cli("audit", "export", "--format", form, "--output", f"log.{form}")
    head = str(used / "audit" / "checkpoint")
    ran = cli("audit", "verify", f"log.{form}", "--head", head)
    assert ran.code == 0
    assert "equals the root of the head" in ran.out
    assert "checks hold over" in ran.out
    assert "not proven: what stands in 1 event with redacted values" in ran.out
    assert cli("audit", "verify", f"log.{form}", "--json").document["findings"] == []
    assert cli("replay", f"log.{form}").code == 0


def test_a_redacted_transaction_runs_again(cli, used):
    cli("audit", "export", "--transaction", "tx-2", "--output", "tx-2.json")
    assert cli("replay", "tx-2.json").code == 0
    ran = cli("audit", "verify", "tx-2.json")
    assert ran.code == 0
    assert "the checks were left out" in ran.out


def test_an_altered_file_is_found(cli, used):
    cli("audit", "export", "--output", "log.json")
    text = Path("log.json").read_text()
    Path("log.json").write_text(text.replace('"quantity":1', '"quantity":2', 1))
    ran = cli("audit", "verify", "log.json")
    assert ran.code == 1
    assert "integrity-chain" in ran.out


def test_a_product_whose_id_looks_like_a_card_number_can_still_be_bought_again(cli, market):
    cli("catalog", "add", "4111111111111111", "--name", "Mug", "--price", "5", "--stock", "3")
    assert cli("purchase", "4111111111111111").code == 0
    out = export(cli, "--transaction", "tx-1", "--output", "tx-1.json")
    assert "wrote" in out
    assert "4111111111111111" not in Path("tx-1.json").read_text()
    assert cli("replay", "tx-1.json").code == 0
    cli("audit", "export", "--output", "log.json")
    assert "4111111111111111" not in Path("log.json").read_text()
    assert cli("audit", "verify", "log.json", "--head", "market/audit/checkpoint").code == 0


# The secret, and what it is for.


def test_the_secret_is_written_where_it_is_wanted_and_for_its_owner_alone(cli, used):
    export(cli, "--output", "log.json", "--salt-file", "secret")
    assert stat.S_IMODE(Path("secret").stat().st_mode) == 0o600
    secret = Path("secret").read_text()
    assert len(bytes.fromhex(secret)) == 32
    assert secret.strip() not in Path("log.json").read_text()
    ran = cli("audit", "export", "--output", "more.json", "--salt-file", "secret")
    assert (ran.code, ran.err) == (2, "error: secret: the file exists (overwrite it with --force)\n")
    assert not Path("more.json").exists()
    assert Path("secret").read_text() == secret


def test_no_secret_is_written_into_a_market_or_where_nothing_is_redacted(cli, used):
    ran = cli("audit", "export", "--salt-file", "market/secret")
    assert "this is inside a market" in ran.err
    assert cli("audit", "export", "--salt-file", "secret", "--include-personal").code == 2
    assert not Path("secret").exists()


def test_a_value_is_disclosed_and_checked_by_a_stranger(cli, used):
    export(cli, "--output", "log.json", "--salt-file", "secret")
    for name in ("Ada", "Grace"):
        assert (
            cli("audit", "disclose", "log.json", name, "--salt-file", "secret", "-o", f"{name}.json").code
            == 0
        )
    shown = json.loads(Path("Ada.json").read_text())
    assert shown["value"] == "Ada"
    assert Path("secret").read_text().strip() not in Path("Ada.json").read_text()
    one = cli("audit", "verify", "log.json", "--disclosure", "Ada.json")
    assert one.code == 0
    assert "not proven: what stands in 1 event" in one.out
    both = cli("audit", "verify", "log.json", "--disclosure", "Ada.json", "--disclosure", "Grace.json")
    assert both.code == 0
    assert "with redacted values (seq" not in both.out
    Path("Ada.json").write_text(json.dumps(shown | {"value": "Eve"}))
    assert cli("audit", "verify", "log.json", "--disclosure", "Ada.json").code == 1


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("audit disclose log.json Eve --salt-file secret", "'Eve' was not redacted in this file"),
        ("audit disclose log.json Ada --salt-file log.json", "log.json: the file is larger than"),
        ("audit disclose log.json Ada --salt-file none", "none: the file cannot be read"),
        ("audit disclose log.json Ada --salt-file brought", "brought: this is no secret of an export"),
        ("audit disclose brought Ada --salt-file secret", "brought: not an export"),
        ("audit verify brought", "brought: not an export"),
        ("audit verify none", "none: the file cannot be read"),
        ("audit verify log.json --disclosure brought", "brought: this is no disclosure"),
        ("audit verify --disclosure brought", "--disclosure: there is no FILE to hold it against"),
        ("audit verify log.json --head brought", "brought: the checkpoint is malformed"),
        (
            "audit export --format xml",
            "--format: no format is called 'xml' (known: chrome-trace, cloudevents",
        ),
        ("audit export --format otlp --type order", "--type: otlp is made of whole transactions"),
        ("audit export --format otlp --operation create_order", "--operation: otlp is made of whole"),
        ("audit verify log.json --trust head", "--trust: this is for the market's log"),
        ("audit verify log.json --explain", "--explain: this is for the market's log"),
        ("audit verify log.json --cores 2", "--cores: this is for the market's log"),
        ("audit export --format ocle", "(did you mean 'ocel'?)"),
        ("audit export --salt-file no/where", "no/where"),
    ],
)
def test_bad_input_is_told_and_changes_nothing(cli, used, line, told):
    export(cli, "--output", "log.json", "--salt-file", "secret")
    Path("brought").write_text("{}")
    before = sorted(path.name for path in Path().iterdir())
    ran = cli(*line.split())
    assert ran.code == 2
    assert ran.out == ""
    assert told in ran.err
    assert sorted(path.name for path in Path().iterdir()) == before
