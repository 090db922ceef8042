"""`marketsim faults` and `marketsim policies`: what can be broken, and by which rules it is mended."""

from typing import TYPE_CHECKING, Annotated

import typer

from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import InputError, nearest, quoted

if TYPE_CHECKING:
    from marketsim.saga.fault import Fault

__all__ = ["faults_app", "policies_app"]

faults_app = group("faults", "The failures that can be injected.")
policies_app = group("policies", "The rules of compensation that can be chosen.")


@command(faults_app, "list", example="marketsim faults list", market=False)
def list_faults(session: Session) -> int:
    """List every fault by its class: when it strikes, whether the effect lands, what the engine is told."""
    from marketsim.saga.taxonomy import FAULTS

    if session.json:
        session.emit({"faults": list(FAULTS.values())})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [
            (each.name, each.group, each.phase, each.landed, _told_short(each)) for each in FAULTS.values()
        ]
        heads = ("fault", "class", "strikes", "landed", "engine is told")
        show_table(session.console(), heads, rows)
        session.say("what each means, and where it can strike: marketsim faults show NAME")
        session.say(
            "inject with: --fail TARGET:FAULT[@ATTEMPTS][%PROBABILITY], as in payment:card_declined@1"
        )
    return 0


@command(faults_app, "show", example="marketsim faults show timeout_after", market=False)
def show_fault(
    session: Session, name: Annotated[str, typer.Argument(help="The fault's name.", show_default=False)]
) -> int:
    """Explain one fault, and say where it can strike."""
    from marketsim.saga.taxonomy import FAULTS

    fault = FAULTS.get(name)
    if fault is None:
        raise InputError(f"no fault is called {quoted(name)}", todo=nearest(name, FAULTS))
    if session.json:
        session.emit(fault)
        return 0
    places = _places(fault)
    session.say(f"{fault.name} ({fault.group})\n  {fault.sentence}")
    session.say(f"  strikes     {_PHASES[fault.phase]}")
    session.say(f"  the effect  {_LANDED[fault.landed]}")
    session.say(f"  the engine  is told: {_told(fault)}")
    session.say(f"  a retry     {'is safe' if _may_retry(fault) else 'is no use'}")
    if fault.customer:
        session.say(f"  customer    is told: {fault.customer}")
    for saga, names in places.items():
        session.say(f"  {saga:<10}  {', '.join(names)}")
    saga, names = next(iter(places.items()))
    session.say(
        f"  try         marketsim {saga} laptop-1 --fail {names[0]}:{fault.name}{_cause(saga, names[0])}"
    )
    return 0


@command(faults_app, "mixes", example="marketsim faults mixes", market=False)
def list_mixes(session: Session) -> int:
    """List the mixes of faults for a simulation, each rate with where it comes from."""
    from marketsim.simulate.mixes import MIXES

    if session.json:
        session.emit({"mixes": list(MIXES.values())})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        for mix in MIXES.values():
            session.say(f"{mix.name}: {mix.sentence}")
            rows = [(share.fault, share.source) for share in mix.shares]
            show_table(session.console(), ("fault", "where its rate comes from"), rows)
            session.say("")
        session.say("simulate one with: marketsim simulate --fail NAME")
    return 0


_CAUSES = {"purchase": "place_order:error", "checkout": "capture_payment:card_declined"}


def _cause(saga: str, place: str) -> str:
    """What else has to fail, so that a revert is made at all and can be struck."""
    from marketsim.market.sagas import SAGAS

    found = SAGAS[saga].find(place)
    return f" --fail {_CAUSES[saga]}" if found is not None and found[1] == "revert" else ""


def _places(fault: "Fault") -> "dict[str, list[str]]":
    """Where a fault can strike, by the name of the saga."""
    from marketsim.market.sagas import SAGAS
    from marketsim.saga.faults import places

    found = {name: places(fault, saga) for name, saga in SAGAS.items()}
    return {name: struck for name, struck in found.items() if struck}


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
    session.say(f"  asks what is unknown        {_yes(policy.probe)}")
    session.say(f"  asks whether it is undone   {_yes(policy.verify)}")
    session.say(f"  waits for late results      {_yes(policy.await_late)}")
    session.say(f"  time to revert counts from  {_EXPIRY[policy.expiry]}")
    session.say(f"  a key for each attempt      {_yes(policy.new_keys)}")
    session.say(f"  reverts though cancelled    {_yes(policy.compensate and policy.shielded)}")
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


_PHASES = {
    "before": "before the call",
    "within": "in the service",
    "after": "after the effect",
    "answer": "in the answer",
}

_LANDED = {
    "no": "does not land",
    "yes": "lands",
    "partly": "lands in part",
    "late": "lands late",
    "varies": "lands or not, as the service has it",
}


def _told(fault: "Fault") -> str:
    if fault.phase == "within":
        return "what the service says"
    return "nothing: it dies" if fault.outcome == "crash" else fault.outcome


def _told_short(fault: "Fault") -> str:
    if fault.phase == "within":
        return "it depends"
    again = ", retry" if fault.outcome == "failed" and _may_retry(fault) else ""
    return "-" if fault.outcome == "crash" else fault.outcome + again


def _may_retry(fault: "Fault") -> bool:
    return fault.retry == "safe" or fault.outcome in ("unknown", "crash")


_EXPIRY = {"from_success": "the operation's success", "from_attempt": "each attempt anew: it never ends"}


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
