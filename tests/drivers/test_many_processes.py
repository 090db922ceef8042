"""Many processes at once: they take turns, and the last item is sold once."""

import os
import subprocess
import sys
from pathlib import Path

from drivers import buyer
from drivers.runs import errors

from marketsim.audit.log import read_events
from marketsim.audit.verify import verify
from marketsim.market.catalog import Catalog
from marketsim.market.directory import create_market, read_catalog
from marketsim.saga.events import TransactionBegan

PROCESSES, PURCHASES_EACH, UNITS = 8, 25, 50


def test_two_hundred_purchases_from_eight_processes_sell_fifty_units_fifty_times(tmp_path):
    path = tmp_path / "market"
    laptop = {"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": UNITS}
    create_market(
        path, Catalog([laptop], [{"id": "user-1", "name": "Ada"}]), "USD", "2026-01-01T00:00:00.000000Z"
    )
    places = [Path(buyer.__file__).parents[1], Path(read_events.__code__.co_filename).parents[2]]
    children = [
        subprocess.Popen(
            [sys.executable, buyer.__file__, str(path), str(PURCHASES_EACH)],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))},
        )
        for _ in range(PROCESSES)
    ]
    ends = [line for child in children for line in child.communicate(timeout=60)[0].split()]
    assert [child.returncode for child in children] == [0] * PROCESSES
    assert ends.count("transaction.committed") == UNITS
    assert ends.count("transaction.compensated") == PROCESSES * PURCHASES_EACH - UNITS

    events = list(read_events(path / "audit"))
    assert errors(events) == []
    assert verify(path / "audit").findings == []
    names = [event.transaction for event in events if isinstance(event, TransactionBegan)]
    assert names == [f"tx-{number}" for number in range(1, PROCESSES * PURCHASES_EACH + 1)]
    catalog, world = read_catalog(path)
    assert world.available("laptop-1") == 0
    assert world.balances["stock:sold", "laptop-1"] == len(catalog.orders) == UNITS
    assert world.balances["money:merchant", "USD"] == UNITS * 75_000
