"""A workload in words: what is simulated, in one line."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET

from marketsim.cli.render.text import one_line
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.simulate.load import Simulation
from marketsim.simulate.model import Arrivals

__all__ = ["workload_words"]

_FAULTS_SHOWN = 4


def workload_words(simulation: Simulation) -> str:
    """What is simulated: the market, who comes, what goes wrong, the rules, and the seed."""
    return one_line(f"{simulation.name}: {'; '.join(_parts(simulation))}")


def _parts(simulation: Simulation) -> Iterator[str]:
    workload = simulation.workload
    many = "" if workload.purchases is UNSET else f"{workload.purchases:,} customers, "
    lasts = "" if workload.duration is UNSET else f" for {workload.duration}"
    yield f"{many}{_arrivals(workload.arrivals)}{lasts}"
    if workload.faults:
        shown = ", ".join(workload.faults[:_FAULTS_SHOWN])
        more = len(workload.faults) - _FAULTS_SHOWN
        yield shown + (f" and {more} more" if more > 0 else "")
    if workload.outages:
        yield ", ".join(f"{each.service} away {each.from_}-{each.to}" for each in workload.outages)
    rules = f"policy {simulation.policy}{' with rules of its own' if simulation.rules else ''}"
    yield rules if simulation.gateway == DEFAULT_RULE else f"{rules}, gateway {simulation.gateway}"
    yield f"seed {simulation.seed}"


def _arrivals(arrivals: Arrivals) -> str:
    said: dict[str, Any] = msgspec.to_builtins(arrivals)
    (kind, how), *_ = said.items()
    if kind == "trace":
        return f"as in {how['file']}"
    if kind in ("poisson", "steady"):
        return f"{how:g} a second{', evenly' if kind == 'steady' else ''}"
    if kind == "closed":
        return f"a group of {how['customers']:,}"
    return f"up to {how['peak']:g} a second in a flash sale"
