"""What one run of an exploration costs: against the same transactions simulated, on two cores, in memory."""

import gc
import subprocess
import sys
from functools import partial

from benchmarks.side_by_side import Figure, Ratio, Side, side_by_side, timed
from marketsim.explore.marketplace import market_case
from marketsim.explore.model import Bound, Exploration
from marketsim.explore.search import explore
from marketsim.market.catalog import Catalog
from marketsim.simulate.load import simulation_of
from marketsim.simulate.run import simulate

__all__ = ["figures"]

_PAIRS = 5
_BOUND = Bound(faults=1, crashes=1, customers=2, preemptions=1)
_LARGER = Bound(faults=2, crashes=0, customers=2, preemptions=1, runs_max=20_000)


def figures() -> list[Figure]:
    """A run against a simulated one, two processes against one, and memory as far as states are bounded."""
    return [_against_simulate(), _on_two_cores(), _bounded()]


def _against_simulate() -> Figure:
    found = _explored(_BOUND, 1)
    transactions = found.runs * _BOUND.customers
    ratio = side_by_side(timed(partial(_explored, _BOUND, 1)), _simulated(transactions), pairs=_PAIRS)
    return Figure(
        "one run of exploring a purchase (1 fault, 1 crash, 2 customers), as a multiple of its transactions "
        "simulated under faults",
        ratio,
        3,
        note=f"{found.runs / ratio.a_s:,.0f} runs a second against {found.runs / ratio.b_s:,.0f}",
    )


def _simulated(transactions: int) -> Side:
    """So many purchases in virtual time, each struck by something, recorded as far as their head."""

    def side() -> float:
        products = [{"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 10**6}]
        users = [{"id": f"user-{number}", "name": "Customer"} for number in range(20)]
        faults = ["payment:timeout_after%30", "payment:card_declined%30", "inventory:gateway_down@1%30"]
        said = {"arrivals": {"poisson": 10}, "purchases": transactions, "faults": faults}
        simulation = simulation_of(said, Catalog(products, users, []), seed=1)
        gc.collect()
        return timed(lambda: simulate(simulation))()

    return side


def _on_two_cores() -> Figure:
    one, two = (timed(partial(_explored, _LARGER, processes)) for processes in (1, 2))
    ratio = side_by_side(one, two, pairs=_PAIRS)
    return Figure(
        "exploring a purchase (2 faults, 2 customers): how many times as fast in two processes as in one",
        ratio,
        1.7,
        at_least=True,
        note=f"{ratio.b_s:.1f} s against {ratio.a_s:.1f} s",
    )


def _bounded() -> Figure:
    """The peak of a process that may remember few states, and of one that remembers all of them."""
    pairs = [(_peak_mb(1_000), _peak_mb(1_000_000)) for _ in range(3)]
    ratios = sorted(few / many for few, many in pairs)
    ratio = Ratio(ratios[1], ratios[0], ratios[2], len(pairs), pairs[1][0], pairs[1][1])
    note = f"{pairs[1][0]:.0f} MB against {pairs[1][1]:.0f} MB"
    return Figure("peak memory with --states-max 1000, as a share of that with all of them", ratio, note=note)


def _explored(bound: Bound, processes: int) -> Exploration:
    return explore(market_case("purchase"), bound, wanted=0, processes=processes)


_CODE = """
import resource, sys
from msgspec.structs import replace
from benchmarks.exploration import _LARGER, _explored
_explored(replace(_LARGER, states_max=int(sys.argv[1])), 1)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def _peak_mb(states: int) -> float:
    run = [sys.executable, "-c", _CODE, str(states)]
    return float(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
