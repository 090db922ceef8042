"""Small shops for the tests of a simulation."""

from marketsim.market.catalog import Catalog
from marketsim.saga.tape import Tape
from marketsim.simulate.load import simulation_of
from marketsim.simulate.workload import Crowd


def shop(products=10, users=20, stock=10**6):
    """A catalog of so many products, p0 on, and users, u0 on."""
    return Catalog(
        [{"id": f"p{each}", "name": f"P {each}", "price": 10, "inStock": stock} for each in range(products)],
        [{"id": f"u{each}", "name": f"U {each}"} for each in range(users)],
    )


def simulation(workload, catalog=None, **rest):
    """The simulation of a workload in such a shop."""
    return simulation_of(workload, catalog or shop(), **rest)


def crowd(workload, seed=1, **rest):
    """Who comes."""
    return Crowd(simulation(workload, **rest), Tape(seed))


def came(workload, seed=1, **rest):
    """Everybody who comes of their own."""
    return list(crowd(workload, seed, **rest).arrivals())
