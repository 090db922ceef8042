"""Load a simulation: bind its workload, see that every name exists, and read the files it names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from marketsim.drivers.clock import parse_time
from marketsim.market.catalog import Catalog, Record
from marketsim.market.documents import Document, bind
from marketsim.market.gateway import DEFAULT_RULE
from marketsim.market.requests import Line, request_of
from marketsim.market.sagas import saga_for
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError
from marketsim.saga.events import JSONObject
from marketsim.saga.faults import FaultRule
from marketsim.scenario.load import load_scenario
from marketsim.scenario.model import CheckExpectation, Expectation, Find
from marketsim.scenario.places import inside, mistake, placed
from marketsim.scenario.run import START
from marketsim.simulate.check import check_names, check_shape, fault_rules
from marketsim.simulate.latencies import read_timings
from marketsim.simulate.model import TABLES, Workload
from marketsim.simulate.people import customers_wanted, with_customers, with_trace
from marketsim.simulate.trace import Trace, read_trace

__all__ = ["Simulation", "load_simulation", "pattern_of", "revised", "rules_of", "simulation_of"]


class Simulation(msgspec.Struct, frozen=True):
    """A workload whose every name exists, the market it runs in, and the rules of its engine.

    ``catalog`` has the customers and products that the workload made up or a trace brought too, and
    ``customers`` are those who come; ``start_us`` is when it begins, in microseconds since 1970.
    ``finds`` are the rules that its checks are expected to find broken. ``timings`` has for each target
    of ``latency`` with a CSV its timings, in microseconds and in order.
    """

    name: str
    workload: Workload
    catalog: Catalog
    customers: list[Record]
    currency: str = "USD"
    saga: str = "purchase"
    policy: str = "default"
    rules: JSONObject = {}
    gateway: str = DEFAULT_RULE
    seed: int = 0
    start_us: int = 0
    finds: list[str] = []
    trace: Trace | None = None
    timings: dict[str, list[int]] = {}


def load_simulation(path: Path) -> Simulation:
    """The simulation in a scenario file that has the key ``simulate``.

    Raises InputError with file and line, and the nearest right name, for what cannot be meant.
    """
    scenario = load_scenario(path)
    document = scenario.document
    if not scenario.simulates:
        todo = f"run it with: marketsim run {path}"
        raise mistake(document, (), "'simulate' is missing: it has no workload", todo)
    return _simulation(
        document.part("simulate"),
        scenario.catalog,
        path.parent,
        {
            "name": scenario.name,
            "currency": scenario.currency,
            "saga": scenario.saga,
            "policy": scenario.policy,
            "rules": scenario.rules,
            "gateway": scenario.gateway,
            "seed": scenario.seed,
            "finds": _expected(scenario.expect),
        },
    )


def simulation_of(
    workload: JSONObject, catalog: Catalog, *, folder: Path | None = None, name: str = "market", **rest: Any
) -> Simulation:
    """The simulation of a workload that was typed: the table that a file has under ``simulate``.

    ``rest`` are other fields of Simulation: currency, saga, policy, rules, gateway and seed. Files that
    it names are anywhere, or only below ``folder``. Raises InputError as load_simulation does, but
    without a place: the key is in its words.
    """
    text = msgspec.json.encode(workload).decode()
    document = Document(workload, "the workload", text, "json")
    try:
        return _simulation(document, catalog, folder, {"name": name, **rest})
    except InputError as wrong:
        where = "" if wrong.where.startswith(document.name) else wrong.where
        raise type(wrong)(wrong.what, where=where, todo=wrong.todo) from wrong


def revised(simulation: Simulation, workload: JSONObject, **rest: Any) -> Simulation:
    """The same market with another workload, and with other fields of Simulation; nothing is read again.

    Only customers that it has too few of are made up. Raises InputError as simulation_of does.
    """
    document = Document(workload, "the workload", msgspec.json.encode(workload).decode(), "json")
    try:
        bound = _bound(document)
        check_shape(document, bound)
        revised = msgspec.structs.replace(simulation, workload=bound, **rest)
        wanted = customers_wanted(bound)
        catalog = with_customers(simulation.catalog, wanted, simulation.seed, simulation.currency)
        check_names(document, bound, catalog, pattern_of(revised.saga), simulation.currency)
    except InputError as wrong:
        raise InputError(wrong.what, todo=wrong.todo) from wrong
    customers = catalog.users[:wanted] if wanted else catalog.users
    return msgspec.structs.replace(revised, catalog=catalog, customers=customers)


def _expected(expect: Sequence[Expectation]) -> list[str]:
    """The rules that a scenario expects to be broken; none where every check is content."""
    found = [each.checks for each in expect if isinstance(each, CheckExpectation)]
    return [rule for checks in found if isinstance(checks, Find) for rule in checks.find]


def pattern_of(saga: str) -> Saga:
    """A saga that has every operation that a request may need: that of a checkout has one product."""
    return saga_for(saga, request_of(saga, "", [Line("product", 1)]))


def rules_of(simulation: Simulation) -> list[FaultRule]:
    """The declared faults of a simulation, its mixes written out."""
    return fault_rules(simulation.workload, pattern_of(simulation.saga))


def _simulation(
    document: Document, catalog: Catalog, folder: Path | None, rest: dict[str, Any]
) -> Simulation:
    workload = _bound(document)
    check_shape(document, workload)
    currency, saga = rest.get("currency", "USD"), pattern_of(rest.get("saga", "purchase"))
    trace = _trace(document, workload, folder, catalog, currency)
    start_us = parse_time(START)
    if trace is not None:
        stock = workload.arrivals.trace.stock  # type: ignore[union-attr]
        catalog = with_trace(catalog, trace, None if stock is UNSET else stock, currency)
        start_us = trace.orders[0].moment_us
    wanted = customers_wanted(workload)
    catalog = with_customers(catalog, wanted, rest.get("seed", 0), currency)
    check_names(document, workload, catalog, saga, currency)
    return Simulation(
        workload=workload,
        catalog=catalog,
        customers=catalog.users[:wanted] if wanted else catalog.users,
        start_us=start_us,
        trace=trace,
        timings=_timings(document, workload, folder),
        **rest,
    )


def _bound(document: Document) -> Workload:
    for key, kind in TABLES.items():
        table = document.value.get(key)
        for name in table if isinstance(table, dict) else ():
            bind(document.part(key, name), kind)
    return bind(document, Workload)


def _trace(
    document: Document, workload: Workload, folder: Path | None, catalog: Catalog, currency: str
) -> Trace | None:
    said = workload.arrivals.trace
    if said is UNSET:
        return None
    path = _file(document, ("arrivals", "trace", "file"), folder, said.file)
    return read_trace(path, said, currency, {record["id"] for record in catalog.products})


def _timings(document: Document, workload: Workload, folder: Path | None) -> dict[str, list[int]]:
    return {
        name: read_timings(_file(document, ("latency", name, "csv"), folder, latency.csv), latency)
        for name, latency in workload.latency.items()
        if not isinstance(latency, str) and latency.csv is not UNSET
    }


def _file(document: Document, path: tuple[str, ...], folder: Path | None, said: str) -> Path:
    return Path(said) if folder is None else placed(document, path, inside, folder, said)
