"""What a shell offers when a user presses Tab: scenarios, policies, faults, products, transactions."""

import os
from collections.abc import Iterable
from pathlib import Path

from marketsim.saga.errors import MarketsimError

__all__ = ["faults", "policies", "products", "sagas", "scenarios", "transactions", "webhooks"]


def scenarios(incomplete: str) -> list[str]:
    """The scenarios that ship."""
    from marketsim.scenario.shipped import shipped

    return _starting(incomplete, shipped())


def policies(incomplete: str) -> list[str]:
    """The policies."""
    from marketsim.saga.policies import POLICIES

    return _starting(incomplete, POLICIES)


def sagas(incomplete: str) -> list[str]:
    """The built-in sagas."""
    from marketsim.market.sagas import SAGAS

    return _starting(incomplete, SAGAS)


def faults(incomplete: str) -> list[str]:
    """The targets of the sagas, and behind a colon the faults."""
    from marketsim.market.sagas import SAGAS
    from marketsim.saga.taxonomy import FAULTS

    target, colon, _ = incomplete.partition(":")
    if not colon:
        return _starting(incomplete, {f"{name}:" for saga in SAGAS.values() for name in saga.targets()})
    return _starting(incomplete, (f"{target}:{name}" for name in FAULTS))


def products(incomplete: str) -> list[str]:
    """The products of the market that a command would use."""
    from marketsim.market.directory import read_catalog

    try:
        return _starting(incomplete, read_catalog(_market())[1].products)
    except MarketsimError:
        return []


def transactions(incomplete: str) -> list[str]:
    """The transactions of the market that a command would use."""
    from marketsim.audit.segments import read_events
    from marketsim.saga.events import TransactionBegan

    try:
        begun = (each for each in read_events(_market() / "audit") if isinstance(each, TransactionBegan))
        return _starting(incomplete, (each.transaction for each in begun))
    except MarketsimError:
        return []


def webhooks(incomplete: str) -> list[str]:
    """The webhooks of the market that a command would use."""
    from marketsim.drivers.hooks.endpoints import read_settings

    try:
        return _starting(incomplete, (each.url for each in read_settings(_market())))
    except MarketsimError:
        return []


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _market() -> Path:
    return Path(os.environ.get("MARKETSIM_MARKET") or "market")
