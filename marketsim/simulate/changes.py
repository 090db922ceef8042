"""What the shop does while customers come: units that arrive, and prices that change."""

from collections.abc import Iterator

import msgspec

from marketsim.saga.events import CatalogChanged, LedgerPosted
from marketsim.simulate.load import Simulation

__all__ = ["Change", "changes"]


class Change(msgspec.Struct, frozen=True):
    """Something that the shop does at a moment (microseconds since 1970): an event to be recorded."""

    moment_us: int
    event: LedgerPosted | CatalogChanged


def changes(simulation: Simulation) -> Iterator[Change]:
    """Restocks and price changes, lazily and in order of time; those that recur never end."""
    raise NotImplementedError
