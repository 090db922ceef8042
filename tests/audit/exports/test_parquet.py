"""A Parquet file holds the table, and a missing extra is told as what it is."""

import sys

import pytest

from marketsim.audit.exports.parquet import parquet
from marketsim.audit.exports.rows import COLUMNS
from marketsim.saga.errors import InputError, MarketsimError
from marketsim.saga.events import OperationProgress, TransactionCommitted


def test_duckdb_reads_what_was_written(redacted, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    records = redacted("revert-fails")
    path = tmp_path / "log.parquet"
    path.write_bytes(b"".join(parquet(records, {})))
    table = duckdb.sql(f"SELECT * FROM read_parquet('{path}')")
    assert tuple(table.columns) == COLUMNS
    assert [row[:1] + row[2:3] for row in table.fetchall()] == [(each.seq, each.type) for each, _ in records]
    assert str(table.types[1]) == "TIMESTAMP WITH TIME ZONE"


@pytest.mark.parametrize("reader", ["polars", "pyarrow.parquet"])
def test_others_read_it_too(redacted, tmp_path, reader):
    pytest.importorskip("duckdb")
    module = pytest.importorskip(reader)
    records = redacted("gateway-down")
    path = tmp_path / "log.parquet"
    path.write_bytes(b"".join(parquet(records, {})))
    table = module.read_parquet(path) if reader == "polars" else module.read_table(path)
    types = table["type"].to_list() if reader == "polars" else table["type"].to_pylist()
    assert types == [event.type for event, _ in records]


def test_a_log_without_events_is_a_table_without_rows(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path = tmp_path / "log.parquet"
    path.write_bytes(b"".join(parquet([], {})))
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{path}')").fetchall() == [(0,)]


def test_the_longest_lines_fit_in(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    time = "2025-01-01T00:00:00.000000Z"
    at = {"time": time, "transaction": "tx-1", "operation": "pack", "attempt": 1}
    events = [OperationProgress(seq=seq, payload={"text": '"' * 5_000_000}, **at) for seq in range(1, 7)]
    path = tmp_path / "log.parquet"
    path.write_bytes(b"".join(parquet(((event, "") for event in events), {})))
    assert duckdb.sql(f"SELECT count(*) FROM read_parquet('{path}')").fetchall() == [(6,)]


def test_what_is_no_time_is_told_and_no_traceback():
    pytest.importorskip("duckdb")
    event = TransactionCommitted(seq=1, time="yesterday", transaction="tx-1")
    with pytest.raises(MarketsimError, match="does not fit into a table"):
        list(parquet([(event, "")], {}))


def test_without_the_extra_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"marketsim\[parquet\]"):
        list(parquet([], {}))
