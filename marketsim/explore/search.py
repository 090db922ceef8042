"""The search: every run within a bound, by rising number of faults."""

import time
from collections.abc import Callable

from marketsim.explore.faults import TapePlan, menus_of
from marketsim.explore.model import Bound, Case, Cost, Counterexample, Exploration, Progress
from marketsim.explore.run import Runner
from marketsim.explore.tape import ScriptTape

__all__ = ["explore"]


def explore(
    case: Case,
    bound: Bound = Bound(),  # noqa: B008
    *,
    wanted: int = 1,
    progress: Callable[[Progress], None] | None = None,
) -> Exploration:
    """Try everything within the bound; stop when so many counterexamples are found as are ``wanted`` (0: all).

    ``progress`` is told from time to time how far it has come.
    """
    started, runs = time.perf_counter(), 0
    found: list[Counterexample] = []
    menus = menus_of(case, bound)
    most = Cost(bound.faults, bound.crashes, bound.preemptions)
    levels: list[list[bytes]] = [[] for _ in range(bound.faults + bound.crashes + 1)]
    levels[0].append(b"")
    for depth, waiting in enumerate(levels):
        for script in waiting:
            if wanted and len(found) >= wanted or (bound.runs_max and runs >= bound.runs_max):
                break
            runs += 1
            tape = ScriptTape(script)
            plans = [TapePlan(menus) for _ in case.requests[: bound.customers]]
            runner = Runner(case, plans, tape)
            judged = runner.run()
            if judged.findings:
                found.append(_counterexample(runner, plans, tape, judged.findings, judged.healed))
                continue
            for at in range(len(script), len(tape.drawn)):
                taken = script + bytes(at - len(script))
                for value, cost in enumerate(tape.costs[at]):
                    spent = tape.spent + cost
                    if value and spent.within(most):
                        levels[spent.faults + spent.crashes].append(taken + bytes([value]))
            if progress is not None and not runs % 1000:
                seconds = time.perf_counter() - started
                progress(Progress(runs, 0, 0, depth, len(waiting), len(found), seconds))
    exhausted = not (wanted and len(found) >= wanted) and not (bound.runs_max and runs >= bound.runs_max)
    seconds = time.perf_counter() - started
    return Exploration(case.name, bound, tuple(found), (), None, exhausted, runs, 0, 0, runs, seconds)


def _counterexample(
    runner: Runner, plans: list[TapePlan], tape: ScriptTape, findings: tuple, healed: bool
) -> Counterexample:
    turns = {each.point: each.value for each in tape.drawn if each.value and "/turn" in each.point}
    faults = tuple(tuple(plan.texts) for plan in plans)
    return Counterexample(findings, healed, faults, turns, tape.spent, tuple(runner.log.events))
