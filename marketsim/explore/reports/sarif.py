"""Explorations as SARIF 2.1.0 (OASIS): a result for each counterexample, its story as a code flow."""

import hashlib
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any, TypeAlias
from urllib.parse import quote

import msgspec

from marketsim import __version__
from marketsim.audit.checks import CHECKS
from marketsim.explore.told import Explored, Told, verdict_of, verdict_words

__all__ = ["sarif_text"]

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_QUIESCENCE = "What has begun ends, and when nothing is in its way any more, nothing waits for a person."

Object: TypeAlias = dict[str, Any]


def sarif_text(explored: Sequence[Explored]) -> str:
    """One run of the tool, with an invocation for each exploration."""
    results = [(each, told) for each in explored for told in each.found]
    rules = list(dict.fromkeys(told.rule for _, told in results))
    run = {
        "tool": {"driver": {"name": "marketsim", "version": __version__, "rules": [*map(_rule, rules)]}},
        "invocations": [_invocation(each) for each in explored],
        "results": [_result(each, told, rules.index(told.rule)) for each, told in results],
        "columnKind": "unicodeCodePoints",
    }
    document = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def _rule(name: str) -> Object:
    sentence = CHECKS[name].sentence if name in CHECKS else _QUIESCENCE
    return {"id": name, "shortDescription": {"text": sentence}, "defaultConfiguration": {"level": "error"}}


def _invocation(explored: Explored) -> Object:
    exploration = explored.exploration
    notes = [] if exploration.exhausted else [("warning", verdict_words(exploration))]
    notes += [("note", f"never reached: {each}") for each in exploration.unreached]
    return {
        "commandLine": explored.command,
        # What ended before all was tried did not do what it was to do, unless it was ended by a finding.
        "executionSuccessful": verdict_of(exploration) in ("nothing found", "counterexample"),
        "toolExecutionNotifications": [{"level": level, "message": {"text": text}} for level, text in notes],
    }


def _result(explored: Explored, told: Told, index: int) -> Object:
    flow = [{"location": {"message": {"text": each}}} for each in told.sentences]
    message = next(each.message for each in told.counterexample.findings if each.rule == told.rule)
    again = f"\nAgain: {told.replay}" if told.replay else ""
    return {
        "ruleId": told.rule,
        "ruleIndex": index,
        "level": "error",
        "message": {"text": f"{message} ({explored.exploration.case} under {explored.policy}){again}"},
        "locations": [_location(explored, told)],
        "codeFlows": [{"threadFlows": [{"locations": flow}]}],
        "partialFingerprints": {"counterexample/v1": _fingerprint(explored, told)},
    }


def _location(explored: Explored, told: Told) -> Object:
    whole = f"{explored.exploration.case}/{told.operation}".rstrip("/")
    location: Object = {"logicalLocations": [{"fullyQualifiedName": whole, "kind": "function"}]}
    if told.file:
        uri = quote(PurePath(told.file).as_posix())
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}
    return location


def _fingerprint(explored: Explored, told: Told) -> str:
    """What stays the same as long as it is the same counterexample."""
    found = told.counterexample
    facts = [explored.exploration.case, explored.policy, told.rule, told.operation, found.faults, found.turns]
    return hashlib.sha256(msgspec.json.encode(facts, order="sorted")).hexdigest()[:32]
