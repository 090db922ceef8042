"""One of many runs: a simulation with something of it varied, and what came of it."""

from typing import Any

import msgspec

from marketsim.market.gateway import rule_named
from marketsim.saga.errors import InputError
from marketsim.saga.policies import policy_named
from marketsim.simulate.axes import with_option
from marketsim.simulate.load import Simulation, revised
from marketsim.simulate.run import Outcome, Record, simulate
from marketsim.simulate.sweep import Run

__all__ = ["Task", "varied", "work"]


class Task(msgspec.Struct, frozen=True):
    """A run to be made: all that decides its outcome, in a form that goes to another process."""

    simulation: Simulation
    record: Record
    checks: list[str]


def work(task: Task) -> Outcome:
    """Make the run."""
    return simulate(task.simulation, record=task.record, checks=task.checks)


def varied(simulation: Simulation, run: Run) -> Simulation:
    """The simulation as a run of a sweep has it. Raises InputError for a value that cannot be meant."""
    table: dict[str, Any] = msgspec.to_builtins(simulation.workload)
    for name, text in run.options.items():
        table = with_option(table, name, text)
    if run.faults:
        table["faults"] = _with_rates(table.get("faults", []), run.faults)
    rest: dict[str, Any] = {"seed": run.seed}
    if run.policy is not None:
        rest |= {"policy": policy_named(run.policy).name, "rules": {}}
    if run.gateway is not None:
        rule_named(run.gateway)
        rest["gateway"] = run.gateway
    try:
        return revised(simulation, table, **rest)
    except InputError as wrong:
        raise InputError(wrong.what, where="--sweep", todo=wrong.todo) from None


def _with_rates(faults: list[str], varied: list[str]) -> list[str]:
    """Those faults with the rates that are varied; one that was there has its rate replaced."""
    names = {text.rpartition("%")[0] for text in varied}
    return [text for text in faults if text.partition("%")[0] not in names] + varied
