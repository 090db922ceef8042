"""What a simulated purchase costs: against the same shop by hand, in growing numbers, and on two cores."""

import gc
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from random import Random

from benchmarks.shop_by_hand import FromTape, Shop, by_heap, by_simpy
from benchmarks.side_by_side import Figure, Ratio, Side, side_by_side, timed
from marketsim.market.catalog import Catalog
from marketsim.simulate.fleet import gathered, run_all
from marketsim.simulate.load import Simulation, simulation_of
from marketsim.simulate.many import Task, work
from marketsim.simulate.run import Record, simulate

__all__ = ["figures"]

_PURCHASES = 10_000
_MANY, _FEW = 1_000_000, 10_000
_PAIRS = 5
_TIMES = 1  # A million purchases take minutes.
_PRODUCTS = {f"thing-{number}": (1_000 + number, 1_000_000) for number in range(50)}
_FAULTS = ["payment:card_declined%8", "payment:timeout_after%0.5"]


def figures() -> list[Figure]:
    """Against SimPy and a heap, linear, flat, and on two processes."""
    return [*_against_hands(), *_in_numbers(), _on_two_cores()]


def _against_hands() -> list[Figure]:
    ours = _simulated(_PURCHASES, "none")
    simpy = side_by_side(_by_hand(by_simpy), ours, pairs=_PAIRS)
    heap = side_by_side(ours, _by_hand(by_heap), pairs=_PAIRS)
    named = side_by_side(_by_hand(by_heap, FromTape), _by_hand(by_simpy), pairs=_PAIRS)
    rates = f"{_PURCHASES / simpy.b_s:,.0f} purchases a second, every event made and all 12 checks on"
    return [
        Figure(
            f"{_PURCHASES:,} simulated purchases, none recorded: how many times as fast as in SimPy by hand",
            simpy,
            1.5,
            at_least=True,
            note=f"{rates}, against {_PURCHASES / simpy.a_s:,.0f}",
        ),
        Figure(
            "the same, against a loop over a heap by hand",
            heap,
            4,
            note=f"{_PURCHASES / heap.a_s:,.0f} purchases a second against {_PURCHASES / heap.b_s:,.0f}",
        ),
        Figure(
            "the loop over a heap alone, its choices drawn by their names, as a multiple of SimPy by hand",
            named,
            note="what is left to simulate in, if every choice is to be replayed by its name",
        ),
    ]


def _in_numbers() -> list[Figure]:
    """The cost of a purchase among a million, and the memory of it, in processes of their own."""
    costs, peaks = [], []
    for _ in range(_TIMES):
        few_s, few_mb = _measured(_FEW)
        many_s, many_mb = _measured(_MANY)
        costs.append((many_s / _MANY, few_s / _FEW))
        peaks.append((many_mb, few_mb))
    return [
        Figure(
            f"a purchase among {_MANY:,}, none recorded, as a multiple of one among {_FEW:,}",
            _ratio(costs),
            1.1,
            note=f"{costs[-1][0] * 1e6:.0f} µs against {costs[-1][1] * 1e6:.0f} µs",
        ),
        Figure(
            f"peak memory of {_MANY:,} purchases, none recorded, as a multiple of that of {_FEW:,}",
            _ratio(peaks),
            1.1,
            note=f"{peaks[-1][0]:.0f} MB against {peaks[-1][1]:.0f} MB",
        ),
    ]


def _on_two_cores() -> Figure:
    one, two = _fleet(1), _fleet(2)
    ratio = side_by_side(one, two, pairs=_PAIRS)
    return Figure(
        "8 runs of 5,000 purchases: how many times as fast on two processes as on one",
        ratio,
        1.7,
        at_least=True,
        note=f"{ratio.b_s:.1f} s against {ratio.a_s:.1f} s",
    )


def _simulation(purchases: int, seed: int = 1) -> Simulation:
    products = [
        {"id": name, "name": name, "price": price, "inStock": units}
        for name, (price, units) in _PRODUCTS.items()
    ]
    users = [{"id": f"user-{number}", "name": "Customer"} for number in range(100)]
    said = {"arrivals": {"poisson": 10}, "purchases": purchases, "faults": _FAULTS}
    return simulation_of(said, Catalog(products, users, []), seed=seed)


def _simulated(purchases: int, record: Record) -> Side:
    def side() -> float:
        simulation = _simulation(purchases)
        gc.collect()
        return timed(partial(_sound, simulation, record))()

    return side


def _sound(simulation: Simulation, record: Record) -> None:
    outcome = simulate(simulation, record=record)
    assert outcome.sound, outcome.findings


def _by_hand(loop: Callable[[Shop, int], None], draw: type[Random | FromTape] = Random) -> Side:
    def side() -> float:
        shop = Shop(_PRODUCTS, draw(1))
        gc.collect()
        return timed(partial(loop, shop, _PURCHASES))()

    return side


def _fleet(workers: int) -> Side:
    tasks = [Task(_simulation(5_000, seed), "none", []) for seed in range(8)]

    def run() -> None:
        found = gathered(run_all(work, tasks, on="processes", workers=workers))
        assert len(found.results) == len(tasks)

    return timed(run)


_CODE = """
import resource, sys, time
from benchmarks.simulation import _simulation, _sound
simulation = _simulation(int(sys.argv[1]))
began = time.perf_counter()
_sound(simulation, "none")
print(time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def _measured(purchases: int) -> tuple[float, float]:
    """Seconds and megabytes of a process that simulates so many purchases."""
    run = [sys.executable, "-c", _CODE, str(purchases)]
    seconds, megabytes = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    return float(seconds), float(megabytes)


def _ratio(pairs: list[tuple[float, float]]) -> Ratio:
    ratios = sorted(one / other for one, other in pairs)
    middle = len(pairs) // 2
    return Ratio(ratios[middle], ratios[0], ratios[-1], len(pairs), pairs[middle][0], pairs[middle][1])
