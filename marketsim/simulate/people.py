"""The market that a workload needs: customers that are made up, and what a trace brings."""

from msgspec import UNSET
from msgspec.structs import replace

from marketsim.market.catalog import Catalog, Record
from marketsim.market.money import to_major
from marketsim.simulate.model import Workload
from marketsim.simulate.trace import Trace

__all__ = ["customers_wanted", "with_customers", "with_trace"]


def customers_wanted(workload: Workload) -> int:
    """How many different customers a workload says; 0 for all in the catalog."""
    if workload.arrivals.closed is not UNSET:
        return workload.arrivals.closed.customers
    return 0 if workload.customers is UNSET else workload.customers


def with_customers(catalog: Catalog, wanted: int, seed: int, currency: str) -> Catalog:
    """The catalog with at least so many users: Faker makes those who are missing, with ids of their own."""
    missing = wanted - len(catalog.users)
    if missing <= 0:
        return catalog
    from marketsim.market.samples import sample_catalog  # Faker is costly, and few simulations need it

    known = {record["id"] for record in catalog.users}
    made = sample_catalog(1, wanted, seed, currency).users
    strangers = [record for record in made if record["id"] not in known]
    return replace(catalog, users=[*catalog.users, *strangers[:missing]])


def with_trace(catalog: Catalog, trace: Trace, stock: int | None, currency: str) -> Catalog:
    """The catalog with the products and customers of a trace that it lacks.

    Of each such product ``stock`` units are there; None: as many as are ordered.
    """
    products: list[Record] = [
        {
            "id": name,
            "name": name,
            "price": to_major(price_minor, currency),
            "inStock": trace.units[name] if stock is None else stock,
        }
        for name, price_minor in trace.prices_minor.items()
    ]
    known = {record["id"] for record in catalog.users}
    users: list[Record] = [
        {"id": name, "name": f"Customer {name}"} for name in trace.customers if name not in known
    ]
    return replace(catalog, products=[*catalog.products, *products], users=[*catalog.users, *users])
