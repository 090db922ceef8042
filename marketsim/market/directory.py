"""The market directory: the stream, its snapshot `catalog.json`, and the lock that keeps writers apart."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from marketsim.audit.checkpoint import sync_folder
from marketsim.audit.log import START, Durability, LogReader, LogWriter, Position, cut_torn_line
from marketsim.audit.segments import RESTORE, check_position
from marketsim.market.bookkeeping import (
    Edit,
    batches,
    caught_up,
    check_stock,
    edit_of,
    orders_of,
    rules_changed,
    rules_in,
    snapshot_of,
    world_of,
)
from marketsim.market.catalog import (
    Catalog,
    catalog_digest,
    check_catalog,
    load_catalog,
    product,
    save_catalog,
)
from marketsim.market.ledger import AVAILABLE, SUPPLIER, stock
from marketsim.market.world import World, product_record
from marketsim.saga.errors import LogDamaged, MarketBusy, MarketError, reason_of
from marketsim.saga.events import CatalogChanged, Event, LedgerPosted, MarketCreated

__all__ = ["LOCK_TIMEOUT_S", "Market", "create_market", "last_time", "open_market", "read_catalog"]

LOCK_TIMEOUT_S = 30.0
"""How long a writer waits for another one, in seconds."""

_STAGING = ".new"
_LOCKS = {"lock", "webhooks.lock", "webhooks.delivering"}


class Market:
    """An open market: its world, its catalog, and the log to which events are appended.

    Whoever appends stamps ``event.time``. ``notices`` says what opening it had to mend or found.
    """

    def __init__(self, path: Path, world: World, catalog: Catalog, log: LogWriter) -> None:
        self.path = path
        self.world = world
        self.catalog = catalog
        self.log = log
        self.notices: list[str] = []

    def edit(self, change: Callable[[list[dict[str, Any]]], None], time: str) -> str:
        """Change the list of products, and book what that means; what was changed, in words.

        Raises CatalogError, with nothing changed, if the catalog could not be read back like that.
        """
        edited = Catalog(
            [dict(record) for record in self.catalog.products],
            self.catalog.users,
            self.catalog.orders,
            self.catalog.extra,
            self.catalog.guardrails,
        )
        change(edited.products)
        check_catalog(edited, self.world.currency)
        edit = edit_of(edited, self.world, self.path / "catalog.json")
        self.catalog = edited
        self.book(edit, time)
        return edit.summary

    def book(self, edit: Edit, time: str) -> None:
        """Record an edit, so that the books still balance."""
        for event in edit.events:
            event.time = max(time, self.log.position.time)
            self.log.append(event)
            self.world.apply(event)

    def close(self) -> None:
        """Write what is buffered, then the tree's head and the snapshot.

        The stream is the truth: where only the snapshot cannot be written, that is a notice, and the
        next command folds the tail. After a failed write there is nothing true to take a snapshot of.
        """
        if self.log.failed:
            self.log.abandon()
            return
        self.log.flush()
        try:
            self.log.close()
            updated(self.catalog, self.world)
            digest = catalog_digest(self.catalog)
            snapshot = snapshot_of(self.world, self.log.position, digest)
            save_catalog(self.path / "catalog.json", self.catalog, snapshot)
        except MarketError as error:
            self.notices.append(f"the snapshot was not written, the stream was: {error}")


def updated(catalog: Catalog, world: World) -> Catalog:
    """The catalog, changed in place to the stock and the orders that the world has now."""
    balances = world.balances
    for record in catalog.products:
        record["inStock"] = balances.get((AVAILABLE, record["id"]), 0)
    catalog.orders[:] = orders_of(catalog.orders, world)
    return catalog


def create_market(path: Path, catalog: Catalog, currency: str, time: str, origin: str = "") -> None:
    """Make a market of a catalog, in a folder that does not exist or is empty.

    ``origin`` is what its log is called: like the folder, if it has no name of its own. Raises
    MarketError if the folder holds anything, or cannot be written.
    """
    made = not path.exists()
    try:
        _check_empty(path)
        path.mkdir(parents=True, exist_ok=True)
        with _locked(path, LOCK_TIMEOUT_S):
            _check_empty(path)
            _move_in(path, origin or path.resolve().name, catalog, currency, time)
    except OSError as error:
        raise MarketError(
            reason_of(error), where=str(path), todo="name another folder with --market DIR"
        ) from error
    finally:
        if made and not (path / "audit").exists():
            shutil.rmtree(path, ignore_errors=True)


def _check_empty(path: Path) -> None:
    if not path.exists():
        return
    names = {each.name for each in path.iterdir()} if path.is_dir() else {path.name}
    # A catalog beside the staging folder is what an init left that was killed between its two moves.
    ours = {*_LOCKS, _STAGING, "catalog.json"} if _STAGING in names else _LOCKS
    if names - ours:
        what = "there is a market already" if "audit" in names else "this is no empty folder"
        raise MarketError(what, where=str(path), todo="name another one with --market DIR")


def _move_in(path: Path, origin: str, catalog: Catalog, currency: str, time: str) -> None:
    """Make the market in a folder inside, then move it up: the folder itself may be a mount, or `.`."""
    staging = path / _STAGING
    shutil.rmtree(staging, ignore_errors=True)
    try:
        staging.mkdir()
        _open_books(staging, origin, catalog, currency, time)
        # Whole or not at all: without its stream a folder is no market.
        os.replace(staging / "catalog.json", path / "catalog.json")
        os.replace(staging / "audit", path / "audit")
        sync_folder(path)
        sync_folder(path.resolve().parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _open_books(path: Path, origin: str, catalog: Catalog, currency: str, time: str) -> None:
    world = World()
    log = LogWriter(path / "audit", origin)
    for event in opening_events(origin, catalog, currency):
        event.time = time
        log.append(event)
        world.apply(event)
    market = Market(path, world, catalog, log)
    market.close()
    if market.notices:
        raise MarketError(market.notices[0])


def opening_events(origin: str, catalog: Catalog, currency: str) -> Iterator[Event]:
    """The events by which a market begins: its name, its catalog, its opening stock, its guardrails."""
    yield MarketCreated(origin=origin, currency=currency)
    for batch in batches(catalog.users):
        customers = [{"id": user["id"], "name": user["name"]} for user in batch]
        yield CatalogChanged(source="init", customers=customers)
    for batch in batches(catalog.products):
        records = [product_record(product(record, currency)) for record in batch]
        yield CatalogChanged(source="init", products=records)
        lines = [
            stock(record["id"], record["inStock"], SUPPLIER, AVAILABLE)
            for record in batch
            if record["inStock"]
        ]
        if lines:
            yield LedgerPosted(postings=[line for pair in lines for line in pair], reason="opening stock")
    if catalog.guardrails:
        yield rules_changed("init", rules_in(catalog, currency))


@contextmanager
def open_market(
    path: Path,
    *,
    durability: Durability = "group",
    timeout_s: float = LOCK_TIMEOUT_S,
    time: str = "",
    whole: bool = False,
) -> Iterator[Market]:
    """Open a market for writing: take the lock, mend a torn line, fold the tail, book a person's edits.

    ``time`` (RFC 3339) stamps the record of an edit; ``whole`` folds the stream from its beginning,
    which also rebuilds a lost snapshot. When the block ends, what was appended is written, with head
    and snapshot; after an error without the snapshot, since the world may have missed an event that
    the stream has. Raises MarketError, MarketBusy, CatalogError or LogDamaged.
    """
    check_market(path)
    with _locked(path, timeout_s):
        market = _opened(path, durability, time, whole)
        try:
            yield market
        except BaseException:
            market.log.close()
            raise
        market.close()


def read_catalog(path: Path) -> tuple[Catalog, World]:
    """The catalog as it is now, for a reader: no lock is taken and nothing is written."""
    check_market(path)
    if not (path / "catalog.json").exists():
        raise _lost(path)
    catalog, snapshot = load_catalog(path / "catalog.json")
    world, position = world_of(catalog, snapshot)
    changed = False
    for event in LogReader(path / "audit", position):
        world.apply(event)
        changed = changed or isinstance(event, CatalogChanged)
    return updated(caught_up(catalog, world) if changed else catalog, world), world


def last_time(path: Path) -> str:
    """The time of the last event in a market's stream; for a reader, like read_catalog."""
    check_market(path)
    catalog, snapshot = load_catalog(path / "catalog.json")
    reader = LogReader(path / "audit", world_of(catalog, snapshot)[1])
    for _ in reader:
        continue
    return reader.position.time


def check_market(path: Path) -> None:
    """Raise MarketError if there is no market at this path."""
    todo = "make one with: marketsim init"
    if not path.exists():
        raise MarketError("there is no market here", where=str(path), todo=todo)
    if not path.is_dir():
        raise MarketError("a market is a folder, and this is a file", where=str(path), todo=todo)
    if not (path / "audit" / "000001.jsonl").exists():
        raise MarketError("this folder holds no market", where=str(path), todo=todo)


def _opened(path: Path, durability: Durability, time: str, whole: bool) -> Market:
    folder, place = path / "audit", path / "catalog.json"
    lost = not place.exists()
    if lost and not whole:
        raise _lost(path)
    catalog, snapshot = (Catalog([], [], [], {}), {}) if lost else load_catalog(place)
    world, kept = (World(), START) if lost else world_of(catalog, snapshot)
    check_position(folder, kept)  # before anything is changed in a log that was
    shutil.rmtree(path / _STAGING, ignore_errors=True)
    cut_bytes = cut_torn_line(folder)
    edited = not lost and catalog_digest(catalog) != snapshot["digest"]
    fresh = whole or edited
    world = World() if fresh else world
    edits = catalog if edited else None
    position, edit, changed = _fold(path, world, START if fresh else kept, kept, edits)
    log = LogWriter(folder, world.origin, position, durability=durability)
    market = Market(path, world, catalog, log)
    if cut_bytes:
        market.notices.append(f"a last line that was never finished was cut off ({cut_bytes} bytes)")
    if lost:
        market.notices.append("catalog.json was missing and was rebuilt from the stream")
    if edit is not None:
        market.book(edit, time)
        market.notices.append(f"an edit of catalog.json was recorded: {edit.summary}")
    if fresh or position != kept:
        # Of what another command changed in the catalog before it was killed, the snapshot knows nothing.
        market.catalog = updated(caught_up(catalog, world) if changed else catalog, world)
    return market


def _fold(
    path: Path, world: World, start: Position, kept: Position, edited: Catalog | None
) -> tuple[Position, Edit | None, bool]:
    """Fold the stream into the world: where it ends, a person's edit, and whether more changed since."""
    edit, changed, checked = None, False, False
    reader = LogReader(path / "audit", start)
    for event in reader:
        if event.seq == kept.size + 1:
            _check_follows(event.prev, kept, path)
            checked = True
            # An edit was made to the snapshot, so it is held against the world as it was then.
            edit = edit_of(edited, world, path / "catalog.json") if edited else None
        changed = changed or (event.seq > kept.size and isinstance(event, CatalogChanged))
        world.apply(event)
    if not checked:
        _check_follows(reader.position.prev, kept, path)
        edit = edit_of(edited, world, path / "catalog.json") if edited else None
    if edit:
        check_stock(edit, world, path / "catalog.json")
    return reader.position, edit, changed


def _check_follows(prev: str, kept: Position, path: Path) -> None:
    if prev != kept.prev:
        what = "the log is not the one that catalog.json was written with, or shorter than it was"
        raise LogDamaged(what, where=str(path / "audit"), todo=RESTORE)


def _lost(path: Path) -> MarketError:
    return MarketError("catalog.json is missing", where=str(path), todo="rebuild it with: marketsim recover")


@contextmanager
def _locked(path: Path, timeout_s: float) -> Iterator[None]:
    from filelock import FileLock, Timeout  # ten milliseconds of start-up that readers need not pay

    file = path / "lock"
    lock = FileLock(file, timeout=timeout_s)
    try:
        lock.acquire()
    except Timeout:
        holder = file.read_text(errors="replace")[:120] or "another process"
        raise MarketBusy(
            f"the market is held by {holder}", where=str(path), todo="wait for it to end, then try again"
        ) from None
    except OSError as error:
        raise MarketError(
            reason_of(error), where=str(path), todo="make it writable, or use --market DIR"
        ) from error
    try:
        command = " ".join(sys.argv[1:2])
        with suppress(OSError):  # Who holds the lock is a courtesy; a full disk shall not end it here.
            file.write_text(f"process {os.getpid()} (marketsim {command})")
        yield
    finally:
        lock.release()
