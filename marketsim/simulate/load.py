"""Load a simulation: bind its workload, see that every name exists, and read the files it names."""

from pathlib import Path
from typing import Any

import msgspec

from marketsim.market.catalog import Catalog
from marketsim.saga.events import JSONObject
from marketsim.simulate.model import Workload
from marketsim.simulate.trace import Trace

__all__ = ["Simulation", "load_simulation", "simulation_of"]


class Simulation(msgspec.Struct, frozen=True):
    """A workload whose every name exists, the market it runs in, and the rules of its engine.

    ``catalog`` has the customers and products that the workload made or a trace brought; ``start_us``
    is when it begins, in microseconds since 1970. ``timings`` has for each target of ``latency`` with
    a CSV its sorted real timings in microseconds.
    """

    name: str
    workload: Workload
    catalog: Catalog
    currency: str = "USD"
    saga: str = "purchase"
    policy: str = "default"
    rules: JSONObject = {}
    gateway: str = "stripe"
    seed: int = 0
    start_us: int = 0
    trace: Trace | None = None
    timings: dict[str, list[int]] = {}


def load_simulation(path: Path) -> Simulation:
    """The simulation in a scenario file that has the key ``simulate``.

    Raises InputError with file and line, and the nearest right name, for what cannot be meant.
    """
    raise NotImplementedError


def simulation_of(
    table: dict[str, Any], catalog: Catalog, *, name: str = "simulate", folder: Path = Path(), **rest: Any
) -> Simulation:
    """The simulation of a workload given by options, as the table that a file would have under ``simulate``.

    ``rest`` are further fields of Simulation. Raises InputError as load_simulation does; its places
    name the option's key instead of a line.
    """
    raise NotImplementedError
