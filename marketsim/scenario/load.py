"""Load a scenario file: bind it, read its catalog, and see that every name in it exists."""

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from marketsim.audit.checks import CHECKS
from marketsim.drivers.clock import span_us
from marketsim.market._rules import check_guardrails
from marketsim.market.catalog import Catalog, parse_catalog
from marketsim.market.documents import Document, bind, read_document
from marketsim.market.gateway import rule_named
from marketsim.market.money import currency_digits, to_minor
from marketsim.market.requests import CART_LINES_MAX
from marketsim.market.sagas import saga_named
from marketsim.saga.errors import nearest, quoted
from marketsim.saga.events import JSONObject
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import policy_named, policy_with
from marketsim.saga.taxonomy import FAULTS
from marketsim.scenario.model import (
    FORMS,
    CheckExpectation,
    Expectation,
    Find,
    MarketExpectation,
    Purchase,
    PurchaseExpectation,
    Sample,
    Scenario,
    ScenarioFile,
)
from marketsim.scenario.places import Place, check_name, inside, mistake, placed

__all__ = ["CRASHING_MAX", "load_scenario", "scenario_of"]

CRASHING_MAX = 20
"""How many of the purchases that overlap in time may kill the process.

Each death has everything that is open taken up again, so their cost is the product of both.
"""

_FORM_OF = {key: form for form in FORMS for key in form.__struct_fields__}


def load_scenario(path: Path) -> Scenario:
    """The scenario in a YAML or JSON file.

    Raises InputError (CatalogError for the catalog) with file and line, and the nearest right name
    where there is one, for the first thing in it that cannot be meant.
    """
    return scenario_of(read_document(path), path.parent)


def scenario_of(document: Document, folder: Path) -> Scenario:
    """The scenario in a document; a catalog file lies in ``folder``. Raises as load_scenario does."""
    file = bind(document, ScenarioFile)
    _check_whole(document, file)
    purchases = file.purchases or []
    if not file.scenario.isprintable():
        raise mistake(document, ("scenario",), "has a character that cannot be printed", "use plain text")
    policy, rules = _policy(document, file.policy)
    placed(document, ("currency",), currency_digits, file.currency)
    placed(document, ("gateway",), rule_named, file.gateway)
    placed(document, ("saga",), saga_named, file.saga)
    scenario = Scenario(
        name=file.scenario,
        description=file.description.strip(),
        seed=file.seed,
        catalog=_with_rules(document, file, _catalog(document, file, folder)),
        currency=file.currency,
        policy=policy,
        rules=rules,
        gateway=file.gateway,
        saga=file.saga,
        choices=None if file.choices is UNSET else file.choices,
        purchases=purchases,
        starts_us=_starts_us(document, purchases),
        expect=[_expectation(document, index) for index in range(len(file.expect or ()))],
        document=document,
        simulates=file.simulate is not UNSET,
    )
    known = _known(scenario.catalog)
    _check_purchases(scenario, known)
    _check_expectations(scenario, known)
    return scenario


def _check_whole(document: Document, file: ScenarioFile) -> None:
    """See that it has purchases, or a workload in their place."""
    if file.simulate is not UNSET:
        if file.purchases is not UNSET:
            todo = "have purchases, or the workload of a simulation"
            raise mistake(document, ("purchases",), "do not go with 'simulate'", todo)
        return
    for key in ("catalog", "purchases", "expect"):
        if getattr(file, key) is UNSET:
            raise mistake(document, (), f"{quoted(key)} is missing")


class _Known(Struct, frozen=True):
    """The names of a catalog that a scenario may use; ``rules`` are the guardrails that are declared."""

    products: set[str]
    customers: set[str]
    accounts: set[str]
    rules: list[str]


def _known(catalog: Catalog) -> _Known:
    customers = {user["id"] for user in catalog.users}
    return _Known(
        products={record["id"] for record in catalog.products},
        customers=customers,
        accounts={"merchant", *(f"customer:{customer}" for customer in customers)},
        rules=[rule["name"] for rule in catalog.guardrails],
    )


# The catalog.


def _catalog(document: Document, file: ScenarioFile, folder: Path) -> Catalog:
    said = file.catalog
    if said is UNSET:
        return Catalog([], [])  # A simulation may take all that is sold, and everybody, from a trace.
    if isinstance(said, str):
        place = placed(document, ("catalog",), inside, folder, said, "catalog")
        return parse_catalog(read_document(place), file.currency)
    part = document.part("catalog")
    if "sample" in said:
        return _sample(part, file)
    strangers = [key for key in said if key not in ("products", "users", "orders", "guardrails")]
    if strangers and "products" not in said and "users" not in said:
        todo = nearest(strangers[0], ["guardrails", "orders", "products", "sample", "seed", "users"])
        raise mistake(part, (strangers[0],), f"unknown key {quoted(strangers[0])}", todo)
    return parse_catalog(part, file.currency)


def _with_rules(document: Document, file: ScenarioFile, catalog: Catalog) -> Catalog:
    """The catalog with the guardrails that the scenario adds."""
    if not file.guardrails:
        return catalog
    entries = [(("guardrails", index), record) for index, record in enumerate(file.guardrails)]
    check_guardrails(document, entries, file.currency, (rule["name"] for rule in catalog.guardrails))
    return replace(catalog, guardrails=[*catalog.guardrails, *file.guardrails])


def _sample(part: Document, file: ScenarioFile) -> Catalog:
    from marketsim.market.samples import sample_catalog  # Faker is costly, and few scenarios need it

    sample = bind(part, Sample)
    seed = file.seed if sample.seed is UNSET else sample.seed
    return sample_catalog(sample.sample, sample.sample, seed, file.currency)


# The rules.


def _policy(document: Document, said: str | dict[str, Any]) -> tuple[str, JSONObject]:
    """The name of the policy, and the rules that differ from it."""
    if isinstance(said, str):
        return placed(document, ("policy",), policy_named, said).name, {}
    rules = {key: value for key, value in said.items() if key != "like"}
    like = said.get("like", "default")
    if not isinstance(like, str):
        raise mistake(document, ("policy", "like"), "is not a name", "name a policy")
    base = placed(document, ("policy", "like") if "like" in said else ("policy",), policy_named, like)
    placed(document, ("policy",), policy_with, base, rules)
    return base.name, rules


# The purchases.


def _starts_us(document: Document, purchases: list[Purchase]) -> list[int]:
    timed = [purchase.at is not UNSET for purchase in purchases]
    if any(timed) and not all(timed):
        what = f"has no 'at', and purchases[{timed.index(True)}] has one"
        todo = "give 'at' to all purchases, or to none"
        raise mistake(document, ("purchases", timed.index(False)), what, todo)
    return [
        placed(document, ("purchases", index, "at"), span_us, purchase.at)
        for index, purchase in enumerate(purchases)
        if purchase.at is not UNSET
    ]


def _check_purchases(scenario: Scenario, known: _Known) -> None:
    document, rejected = scenario.document, _rejections(scenario.expect)
    for index, purchase in enumerate(scenario.purchases):
        path = ("purchases", index)
        if index + 1 not in rejected:
            _check_goods(document, path, purchase, known)
            check_name(document, (*path, "customer"), purchase.customer, "customer", known.customers)
        _check_shape(document, path, purchase, scenario.saga)
        _check_times(document, path, purchase)
        saga = scenario.saga_of(index + 1)
        for number, fault in enumerate(purchase.faults):
            placed(document, (*path, "faults", number), parse_fault, fault, saga)
    _check_crashes(scenario)


def _check_times(document: Document, path: Place, purchase: Purchase) -> None:
    for key, said in (("deadline", purchase.deadline), ("cancel", purchase.cancel)):
        if said is not UNSET and not placed(document, (*path, key), span_us, said):
            raise mistake(document, (*path, key), "is no time at all", "write 1ms or more")


def _check_shape(document: Document, path: Place, purchase: Purchase, saga: str) -> None:
    if (purchase.product is UNSET) == (purchase.cart is UNSET):
        todo = "write product: ID, or for a checkout cart: {ID: 2, ID: 1}"
        raise mistake(document, path, "needs a product or a cart, and not both", todo)
    if purchase.cart is not UNSET and saga != "checkout":
        todo = "write saga: checkout, or product and quantity"
        raise mistake(document, (*path, "cart"), f"the saga {saga} has no cart", todo)


def _check_goods(document: Document, path: Place, purchase: Purchase, known: _Known) -> None:
    if purchase.cart is not UNSET:
        if not 1 <= len(purchase.cart) <= CART_LINES_MAX:
            todo = "or expect the purchase to be rejected"
            raise mistake(document, (*path, "cart"), f"a cart has 1 to {CART_LINES_MAX} products", todo)
        for product, units in purchase.cart.items():
            check_name(document, (*path, "cart", product), product, "product", known.products)
            _check_quantity(document, (*path, "cart", product), units)
    elif purchase.product is not UNSET:
        check_name(document, (*path, "product"), purchase.product, "product", known.products)
        _check_quantity(document, (*path, "quantity"), purchase.quantity)


def _check_crashes(scenario: Scenario) -> None:
    if not scenario.starts_us:
        return
    crashing = [
        index for index, purchase in enumerate(scenario.purchases) if any(map(_kills, purchase.faults))
    ]
    if len(crashing) > CRASHING_MAX:
        what = f"more than {CRASHING_MAX} purchases that overlap kill the process"
        todo = "have fewer, or let each purchase wait for the one before"
        raise mistake(scenario.document, ("purchases", crashing[CRASHING_MAX], "faults"), what, todo)


def _kills(fault: str) -> bool:
    name = re.split("[@%]", fault.partition(":")[2])[0]
    return FAULTS[name].outcome == "crash"


def _rejections(expect: Iterable[Expectation]) -> set[int]:
    """The purchases that are expected to be rejected: these may ask for what does not exist."""
    return {
        each.purchase
        for each in expect
        if isinstance(each, PurchaseExpectation) and (each.outcome == "rejected" or each.rule is not UNSET)
    }


def _check_quantity(document: Document, path: Place, quantity: int) -> None:
    if quantity < 1:
        todo = "write 1 or more, or expect the purchase to be rejected"
        raise mistake(document, path, f"{quantity} units cannot be bought", todo)


# The expectations.


def _expectation(document: Document, index: int) -> Expectation:
    """Bind an item to the form that its keys belong to."""
    part = document.part("expect", index)
    for key in part.value:
        if key not in _FORM_OF:
            raise mistake(part, (key,), f"unknown key {quoted(key)}", nearest(key, _FORM_OF))
    said = [key for key, value in part.value.items() if value != {}]
    if not set(said) - {"purchase"}:
        todo = "write {purchase: 1, outcome: committed}, {stock: {ID: 1}} or {checks: all}"
        raise mistake(part, (), "expects nothing", todo)
    first = "purchase" if "purchase" in part.value else said[0]
    form = _FORM_OF[first]
    for key in part.value:
        if _FORM_OF[key] is not form:
            todo = "make it an item of its own"
            raise mistake(part, (key,), f"{quoted(key)} does not go with {quoted(first)}", todo)
    bound: Expectation = bind(part, form)
    return bound


def _check_expectations(scenario: Scenario, known: _Known) -> None:
    for index, expectation in enumerate(scenario.expect):
        part = scenario.document.part("expect", index)
        match expectation:
            case PurchaseExpectation():
                _check_purchase(part, expectation, scenario, known)
            case MarketExpectation() if scenario.simulates:
                todo = "expect something of the checks: all, or find: [...]"
                raise mistake(part, (), "what a simulation leaves is told by its figures", todo)
            case MarketExpectation():
                _check_market(part, expectation, scenario.currency, known)
            case CheckExpectation(checks=Find(find=rules)):
                _check_names(part, ("checks", "find"), rules, "check", CHECKS)


def _check_purchase(
    part: Document, expectation: PurchaseExpectation, scenario: Scenario, known: _Known
) -> None:
    count = len(scenario.purchases)
    if scenario.simulates:
        todo = "expect something of the checks: all, or find: [...]"
        raise mistake(part, ("purchase",), "the purchases of a simulation are not numbered", todo)
    if expectation.purchase > count:
        todo = f"they are numbered from 1 to {count}"
        raise mistake(part, ("purchase",), f"there is no purchase {expectation.purchase}", todo)
    saga = scenario.saga_of(expectation.purchase)
    operations = list(saga.operations)
    reverts = [each.revert_name for each in saga.operations.values() if each.revert_name]
    if expectation.rule is not UNSET:
        check_name(part, ("rule",), expectation.rule, "guardrail", [*saga.guardrails, *known.rules])
    if expectation.failed is not UNSET:
        check_name(part, ("failed",), expectation.failed, "operation", operations)
    if expectation.reverts is not UNSET:
        _check_names(part, ("reverts",), expectation.reverts, "revert", reverts)
    if expectation.left is not UNSET:
        retriable = [each.name for each in saga.operations.values() if each.kind == "retriable"]
        _check_names(part, ("left",), expectation.left, "retriable operation", retriable)
    if expectation.attempts is not UNSET:
        for name in expectation.attempts:
            check_name(part, ("attempts", name), name, "operation", operations + reverts)


def _check_names(part: Document, path: Place, names: list[str], kind: str, known: Collection[str]) -> None:
    for number, name in enumerate(names):
        check_name(part, (*path, number), name, kind, known)


def _check_market(part: Document, expectation: MarketExpectation, currency: str, known: _Known) -> None:
    for key in ("stock", "reserved", "sold"):
        for product in part.value.get(key, ()):
            check_name(part, (key, product), product, "product", known.products)
    for account, amount in (expectation.money or {}).items():
        check_name(part, ("money", account), account, "account", known.accounts)
        placed(part, ("money", account), to_minor, abs(amount), currency)
