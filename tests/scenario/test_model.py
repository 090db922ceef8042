"""The JSON Schema of a scenario file says the same as its reader."""

import msgspec
import pytest
from jsonschema import Draft202012Validator

from marketsim.market.documents import read_document
from marketsim.scenario.model import FORMS, scenario_schema
from marketsim.scenario.shipped import shipped


@pytest.fixture(scope="module")
def validator():
    schema = msgspec.json.decode(msgspec.json.encode(scenario_schema()))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def scenario(**changes):
    catalog = {
        "products": [{"id": "a", "name": "A", "price": 1.5, "inStock": 1, "colour": "red"}],
        "users": [{"id": "u", "name": "U"}],
    }
    whole = {
        "scenario": "x",
        "catalog": catalog,
        "purchases": [{"product": "a", "customer": "u"}],
        "expect": [{"checks": "all"}],
    }
    return {**whole, **changes}


def rule(**said):
    return {"name": "x", **said}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_scenario_is_valid_by_the_schema(name, validator):
    assert list(validator.iter_errors(read_document(shipped()[name]).value)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"catalog": "catalog.json"},
        {"catalog": {"sample": 20, "seed": 1}},
        {"expect": [{"checks": {"find": ["stock-conserved"]}}]},
        {"expect": [{"purchase": 1, "reverts": []}, {"money": {"merchant": -1.5}}]},
        {"guardrails": [rule(at_most=19.99, of="total", per=["customer", "category"])]},
        {"guardrails": [rule(at_most=2, of="quantity", where=[{"field": "price", "above": 5}])]},
        {"guardrails": [rule(hours="22:00-06:00", days=["fri"])]},
        {"guardrails": [rule(reject=True, where=[{"field": "customer", "in": ["u"]}])]},
    ],
)
def test_the_schema_accepts_every_form(changes, validator):
    assert list(validator.iter_errors(scenario(**changes))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"scenario": ""},
        {"policy": "defalt"},
        {"currency": "usd"},
        {"seed": -1},
        {"purchases": []},
        {"purchases": [{"product": "a"}]},
        {"purchases": [{"product": "a", "customer": "u", "quantity": "1"}]},
        {"purchases": [{"product": "a", "customer": "u", "colour": "red"}]},
        {"expect": []},
        {"expect": [{"purchase": 1}]},
        {"expect": [{}]},
        {"expect": [{"purchase": 0, "outcome": "committed"}]},
        {"expect": [{"purchase": 1, "outcome": "done"}]},
        {"expect": [{"purchase": 1, "outcome": "stuck", "orders": 0}]},
        {"expect": [{"orders": None}]},
        {"expect": [{"checks": {"find": ["no-such-check"]}}]},
        {"catalog": {"sample": 0}},
        {"catalog": {"products": [], "users": []}},
        {"catalog": ""},
        {"unknown": 1},
        {"guardrails": {}},
        {"guardrails": [rule()]},
        {"guardrails": [rule(name="a b", hours="22:00-06:00")]},
        {"guardrails": [rule(at_most=2)]},
        {"guardrails": [rule(per="order", hours="22:00-06:00")]},
        {"guardrails": [rule(at_most=2, of="quantity", reject=True, where=[])]},
        {"guardrails": [rule(at_most=2, of="quantity", per="shop")]},
        {"guardrails": [rule(hours="22:00-06:00", reject=True, where=[])]},
        {"guardrails": [rule(reject=True)]},
        {"guardrails": [rule(reject=False, where=[])]},
        {"guardrails": [rule(hours="late")]},
        {"guardrails": [rule(days=["monday"])]},
        {"guardrails": [rule(reject=True, where=[{"field": "colour", "is": "red"}])]},
        {"guardrails": [rule(reject=True, where=[{"field": "name"}])]},
        {"guardrails": [rule(reject=True, where=[{"field": "name", "is": "a", "in": ["a"]}])]},
    ],
)
def test_the_schema_refuses_what_the_reader_refuses(changes, validator):
    assert not validator.is_valid(scenario(**changes))


def test_every_key_of_the_schema_is_described():
    def undescribed(part):
        for key, each in part.get("properties", {}).items():
            if "description" not in each:
                yield key

    schema = scenario_schema()
    assert list(undescribed(schema)) == []
    for form in (*(form.__name__ for form in FORMS), "Purchase", "Sample", "Rule", "Condition"):
        assert list(undescribed(schema["$defs"][form])) == []


def test_no_key_belongs_to_two_forms_of_an_expectation():
    keys = [key for form in FORMS for key in form.__struct_fields__]
    assert len(keys) == len(set(keys))
