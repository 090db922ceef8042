"""Killed for real: SIGKILL at every boundary of a run, on disk, and recovered by another process."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from drivers import mortal
from drivers.mortal import recovery
from drivers.runs import errors, replayed

from marketsim.audit.log import read_events
from marketsim.audit.verify import verify
from marketsim.drivers.recovery import open_transactions
from marketsim.market.catalog import Catalog
from marketsim.market.directory import create_market, open_market, read_catalog
from marketsim.saga.events import EffectEvent, Event, LedgerPosted, TransactionBegan
from marketsim.saga.events import TransactionCommitted as Committed
from marketsim.saga.events import TransactionCompensated as Compensated

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")

UNITS = 5
CATALOG = Catalog(
    [{"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": UNITS}], [{"id": "user-1", "name": "Ada"}]
)
MOMENTS = ["before", "middle", "after"]
Job = Callable[..., int]


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    """A folder in memory, where there is one: what a killed process wrote is there without any disk."""
    memory = "/dev/shm"
    with TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def fresh(room: Path) -> Path:
    """A market in which nothing has happened, to be copied."""
    path = room / "fresh"
    create_market(path, CATALOG, "USD", "2026-01-01T00:00:00.000000Z")
    return path


@pytest.fixture(scope="module")
def job() -> Iterator[Job]:
    """Have a child do some work, and tell which signal killed it: 0 for none."""
    places = [Path(mortal.__file__).parents[1], Path(read_events.__code__.co_filename).parents[2]]
    server = subprocess.Popen(
        [sys.executable, mortal.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, places))},
    )
    assert server.stdin
    assert server.stdout

    def run(path: Path, work: str, at: int, moment: str) -> int:
        print(
            json.dumps({"path": str(path), "work": work, "at": at, "moment": moment}),
            file=server.stdin,
            flush=True,
        )
        return int(server.stdout.readline())

    yield run
    server.stdin.close()
    assert server.wait(timeout=10) == 0


@pytest.fixture(scope="module")
def boundaries(fresh: Path, job: Job, room: Path) -> int:
    """How many events there are if nobody is killed."""
    path = room / "whole"
    shutil.copytree(fresh, path)
    assert job(path, "purchases", 0, "before") == 0
    opening, whole = len(events_of(fresh)), events_of(path)
    assert [type(event) for event in whole if isinstance(event, Committed | Compensated)] == [
        Compensated,
        Committed,
        Compensated,
    ]
    assert errors(whole) == []
    return len(whole) - opening


def events_of(path: Path) -> list[Event]:
    return list(read_events(path / "audit"))


def recovered(path: Path) -> list[str]:
    """Finish what was left open, in this process; what the opening had to mend."""
    with open_market(path, whole=True) as market:
        recovery(market, market.log)
    return market.notices


def assert_whole_and_consistent(path: Path, told: object) -> None:
    """Everything that can be asked of a market whose process was killed and which was recovered."""
    events = events_of(path)
    assert errors(events) == [], told
    assert open_transactions(events) == {}, told
    effects = [(type(event), event.key) for event in events if isinstance(event, EffectEvent) and event.key]
    assert len(effects) == len(set(effects)), told
    verified = verify(path / "audit")
    assert verified.findings == [], told
    assert verified.head_size == len(events), told
    catalog, world = read_catalog(path)
    committed = [event for event in events if isinstance(event, Committed)]
    assert world.available("laptop-1") == catalog.products[0]["inStock"] == UNITS - len(committed), told
    assert world.balances["money:merchant", "USD"] == 75_000 * len(committed), told
    assert [order["transaction"] for order in catalog.orders] == [each.transaction for each in committed], (
        told
    )
    assert world.balances["stock:reserved", "laptop-1"] == 0, told
    for number in range(1, world.transactions + 1):
        again = replayed(events, f"tx-{number}")
        assert (again.difference, again.complete) == (None, True), told


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_process_killed_at_any_boundary_is_recovered_from(fresh, job, boundaries, room, moment):
    path, opening = room / "market", len(events_of(fresh))
    for at in range(1, boundaries + 1):
        shutil.copytree(fresh, path)
        assert job(path, "purchases", at, moment) == signal.SIGKILL, at
        left = events_of(path)
        assert len(left) == opening + at - (moment != "after"), at
        assert all(finding.severity == "warning" for finding in verify(path / "audit").findings), at
        notices = recovered(path)
        assert [notice[:11] for notice in notices] == (["a last line"] if moment == "middle" else []), at
        assert events_of(path)[: len(left)] == left, "what was recorded stays"
        assert_whole_and_consistent(path, (at, moment))
        shutil.rmtree(path)
    assert boundaries * len(MOMENTS) > 150, "a run with fewer boundaries would prove little"


def test_a_process_killed_while_it_recovers_is_recovered_from(fresh, job, boundaries, room):
    dead, path, tried = room / "dead", room / "market", 0
    for at in range(2, boundaries + 1, 6):
        shutil.copytree(fresh, dead)
        assert job(dead, "purchases", at, "after") == signal.SIGKILL
        moment, second = MOMENTS[at // 6 % 3], 0
        while True:
            second += 1
            shutil.copytree(dead, path)
            killed = job(path, "recover", second, moment)
            assert killed in (signal.SIGKILL, 0), (at, second)
            recovered(path)
            assert_whole_and_consistent(path, (at, second, moment))
            shutil.rmtree(path)
            if not killed:
                break
            tried += 1
        shutil.rmtree(dead)
    assert tried > 50


PIVOT = "capture_payment"
CART_CATALOG = Catalog(
    [
        {"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": UNITS},
        {"id": "mouse-1", "name": "Mouse", "price": 20, "inStock": UNITS},
    ],
    [{"id": "user-1", "name": "Ada"}],
)


@pytest.mark.parametrize("back", [True, False], ids=["not wanted any more", "still wanted"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_checkout_killed_before_its_pivot_can_be_reverted_and_after_it_goes_forward(
    job, room, moment, back
):
    clean, path = room / f"cart-{moment}-{back}", room / f"killed-{moment}-{back}"
    create_market(clean, CART_CATALOG, "USD", "2026-01-01T00:00:00.000000Z")
    opening = len(events_of(clean))
    shutil.copytree(clean, path)
    assert job(path, "checkout", 0, "before") == 0
    boundaries = len(events_of(path)) - opening
    shutil.rmtree(path)
    reverted = 0
    for at in range(2, boundaries):
        shutil.copytree(clean, path)
        assert job(path, "checkout", at, moment) == signal.SIGKILL, at
        begun = any(isinstance(e, LedgerPosted) and e.operation == PIVOT for e in events_of(path))
        with open_market(path, whole=True) as market:
            recovery(market, market.log, back=back)
        events = events_of(path)
        last = [event for event in events if isinstance(event, Committed | Compensated)]
        goes_back = back and not begun and any(isinstance(each, TransactionBegan) for each in events)
        if last or goes_back:
            assert [type(event) for event in last] == [Compensated if goes_back else Committed], (at, moment)
        reverted += goes_back
        assert errors(events) == [], (at, moment)
        assert verify(path / "audit").findings == [], (at, moment)
        sold = 0 if goes_back or not last else 1
        _, world = read_catalog(path)
        assert world.balances["stock:reserved", "laptop-1"] == 0
        assert world.balances["money:authorized", "USD"] == 0
        assert (world.balances["money:merchant", "USD"] > 0) == bool(sold)
        again = replayed(events, "tx-1") if last else None
        assert again is None or (again.difference, again.complete) == (None, True), (at, moment)
        shutil.rmtree(path)
    assert boundaries > 20
    assert (reverted > 10) == back
