"""The guardrails that a catalog or a scenario declares: rules as data, with no expressions in them."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from marketsim.market.money import to_major, to_minor
from marketsim.saga.events import JSONObject

__all__ = [
    "BUILT_IN",
    "DAYS",
    "TESTS",
    "Condition",
    "Rule",
    "counts_customers",
    "declared",
    "rules_of",
    "scopes",
    "tests_of",
    "values_of",
    "window",
]

BUILT_IN = ("known_product", "known_customer", "cart_size", "quantity_limit", "price_limit")
"""The guardrails that every saga of the market has; a declared one must be called something else."""

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""The days of the week, as a rule names them."""

TESTS = ("is_", "is_not", "in_", "not_in", "above", "below")
"""What a condition may demand of its field; it demands exactly one of them."""

_Value: TypeAlias = str | int | float
_Number: TypeAlias = int | float
_Amount: TypeAlias = Callable[[Any], _Number]
_Scope: TypeAlias = Literal["order", "customer", "category", "product"]
_Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_Days: TypeAlias = Annotated[list[_Day], Meta(min_length=1, max_length=7)]


class Condition(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename={"is_": "is", "in_": "in"},
):
    """What a field of the request must be for a rule to look at a line: exactly one test beside it."""

    field: Annotated[
        Literal["product", "name", "category", "condition", "price", "customer"],
        Meta(description="Of the product (product is its id), or customer: the id of who buys."),
    ]
    is_: Annotated[_Value | UnsetType, Meta(description="It is this.")] = UNSET
    is_not: Annotated[_Value | UnsetType, Meta(description="It is anything else.")] = UNSET
    in_: Annotated[list[_Value] | UnsetType, Meta(description="It is one of these.")] = UNSET
    not_in: Annotated[list[_Value] | UnsetType, Meta(description="It is none of these.")] = UNSET
    above: Annotated[_Number | UnsetType, Meta(description="A price that is higher than this.")] = UNSET
    below: Annotated[_Number | UnsetType, Meta(description="A price that is lower than this.")] = UNSET


class Rule(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A declared guardrail: a limit (``at_most`` and ``of``), times (``hours``, ``days``), or ``reject``.

    Money is in major units where a person declares it, and in minor units in the stream and wherever
    a request is judged.
    """

    name: Annotated[str, Meta(description="What a rejection calls it; no other rule has this name.")]
    sentence: Annotated[str, Meta(max_length=200, description="Why there is this rule, for people.")] = ""
    at_most: Annotated[
        _Number | UnsetType, Meta(description="The limit; money in major units, like prices.")
    ] = UNSET
    of: Annotated[
        Literal["quantity", "total", "price", "orders"] | UnsetType,
        Meta(description="What is limited: units, their prices together, the price of one, or orders."),
    ] = UNSET
    per: Annotated[
        _Scope | list[_Scope] | UnsetType,
        Meta(
            description="What is added up: order (this request), customer (the standing orders too), "
            "category or product (each by itself), or customer with one of these."
        ),
    ] = UNSET
    hours: Annotated[
        str | UnsetType, Meta(description="When it is allowed, in UTC: 08:00-18:00, or 22:00-06:00.")
    ] = UNSET
    days: Annotated[_Days | UnsetType, Meta(description="On which days it is allowed.")] = UNSET
    reject: Annotated[bool | UnsetType, Meta(description="true: what meets the conditions is rejected.")] = (
        UNSET
    )
    where: Annotated[
        list[Condition],
        Meta(max_length=20, description="Conditions that must all hold for the rule to apply."),
    ] = []


def rules_of(records: Iterable[JSONObject], currency: str) -> list[Rule]:
    """The rules in records that were found in order under this currency: money in minor units."""
    found = (msgspec.convert(record, Rule) for record in records)
    return [_converted(rule, lambda amount: to_minor(amount, currency)) for rule in found]


def declared(rule: Rule, currency: str) -> JSONObject:
    """A rule as a person declares it: the opposite of rules_of."""
    record: JSONObject = msgspec.to_builtins(_converted(rule, lambda amount: to_major(amount, currency)))
    return record


def _converted(rule: Rule, amount: _Amount) -> Rule:
    at_most = amount(rule.at_most) if rule.of in ("total", "price") else rule.at_most
    where = [_converted_test(each, amount) if each.field == "price" else each for each in rule.where]
    return msgspec.structs.replace(rule, at_most=at_most, where=where)


def _converted_test(condition: Condition, amount: _Amount) -> Condition:
    test, value = tests_of(condition)[0]
    new = [amount(each) for each in value] if isinstance(value, list) else amount(value)
    return msgspec.structs.replace(condition, **{test: new})


def tests_of(condition: Condition) -> list[tuple[str, Any]]:
    """What the condition demands: which of TESTS, and the value beside it."""
    said = ((test, getattr(condition, test)) for test in TESTS)
    return [(test, value) for test, value in said if value is not UNSET]


def scopes(rule: Rule) -> list[str]:
    """What the rule adds up per: order, customer, category, product, or customer with one of these."""
    if rule.per is UNSET:
        return ["customer"] if rule.of == "orders" else ["order"]
    return [rule.per] if isinstance(rule.per, str) else list(rule.per)


def counts_customers(rules: Iterable[Rule]) -> bool:
    """Whether any of the rules counts what a customer has bought before."""
    return any("customer" in scopes(rule) for rule in rules)


def window(hours: str) -> tuple[int, int]:
    """The first minute of the day that is allowed, and the first that no longer is."""
    start, end = (int(each[:2]) * 60 + int(each[3:5]) for each in hours.split("-"))
    return start, end


def values_of(index: int, condition: Condition) -> list[tuple[tuple[str | int, ...], Any]]:
    """The values that the condition of this number is about, each with its path in the rule."""
    test, value = tests_of(condition)[0]
    place: tuple[str | int, ...] = ("where", index, test.rstrip("_"))
    if not isinstance(value, list):
        return [(place, value)]
    return [((*place, number), each) for number, each in enumerate(value)]
