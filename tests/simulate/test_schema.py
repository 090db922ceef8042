"""The JSON Schema of a scenario file with a workload says the same as its reader."""

import msgspec
import pytest
from jsonschema import Draft202012Validator
from simulate.test_load import GOOD

from marketsim.market.documents import parse_document, read_document
from marketsim.scenario.model import scenario_schema
from marketsim.scenario.shipped import shipped, shipped_simulations
from marketsim.simulate.model import ARRIVALS, Arrivals
from marketsim.simulate.schema import file_schema


@pytest.fixture(scope="module")
def validator():
    schema = msgspec.json.decode(msgspec.json.encode(file_schema()))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def whole(old="", new=""):
    return parse_document(GOOD.replace(old, new) if old else GOOD, "x.yaml").value


def test_a_workload_with_all_that_there_is_is_valid(validator):
    assert list(validator.iter_errors(whole())) == []


@pytest.mark.parametrize("name", sorted(shipped_simulations() | shipped()))
def test_everything_that_ships_is_valid(validator, name):
    path = (shipped_simulations() | shipped())[name]
    assert list(validator.iter_errors(read_document(path).value)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  purchases: 100", "  purchaes: 100"),
        ("poisson: 50", "poisson: 0"),
        ("poisson: 50", "poisson: 50, steady: 5"),
        ("{poisson: 50}", "{}"),
        ("duration: 1h", "duration: 1 hour"),
        ("percent: 12.5", "percent: 101"),
        ("{1: 80, 2: 20}", "{1: 0.5}"),
        (", at: 30m}", "}"),
        (", p99: 1500ms", ""),
        ("{mean: 15ms}", "{mean: 15ms, sigma: 1}"),
        ("{mean: 15ms}", "{}"),
        ("{mean: 15ms}", "{mean: 15ms, csv: a.csv}"),
        ("rate: 100, burst: 20, breaker: {failures: 5, window: 10s, open: 30s}", ""),
        ("rate: 100, burst", "burst"),
        ("simulate:", "purchases: [{product: mug-1, customer: user-1}]\nsimulate:"),
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(validator, old, new):
    assert not validator.is_valid(whole(old, new))


def test_only_a_trace_needs_no_catalog(validator):
    assert validator.is_valid({"scenario": "x", "simulate": {"arrivals": {"trace": {"file": "a"}}}})
    assert not validator.is_valid({"scenario": "x", "simulate": {"arrivals": {"steady": 1}, "purchases": 1}})


def test_every_key_of_a_workload_is_described():
    def undescribed(part):
        return [key for key, each in part.get("properties", {}).items() if "description" not in each]

    schema = file_schema()
    for name in set(schema["$defs"]) - set(scenario_schema()["$defs"]):
        assert undescribed(schema["$defs"][name]) == [], name
    assert undescribed(schema) == []


def test_the_ways_of_coming_are_those_of_the_model():
    assert set(ARRIVALS) == set(Arrivals.__struct_fields__)
