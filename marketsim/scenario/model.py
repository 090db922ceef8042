"""The shape of a scenario file, as its reader binds it and as its JSON Schema describes it."""

from typing import Annotated, Any, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from marketsim.audit.checks import CHECKS
from marketsim.market._rules import RULES_MAX
from marketsim.market.catalog import PRODUCTS_MAX, Catalog
from marketsim.market.documents import Document
from marketsim.market.gateway import DEFAULT_RULE, RULES
from marketsim.market.money import CURRENCIES
from marketsim.market.requests import Line, request_of
from marketsim.market.rules import TESTS, Rule
from marketsim.market.sagas import SAGAS, saga_for
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.events import JSONObject
from marketsim.saga.policies import NOT_RULES, POLICIES

__all__ = [
    "FORMS",
    "PURCHASES_MAX",
    "CheckExpectation",
    "Expectation",
    "Find",
    "MarketExpectation",
    "Outcome",
    "Purchase",
    "PurchaseExpectation",
    "Sample",
    "Scenario",
    "ScenarioFile",
    "scenario_schema",
]

PURCHASES_MAX = 10_000
"""How many purchases, and how many expectations, a scenario may have."""

_INTEGER_MAX = 2**53 - 1
_FAULTS_MAX = 100
_CHOICES_MAX = 1000

Outcome: TypeAlias = Literal["committed", "rejected", "compensated", "stuck", "abandoned"]

_Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
_Choice: TypeAlias = Annotated[str, Meta(min_length=1, max_length=300)]
_Count: TypeAlias = Annotated[int, Meta(ge=0, le=_INTEGER_MAX)]
_Units: TypeAlias = Annotated[int, Meta(ge=-_INTEGER_MAX, le=_INTEGER_MAX)]
_Seed: TypeAlias = Annotated[int, Meta(ge=0, le=_INTEGER_MAX)]


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A catalog that is made up: so many products, and as many customers."""

    sample: Annotated[int, Meta(ge=1, le=PRODUCTS_MAX, description="How many products.")]
    seed: Annotated[
        _Seed | UnsetType,
        Meta(description="The same seed makes the same catalog; the scenario's by default."),
    ] = UNSET


class Purchase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One purchase: who buys what, and what goes wrong on the way."""

    customer: Annotated[_Name, Meta(description="The id of a user in the catalog.")]
    product: Annotated[_Name | UnsetType, Meta(description="The id of a product in the catalog.")] = UNSET
    cart: Annotated[
        dict[_Name, _Units] | UnsetType,
        Meta(description="For a checkout, instead of product and quantity: how many units of each product."),
    ] = UNSET
    quantity: Annotated[_Units, Meta(description="How many units.")] = 1
    faults: Annotated[
        list[Annotated[str, Meta(max_length=200)]],
        Meta(
            max_length=_FAULTS_MAX,
            description="Failures put in its way, each TARGET:FAULT[@ATTEMPTS][%PROBABILITY], "
            "as in payment:card_declined or charge_payment:timeout_after@1.",
        ),
    ] = []
    at: Annotated[
        str | UnsetType,
        Meta(
            description="When it starts, counted from the start of the run, as in 0s, 250ms or 2m. "
            "With it the purchases overlap in time; without it each waits for the one before. All have it, "
            "or none."
        ),
    ] = UNSET
    deadline: Annotated[
        str | UnsetType,
        Meta(description="How long after its start it is stopped and reverted, as in 5s or 2m."),
    ] = UNSET
    cancel: Annotated[
        str | UnsetType, Meta(description="How long after its start somebody cancels it, as in 250ms.")
    ] = UNSET

    def request(self, saga: str) -> JSONObject:
        """What is asked of a saga; for a purchase that has a product or a cart, as every loaded one has."""
        if self.cart is not UNSET:
            lines = [Line(product, units) for product, units in self.cart.items()]
        else:
            assert self.product is not UNSET
            lines = [Line(self.product, self.quantity)]
        return request_of(saga, self.customer, lines)


class PurchaseExpectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What became of one purchase; at least one thing beside its number."""

    purchase: Annotated[int, Meta(ge=1, le=PURCHASES_MAX, description="Which purchase, counted from 1.")]
    outcome: Annotated[Outcome | UnsetType, Meta(description="How it ended.")] = UNSET
    reverts: Annotated[
        list[_Name] | UnsetType, Meta(description="The reverts that succeeded, in their order; [] for none.")
    ] = UNSET
    rule: Annotated[_Name | UnsetType, Meta(description="The guardrail that rejected it.")] = UNSET
    failed: Annotated[_Name | UnsetType, Meta(description="The operation that failed for good.")] = UNSET
    left: Annotated[
        list[_Name] | UnsetType,
        Meta(description="The retriable operations that it committed without; [] for none."),
    ] = UNSET
    attempts: Annotated[
        dict[_Name, _Count] | UnsetType,
        Meta(description="How often an operation, or a revert, was attempted."),
    ] = UNSET
    recovered: Annotated[
        bool | UnsetType, Meta(description="Whether another process had to finish it after a crash.")
    ] = UNSET


class MarketExpectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in the market when all is over; at least one thing."""

    stock: Annotated[
        dict[_Name, _Units] | UnsetType, Meta(description="Units on sale, for each product named.")
    ] = UNSET
    reserved: Annotated[
        dict[_Name, _Units] | UnsetType, Meta(description="Units held back, for each product named.")
    ] = UNSET
    sold: Annotated[
        dict[_Name, _Units] | UnsetType, Meta(description="Units sold, for each product named.")
    ] = UNSET
    money: Annotated[
        dict[_Name, int | float] | UnsetType,
        Meta(
            description="What merchant and customer:ID have gained since the start (negative: lost), in "
            "major units of the currency, like prices."
        ),
    ] = UNSET
    orders: Annotated[_Count | UnsetType, Meta(description="How many orders stand.")] = UNSET
    notifications: Annotated[_Count | UnsetType, Meta(description="How many messages were sent.")] = UNSET
    dead_letters: Annotated[_Count | UnsetType, Meta(description="How many reverts wait for a person.")] = (
        UNSET
    )


class Find(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules that must be found broken, and no others."""

    find: Annotated[list[_Name], Meta(min_length=1, max_length=100, description="Names of checks.")]


class CheckExpectation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the checks of the audit find in the stream."""

    # Described in scenario_schema: a description here would keep `bind` from naming the nearest key.
    checks: Literal["all"] | Find


Expectation: TypeAlias = PurchaseExpectation | MarketExpectation | CheckExpectation

FORMS: tuple[type[Expectation], ...] = (PurchaseExpectation, MarketExpectation, CheckExpectation)
"""The forms of an expectation; no key belongs to two of them."""


class ScenarioFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A marketsim scenario: purchases, the faults that strike them, and what must be true afterwards."""

    scenario: Annotated[_Name, Meta(description="The scenario's name.")]
    catalog: Annotated[
        str | dict[str, Any],
        Meta(
            description="What is sold and to whom: a catalog written out, the path of a catalog file beside "
            "or below this one, or a sample."
        ),
    ]
    purchases: Annotated[
        list[Purchase],
        Meta(min_length=1, max_length=PURCHASES_MAX, description="The purchases, numbered from 1."),
    ]
    expect: Annotated[
        list[dict[str, Any]],
        Meta(min_length=1, max_length=PURCHASES_MAX, description="What must be true when all is over."),
    ]
    description: Annotated[str, Meta(max_length=2000, description="What happens, in a sentence.")] = ""
    seed: Annotated[_Seed, Meta(description="Decides latencies, and the faults that are left to chance.")] = 0
    currency: Annotated[str, Meta(description="The currency of all prices, by its ISO 4217 code.")] = "USD"
    policy: Annotated[
        str | dict[str, Any],
        Meta(
            description="The rules of compensation: a policy by name, or a table of rules that differ from "
            "those of the policy that it is 'like'."
        ),
    ] = "default"
    gateway: Annotated[str, Meta(description="How the payment provider treats idempotency keys.")] = (
        DEFAULT_RULE
    )
    saga: Annotated[str, Meta(description="The saga that each purchase runs.")] = "purchase"
    choices: Annotated[
        Annotated[dict[_Choice, _Count], Meta(max_length=_CHOICES_MAX)] | UnsetType,
        Meta(
            description="Who moves next, by its point, as in tx-1/charge_payment@1/turn: 1, where another "
            "one is to come first. With it, even if it is empty, nothing is left to chance.",
        ),
    ] = UNSET
    guardrails: Annotated[
        list[dict[str, Any]],
        Meta(
            max_length=RULES_MAX,
            description="Rules that a request must keep before anything starts, beside those of the catalog.",
        ),
    ] = []


class Scenario(msgspec.Struct, frozen=True):
    """A scenario whose every name exists: what a file says, and the document to find its lines in.

    ``starts_us`` has for each purchase when it starts, in microseconds from the start of the run;
    it is empty if they run one after another. ``choices`` say who moves next (None: whoever is due).
    """

    name: str
    description: str
    seed: int
    catalog: Catalog
    currency: str
    policy: str
    rules: JSONObject
    gateway: str
    saga: str
    choices: dict[str, int] | None
    purchases: list[Purchase]
    starts_us: list[int]
    expect: list[Expectation]
    document: Document

    def saga_of(self, number: int) -> Saga:
        """The saga that serves the purchase of this number, from 1."""
        return saga_for(self.saga, self.purchases[number - 1].request(self.saga))


def scenario_schema() -> JSONObject:
    """The JSON Schema (2020-12) of a scenario file."""
    structs = (ScenarioFile, Sample, Rule, *FORMS)
    (file, sample, rule, *forms), parts = msgspec.json.schema_components(
        structs, ref_template="#/$defs/{name}"
    )
    body = parts.pop(file["$ref"].rpartition("/")[2])
    parts["PurchaseExpectation"]["minProperties"] = 2
    parts["MarketExpectation"]["minProperties"] = 1
    parts["Catalog"] = _catalog_schema(rule)
    _say_what_excludes(parts)
    checks = parts["CheckExpectation"]["properties"]["checks"]
    checks["description"] = "all: every check is content. find: exactly these find errors."
    parts["Find"]["properties"]["find"]["items"] = {"enum": sorted(CHECKS)}
    properties = body["properties"]
    properties["expect"]["items"] = {"anyOf": forms}
    properties["guardrails"]["items"] = rule
    properties["catalog"] = {
        "description": properties["catalog"]["description"],
        "anyOf": [{"type": "string", "minLength": 1}, sample, {"$ref": "#/$defs/Catalog"}],
    }
    for key, known in (("currency", CURRENCIES), ("gateway", RULES), ("saga", SAGAS)):
        properties[key]["enum"] = sorted(known)
    properties["policy"] = {
        "description": properties["policy"]["description"],
        "anyOf": [{"enum": sorted(POLICIES)}, _policy_schema()],
        "default": "default",
    }
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return {"$schema": dialect, **body, "title": "marketsim scenario", "$defs": dict(sorted(parts.items()))}


def _policy_schema() -> JSONObject:
    """The shape of a table of rules: those of a policy, none of them required."""
    (_,), parts = msgspec.json.schema_components((Policy,), ref_template="#/$defs/{name}")
    rules = {key: value for key, value in parts["Policy"]["properties"].items() if key not in NOT_RULES}
    rules["retry"] = {
        "type": "object",
        "properties": parts["Retry"]["properties"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"like": {"enum": sorted(POLICIES)}, **rules},
        "additionalProperties": False,
    }


def _say_what_excludes(parts: JSONObject) -> None:
    """Add to the schema what the types of a rule cannot say: which of its keys exclude each other."""
    limit, others = ["at_most", "of"], ["hours", "days", "reject"]
    parts["Rule"]["properties"]["name"]["pattern"] = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
    parts["Rule"]["properties"]["hours"]["pattern"] = "^[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]$"
    parts["Rule"]["properties"]["reject"]["const"] = True
    parts["Rule"]["anyOf"] = [{"required": limit}, *({"required": [key]} for key in others)]
    parts["Rule"]["dependentSchemas"] = {
        "at_most": {"not": {"anyOf": [{"required": [key]} for key in others]}},
        "reject": {"required": ["where"], "not": {"anyOf": [{"required": [key]} for key in others[:2]]}},
        "of": {"required": limit},
        "per": {"required": limit},
    }
    tests = [test.rstrip("_") for test in TESTS]
    parts["Condition"]["oneOf"] = [{"required": [test]} for test in tests]


def _catalog_schema(rule: JSONObject) -> JSONObject:
    """The shape of a catalog that a person brings; keys of their own are welcome."""
    name = {"type": "string", "minLength": 1, "maxLength": 200}
    identity = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"}
    count = {"type": "integer", "minimum": 0, "maximum": 10**9}
    product = {"id": identity, "name": name, "price": {"type": "number", "minimum": 0}, "inStock": count}
    user = {"id": identity, "name": name}
    return {
        "type": "object",
        "description": "A catalog written out.",
        "required": ["products", "users"],
        "properties": {
            "products": _records(product),
            "users": _records(user),
            "orders": {"type": "array", "items": {"type": "object"}},
            "guardrails": {"type": "array", "items": rule, "maxItems": RULES_MAX},
        },
    }


def _records(properties: JSONObject) -> JSONObject:
    item = {"type": "object", "required": list(properties), "properties": properties}
    return {"type": "array", "minItems": 1, "items": item}
