"""Mistakes in a saga that need no run: the table of rules, and what they have against a definition."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from marketsim.audit.findings import Finding
from marketsim.explore.lint import habits, shape, spans
from marketsim.saga.definition import Policy, Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.policies import POLICIES

__all__ = ["RULES", "Rule", "lint"]

Judgement: TypeAlias = Callable[[Saga, Policy], Iterator[Finding]]


class Rule(msgspec.Struct, frozen=True):
    """What every definition keeps; ``function`` yields what breaks it, with the line of the handler."""

    name: str
    sentence: str
    function: Judgement


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("can-be-reverted", "What is compensatable has a revert.", shape.can_be_reverted),
        Rule(
            "irreversible-last",
            "What can only go forward waits for the pivot; without one, for all that may be reverted.",
            shape.irreversible_last,
        ),
        Rule(
            "forward-past-the-pivot",
            "What may fail is done before the pivot: behind it nothing can be reverted any more.",
            shape.forward_past_the_pivot,
        ),
        Rule("can-be-asked", "What takes effect has a probe, for when no answer comes.", shape.can_be_asked),
        Rule(
            "revert-without-answer",
            "A revert knows what to undo before the call is answered, or it is registered too late.",
            habits.revert_without_answer,
        ),
        Rule("keys-used", "What may be asked for twice looks at its idempotency key.", habits.keys_used),
        Rule(
            "keys-apart",
            "Two operations of one service have two keys; the transaction alone is one for both.",
            habits.keys_apart,
        ),
        Rule(
            "reads-what-it-waits-for",
            "An operation reads the results of those that it waits for, and of no others.",
            habits.reads_what_it_waits_for,
        ),
        Rule("reads-only", "What only reads, and what only asks, writes nothing.", habits.reads_only),
        Rule(
            "handlers-answer",
            "A handler is a plain function of one call: neither a coroutine nor a generator.",
            habits.handlers_answer,
        ),
        Rule(
            "on-the-tape",
            "A handler has no clock and no dice of its own, or a run of it cannot be repeated.",
            habits.on_the_tape,
        ),
        Rule(
            "retriable-is-retried",
            "What is retriable is tried again; else, where it fails, it is left undone.",
            shape.retriable_is_retried,
        ),
        Rule(
            "retries-end", "All attempts are over while services still remember the key.", spans.retries_end
        ),
        Rule(
            "time-to-revert",
            "A time-to-live lasts until all later retries, and the reverts that come first, are over.",
            spans.time_to_revert,
        ),
        Rule("time-to-answer", "A call is waited for as long as it takes.", spans.time_to_answer),
    )
}
"""Every rule by its name."""


def lint(saga: Saga, policy: Policy = POLICIES["default"], names: Sequence[str] = ()) -> list[Finding]:
    """What the rules (those named, or all) have against a saga under a policy, operation by operation.

    Nothing of the saga is run. Raises InputError for a rule that does not exist.
    """
    chosen = [_rule(name) for name in dict.fromkeys(names)] or list(RULES.values())
    place = {name: number for number, name in enumerate(saga.operations)}
    findings = [finding for rule in chosen for finding in rule.function(saga, policy)]
    return sorted(findings, key=lambda finding: place.get(finding.operation, -1))


def _rule(name: str) -> Rule:
    if name not in RULES:
        raise InputError(f"there is no rule {quoted(name)}", todo=nearest(name, RULES))
    return RULES[name]
