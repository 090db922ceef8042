"""The policies by name: each the compensation rules of an engine that people use, and what they cost."""

from marketsim.saga.definition import SECOND_US, Policy, Retry
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["POLICIES", "policy_named"]

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(
            "default",
            "Newest first, five tries; what stayed unknown is reverted as if it had landed; "
            "one that is stuck does not hold up the others.",
        ),
        Policy(
            "none",
            "Reverts nothing: what a failed transaction did stays done.",
            compensate=False,
            costs=("The stock that was reserved is out of stock, though nobody bought it.",),
        ),
        Policy(
            "orra",
            "Newest first by the text of their ids, ten tries from 2 s to 1 min; unknown outcomes are "
            "left alone.",
            order="ids_as_text",
            revert_unknown=False,
            retry=Retry(attempts_max=10, delay_us=2 * SECOND_US, delay_max_us=60 * SECOND_US),
            costs=(
                "A charge that landed behind a lost answer stands, and nobody gives it back.",
                "With ten operations or more, number 10 is reverted before number 9, and 9 before 2.",
            ),
        ),
        Policy(
            "temporal",
            "Newest first; the first revert that fails for good halts the others.",
            halt_on_stuck=True,
            costs=("One refund that fails keeps the stock reserved, too.",),
        ),
        Policy(
            "temporal-parallel",
            "All reverts are begun at once, newest first; one that fails does not stop the others.",
            at_once=True,
            costs=("A revert may run before the one that it depends on, and then has nothing to give back.",),
        ),
        Policy(
            "saga-py",
            "Newest first, and the operation that failed is reverted, too.",
            revert_failed=True,
            costs=("A revert runs for what never happened; one that does not look gives back too much.",),
        ),
        Policy(
            "camunda",
            "All reverts are begun at once, in no order.",
            order="oldest_first",
            at_once=True,
            costs=("Stock may be back on sale while its order stands and its payment is not yet returned.",),
        ),
        Policy(
            "agent-saga",
            "Newest first, three tries; the first that fails halts the others; unknown outcomes are left "
            "alone.",
            halt_on_stuck=True,
            revert_unknown=False,
            retry=Retry(attempts_max=3, delay_us=SECOND_US),
            costs=(
                "A charge that landed behind a lost answer stands, while its stock is released.",
                "One revert that fails leaves the rest unresolved.",
            ),
        ),
    )
}


def policy_named(name: str) -> Policy:
    """The policy of this name. Raises InputError, naming the nearest one."""
    policy = POLICIES.get(name)
    if policy is None:
        raise InputError(f"no policy is called {quoted(name)}", todo=nearest(name, POLICIES))
    return policy
