"""Declared rules: how they are read, what is refused with its line, and that nothing is lost on the way."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.market._rules import (
    RULES_MAX,
    RULES_SIZE_MAX_BYTES,
    check_guardrails,
    recorded_rules,
)
from marketsim.market.catalog import Catalog, parse_catalog
from marketsim.market.documents import parse_document
from marketsim.market.guardrails import unmatched
from marketsim.market.rules import Rule, counts_customers, declared, rules_of, scopes
from marketsim.saga.definition import plain
from marketsim.saga.errors import CatalogError, InputError

LIMIT = "name: two, at_most: 2, of: quantity"
REJECT = "name: no, reject: true"


def checked(text: str, currency: str = "USD", name: str = "c.yaml") -> int:
    """How many guardrails a document declares, all of them in order."""
    document = parse_document(text, name)
    entries = [(("guardrails", n), each) for n, each in enumerate(document.value["guardrails"])]
    check_guardrails(document, entries, currency)
    return len(entries)


def refused(text: str, name: str = "c.yaml") -> str:
    with pytest.raises(InputError) as told:
        checked(text, name=name)
    return str(told.value)


BAD = [
    ("- 5", "guardrails[0]: must be an object"),
    ("- [a]", "guardrails[0]: must be an object"),
    ("- {}", "guardrails[0]: 'name' is missing"),
    ("- {name: x}", "guardrails[0]: it forbids nothing (add at_most and of, or hours, or reject: true)"),
    (f"- {{{LIMIT}, pre: order}}", "unknown key 'pre' (did you mean 'per'?)"),
    (f"- {{{LIMIT}, script: 'x > 3'}}", "unknown key 'script'"),
    ("- {name: 5, reject: true}", "guardrails[0].name: expected text, got an integer"),
    ("- {name: '', reject: true}", "guardrails[0].name: '' is no name for a rule (allowed: 1 to 64"),
    ("- {name: a b, reject: true}", "guardrails[0].name: 'a b' is no name for a rule"),
    (f"- {{name: {'x' * 65}, reject: true}}", "is no name for a rule"),
    ("- {name: price_limit, at_most: 2, of: price}", "'price_limit' is a rule that is built in"),
    (f"- {{{LIMIT}, sentence: {'x' * 201}}}", "sentence"),
    (f"- {{{LIMIT}, sentence: 5}}", "guardrails[0].sentence: expected text, got an integer"),
    # Forms.
    (f"- {{{LIMIT}, reject: true}}", "guardrails[0].reject: 'reject' does not go with 'at_most'"),
    (f"- {{{LIMIT}, hours: '08:00-18:00'}}", "guardrails[0].hours: 'hours' does not go with 'at_most'"),
    (f"- {{{LIMIT}, days: [mon]}}", "guardrails[0].days: 'days' does not go with 'at_most'"),
    ("- {name: x, hours: '08:00-18:00', reject: true}", "'reject' does not go with 'hours'"),
    ("- {name: x, of: quantity}", "guardrails[0]: 'at_most' is missing"),
    ("- {name: x, per: order}", "guardrails[0]: 'at_most' is missing"),
    ("- {name: x, at_most: 2}", "guardrails[0]: 'of' is missing (add of: quantity, total, price or orders)"),
    (f"- {{{REJECT}}}", "guardrails[0]: it rejects whatever is wanted"),
    ("- {name: x, reject: false, where: []}", "guardrails[0].reject: false rejects nothing"),
    ("- {name: x, reject: yes}", "guardrails[0].reject: expected true or false, got text"),
    # Limits.
    ("- {name: x, at_most: two, of: quantity}", "guardrails[0].at_most: expected an integer or a number"),
    ("- {name: x, at_most: true, of: quantity}", "guardrails[0].at_most: expected"),
    ("- {name: x, at_most: null, of: quantity}", "guardrails[0].at_most: expected"),
    ("- {name: x, at_most: -1, of: quantity}", "guardrails[0].at_most: is negative"),
    ("- {name: x, at_most: 1.5, of: quantity}", "guardrails[0].at_most: must be a whole number, not 1.5"),
    ("- {name: x, at_most: .nan, of: total}", ".nan is not a number"),
    ("- {name: x, at_most: .inf, of: total}", ".inf is not a number"),
    ("- {name: x, at_most: 1e999, of: total}", "1e999"),
    (f"- {{name: x, at_most: 1{'0' * 30}, of: quantity}}", "at_most"),
    (f"- {{name: x, at_most: 1{'0' * 30}, of: total}}", "at_most"),
    ("- {name: x, at_most: 9007199254740992, of: quantity}", "guardrails[0].at_most: is too large"),
    ("- {name: x, at_most: -1, of: total}", "guardrails[0].at_most: is negative"),
    ("- {name: x, at_most: 1.005, of: total}", "guardrails[0].at_most: has 3 decimals; USD has 2"),
    ("- {name: x, at_most: 2, of: quantty}", "'quantty' is not allowed here (did you mean 'quantity'?)"),
    (f"- {{{LIMIT}, per: custmer}}", "'custmer' is not allowed here (did you mean 'customer'?)"),
    (f"- {{{LIMIT}, per: []}}", "guardrails[0].per: nothing can be counted per nothing"),
    (f"- {{{LIMIT}, per: [order, customer]}}", "nothing can be counted per order and customer (write order,"),
    (f"- {{{LIMIT}, per: [category, product]}}", "nothing can be counted per category and product"),
    (f"- {{{LIMIT}, per: [customer, customer]}}", "nothing can be counted per customer and customer"),
    ("- {name: x, at_most: 2, of: price, per: order}", "guardrails[0].per: does not go with of: price"),
    ("- {name: x, at_most: 2, of: orders, per: order}", "guardrails[0].per: orders are counted per customer"),
    (
        "- {name: x, at_most: 2, of: orders, where: [{field: category, is: a}]}",
        "guardrails[0].where[0].field: orders are counted whatever is in them",
    ),
    # Hours.
    ("- {name: x, hours: 8-18}", "guardrails[0].hours: '8-18' are no hours (write them as 08:00-18:00"),
    ("- {name: x, hours: '08:00-18:60'}", "are no hours"),
    ("- {name: x, hours: '24:00-08:00'}", "are no hours"),
    ("- {name: x, hours: '08:00-25:00'}", "are no hours"),
    ("- {name: x, hours: '٠٨:00-18:00'}", "are no hours"),
    ('- {name: x, hours: "08:00-18:00\\n"}', "are no hours"),
    ("- {name: x, hours: '08:00-08:00'}", "guardrails[0].hours: '08:00-08:00' begin when they end"),
    ("- {name: x, hours: 8}", "guardrails[0].hours: expected text, got an integer"),
    ("- {name: x, days: []}", "guardrails[0].days"),
    ("- {name: x, days: mon}", "guardrails[0].days: expected a list, got text"),
    ("- {name: x, days: [mon, thr]}", "is not allowed here"),
    # Conditions.
    (f"- {{{REJECT}, where: {{field: a}}}}", "guardrails[0].where: expected a list, got an object"),
    (f"- {{{REJECT}, where: [{{is: a}}]}}", "'field' is missing"),
    (f"- {{{REJECT}, where: [{{field: name}}]}}", "guardrails[0].where[0]: it demands nothing of the name"),
    (
        f"- {{{REJECT}, where: [{{field: colour, is: a}}]}}",
        "'colour' is not allowed here (known: category, condition, customer, name, price, product)",
    ),
    (f"- {{{REJECT}, where: [{{field: categry, is: a}}]}}", "(did you mean 'category'?)"),
    (f"- {{{REJECT}, where: [{{field: name, iss: a}}]}}", "unknown key 'iss' (did you mean 'is'?)"),
    (
        f"- {{{REJECT}, where: [{{field: name, is: a, in: [b]}}]}}",
        "guardrails[0].where[0].in: 'in' does not go with 'is' (make it a condition of its own)",
    ),
    (f"- {{{REJECT}, where: [{{field: name, above: 5}}]}}", "where[0].above: a name is not above anything"),
    (f"- {{{REJECT}, where: [{{field: name, is: 5}}]}}", "guardrails[0].where[0].is: a name is text, not 5"),
    (f"- {{{REJECT}, where: [{{field: name, in: [a, 5]}}]}}", "where[0].in[1]: a name is text, not 5"),
    (f"- {{{REJECT}, where: [{{field: name, in: []}}]}}", "where[0].in: no value is named"),
    (f"- {{{REJECT}, where: [{{field: name, in: a}}]}}", "expected a list, got text"),
    (f"- {{{REJECT}, where: [{{field: price, is: cheap}}]}}", "a price is a number, not 'cheap'"),
    (f"- {{{REJECT}, where: [{{field: price, above: -1}}]}}", "where[0].above: is negative"),
    (f"- {{{REJECT}, where: [{{field: price, in: [1, 1.005]}}]}}", "where[0].in[1]: has 3 decimals"),
    (f"- {{{REJECT}, where: [{{field: name, is: {'x' * 201}}}]}}", "has 201 characters"),
    (f'- {{{REJECT}, where: [{{field: name, is: "a\\e[31m"}}]}}', "has the control character U+001B"),
    (f'- {{{LIMIT}, sentence: "gpj.\\u202eexe"}}', "has the direction character U+202E"),
    (f"- {{{LIMIT}}}\n  - {{{LIMIT}}}", "guardrails[1].name: the name 'two' is taken by guardrails[0]"),
]


@pytest.mark.parametrize(("text", "told"), BAD, ids=[text[:70] for text, _ in BAD])
def test_what_is_no_rule_is_refused_with_its_line_and_what_to_do(text, told):
    shown = refused(f"note: 1\nguardrails:\n  {text}\n")
    assert told in shown
    assert shown.startswith(f"c.yaml:{4 if 'is taken by' in told else 3}")
    assert shown.isprintable()


def test_an_unknown_key_of_a_rule_in_json_is_told_with_its_line():
    text = '{\n"guardrails": [\n  {"name": "a", "at_most": 2, "of": "total"},\n  {"name": "b",\n   "os": 2}]}'
    assert refused(text, name="c.json").startswith("c.json:5: guardrails[1]: unknown key 'os'")


def test_more_rules_than_are_kept_are_refused_at_the_first_too_many():
    rules = [{"name": f"r{n}", "at_most": 2, "of": "quantity"} for n in range(RULES_MAX + 1)]
    lines = ",\n".join(json.dumps(rule) for rule in rules)
    shown = refused(f'{{"guardrails": [\n{lines}]}}', name="c.json")
    assert shown.startswith(f"c.json:{RULES_MAX + 2}: guardrails[{RULES_MAX}]: there are 1,001 guardrails")
    assert checked(json.dumps({"guardrails": rules[:-1]}), name="c.json") == RULES_MAX


def test_rules_that_would_not_fit_in_a_line_of_the_stream_are_refused():
    values = [f"{n:0>190}" for n in range(3_000)]
    rule = {"name": "x", "reject": True, "where": [{"field": "customer", "in": values}]}
    shown = refused(json.dumps({"guardrails": [rule]}), name="c.json")
    assert f"at most {RULES_SIZE_MAX_BYTES:,} are kept" in shown
    many = {"name": "x", "reject": True, "where": [{"field": "customer", "in": ["a"] * 10_001}]}
    assert "there are 10,001 values" in refused(json.dumps({"guardrails": [many]}), name="c.json")
    conditions = [{"field": "customer", "is": "a"}] * 21
    assert "where" in refused(json.dumps({"guardrails": [rule | {"where": conditions}]}), name="c.json")


def test_a_catalog_reads_its_guardrails_and_refuses_wrong_ones():
    text = """{"products": [{"id": "a", "name": "A", "price": 5, "inStock": 1}],
    "users": [{"id": "u", "name": "U"}],
    "guardrails": %s}"""
    rule = {"name": "two", "at_most": 2, "of": "quantity"}
    catalog = parse_catalog(parse_document(text % json.dumps([rule]), "c.json"), "USD")
    assert catalog.guardrails == [rule]
    for wrong, told in (("{}", "guardrails: must be a list"), ('[{"name": "x"}]', "it forbids nothing")):
        with pytest.raises(CatalogError, match=told) as refusal:
            parse_catalog(parse_document(text % wrong, "c.json"), "USD")
        assert refusal.value.where == "c.json:3"


texts = st.sampled_from(["a", "b", ""])
amounts = st.integers(0, 10**12).map(lambda minor: minor // 100 if minor % 100 == 0 else minor / 100)
conditions = st.one_of(
    st.fixed_dictionaries({"field": st.sampled_from(["name", "customer"]), "is": texts}),
    st.fixed_dictionaries({"field": st.just("category"), "not_in": st.lists(texts, min_size=1)}),
    st.fixed_dictionaries({"field": st.just("price"), "above": amounts}),
    st.fixed_dictionaries({"field": st.just("price"), "in": st.lists(amounts, min_size=1)}),
)
where = st.lists(conditions, min_size=1, max_size=3)
rules = st.one_of(
    st.fixed_dictionaries({"at_most": amounts, "of": st.sampled_from(["total", "price"]), "where": where}),
    st.fixed_dictionaries({"at_most": st.integers(0, 99), "of": st.just("quantity")}),
    st.fixed_dictionaries(
        {"at_most": st.integers(0, 99), "of": st.just("orders"), "per": st.just("customer")}
    ),
    st.fixed_dictionaries({"hours": st.just("22:00-06:00"), "days": st.just(["fri"]), "where": where}),
    st.fixed_dictionaries({"reject": st.just(True), "where": where, "sentence": st.just("No.")}),
).map(lambda record: {"name": "x", **record})


@given(rules)
def test_a_rule_goes_into_the_stream_and_back_to_what_a_person_wrote(record):
    assert checked(json.dumps({"guardrails": [record]}), name="c.json") == 1
    (rule,) = rules_of([record], "USD")
    kept = msgspec.json.decode(msgspec.json.encode(rule))
    plain(kept)
    assert recorded_rules([kept]) == [rule]
    assert declared(rule, "USD") == {key: value for key, value in record.items() if value != []}


def test_money_is_in_the_minor_units_of_the_currency():
    record = {"name": "x", "at_most": 19.99, "of": "total", "where": [{"field": "price", "below": 5}]}
    (rule,) = rules_of([record], "USD")
    assert (rule.at_most, rule.where[0].below) == (1999, 500)
    (rule,) = rules_of([record | {"at_most": 20}], "JPY")
    assert (rule.at_most, rule.where[0].below) == (20, 5)


@pytest.mark.parametrize(
    "record",
    [
        {"name": "x"},
        {"name": "a b", "at_most": 2, "of": "quantity"},
        {"name": "x", "at_most": 2.5, "of": "total"},
        {"name": "x", "hours": "all day"},
        {"name": "x", "at_most": 2, "of": "quantity", "stranger": 1},
        {"name": "x", "reject": True, "where": [{"field": "name"}]},
    ],
)
def test_what_is_no_rule_in_a_stream_is_refused(record):
    with pytest.raises((ValueError, TypeError)):
        recorded_rules([record])


def test_what_a_rule_adds_up_is_this_order_unless_it_says_otherwise():
    def rule(**said: Any) -> Rule:
        return Rule("x", at_most=2, **said)

    assert scopes(rule(of="quantity")) == ["order"]
    assert scopes(rule(of="orders")) == ["customer"]
    assert scopes(rule(of="total", per=["customer", "product"])) == ["customer", "product"]
    assert not counts_customers([rule(of="quantity"), rule(of="total", per="product")])
    assert counts_customers([rule(of="orders")])


def test_a_value_that_nothing_has_is_noted_with_the_nearest():
    catalog = Catalog([{"id": "a", "name": "A", "category": "computer"}], [{"id": "user-1", "name": "U"}])
    record = {
        "name": "x",
        "reject": True,
        "where": [
            {"field": "category", "is": "computr"},
            {"field": "customer", "in": ["user-1", "user-9"]},
            {"field": "price", "above": 5},
            {"field": "condition", "is": ""},
        ],
    }
    assert list(unmatched(rules_of([record], "USD"), catalog)) == [
        "x: nothing in the catalog has the category 'computr' (did you mean 'computer'?)",
        "x: nothing in the catalog has the customer 'user-9' (did you mean 'user-1'?)",
    ]


def test_no_rule_of_the_readme_is_wrong():
    text = (Path(__file__).parents[2] / "README.md").read_text().partition("```yaml\nguardrails:")[2]
    assert checked("guardrails:" + text.partition("```")[0]) >= 5
