"""A batch keeps the rules of CloudEvents 1.0, and holds every event whole."""

import json

import msgspec
from jsonschema import Draft202012Validator, FormatChecker

from marketsim.audit.exports.cloudevents import cloudevents
from marketsim.saga.events import decode, leaf_hash

URI_REFERENCE = {"type": "string", "minLength": 1, "pattern": r"^[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+$"}
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["id", "source", "specversion", "type"],
        "properties": {
            "id": {"type": "string", "minLength": 1},
            "source": URI_REFERENCE,
            "specversion": {"const": "1.0"},
            "type": {"type": "string", "minLength": 1},
            "datacontenttype": {"type": "string", "pattern": "^[a-z]+/[a-z+.-]+$"},
            "dataschema": URI_REFERENCE,
            "subject": {"type": "string", "minLength": 1},
            "time": {
                "type": "string",
                "format": "date-time",
                "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
            },
            "data": True,
            "data_base64": {"type": "string"},
        },
        "not": {"required": ["data", "data_base64"]},
        "propertyNames": {"pattern": "^([a-z0-9]+|data_base64)$"},
        "patternProperties": {"^(?!data$)[a-z0-9]+$": {"type": ["string", "integer", "boolean"]}},
    },
}
"""What sections 3 and 4 of the JSON Event Format 1.0 and the attributes of the core specification ask for."""


def batch_of(records, origin="shop"):
    return json.loads("".join(cloudevents(records, {"head": {"origin": origin}})))


def test_a_batch_is_valid_and_names_each_event_once(redacted):
    batch = batch_of(redacted("refund-after-order-fails"), origin="a shop/ä?")
    Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(batch)
    assert len({(each["source"], each["id"]) for each in batch}) == len(batch)
    assert [each["sequence"] for each in batch] == sorted(each["sequence"] for each in batch)
    assert {each["source"] for each in batch} == {"/marketsim/a%20shop%2F%C3%A4%3F"}


def test_the_schema_would_notice(redacted):
    validator = Draft202012Validator(SCHEMA)
    good = batch_of(redacted("happy-path"))[0]
    for change in ({"id": ""}, {"specversion": "0.3"}, {"leafHash": "x"}, {"subject": ""}, {"time": "noon"}):
        assert not validator.is_valid([good | change])
    assert not validator.is_valid([{key: good[key] for key in good if key != "source"}])


def test_the_data_is_the_event_and_verifies_by_itself(recorded):
    events = recorded("gateway-down")
    batch = batch_of([(event, "") for event in events])
    back = [decode(msgspec.json.encode(each["data"])) for each in batch]
    assert back == events
    lines = [
        json.dumps(each["data"], sort_keys=True, separators=(",", ":"), ensure_ascii=False) for each in batch
    ]
    assert all(
        leaf_hash(one.encode()) == other["data"]["prev"] for one, other in zip(lines, batch[1:], strict=False)
    )


def test_where_something_was_redacted_the_hash_of_the_log_is_beside_it(redacted):
    marked = [each for each in batch_of(redacted("happy-path")) if "leafhash" in each]
    assert [each["type"] for each in marked] == ["marketsim.catalog.changed"]
    assert all("redacted-" in json.dumps(each["data"]) for each in marked)
