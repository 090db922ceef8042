"""What is demanded of a declared guardrail, be it in a file or in the stream."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET

from marketsim.market._records import ID, RecordWrong, check_text
from marketsim.market.documents import Document, bind
from marketsim.market.money import to_minor
from marketsim.market.rules import BUILT_IN, Condition, Rule, rules_of, scopes, tests_of, values_of, window
from marketsim.saga.definition import plain
from marketsim.saga.errors import CatalogError, InputError, quoted
from marketsim.saga.events import JSONObject

__all__ = ["RULES_MAX", "RULES_SIZE_MAX_BYTES", "check_guardrails", "recorded_rules"]

RULES_MAX = 1_000
"""How many guardrails may be declared."""

RULES_SIZE_MAX_BYTES = 512 * 1024
"""How large they may be together: all of them stand in one line of the stream."""

_Path: TypeAlias = tuple[str | int, ...]
_Entries: TypeAlias = Sequence[tuple[_Path, Any]]
_Slip: TypeAlias = tuple[_Path, str, str]
"""Where in a rule something is wrong, what, and what to do."""

_LIMIT_MAX = 2**53 - 1
_VALUES_MAX = 10_000
_FORM_OF = {
    "at_most": "at_most",
    "of": "at_most",
    "per": "at_most",
    "hours": "hours",
    "days": "hours",
    "reject": "reject",
}
_HOURS = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00)\Z"


def recorded_rules(records: Iterable[JSONObject]) -> list[Rule]:
    """The rules that stand in the stream. Raises ValueError or TypeError for what is no rule."""
    found = []
    for record in records:
        rule = msgspec.convert(plain(record), Rule)
        for path, what, _ in _slips(rule):
            raise ValueError(f"the guardrail {quoted(rule.name)}: {path}: {what}")
        found.append(rule)
    return found


def check_guardrails(document: Document, entries: _Entries, currency: str, taken: Iterable[str] = ()) -> None:
    """Raise CatalogError, with file and line, for the first record that is no guardrail.

    ``entries`` has each record with its path in the document; ``taken`` are names of other rules.
    """
    if len(entries) > RULES_MAX:
        what = f"there are {len(entries):,} guardrails; at most {RULES_MAX:,} are kept"
        raise _wrong(document, entries[RULES_MAX][0], what, "say more in one, by a list of values")
    places: dict[str, str] = dict.fromkeys(taken, "another guardrail")
    for path, record in entries:
        rule = _bound(document, path, record)
        for place, what, todo in _slips(rule):
            raise _wrong(document, (*path, *place), what, todo)
        _check_money(document, path, rule, currency)
        if (first := places.get(rule.name)) is not None:
            what = f"the name {quoted(rule.name)} is taken by {first}"
            raise _wrong(document, (*path, "name"), what, "give each its own")
        places[rule.name] = document.words(path)
    rules = rules_of((record for _, record in entries), currency)
    if (size_bytes := len(msgspec.json.encode(rules))) > RULES_SIZE_MAX_BYTES:
        what = f"they are {size_bytes:,} bytes of JSON; at most {RULES_SIZE_MAX_BYTES:,} are kept"
        raise _wrong(document, entries[0][0][:-1], what, "name fewer values")


def _bound(document: Document, path: _Path, record: Any) -> Rule:
    if not isinstance(record, dict):
        raise _wrong(document, path, "must be an object", "write {name: two-each, at_most: 2, of: quantity}")
    try:
        return bind(document.part(*path), Rule)
    except InputError as wrong:
        raise CatalogError(wrong.what, where=wrong.where, todo=wrong.todo) from wrong


def _check_money(document: Document, path: _Path, rule: Rule, currency: str) -> None:
    amounts: list[tuple[_Path, Any]] = [(("at_most",), rule.at_most)] if rule.of in ("total", "price") else []
    for index, condition in enumerate(rule.where):
        if condition.field == "price":
            amounts += values_of(index, condition)
    for place, amount in amounts:
        try:
            to_minor(amount, currency)
        except InputError as wrong:
            raise _wrong(document, (*path, *place), wrong.what, wrong.todo) from wrong


def _wrong(document: Document, path: _Path, what: str, todo: str) -> CatalogError:
    words = document.words(path)
    return CatalogError(f"{words}: {what}" if words else what, where=document.place(path), todo=todo)


def _slips(rule: Rule) -> Iterator[_Slip]:
    """What is wrong with a rule whose keys and types are right, first things first."""
    yield from _in_names(rule)
    yield from _in_form(rule)
    if rule.at_most is not UNSET:
        yield from _in_limit(rule)
    if rule.hours is not UNSET:
        yield from _in_hours(rule.hours)
    for index, condition in enumerate(rule.where):
        yield from _in_condition(index, condition)


def _in_names(rule: Rule) -> Iterator[_Slip]:
    if not re.match(ID, rule.name):
        allowed = "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit"
        yield ("name",), f"{quoted(rule.name)} is no name for a rule", f"allowed: {allowed}"
    if rule.name in BUILT_IN:
        yield ("name",), f"{quoted(rule.name)} is a rule that is built in", "give it another name"
    yield from _in_text(("sentence",), rule.sentence)


def _in_text(path: _Path, text: str) -> Iterator[_Slip]:
    try:
        check_text("", text)
    except RecordWrong as wrong:
        yield path, wrong.what, wrong.todo


def _in_form(rule: Rule) -> Iterator[_Slip]:
    said = [key for key in _FORM_OF if getattr(rule, key) is not UNSET]
    if not said:
        yield (), "it forbids nothing", "add at_most and of, or hours, or reject: true"
        return
    for key in said:
        if _FORM_OF[key] != _FORM_OF[said[0]]:
            yield (key,), f"{quoted(key)} does not go with {quoted(said[0])}", "make it a rule of its own"
    if _FORM_OF[said[0]] == "at_most":
        if rule.at_most is UNSET:
            yield (), "'at_most' is missing", "add the limit, such as at_most: 2"
        if rule.of is UNSET:
            yield (), "'of' is missing", "add of: quantity, total, price or orders"
    if rule.reject is False:
        yield ("reject",), "false rejects nothing", "write reject: true, or remove the rule"
    if rule.reject is True and not rule.where:
        yield (), "it rejects whatever is wanted", "add where: and a list of conditions"


def _in_limit(rule: Rule) -> Iterator[_Slip]:
    at_most, per = rule.at_most, scopes(rule)
    if rule.of in ("quantity", "orders") and not isinstance(at_most, int):
        yield ("at_most",), f"must be a whole number, not {at_most}", "write it as 2"
    elif at_most < 0:  # type: ignore[operator]
        yield ("at_most",), "is negative", "write 0 or more"
    elif at_most > _LIMIT_MAX:  # type: ignore[operator]
        yield ("at_most",), "is too large", f"at most {_LIMIT_MAX:,} can be counted"
    if rule.of == "price" and rule.per is not UNSET:
        yield ("per",), "does not go with of: price, which is of one unit", "remove it, or write of: total"
    if rule.of == "orders":
        if per != ["customer"]:
            yield ("per",), "orders are counted per customer", "write per: customer"
        for index, condition in enumerate(rule.where):
            if condition.field != "customer":
                place: _Path = ("where", index, "field")
                yield place, "orders are counted whatever is in them", "write field: customer"
    if len(per) != 1 and not (len(per) == 2 and "customer" in per and {"category", "product"} & set(per)):
        todo = "write order, customer, category, product, [customer, category] or [customer, product]"
        yield ("per",), f"nothing can be counted per {' and '.join(per[:4]) or 'nothing'}", todo


def _in_hours(hours: str) -> Iterator[_Slip]:
    if not re.match(_HOURS, hours):
        yield ("hours",), f"{quoted(hours)} are no hours", "write them as 08:00-18:00, in UTC"
    elif len(set(window(hours))) == 1:
        yield (
            ("hours",),
            f"{quoted(hours)} begin when they end",
            "write a later end; 00:00-24:00 is a whole day",
        )


def _in_condition(index: int, condition: Condition) -> Iterator[_Slip]:
    place: _Path = ("where", index)
    tests = [test.rstrip("_") for test, _ in tests_of(condition)]
    if not tests:
        todo = "add is, is_not, in, not_in, above or below"
        yield place, f"it demands nothing of the {condition.field}", todo
        return
    if len(tests) > 1:
        what = f"{quoted(tests[1])} does not go with {quoted(tests[0])}"
        yield (*place, tests[1]), what, "make it a condition of its own"
    if tests[0] in ("above", "below") and condition.field != "price":
        what = f"a {condition.field} is not {tests[0]} anything"
        yield (*place, tests[0]), what, "only a price is; write is, is_not, in or not_in"
    values = values_of(index, condition)
    if not 1 <= len(values) <= _VALUES_MAX:
        what = "no value is named" if not values else f"there are {len(values):,} values"
        yield (*place, tests[0]), what, f"name 1 to {_VALUES_MAX:,}"
    for path, value in values:
        yield from _in_value(path, condition.field, value)


def _in_value(path: _Path, field: str, value: object) -> Iterator[_Slip]:
    if field == "price":
        if isinstance(value, str):
            yield path, f"a price is a number, not {quoted(value)}", "write it without quotes, as 19.99"
    elif not isinstance(value, str):
        yield path, f"a {field} is text, not {value}", "put it in quotes"
    else:
        yield from _in_text(path, value)
