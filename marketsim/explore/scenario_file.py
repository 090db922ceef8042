"""A counterexample as a scenario file that anyone can replay, with its story at the top."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from textwrap import wrap
from typing import Any

from marketsim.explore.marketplace import Shop
from marketsim.explore.model import Case, Counterexample
from marketsim.explore.story import story_of, wrong_in
from marketsim.market.documents import parse_document
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.money import with_money
from marketsim.market.requests import lines_of
from marketsim.saga.errors import InputError
from marketsim.saga.events import ENDS, JSONObject
from marketsim.scenario.load import scenario_of
from marketsim.scenario.run import run_scenario

__all__ = ["scenario_text", "story_and_wrong"]

_WIDTH = 100
_PLAIN = re.compile(r"0s|[A-Za-z][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*")
_NOT_PLAIN = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def story_and_wrong(counterexample: Counterexample) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The story of a counterexample, and what is wrong in its end, with money as people write it."""
    story, wrong = story_of(counterexample.events), wrong_in(counterexample.findings)
    return tuple(map(with_money, story)), tuple(map(with_money, wrong))


def scenario_text(case: Case, counterexample: Counterexample, name: str) -> str | None:
    """The text of a scenario that finds the same when it is run, in the plainest form that does.

    None if no scenario does: for a saga of somebody's own, and for what shows only when all is healed.
    """
    if not isinstance(case.opening, Shop):
        return None
    for plan in _plans(counterexample):
        text = "\n".join(
            [*_story_lines(counterexample), *_lines(case, case.opening, counterexample, name, plan)]
        )
        if _finds(f"{text}\n", counterexample):
            return f"{text}\n"
    return None


def _plans(counterexample: Counterexample) -> list[JSONObject | None]:
    """The schedules that may do, None for whatever chance has: only what needs it says who moves next."""
    return [counterexample.turns] if counterexample.turns else [None, {}]


def _finds(text: str, counterexample: Counterexample) -> bool:
    try:
        scenario = scenario_of(parse_document(text.encode(), "counterexample.yaml"), Path())
    except InputError:
        return False
    result = run_scenario(scenario)
    rules = {finding.rule for finding in result.findings if finding.severity == "error"}
    return result.passed and rules == set(counterexample.rules)


# The lines of the file.


def _story_lines(counterexample: Counterexample) -> list[str]:
    story, wrong = story_and_wrong(counterexample)
    found = [line for each in wrong for line in wrap(each, _WIDTH - 2, subsequent_indent="  ")]
    lines = [*wrap(" ".join(story), _WIDTH), "Found:", *(f"  {line}" for line in found)]
    return [f"# {_printable(line)}" for line in lines]


def _lines(
    case: Case, shop: Shop, counterexample: Counterexample, name: str, turns: JSONObject | None
) -> Iterator[str]:
    requests = case.requests[: len(counterexample.faults)]
    yield f"scenario: {_yaml(name)}"
    yield f"description: {_yaml(_sentence(counterexample))}"
    if shop.currency != "USD":
        yield f"currency: {shop.currency}"
    yield "catalog:"
    for key, records in _records(shop, requests).items():
        yield from _listed(f"  {key}", records)
    yield f"policy: {_yaml(_policy(case))}"
    if case.services:
        yield f"gateway: {_yaml(case.services.get('payment', DEFAULT_RULE))}"
    if case.name != "purchase":
        yield f"saga: {_yaml(case.name)}"
    if turns is not None:
        yield f"choices: {_yaml(turns)}"
    together = len(requests) > 1 and turns is not None
    purchases = zip(requests, counterexample.faults, strict=True)
    yield from _listed("purchases", [_purchase(*each, together) for each in purchases])
    yield from _listed("expect", _expectations(counterexample))


def _sentence(counterexample: Counterexample) -> str:
    """What it takes, and what it breaks, in a line."""
    struck = ", ".join(text for texts in counterexample.faults for text in texts)
    turns = "a turn out of order" if counterexample.turns else ""
    takes = " and ".join(filter(None, [struck, turns])) or "nothing but its customers"
    return f"{takes}: {', '.join(counterexample.rules)}"


def _policy(case: Case) -> object:
    return {"like": case.policy.name} | case.rules if case.rules else case.policy.name


def _records(shop: Shop, requests: Iterable[JSONObject]) -> dict[str, list[JSONObject]]:
    """The part of the catalog that is asked for."""
    wanted = {line.product for request in requests for line in lines_of(request)}
    customers = {request["customer"] for request in requests}
    known = ("id", "name", "price", "category", "condition", "inStock")
    products = [each for each in shop.catalog.products if each["id"] in wanted]
    records = {
        "products": [{key: each[key] for key in known if key in each} for each in products],
        "users": [
            {"id": user["id"], "name": user["name"]} for user in shop.catalog.users if user["id"] in customers
        ],
    }
    return records | ({"guardrails": shop.catalog.guardrails} if shop.catalog.guardrails else {})


def _purchase(request: JSONObject, faults: tuple[str, ...], together: bool) -> JSONObject:
    lines = {line.product: line.quantity for line in lines_of(request)}
    if "cart" in request:
        purchase: JSONObject = {"cart": lines}
    else:
        purchase = {"product": request["product"]}
        purchase |= {"quantity": request["quantity"]} if request["quantity"] != 1 else {}
    purchase["customer"] = request["customer"]
    purchase |= {"at": "0s"} if together else {}
    return purchase | ({"faults": list(faults)} if faults else {})


def _expectations(counterexample: Counterexample) -> list[JSONObject]:
    ends = {each.transaction: each.type for each in counterexample.events if isinstance(each, ENDS)}
    outcomes = [_outcome(ends, number) for number in range(1, len(counterexample.faults) + 1)]
    return [*outcomes, {"checks": {"find": list(counterexample.rules)}}]


def _outcome(ends: Mapping[str, str], number: int) -> JSONObject:
    return {"purchase": number, "outcome": ends[f"tx-{number}"].removeprefix("transaction.")}


# YAML.


def _listed(key: str, values: list[JSONObject]) -> Iterator[str]:
    indent = key[: len(key) - len(key.lstrip())]
    yield f"{key}:"
    yield from (f"{indent}  - {_yaml(value)}" for value in values)


def _yaml(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_yaml(key)}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _NOT_PLAIN
        return value if plain else _printable(json.dumps(value, ensure_ascii=False))
    return json.dumps(value)


def _printable(text: str) -> str:
    """The text with each character that cannot be printed as YAML writes it."""
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
