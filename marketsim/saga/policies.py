"""The policies by name: each the compensation rules of an engine that people use."""

from marketsim.saga.definition import Policy
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["POLICIES", "policy_named"]

POLICIES: dict[str, Policy] = {
    policy.name: policy
    for policy in (
        Policy(
            "default",
            "Reverts newest first, retries a revert five times, reverts what stayed unknown "
            "as if it had landed, and goes on with the others when one is stuck.",
        ),
        Policy(
            "none",
            "Reverts nothing: what a failed transaction did stays done. This is how stock gets lost.",
            compensate=False,
        ),
    )
}


def policy_named(name: str) -> Policy:
    """The policy of this name. Raises InputError, naming the nearest one."""
    policy = POLICIES.get(name)
    if policy is None:
        raise InputError(f"no policy is called {quoted(name)}", todo=nearest(name, POLICIES))
    return policy
