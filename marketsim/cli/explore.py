"""`marketsim explore`: every failure there is within a bound, and the smallest counterexample."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from marketsim.cli import explore_options as opt
from marketsim.cli.exits import Exit
from marketsim.cli.explore_files import Files, tell
from marketsim.cli.exploring import Asked, Hands, bound_of, case_named, hands_of
from marketsim.cli.interrupts import interrupts_waiting
from marketsim.cli.output import Force
from marketsim.cli.session import Session, command

if TYPE_CHECKING:
    from marketsim.explore.model import Bound, Case, Exploration, Progress
    from marketsim.explore.told import Explored

__all__ = ["explore_app"]

explore_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@command(explore_app, "explore", example="marketsim explore purchase --policy none", market=False)
def explore(
    session: Session,
    what: opt.What = "purchase",
    policy: opt.Policies = None,
    gateway: opt.GatewayRules = "",
    faults: opt.Faults = 1,
    crashes: opt.Crashes = 1,
    customers: opt.Customers = None,
    preemptions: opt.Preemptions = 1,
    fault: opt.FaultNames = None,
    target: opt.Targets = None,
    request: opt.Request = None,
    no_reduction: opt.NoReduction = False,
    runs_max: opt.RunsMax = 0,
    states_max: opt.StatesMax = 1_000_000,
    time_limit: opt.TimeLimit = None,
    keep_going: opt.KeepGoing = False,
    checkpoint: opt.Checkpoint = None,
    resume: opt.Resume = None,
    on: opt.On = "processes",
    workers: opt.Workers = None,
    output: opt.Output = None,
    junit: opt.Junit = None,
    sarif: opt.Sarif = None,
    markdown: opt.Markdown = None,
    force: Force = False,
    replay: opt.Replay = None,
    mutate: opt.Mutate = False,
    operator: opt.Operators = None,
) -> int:
    """Try every fault, crash and interleaving within a bound; show the smallest that goes wrong."""
    sizes = (faults, crashes, customers, preemptions)
    asked = Asked(
        what,
        request or (),
        gateway,
        *sizes,
        fault=fault or (),
        target=target or (),
        no_reduction=no_reduction,
        runs_max=runs_max,
        states_max=states_max,
        time_limit=time_limit or "",
        keep_going=keep_going,
    )
    policies = list(dict.fromkeys(policy)) if policy else [None]
    with redirect_stdout(session.err):  # What a saga of one's own prints is no part of the result.
        if mutate or operator:
            from marketsim.cli.mutating import show_mutants

            return show_mutants(session, asked, policies[0], operator or ())
        if replay is not None:
            return _replayed(session, asked, policies[0], replay)
        files = Files(output, checkpoint or resume, resume, junit, sarif, markdown, force)
        return _explore_all(session, asked, policies, files, hands_of(on, workers))


_GRAVITY = [Exit.OK, Exit.INCOMPLETE, Exit.FINDING, Exit.NOT_REPRODUCIBLE, Exit.INTERRUPTED]
"""Which exit code stands for several explorations: the last of these."""


def _explore_all(
    session: Session, asked: Asked, policies: Sequence[str | None], files: Files, hands: Hands
) -> int:
    """Explore under each policy, show and write what came of it, and return the exit code."""
    files.check(several=asked.keep_going or len(policies) > 1, policies=len(policies))
    cases = [case_named(asked, name) for name in policies]
    bounds = [bound_of(asked, case) for case in cases]
    explored: list[Explored] = []
    for name, case, bound in zip(policies, cases, bounds, strict=True):
        again = asked.command(name or "")
        explored.append(_explored(session, asked, again, case, bound, files, hands, brief=len(cases) > 1))
        if explored[-1].exploration.interrupted:
            break
    files.write_reports(explored)
    _show_all(session, explored)
    return max((_exit_of(each.exploration) for each in explored), key=_GRAVITY.index)


def _exit_of(exploration: "Exploration") -> Exit:
    from marketsim.explore.told import verdict_of

    if exploration.interrupted:
        return Exit.INTERRUPTED
    exits = {
        "nothing found": Exit.OK,
        "counterexample": Exit.FINDING,
        "not reproducible": Exit.NOT_REPRODUCIBLE,
    }
    return exits.get(verdict_of(exploration), Exit.INCOMPLETE)


def _explored(
    session: Session,
    asked: Asked,
    again: str,
    case: "Case",
    bound: "Bound",
    files: Files,
    hands: Hands,
    *,
    brief: bool,
) -> "Explored":
    """Explore one case, and show what came of it."""
    from marketsim.cli.render import exploration as render
    from marketsim.explore.search import explore
    from marketsim.explore.told import Explored, bound_words

    policy = case.policy.name
    if not session.silent:
        title = f"explore {case.name} under {policy}"
        render.show_plan(title, bound_words(bound), again, session.console())
    with _watched(session) as watch:
        exploration = explore(
            case,
            bound,
            wanted=0 if asked.keep_going else 1,
            processes=hands.processes,
            cluster=hands.cluster,
            progress=watch,
            checkpoint=files.checkpoint,
            resume=files.resume,
        )
    found = tuple(tell(case, exploration, files, again, all_rules=asked.keep_going))
    explored = Explored(policy, again, exploration, found)
    if not session.silent:
        render.show_explored(explored, session.console(), session.out, timelines=not brief)
        _say_how_to_go_on(session, explored, files)
    return explored


@contextmanager
def _watched(session: Session) -> "Iterator[Callable[[Progress], None]]":
    """Tells the progress on a terminal, if somebody watches; Ctrl-C waits for the end of a round."""
    from marketsim.cli.render.exploration import Watch

    watch = Watch(session.err) if session.err.isatty() and not session.quiet else None
    with interrupts_waiting() as look:

        def told(progress: "Progress") -> None:
            look()
            if watch is not None:
                watch(progress)

        try:
            yield told
        finally:
            if watch is not None:
                watch.close()


def _say_how_to_go_on(session: Session, explored: "Explored", files: Files) -> None:
    exploration = explored.exploration
    if exploration.exhausted or exploration.counterexamples or exploration.irreproducible:
        return
    if files.checkpoint is not None and not files.checkpoint.exists():
        session.say("  nothing was saved yet that could be gone on from")  # It was interrupted too soon.
    elif files.checkpoint is not None:
        session.say(f"  go on   {explored.command} --resume {files.checkpoint}")
    else:
        limit = "" if exploration.interrupted else "raise the limit; or "
        session.say(f"  {limit}give --checkpoint FILE, and go on with --resume FILE")


def _show_all(session: Session, explored: "Sequence[Explored]") -> None:
    if session.json:
        session.emit({"explorations": [_facts(each) for each in explored]})
    elif len(explored) > 1 and not session.quiet:
        from marketsim.cli.render.exploration import show_comparison

        show_comparison(explored, session.console())


def _facts(explored: "Explored") -> dict[str, Any]:
    from marketsim.explore.told import verdict_of

    exploration = explored.exploration
    return {
        "saga": exploration.case,
        "policy": explored.policy,
        "command": explored.command,
        "bound": exploration.bound,
        "verdict": verdict_of(exploration),
        "exhausted": exploration.exhausted,
        "runs": exploration.runs,
        "raw": exploration.raw,
        "cut": exploration.cut,
        "states": exploration.states,
        "seconds": exploration.seconds,
        "counterexamples": [
            {
                "rule": told.rule,
                "operation": told.operation,
                "rules": told.counterexample.rules,
                "faults": told.counterexample.faults,
                "choices": told.counterexample.turns,
                "requests": told.case.requests,
                "takes": told.counterexample.spent,
                "healed": told.counterexample.healed,
                "minimal": told.minimal,
                "story": told.story,
                "findings": told.counterexample.findings,
                "file": told.file,
                "replay": told.replay,
            }
            for told in explored.found
        ],
        "unreached": exploration.unreached,
        "irreproducible": exploration.irreproducible,
    }


def _replayed(session: Session, asked: Asked, policy: str | None, path: Path) -> int:
    """Run a kept counterexample once more: whether it still finds anything."""
    from marketsim.explore.counterexample_file import candidate_of, read_kept
    from marketsim.explore.model import Cost, Counterexample
    from marketsim.explore.run import replayed

    kept = read_kept(path)
    case = case_named(asked, policy or kept.policy, kept.requests)
    candidate = candidate_of(case, kept, str(path))
    judged = replayed(candidate.case, candidate.faults, candidate.turns)
    events = tuple(judged.events)
    found = Counterexample(judged.findings, judged.healed, candidate.faults, candidate.turns, Cost(), events)
    if session.json:
        session.emit({"counterexample": kept.counterexample, "findings": found.findings})
    elif not session.quiet:
        from marketsim.cli.render.exploration import show_counterexample

        show_counterexample(found, session.console(), session.out)
        if set(found.rules) != set(kept.find):
            session.note(f"it found {', '.join(kept.find)} when it was kept")
    return Exit.FINDING if found.findings else Exit.OK
