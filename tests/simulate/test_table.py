"""The table of runs: stable columns, and the same numbers from each form of file."""

import csv
import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketsim.saga.errors import InputError
from marketsim.simulate.measured import figures
from marketsim.simulate.measures import Measures
from marketsim.simulate.table import FORMS, columns_of, form_of, table_of

ROWS = [
    {"policy": "default", "seed": 1, "rate": 0.5, "lost": 0},
    {"policy": "=none()", "seed": 2, "rate": 1, "phantom": -3},
]


def text_of(rows: list[dict[str, object]], form: str) -> str:
    return "".join(str(piece) for piece in table_of(rows, form))


def test_columns_stand_in_the_order_in_which_they_come_up():
    assert columns_of(ROWS) == ["policy", "seed", "rate", "lost", "phantom"]


def test_csv_has_a_row_for_each_run_and_no_formula():
    read = list(csv.DictReader(StringIO(text_of(ROWS, "csv"))))
    assert read[0] == {"policy": "default", "seed": "1", "rate": "0.5", "lost": "0", "phantom": ""}
    assert read[1]["policy"] == "'=none()"
    assert read[1]["phantom"] == "-3"


def test_json_is_one_array():
    read = json.loads(text_of(ROWS, "json"))
    assert read == [{name: row.get(name) for name in columns_of(ROWS)} for row in ROWS]


def test_parquet_keeps_the_kinds_of_the_columns(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    file = tmp_path / "runs.parquet"
    file.write_bytes(b"".join(table_of(ROWS, "parquet")))
    read = duckdb.sql(f"SELECT * FROM '{file}'")
    assert dict(zip(read.columns, map(str, read.types), strict=True)) == {
        "policy": "VARCHAR",
        "seed": "BIGINT",
        "rate": "DOUBLE",
        "lost": "BIGINT",
        "phantom": "BIGINT",
    }
    assert read.fetchall() == [("default", 1, 0.5, 0, None), ("=none()", 2, 1.0, None, -3)]


@pytest.mark.parametrize("form", FORMS)
def test_no_run_is_an_empty_table(form):
    if form == "parquet":
        pytest.importorskip("duckdb")
        rows = [figures(Measures().measured())]
        assert b"".join(table_of(rows, form)).startswith(b"PAR1")
    else:
        assert text_of([], form).strip() in ("", "[\n]")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(min_size=1, max_size=9), st.text(max_size=9), max_size=4), max_size=4)
)
def test_a_cell_never_begins_a_formula(rows):
    for row in csv.reader(StringIO(text_of(rows, "csv"), newline="")):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_the_name_of_a_file_says_its_form():
    assert [form_of(Path(f"runs.{form.upper()}")) for form in FORMS] == list(FORMS)
    with pytest.raises(InputError, match="does not say which form"):
        form_of(Path("runs.xlsx"))
