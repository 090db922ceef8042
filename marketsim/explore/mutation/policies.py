"""Operators of mutation that change the rules of compensation: each is a rule that some engine has."""

from typing import Any

from marketsim.explore.mutation.operators import Operator

__all__ = ["POLICY_RULES"]


def _rule(name: str, words: str, **rules: Any) -> Operator:
    return Operator(name, f"{words[0].upper()}{words[1:]}.", words, rules=rules)


POLICY_RULES: tuple[Operator, ...] = (
    _rule("revert-nothing", "nothing is reverted", compensate=False),
    _rule("revert-oldest-first", "reverts are made oldest first", order="oldest_first"),
    _rule("revert-by-text", "reverts are made by the text of their numbers", order="ids_as_text"),
    _rule("revert-at-once", "reverts are begun all at once", at_once=True),
    _rule("halt-on-stuck", "the first revert that is stuck halts the others", halt_on_stuck=True),
    _rule("leave-unknown", "what is unknown is not reverted", revert_unknown=False),
    _rule("revert-failed", "what failed for certain is reverted, too", revert_failed=True),
    _rule("ask-nobody", "no service is asked what came of a call", probe=False),
    _rule("believe-reverts", "a revert is believed without asking", verify=False),
    _rule("ignore-late", "nobody waits for a late result", await_late=False),
    _rule("expire-never", "the time to revert counts from each attempt anew", expiry="from_attempt"),
    _rule("new-keys", "each attempt has a key of its own", new_keys=True),
    _rule("drop-on-cancel", "a cancellation ends the reverts, too", shielded=False),
    _rule("revert-once", "a revert is tried once", retry={"attempts_max": 1}),
)
"""The operators, in the order in which they are told."""
