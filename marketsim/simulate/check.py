"""See that a workload can be meant: its shape, its spans of time, and every name in it."""

from collections.abc import Collection, Iterator
from typing import Any

from msgspec import UNSET

from marketsim.drivers.clock import span_us
from marketsim.market.catalog import Catalog
from marketsim.market.documents import Document
from marketsim.market.limits import QUANTITY_MAX
from marketsim.market.money import to_minor
from marketsim.market.requests import CART_LINES_MAX
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.faults import FaultRule, parse_fault
from marketsim.saga.taxonomy import FAULTS
from marketsim.scenario.places import Place, check_name, mistake, placed
from marketsim.simulate.mixes import MIXES
from marketsim.simulate.model import ARRIVALS, EVERY_PRODUCT, Arrivals, Latency, Limit, Workload

__all__ = ["check_names", "check_shape", "fault_rules"]

_RESTOCK_LEAST_US = 100_000
_NEVER_ZERO = frozenset(("duration", "every", "hold", "median", "p99", "patience", "window", "within"))
_SPANS = _NEVER_ZERO | {"after", "at", "from", "mean", "open", "ramp", "think", "to"}
_NOT_OF_A_TRACE = ("customers", "popularity", "products", "units")


def check_shape(document: Document, workload: Workload) -> None:
    """Raise InputError, with the line, for the first thing that no workload can mean."""
    _check_spans(document, (), document.value)
    _check_arrivals(document, workload)
    _check_weights(document, "units", workload.units, QUANTITY_MAX)
    _check_weights(document, "products", workload.products, CART_LINES_MAX)
    for target, latency in workload.latency.items():
        _check_latency(document, ("latency", target), latency)
    for service, limit in workload.limits.items():
        _check_limit(document, ("limits", service), limit)
    for index, restock in enumerate(workload.restocks):
        if restock.at is UNSET and restock.every is UNSET:
            raise mistake(document, ("restocks", index), "never arrives", "say at: 30m, or every: 1h")
        if restock.every is not UNSET and span_us(restock.every) < _RESTOCK_LEAST_US:
            todo = "say every: 100ms, or more"
            raise mistake(document, ("restocks", index, "every"), "arrives too often", todo)
    for index, outage in enumerate(workload.outages):
        if span_us(outage.to) <= span_us(outage.from_):
            raise mistake(document, ("outages", index, "to"), "is not after its beginning", "make it later")


def _check_spans(document: Document, path: Place, value: Any) -> None:
    """Every text under the name of a span is a length of time."""
    items = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for key, each in items:
        here = (*path, key)
        if isinstance(each, str) and (key in _SPANS or path == ("latency",)):
            if not placed(document, here, span_us, each) and key in _NEVER_ZERO:
                raise mistake(document, here, "is no time at all", "write 1ms or more")
        else:
            _check_spans(document, here, each)


def _check_arrivals(document: Document, workload: Workload) -> None:
    arrivals = workload.arrivals
    said = [name for name in ARRIVALS if getattr(arrivals, name) is not UNSET]
    if len(said) != 1:
        what = f"{said[1]!r} does not go with {said[0]!r}" if said else "it is not said how customers come"
        place = ("arrivals", said[1]) if said else ("arrivals",)
        raise mistake(document, place, what, f"say one of {', '.join(ARRIVALS)}")
    if arrivals.trace is not UNSET:
        for key in _NOT_OF_A_TRACE:
            if key in document.value:
                raise mistake(document, (key,), "a trace says that itself", "leave it out")
        return
    if workload.purchases is UNSET and workload.duration is UNSET:
        raise mistake(document, (), "it would never end", "say purchases: 1000, or duration: 1h")
    if arrivals.closed is not UNSET and workload.customers is not UNSET:
        raise mistake(document, ("customers",), "a closed group has its own", "leave it out")
    if workload.duration is UNSET and not _goes_on(arrivals):
        todo = "say a base, or a duration"
        raise mistake(document, ("arrivals", "flash_sale", "base"), "nobody comes after the sale", todo)


def _goes_on(arrivals: Arrivals) -> bool:
    return arrivals.flash_sale is UNSET or arrivals.flash_sale.base > 0


def _check_weights(document: Document, key: str, weights: dict[str, int], most: int) -> None:
    for number in weights:
        if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= most):
            what = f"{quoted(number)} is not a number from 1 to {most}"
            raise mistake(
                document, (key, number), what, "write each number and its weight, as in {1: 80, 2: 20}"
            )
    if weights and not any(weights.values()):
        raise mistake(document, (key,), "all weights are 0", "give one of them a weight")


def _check_latency(document: Document, path: Place, latency: str | Latency) -> None:
    if isinstance(latency, str):
        return
    said = [key for key in ("median", "mean", "csv") if getattr(latency, key) is not UNSET]
    if len(said) != 1:
        todo = "write 20ms, {median: 20ms, p99: 200ms}, {mean: 20ms} or {csv: FILE}"
        raise mistake(document, path, "says no distribution" if not said else "says two of them", todo)
    spread = [key for key in ("p99", "sigma") if getattr(latency, key) is not UNSET]
    if len(spread) != (1 if said[0] == "median" else 0):
        raise mistake(document, path, "p99 or sigma goes with the median", "say one of them, and the median")
    if latency.csv is UNSET and latency.column is not UNSET:
        raise mistake(document, (*path, "column"), "there is no file that has it", "say csv: FILE")
    if (
        latency.p99 is not UNSET
        and latency.median is not UNSET
        and span_us(latency.p99) < span_us(latency.median)
    ):
        raise mistake(document, (*path, "p99"), "is below the median", "make it longer")


def _check_limit(document: Document, path: Place, limit: Limit) -> None:
    if limit.rate is UNSET and limit.breaker is UNSET:
        raise mistake(document, path, "limits nothing", "say rate: 100, or breaker: {failures: 5}")
    if limit.burst is not UNSET and limit.rate is UNSET:
        raise mistake(document, (*path, "burst"), "goes with a rate", "say rate: 100")


# Names.


def check_names(document: Document, workload: Workload, catalog: Catalog, saga: Saga, currency: str) -> None:
    """Raise InputError, with the line and the nearest right name, for the first that does not exist."""
    products = {record["id"] for record in catalog.products}
    if not products or not catalog.users:
        kind = "customer" if products else "product"
        raise mistake(document, (), f"there is no {kind} in the catalog", "bring a catalog that has some")
    if workload.products and saga.name != "checkout":
        todo = "write saga: checkout, or leave it out"
        raise mistake(document, ("products",), f"the saga {saga.name} buys one product", todo)
    if workload.popularity.hot is not UNSET:
        hot = ("popularity", "hot", "product")
        check_name(document, hot, workload.popularity.hot.product, "product", products)
    _check_changes(document, workload, products, currency)
    _check_services(document, workload, saga)
    if workload.habits.again is not UNSET:
        for index, code in enumerate(workload.habits.again.codes):
            check_name(document, ("habits", "again", "codes", index), code, "fault", FAULTS)
    fault_rules(workload, saga, document)


def _check_changes(document: Document, workload: Workload, products: Collection[str], currency: str) -> None:
    for index, restock in enumerate(workload.restocks):
        if restock.product != EVERY_PRODUCT:
            check_name(document, ("restocks", index, "product"), restock.product, "product", products)
    for index, change in enumerate(workload.prices):
        check_name(document, ("prices", index, "product"), change.product, "product", products)
        placed(document, ("prices", index, "price"), to_minor, change.price, currency)


def _check_services(document: Document, workload: Workload, saga: Saga) -> None:
    services = {operation.service for operation in saga.operations.values()}
    targets = saga.targets()
    for key in ("servers", "limits"):
        for name in getattr(workload, key):
            check_name(document, (key, name), name, "service", services)
    for name in workload.latency:
        check_name(document, ("latency", name), name, "service or operation", targets)
    for index, outage in enumerate(workload.outages):
        check_name(document, ("outages", index, "service"), outage.service, "service or operation", targets)
        check_name(document, ("outages", index, "fault"), outage.fault, "fault of an outage", _away())


def _away() -> list[str]:
    """The faults with which a service can be away: any call may meet them."""
    return [name for name, fault in FAULTS.items() if fault.group in ("before sending", "ambiguous")]


# Faults.


def fault_rules(workload: Workload, saga: Saga, document: Document | None = None) -> list[FaultRule]:
    """The declared faults of a workload, its mixes written out.

    Raises InputError, with the line if there is a ``document``, for what is neither a mix nor a fault.
    """
    found = []
    for index, said in enumerate(workload.faults):
        try:
            found += [parse_fault(text, saga) for text in _texts(said)]
        except InputError as wrong:
            if document is None:
                raise
            raise mistake(document, ("faults", index), wrong.what, wrong.todo) from wrong
    return found


def _texts(said: str) -> Iterator[str]:
    if ":" in said:
        yield said
    elif said in MIXES:
        yield from (share.fault for share in MIXES[said].shares)
    else:
        what = f"{quoted(said)} is neither a mix nor a fault"
        raise InputError(what, todo=f"{nearest(said, MIXES)}; or write TARGET:FAULT%PROBABILITY")
