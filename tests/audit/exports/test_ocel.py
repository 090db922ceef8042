"""A process miner sees orders, products, payments, customers and transactions, and every event about them."""

import json

import pytest

from marketsim.audit.exports.ocel import OBJECT_TYPES, ocel
from marketsim.scenario.shipped import shipped

HEADER = {"head": {"origin": "shop"}}
REFERENCE = {
    "type": "object",
    "required": ["objectId", "qualifier"],
    "properties": {"objectId": {"type": "string"}, "qualifier": {"type": "string"}},
}
TYPE = {
    "type": "object",
    "required": ["name", "attributes"],
    "properties": {
        "attributes": {
            "items": {
                "required": ["name", "type"],
                "properties": {"type": {"enum": ["string", "time", "integer", "float", "boolean"]}},
            }
        }
    },
}
SCHEMA = {
    "type": "object",
    "required": ["eventTypes", "objectTypes", "events", "objects"],
    "properties": {
        "eventTypes": {"type": "array", "items": TYPE},
        "objectTypes": {"type": "array", "items": TYPE},
        "events": {
            "items": {
                "required": ["id", "type", "time"],
                "properties": {"relationships": {"items": REFERENCE, "minItems": 1}},
            }
        },
        "objects": {
            "items": {"required": ["id", "type"], "properties": {"relationships": {"items": REFERENCE}}}
        },
    },
}


def document_of(records):
    return json.loads("".join(ocel(records, HEADER)))


@pytest.mark.parametrize("name", sorted(shipped()))
def test_the_document_is_whole(redacted, name):
    from jsonschema import Draft202012Validator

    records = redacted(name)
    found = document_of(records)
    Draft202012Validator(SCHEMA).validate(found)
    assert len(found["events"]) == len(records)
    ids = [each["id"] for each in [*found["events"], *found["objects"]]]
    assert len(set(ids)) == len(ids)
    for each in [*found["events"], *found["objects"]]:
        assert {other["objectId"] for other in each.get("relationships", [])} <= set(ids)


@pytest.mark.parametrize("kind", ["event", "object"])
def test_every_attribute_is_declared_with_its_type(redacted, kind):
    found = document_of(redacted("refund-after-order-fails"))
    declared = {
        (each["name"], attribute["name"]): attribute["type"]
        for each in found[f"{kind}Types"]
        for attribute in each["attributes"]
    }
    kinds = {"string": str, "integer": int, "boolean": bool}
    for each in found[f"{kind}s"]:
        for attribute in each["attributes"]:
            expected = kinds[declared[each["type"], attribute["name"]]]
            assert isinstance(attribute["value"], expected)


def test_an_order_a_payment_and_people_are_objects_that_belong_together(redacted):
    found = document_of(redacted("happy-path"))
    by_type = {
        name: [each["id"] for each in found["objects"] if each["type"] == name] for name in OBJECT_TYPES
    }
    assert by_type["transaction"] == ["transaction:tx-1"]
    assert by_type["order"] == ["order:order-1"]
    assert by_type["payment"] == ["payment:tx-1"]
    assert by_type["product"]
    assert by_type["customer"]
    order = next(each for each in found["objects"] if each["id"] == "order:order-1")
    assert {each["qualifier"] for each in order["relationships"]} == {"for", "placed by"}
    paid = [each["type"] for each in found["events"] if "payment:tx-1" in str(each["relationships"])]
    assert paid == ["charge_payment started", "ledger.posted", "charge_payment succeeded"]


def test_pm4py_reads_it_and_loses_nothing(redacted, tmp_path):
    """It is AGPL, so it is nobody's dependency: tests/foreign/run installs it apart, and runs this there."""
    pm4py = pytest.importorskip("pm4py")
    for name in shipped():
        records = redacted(name)
        text = "".join(ocel(records, HEADER))
        path = tmp_path / f"{name}.json"
        path.write_text(text, encoding="utf-8")
        log = pm4py.read_ocel2_json(str(path))
        assert len(log.events) == len(records)
        assert len(log.objects) == len(json.loads(text)["objects"])
        assert set(log.objects["ocel:type"]) <= set(OBJECT_TYPES)
