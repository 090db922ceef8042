"""Load a scenario file: bind it, read its catalog, and see that every name in it exists."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, TypeAlias, TypeVar

from msgspec import UNSET

from marketsim.audit.checks import CHECKS
from marketsim.market.catalog import Catalog, parse_catalog
from marketsim.market.documents import Document, bind, read_document
from marketsim.market.money import currency_digits, to_minor
from marketsim.market.sagas import saga_named
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import policy_named
from marketsim.scenario.model import (
    FORMS,
    CheckExpectation,
    Expectation,
    MarketExpectation,
    Purchase,
    PurchaseExpectation,
    Sample,
    Scenario,
    ScenarioFile,
)

__all__ = ["AT_MAX_US", "load_scenario", "money_accounts", "revert_names"]

AT_MAX_US = 365 * 24 * 3_600_000_000
"""The latest start of a purchase: a year, in microseconds."""

_Path: TypeAlias = Sequence[str | int]
_T = TypeVar("_T")

_KEYS = {key: form for form in FORMS for key in form.__struct_fields__}
_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_AT = re.compile(r"([0-9]{1,15})(us|ms|s|m|h)")


def load_scenario(path: Path) -> Scenario:
    """The scenario in a YAML or JSON file.

    Raises InputError (CatalogError for the catalog) with file and line, and the nearest right name
    where there is one, for the first thing in it that cannot be meant.
    """
    document = read_document(path)
    file = bind(document, ScenarioFile)
    if not file.scenario.isprintable():
        raise _wrong(document, ("scenario",), "has a character that cannot be printed", "use plain text")
    _placed(document, ("policy",), policy_named, file.policy)
    _placed(document, ("currency",), currency_digits, file.currency)
    scenario = Scenario(
        name=file.scenario,
        description=file.description.strip(),
        seed=file.seed,
        catalog=_catalog(document, file, path.parent),
        currency=file.currency,
        policy=file.policy,
        saga=_placed(document, ("saga",), saga_named, file.saga),
        purchases=file.purchases,
        starts_us=_starts_us(document, file.purchases),
        expect=[_expectation(document, index) for index in range(len(file.expect))],
        document=document,
    )
    _check_purchases(scenario)
    _check_expectations(scenario)
    return scenario


def revert_names(saga: Saga) -> list[str]:
    """The names of a saga's reverts."""
    return [operation.revert_name for operation in saga.operations.values() if operation.revert_name]


def money_accounts(catalog: Catalog) -> list[str]:
    """The accounts of money by the names that an expectation knows: merchant, customer:ID."""
    return ["merchant", *(f"customer:{user['id']}" for user in catalog.users)]


def _wrong(document: Document, path: _Path, what: str, todo: str = "") -> InputError:
    words = document.words(path)
    return InputError(f"{words}: {what}" if words else what, where=document.place(path), todo=todo)


def _placed(document: Document, path: _Path, read: Callable[..., _T], *arguments: object) -> _T:
    """Call what knows nothing of files; an InputError gets its place, found only when it is needed."""
    try:
        return read(*arguments)
    except InputError as wrong:
        raise _wrong(document, path, wrong.what, wrong.todo) from wrong


# The catalog.


def _catalog(document: Document, file: ScenarioFile, folder: Path) -> Catalog:
    said = file.catalog
    if isinstance(said, str):
        place = _placed(document, ("catalog",), _inside, folder, said)
        return parse_catalog(read_document(place), file.currency)
    part = document.part("catalog")
    if "sample" in said:
        return _sample(part, file)
    strangers = [key for key in said if key not in ("products", "users", "orders")]
    if strangers and "products" not in said and "users" not in said:
        todo = nearest(strangers[0], ["orders", "products", "sample", "seed", "users"])
        raise _wrong(part, (strangers[0],), f"unknown key {quoted(strangers[0])}", todo)
    return parse_catalog(part, file.currency)


def _sample(part: Document, file: ScenarioFile) -> Catalog:
    from marketsim.market.samples import sample_catalog  # Faker is costly, and few scenarios need it

    sample = bind(part, Sample)
    seed = file.seed if sample.seed is UNSET else sample.seed
    return sample_catalog(sample.sample, sample.sample, seed, file.currency)


def _inside(folder: Path, said: str) -> Path:
    """The path of a file beside or below the scenario's; InputError for any other, links followed."""
    todo = "put the catalog beside the scenario, and name it by a relative path"
    shapes = (PurePosixPath(said), PureWindowsPath(said))
    if not said or any(shape.anchor or ".." in shape.parts for shape in shapes):
        raise InputError(f"{quoted(said)} leads out of the scenario's folder", todo=todo)
    place = folder / said
    try:
        inside = place.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as wrong:  # a loop of links, a name that is none
        raise InputError(f"{quoted(said)} is not a path that can be followed", todo=todo) from wrong
    if not inside:
        raise InputError(f"{quoted(said)} is a link out of the scenario's folder", todo=todo)
    return place


# The purchases.


def _starts_us(document: Document, purchases: list[Purchase]) -> list[int]:
    with_at = [index for index, purchase in enumerate(purchases) if purchase.at is not UNSET]
    if with_at and len(with_at) < len(purchases):
        first = next(index for index in range(len(purchases)) if index not in set(with_at))
        what = f"has no 'at', and purchases[{with_at[0]}] has one"
        raise _wrong(document, ("purchases", first), what, "give 'at' to all purchases, or to none")
    return [
        _placed(document, ("purchases", index, "at"), _delay_us, purchases[index].at) for index in with_at
    ]


def _delay_us(text: str) -> int:
    found = _AT.fullmatch(text)
    if found is None:
        raise InputError(f"{quoted(text)} is not a time", todo="write 0s, 250ms, 2m or 1h")
    delay_us = int(found[1]) * _UNITS_US[found[2]]
    if delay_us > AT_MAX_US:
        raise InputError(f"{quoted(text)} is too late", todo="a run may take a year")
    return delay_us


def _check_purchases(scenario: Scenario) -> None:
    products = {record["id"] for record in scenario.catalog.products}
    customers = {record["id"] for record in scenario.catalog.users}
    rejected = _rejections(scenario.expect)
    for index, purchase in enumerate(scenario.purchases):
        path = ("purchases", index)
        if index + 1 not in rejected:
            _check_name(scenario.document, (*path, "product"), purchase.product, "product", products)
            _check_name(scenario.document, (*path, "customer"), purchase.customer, "customer", customers)
            _check_quantity(scenario.document, (*path, "quantity"), purchase.quantity)
        for number, fault in enumerate(purchase.faults):
            _placed(scenario.document, (*path, "faults", number), parse_fault, fault, scenario.saga)


def _rejections(expect: Iterable[Expectation]) -> set[int]:
    """The purchases that are expected to be rejected: these may ask for what does not exist."""
    return {
        each.purchase
        for each in expect
        if isinstance(each, PurchaseExpectation) and (each.outcome == "rejected" or each.rule is not UNSET)
    }


def _check_quantity(document: Document, path: _Path, quantity: int) -> None:
    if quantity < 1:
        todo = "write 1 or more, or expect the purchase to be rejected"
        raise _wrong(document, path, f"{quantity} units cannot be bought", todo)


def _check_name(document: Document, path: _Path, name: str, kind: str, known: Iterable[str]) -> None:
    if name not in (names := known if isinstance(known, set | Mapping) else set(known)):
        raise _wrong(document, path, f"there is no {kind} {quoted(name)}", nearest(name, names))


# The expectations.


def _expectation(document: Document, index: int) -> Expectation:
    """Bind an item to the form that its keys belong to."""
    part = document.part("expect", index)
    forms = {key: _KEYS[key] for key in part.value if key in _KEYS}
    strangers = [key for key in part.value if key not in _KEYS]
    if strangers:
        raise _wrong(
            part, (strangers[0],), f"unknown key {quoted(strangers[0])}", nearest(strangers[0], _KEYS)
        )
    if not forms:
        raise _wrong(part, (), "expects nothing", "write {purchase: 1, outcome: committed}, or {checks: all}")
    form = PurchaseExpectation if "purchase" in forms else next(iter(forms.values()))
    for key, other in forms.items():
        if other is not form:
            todo = "make it an item of its own"
            raise _wrong(part, (key,), f"{quoted(key)} does not go with {quoted(_first(forms, form))}", todo)
    bound: Expectation = bind(part, form)
    _check_says_something(part, bound)
    return bound


def _first(forms: Mapping[str, Any], form: Any) -> str:
    return next(key for key, each in forms.items() if each is form)


def _check_says_something(part: Document, expectation: Expectation) -> None:
    said = [key for key in part.value if part.value[key] != {} and key != "purchase"]
    if not said:
        todo = "add an outcome" if isinstance(expectation, PurchaseExpectation) else "name a product or an account"
        raise _wrong(part, (), "expects nothing", todo)


def _check_expectations(scenario: Scenario) -> None:
    for index, expectation in enumerate(scenario.expect):
        part = scenario.document.part("expect", index)
        match expectation:
            case PurchaseExpectation():
                _check_purchase(part, scenario, expectation)
            case MarketExpectation():
                _check_market(part, scenario, expectation)
            case CheckExpectation(checks=checks) if checks != "all":
                for number, rule in enumerate(checks.find):
                    _check_name(part, ("checks", "find", number), rule, "check", CHECKS)


def _check_purchase(part: Document, scenario: Scenario, expectation: PurchaseExpectation) -> None:
    saga, operations, reverts = scenario.saga, scenario.saga.operations, revert_names(scenario.saga)
    count = len(scenario.purchases)
    if expectation.purchase > count:
        todo = f"they are numbered from 1 to {count}"
        raise _wrong(part, ("purchase",), f"there is no purchase {expectation.purchase}", todo)
    if expectation.reverts is not UNSET:
        for number, name in enumerate(expectation.reverts):
            _check_name(part, ("reverts", number), name, "revert", reverts)
    if expectation.rule is not UNSET:
        _check_name(part, ("rule",), expectation.rule, "guardrail", saga.guardrails)
    if expectation.failed is not UNSET:
        _check_name(part, ("failed",), expectation.failed, "operation", operations)
    if expectation.left is not UNSET:
        retriable = [name for name, operation in operations.items() if operation.kind == "retriable"]
        for number, name in enumerate(expectation.left):
            _check_name(part, ("left", number), name, "retriable operation", retriable)
    if expectation.attempts is not UNSET:
        for name in expectation.attempts:
            _check_name(part, ("attempts", name), name, "operation", [*operations, *reverts])


def _check_market(part: Document, scenario: Scenario, expectation: MarketExpectation) -> None:
    products = {record["id"] for record in scenario.catalog.products}
    for key in ("stock", "reserved", "sold"):
        for product in part.value.get(key, ()):
            _check_name(part, (key, product), product, "product", products)
    accounts = set(money_accounts(scenario.catalog))
    for account, amount in ({} if expectation.money is UNSET else expectation.money).items():
        _check_name(part, ("money", account), account, "account", accounts)
        _placed(part, ("money", account), to_minor, abs(amount), scenario.currency)
