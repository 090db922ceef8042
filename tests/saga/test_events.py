"""Events: each type has one canonical line, and nothing but the vocabulary is read."""

import json
from typing import Any, Literal, get_args

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.saga.events import (
    EVENT_TYPES,
    Event,
    LedgerPosted,
    MarketCreated,
    OrderPlaced,
    Posting,
    decode,
    encode,
    events_schema,
    leaf_hash,
)

SAFE = 2**53 - 1
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
integers = st.integers(-SAFE, SAFE)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, values, max_size=4)
postings = st.builds(
    Posting, account=texts, amount_minor=integers, currency=texts, product=texts, quantity=integers
)
VERDICTS = Literal["landed", "not_landed", "unknown"]
BY_TYPE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: integers,
    bool: st.booleans(),
    dict[str, Any]: objects,
    list[str]: st.lists(texts, max_size=3),
    list[dict[str, Any]]: st.lists(objects, max_size=2),
    list[dict[str, Any]] | None: st.none() | st.lists(objects, max_size=2),
    list[Posting]: st.lists(postings, max_size=3),
    VERDICTS: st.sampled_from(get_args(VERDICTS)),
}


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{field.name: BY_TYPE[field.type] for field in fields})


events = st.one_of([events_of(kind) for kind in EVENT_TYPES.values()])


@given(events)
def test_a_line_is_canonical_and_is_read_as_what_was_written(event):
    line = encode(event)
    found = json.loads(line)
    canonical = json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert line == canonical.encode()
    assert b"\n" not in line
    assert decode(line) == event
    assert found["type"] == event.type
    assert encode(decode(line)) == line


def least(kind: type[Event]) -> Event:
    """An event of a type with no more than it must have."""
    blank: dict[Any, Any] = {
        str: "x",
        int: 1,
        dict[str, Any]: {"a": 1},
        list[str]: ["x"],
        list[dict[str, Any]]: [],
        VERDICTS: "landed",
    }
    needed = [field for field in msgspec.structs.fields(kind) if field.required]
    return kind(**{field.name: blank.get(field.type, []) for field in needed})


ALL = pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=EVENT_TYPES)


@ALL
def test_the_schema_knows_every_type(kind):
    validator = jsonschema.Draft202012Validator(events_schema())
    line = json.loads(encode(least(kind)))
    validator.validate(line)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(line | {"stranger": 1})


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(events_schema())


@ALL
def test_a_field_that_is_not_known_is_refused(kind):
    line = json.loads(encode(least(kind)))
    with pytest.raises(msgspec.ValidationError, match="stranger"):
        decode(json.dumps(line | {"stranger": 1}).encode())


@ALL
def test_a_field_that_must_be_there_is_missed(kind):
    line = json.loads(encode(least(kind)))
    for field in msgspec.structs.fields(kind):
        if field.required:
            with pytest.raises(msgspec.ValidationError, match=field.name):
                decode(json.dumps({key: each for key, each in line.items() if key != field.name}).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"type":"stranger.came"}',
        b'{"type":7}',
        b'{"seq":1}',
        b'{"currency":"USD","origin":"m","type":"market.created"',
        b'{"currency":"USD","origin":"m","seq":1.5,"type":"market.created"}',
        b'{"currency":"USD","origin":"m","seq":"1","type":"market.created"}',
        b'{"currency":"USD","origin":"\xff","type":"market.created"}',
        b'{"currency":"USD","origin":"m","type":"market.created"}x',
    ],
)
def test_what_is_no_event_is_refused(line):
    with pytest.raises(ValueError, match=r"\S"):
        decode(line)


def test_a_deep_line_is_refused_and_kills_nothing():
    line = b'{"type":"operation.progress","transaction":"t","operation":"o","attempt":1,"payload":{"a":'
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        decode(line + b"[" * 100_000 + b"]" * 100_000 + b"}}")


def test_what_is_left_at_its_default_is_not_written():
    assert encode(MarketCreated(origin="m", currency="USD")) == (
        b'{"currency":"USD","origin":"m","type":"market.created"}'
    )


def test_a_posting_counts_money_or_a_product():
    money, goods = Posting("a", amount_minor=-5, currency="USD"), Posting("a", product="laptop-1", quantity=2)
    assert (money.unit, money.amount) == ("USD", -5)
    assert (goods.unit, goods.amount) == ("laptop-1", 2)


def test_the_leaf_hash_is_that_of_rfc_9162():
    assert leaf_hash(b"") == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"


def test_every_type_is_named_as_its_tag():
    for name, kind in EVENT_TYPES.items():
        assert least(kind).type == name
    assert EVENT_TYPES["ledger.posted"] is LedgerPosted
    assert EVENT_TYPES["order.placed"] is OrderPlaced
    assert len(EVENT_TYPES) == 36
