"""The policies by name: each the compensation rules of an engine that people use, and what they cost."""

from collections.abc import Collection
from typing import Any

import msgspec

from marketsim.saga.definition import SECOND_US, Policy, Retry
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import JSONObject, TransactionBegan

__all__ = ["NOT_RULES", "POLICIES", "policy_named", "policy_of", "policy_with"]

_ASKS_NOBODY: dict[str, Any] = {"probe": False, "verify": False, "await_late": False}
"""What the engines that people use have in common: none of them asks a service what came of a call."""

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(
            "default",
            "Newest first, five tries; a service is asked what came of a call that gave no answer, and "
            "whether a revert did what it said; what stays unknown is reverted as if it had landed; one "
            "that is stuck does not hold up the others.",
        ),
        Policy(
            "none",
            "Reverts nothing: what a failed transaction did stays done.",
            compensate=False,
            **_ASKS_NOBODY,
            costs=(
                "The stock that was reserved is out of stock, though nobody bought it.",
                "A retry without an answer may charge twice where the provider has forgotten the key.",
            ),
        ),
        Policy(
            "orra",
            "Newest first by the text of their ids, ten tries from 2 s to 1 min; unknown outcomes are "
            "left alone.",
            order="ids_as_text",
            revert_unknown=False,
            expiry="from_attempt",
            **_ASKS_NOBODY,
            retry=Retry(attempts_max=10, delay_us=2 * SECOND_US, delay_max_us=60 * SECOND_US),
            costs=(
                "A charge that landed behind a lost answer stands, and nobody gives it back.",
                "With ten operations or more, number 10 is reverted before number 9, and 9 before 2.",
                "The time in which a revert is possible counts from each attempt anew, so it never expires.",
            ),
        ),
        Policy(
            "temporal",
            "Newest first; the first revert that fails for good halts the others.",
            halt_on_stuck=True,
            **_ASKS_NOBODY,
            costs=("One refund that fails keeps the stock reserved, too.",),
        ),
        Policy(
            "temporal-parallel",
            "All reverts are begun at once, newest first; one that fails does not stop the others.",
            at_once=True,
            **_ASKS_NOBODY,
            costs=("A revert may run before the one that it depends on, and then has nothing to give back.",),
        ),
        Policy(
            "saga-py",
            "Newest first, and the operation that failed is reverted, too.",
            revert_failed=True,
            **_ASKS_NOBODY,
            costs=("A revert runs for what never happened; one that does not look gives back too much.",),
        ),
        Policy(
            "camunda",
            "All reverts are begun at once, in no order.",
            order="oldest_first",
            at_once=True,
            **_ASKS_NOBODY,
            costs=("Stock may be back on sale while its order stands and its payment is not yet returned.",),
        ),
        Policy(
            "agent-saga",
            "Newest first, three tries; the first that fails halts the others; unknown outcomes are left "
            "alone.",
            halt_on_stuck=True,
            revert_unknown=False,
            **_ASKS_NOBODY,
            retry=Retry(attempts_max=3, delay_us=SECOND_US),
            costs=(
                "A charge that landed behind a lost answer stands, while its stock is released.",
                "One revert that fails leaves the rest unresolved.",
            ),
        ),
    )
}

NOT_RULES = ("name", "sentence", "costs")
"""What a policy says about itself."""


def policy_of(began: TransactionBegan) -> Policy:
    """The rules that a transaction began with. Raises InputError if they are none."""
    return policy_with(policy_named(began.policy), began.rules)


def policy_with(base: Policy, rules: JSONObject) -> Policy:
    """A policy that differs from another in these rules. Raises InputError for what is none."""
    if not rules:
        return base
    _check_names(rules, [key for key in Policy.__struct_fields__ if key not in NOT_RULES], "a policy")
    plain: JSONObject = msgspec.to_builtins(base)
    retry = rules.get("retry", plain["retry"])
    if isinstance(retry, dict):
        _check_names(retry, Retry.__struct_fields__, "a retry")
        retry = plain["retry"] | retry
    try:
        return msgspec.convert(plain | rules | {"retry": retry}, Policy)
    except msgspec.ValidationError as wrong:
        todo = f"see: marketsim policies show {base.name}"
        raise InputError(f"the rules of the policy: {wrong}", todo=todo) from None


def _check_names(rules: JSONObject, known: Collection[str], of: str) -> None:
    stranger = next((key for key in rules if key not in known), None)
    if stranger is not None:
        raise InputError(f"no rule of {of} is called {quoted(stranger)}", todo=nearest(stranger, known))


def policy_named(name: str) -> Policy:
    """The policy of this name. Raises InputError, naming the nearest one."""
    policy = POLICIES.get(name)
    if policy is None:
        raise InputError(f"no policy is called {quoted(name)}", todo=nearest(name, POLICIES))
    return policy
