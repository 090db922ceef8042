"""`marketsim faults` and `marketsim policies`: what can be broken, and by which rules it is mended."""

from typing import Annotated

import typer

from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["faults_app", "policies_app"]

faults_app = group("faults", "The failures that can be injected.")
policies_app = group("policies", "The rules of compensation that can be chosen.")


@command(faults_app, "list", example="marketsim faults list", market=False)
def list_faults(session: Session) -> int:
    """List every fault by its class: when it strikes, whether the effect lands, what the engine is told."""
    from marketsim.saga.faults import FAULTS

    if session.json:
        session.emit({"faults": list(FAULTS.values())})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [
            (
                each.group,
                each.name,
                "landed" if each.phase == "after" else "no effect",
                _told(each),
                each.sentence,
            )
            for each in FAULTS.values()
        ]
        show_table(session.console(), ("class", "fault", "effect", "engine is told", "what happens"), rows)
        session.say(
            "inject with: --fail TARGET:FAULT[@ATTEMPTS][%PROBABILITY], as in payment:card_declined@1"
        )
    return 0


@command(faults_app, "show", example="marketsim faults show timeout_after", market=False)
def show_fault(
    session: Session, name: Annotated[str, typer.Argument(help="The fault's name.", show_default=False)]
) -> int:
    """Explain one fault, and say where it can strike."""
    from marketsim.saga.faults import FAULTS

    fault = FAULTS.get(name)
    if fault is None:
        raise InputError(f"no fault is called {quoted(name)}", todo=nearest(name, FAULTS))
    if session.json:
        session.emit(fault)
        return 0
    strikes = {"operation": "operations", "revert": "reverts", "both": "operations and reverts"}[fault.on]
    session.say(f"{fault.name} ({fault.group})\n  {fault.sentence}")
    session.say(f"  strikes     {strikes} of {', '.join(fault.services) or 'any service'}")
    session.say(f"  the effect  {'landed' if fault.phase == 'after' else 'did not land'}")
    session.say(f"  the engine  is told: {_told(fault)}")
    session.say(
        f"  a retry     {'is safe' if fault.retry == 'safe' or fault.outcome == 'unknown' else 'is no use'}"
    )
    target = (
        fault.services[0] if fault.services else "release_stock" if fault.on == "revert" else "charge_payment"
    )
    session.say(f"  try         marketsim purchase laptop-1 --fail {target}:{fault.name}")
    return 0


@command(policies_app, "list", example="marketsim policies list", market=False)
def list_policies(session: Session) -> int:
    """List the policies, each with what it does."""
    from marketsim.saga.policies import POLICIES

    if session.json:
        session.emit({"policies": list(POLICIES.values())})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [(each.name, each.sentence) for each in POLICIES.values()]
        show_table(session.console(), ("policy", "what it does"), rows)
    return 0


@command(policies_app, "show", example="marketsim policies show default", market=False)
def show_policy(
    session: Session, name: Annotated[str, typer.Argument(help="The policy's name.", show_default=False)]
) -> int:
    """Show the rules of one policy."""
    from marketsim.saga.policies import policy_named

    policy = policy_named(name)
    if session.json:
        session.emit(policy)
        return 0
    session.say(f"{policy.name}\n  {policy.sentence}")
    order = "at once, " if policy.at_once else "one after another, "
    session.say(f"  reverts what was done       {_yes(policy.compensate)}")
    session.say(f"  in which order              {order}{_ORDERS[policy.order]}")
    session.say(f"  reverts what failed         {_yes(policy.revert_failed)}")
    session.say(f"  reverts what is unknown     {_yes(policy.compensate and policy.revert_unknown)}")
    session.say(f"  halts at a stuck revert     {_yes(policy.halt_on_stuck)}")
    session.say(f"  attempts at a revert        {policy.retry.attempts_max}")
    for cost in policy.costs:
        session.say(f"  costs: {cost}")
    return 0


_ORDERS = {
    "newest_first": "newest first",
    "oldest_first": "oldest first",
    "ids_as_text": "newest first, by the text of their numbers",
}


def _told(fault: object) -> str:
    outcome = str(getattr(fault, "outcome"))  # noqa: B009 - faults are imported lazily
    return "nothing: it dies" if outcome == "crash" else outcome


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
