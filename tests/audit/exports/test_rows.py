"""A spreadsheet shows the log, and computes nothing from it; other programs read it back the same."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.exports import rows
from marketsim.saga.events import OperationFailed, OrderPlaced

FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n")


def failed(reason: str) -> OperationFailed:
    return OperationFailed(
        seq=1,
        time="2025-01-01T00:00:00Z",
        transaction="tx-1",
        operation="pack",
        attempt=1,
        code="error",
        reason=reason,
        retry="never",
    )


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    "reason", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "=cmd|' /C calc'!A0", "'=1"]
)
def test_no_cell_is_a_formula(reason):
    (row,) = read("".join(rows.csv([(failed(reason), "")], {})))
    assert row["reason"] == "'" + reason
    assert not row["reason"].startswith(FORMULAS)


def test_a_number_below_zero_is_no_formula_either():
    order = OrderPlaced(
        seq=1, transaction="tx-1", order="o", customer="c", lines=[], total_minor=-5, currency="USD"
    )
    (row,) = read("".join(rows.csv([(order, "")], {})))
    assert row["total_minor"] == "'-5"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_text_comes_back_when_its_apostrophe_is_taken_away(reason):
    text = "".join(rows.csv([(failed(reason), "")], {}))
    (row,) = read(text)
    assert not any(cell.startswith(FORMULAS) for cell in row.values())
    assert row["reason"].removeprefix("'") == reason.removeprefix("'") or row["reason"] == "'" + reason


def test_every_event_is_a_row_with_the_rest_of_it_as_json(redacted):
    records = redacted("refund-after-order-fails")
    found = read("".join(rows.csv(records, {})))
    assert list(found[0]) == list(rows.COLUMNS)
    assert [row["type"] for row in found] == [event.type for event, _ in records]
    assert [int(row["seq"]) for row in found] == [event.seq for event, _ in records]
    for row, (event, _) in zip(found, records, strict=True):
        rest = json.loads(row["rest"] or "{}")
        for name in event.__struct_fields__:
            value = getattr(event, name)
            assert value in ("", 0, [], {}) or name in rest or row[name] == str(value)


def test_duckdb_and_polars_read_the_table(redacted, tmp_path):
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    records = redacted("revert-fails")
    path = tmp_path / "log.csv"
    path.write_text("".join(rows.csv(records, {})), encoding="utf-8", newline="")
    types = [event.type for event, _ in records]
    assert [row[0] for row in duckdb.sql(f"SELECT type FROM read_csv('{path}')").fetchall()] == types
    assert polars.read_csv(path)["type"].to_list() == types
