"""Logs of what the shipped scenarios do, on disk, as a market keeps them."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from marketsim.audit.log import LogWriter, read_events
from marketsim.audit.redaction import Record, Redactor
from marketsim.saga.events import Event
from marketsim.scenario.load import load_scenario
from marketsim.scenario.run import run_scenario
from marketsim.scenario.shipped import shipped

HEADER = {"head": {"origin": "shop", "size": 0, "root": "00"}}

Recorded: TypeAlias = Callable[[str], list[Event]]
Redacted: TypeAlias = Callable[[str], list[Record]]


@pytest.fixture
def recorded(tmp_path: Path) -> Recorded:
    """The events of a scenario, numbered and chained as in a log."""

    def run(name: str) -> list[Event]:
        folder = tmp_path / name
        with LogWriter(folder, "shop", durability="none") as log:
            for event in run_scenario(load_scenario(shipped()[name])).events:
                log.append(event)
        return list(read_events(folder))

    return run


@pytest.fixture
def redacted(recorded: Recorded) -> Redacted:
    """The same, as they leave."""
    return lambda name: list(Redactor(bytes(32)).records(recorded(name)))
