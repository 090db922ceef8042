"""The market directory: made whole, opened again, mended, edited by hand, and held by one writer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from drivers.runs import began, errors

from marketsim.audit.log import LogReader, LogWriter, Position, read_events
from marketsim.drivers.live import live_driver, recover, transact
from marketsim.drivers.recovery import open_transactions
from marketsim.market import directory
from marketsim.market.catalog import Catalog, load_catalog
from marketsim.market.directory import Market, create_market, open_market, read_catalog
from marketsim.market.purchase import purchase
from marketsim.market.sagas import saga_of
from marketsim.market.world import World
from marketsim.saga.errors import CatalogError, InputError, LogDamaged, MarketBusy, MarketError
from marketsim.saga.events import CatalogChanged, Event, LedgerPosted, MarketCreated, OrderPlaced
from marketsim.saga.policies import POLICIES

TIME = "2026-01-01T00:00:00.000000Z"
CATALOG = Catalog(
    [
        {"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 5, "colour": "red"},
        {"id": "desk-1", "name": "Desk", "price": 99.5, "inStock": 2, "category": "furniture"},
    ],
    [{"id": "user-1", "name": "Ada", "email": "ada@example.com"}, {"id": "user-2", "name": "Grace"}],
    [{"id": "order-1", "note": "from before"}],
    {"owner": {"name": "Zoe"}},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "market"
    create_market(made, deepcopy(CATALOG), "USD", TIME)
    return made


def buy(market: Market, *faults: str, policy: str = "default") -> str:
    """A purchase; the type of the event that ended it."""
    driver = live_driver(market.log, market.world, market.log.position.time)
    request = began(*faults, number=market.world.transactions + 1, policy=policy)
    return transact(driver, purchase, POLICIES[policy], request).type


def in_market(path: Path, work: Callable[[Market], object], **options: Any) -> None:
    """Do something in a market."""
    with open_market(path, **options) as market:
        work(market)


def bought(path: Path, *faults: str, **options: Any) -> str:
    with open_market(path) as market:
        return buy(market, *faults, **options)


def stream(path: Path) -> list[Event]:
    return list(read_events(path / "audit"))


def end_of(path: Path) -> Position:
    reader = LogReader(path / "audit")
    for _ in reader:
        pass
    return reader.position


def seen(world: World) -> dict[str, Any]:
    """What a world says that a snapshot keeps: of the past, it has the orders in the catalog."""
    names = ("origin", "currency", "products", "customers", "open", "transactions")
    balances = {place: amount for place, amount in world.balances.items() if amount}
    return {name: getattr(world, name) for name in names} | {"balances": balances}


def opened(path: Path, **options: Any) -> tuple[dict[str, Any], Catalog, list[str]]:
    with open_market(path, **options) as market:
        return seen(market.world), deepcopy(market.catalog), market.notices


def assert_all_agree(path: Path) -> None:
    """The snapshot, the reader and the whole stream tell of the same world, and its books balance."""
    fast, catalog, _ = opened(path)
    slow, _, _ = opened(path, whole=True)
    read, world = read_catalog(path)
    assert fast == slow == seen(world) == seen(World.of(stream(path)))
    assert catalog == read
    assert {each["id"]: each["inStock"] for each in catalog.products} == {
        name: world.available(name) for name in world.products
    }
    assert errors(stream(path)) == []


# Made, opened, closed.


def test_a_market_begins_with_its_catalog_and_its_opening_stock(path):
    first, *rest = stream(path)
    assert isinstance(first, MarketCreated)
    assert (first.origin, first.currency) == ("market", "USD")
    assert [event.type for event in rest] == ["catalog.changed", "catalog.changed", "ledger.posted"]
    assert {event.time for event in stream(path)} == {TIME}
    assert_all_agree(path)


def test_nothing_but_the_market_is_left_in_its_folder(path):
    assert {each.name for each in path.iterdir()} == {"audit", "catalog.json", "lock"}


@pytest.mark.parametrize("whole", [False, True])
def test_a_market_that_is_opened_again_is_as_it_was_closed(path, whole):
    with open_market(path) as market:
        assert buy(market) == "transaction.committed"
        assert buy(market, "payment:card_declined") == "transaction.compensated"
        before = seen(market.world)
    after, _, notices = opened(path, whole=whole)
    assert after == before
    assert notices == []
    assert_all_agree(path)


def test_keys_that_no_one_foresaw_survive_purchases(path):
    bought(path)
    catalog, _ = load_catalog(path / "catalog.json")
    assert catalog.products[0] == CATALOG.products[0] | {"inStock": 4}
    assert catalog.users == CATALOG.users
    assert catalog.extra == CATALOG.extra
    assert catalog.orders[0] == CATALOG.orders[0]
    assert [each["id"] for each in catalog.orders] == ["order-1", "order-1"], "one was brought, one is ours"
    assert catalog.orders[1]["transaction"] == "tx-1"


def test_orders_of_earlier_sessions_stay_in_the_catalog(path):
    for _ in range(3):
        bought(path)
    assert [each["id"] for each in opened(path)[1].orders] == ["order-1", "order-1", "order-2", "order-3"]
    assert [each["id"] for each in opened(path, whole=True)[1].orders][1:] == [
        "order-1",
        "order-2",
        "order-3",
    ]


def test_opening_and_closing_writes_no_event(path):
    before = stream(path)
    opened(path)
    opened(path, whole=True)
    assert stream(path) == before


def test_a_reader_needs_no_lock_and_writes_nothing(path):
    before = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    with open_market(path):
        catalog, world = read_catalog(path)
    assert world.available("laptop-1") == 5
    assert catalog.products[0]["colour"] == "red"
    after = {each: each.read_bytes() for each in path.rglob("*") if each.is_file()}
    assert {each for each in after if each.name != "lock" and after[each] != before[each]} == set()


# Killed before the snapshot was written.


@pytest.fixture
def unsaved(path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Market], object]], None]:
    """Do something in the market, and be killed after the stream and before the snapshot is written."""

    def run(work: Callable[[Market], object]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(directory, "save_catalog", lambda *_: None)
            with open_market(path) as market:
                work(market)

    return run


def test_what_the_snapshot_missed_is_folded_over_it(path, unsaved):
    unsaved(buy)
    assert load_catalog(path / "catalog.json")[0].products[0]["inStock"] == 5
    catalog, world = read_catalog(path)
    assert (catalog.products[0]["inStock"], world.available("laptop-1")) == (4, 4)
    assert_all_agree(path)


def test_a_product_that_was_added_just_before_the_kill_is_in_the_catalog(path, unsaved):
    new = {"id": "lamp-1", "name": "Lamp", "price": 5, "inStock": 2}
    unsaved(lambda market: market.edit(lambda products: products.append(new), TIME))
    assert read_catalog(path)[0].products[2] == new
    assert_all_agree(path)
    assert [each["id"] for each in opened(path)[1].products] == ["laptop-1", "desk-1", "lamp-1"]


def test_an_edit_of_a_snapshot_that_had_missed_a_purchase_is_no_restock(path, unsaved):
    unsaved(buy)
    edit(path, lambda tables: tables["products"]["1"].update(price=800))
    _, catalog, notices = opened(path)
    assert notices == ["an edit of catalog.json was recorded: laptop-1: price_minor"]
    assert catalog.products[0]["inStock"] == 4
    assert [each["id"] for each in catalog.orders] == ["order-1", "order-1"]
    assert_all_agree(path)


def test_stock_that_was_sold_meanwhile_cannot_be_taken_away(path, unsaved):
    unsaved(buy)
    edit(path, lambda tables: tables["products"]["1"].update(inStock=0))
    before = stream(path)
    with pytest.raises(CatalogError, match="laptop-1: inStock was lowered by 5, and only 4 are left"):
        opened(path)
    assert stream(path) == before


def test_an_error_in_the_middle_keeps_what_was_recorded_and_the_old_snapshot(path):
    before = (path / "catalog.json").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        in_market(path, lambda market: (buy(market), interrupted()))
    assert (path / "catalog.json").read_bytes() == before
    assert read_catalog(path)[1].available("laptop-1") == 4
    assert_all_agree(path)


def test_an_interrupt_between_the_record_and_its_effect_loses_nothing(path):
    with pytest.raises(KeyboardInterrupt):
        in_market(path, lambda market: (setattr(market.world, "apply", interrupted), buy(market)))
    _, _, notices = opened(path)
    assert notices == []
    with open_market(path, whole=True) as market:
        left = open_transactions(stream(path))
        recover(live_driver(market.log, market.world, TIME), left, saga_of)
    assert read_catalog(path)[1].available("laptop-1") == 4
    assert_all_agree(path)


def interrupted(event: Event | None = None) -> None:
    raise KeyboardInterrupt


# Damaged.


def test_a_torn_last_line_is_cut_and_said_so(path):
    bought(path)
    before, file = stream(path), path / "audit" / "000001.jsonl"
    file.write_bytes(file.read_bytes() + b'{"attempt":1,"oper')
    assert read_catalog(path)[1].available("laptop-1") == 4
    assert opened(path)[2] == ["a last line that was never finished was cut off (18 bytes)"]
    assert opened(path)[2] == []
    assert stream(path) == before


def test_a_log_that_is_shorter_than_the_snapshot_knows_is_refused(path):
    bought(path)
    file = path / "audit" / "000001.jsonl"
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-3]))
    for whole in (False, True):
        with pytest.raises(LogDamaged, match="shorter than it was"):
            opened(path, whole=whole)


def test_a_log_that_is_another_one_than_the_snapshot_knows_is_refused(path, tmp_path):
    other = tmp_path / "other"
    create_market(other, deepcopy(CATALOG), "EUR", TIME)
    (path / "audit" / "000001.jsonl").write_bytes((other / "audit" / "000001.jsonl").read_bytes())
    for whole in (False, True):
        with pytest.raises(LogDamaged):
            opened(path, whole=whole)


def test_an_altered_line_behind_the_snapshot_is_refused_with_its_place(path, unsaved):
    unsaved(buy)
    file = path / "audit" / "000001.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    assert b"laptop-1" in lines[4]
    lines[4] = lines[4].replace(b"laptop-1", b"laptop-2")
    file.write_bytes(b"".join(lines))
    with pytest.raises(LogDamaged) as refused:
        opened(path)
    assert refused.value.where == "audit/000001.jsonl:6"


def test_a_lost_catalog_is_refused(path):
    (path / "catalog.json").unlink()
    for opening in (lambda: opened(path), lambda: read_catalog(path)):
        with pytest.raises(
            MarketError, match=r"catalog.json is missing \(rebuild it with: marketsim recover\)"
        ):
            opening()


def test_a_lost_catalog_is_rebuilt_from_the_whole_stream(path):
    bought(path)
    before = opened(path)
    (path / "catalog.json").unlink()
    world, catalog, notices = opened(path, whole=True)
    assert notices == ["catalog.json was missing and was rebuilt from the stream"]
    assert world == before[0]
    assert catalog.products == [
        {"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 4},
        {"id": "desk-1", "name": "Desk", "price": 99.5, "inStock": 2, "category": "furniture"},
    ]
    assert [each["transaction"] for each in catalog.orders] == ["tx-1"]
    assert_all_agree(path)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        lambda kept: kept.update(transactions=7),
        lambda kept: kept["balances"].clear(),
        lambda kept: kept.pop("digest"),
        lambda kept: kept["position"].update(size=2),
    ],
)
def test_bookkeeping_that_was_touched_is_one_clear_error(path, damage, whole):
    bought(path)
    edit(path, lambda tables: damage(tables["market"]["1"]))
    with pytest.raises(CatalogError, match=r"catalog\.json: the table 'market' was damaged"):
        opened(path, whole=whole)


def test_a_catalog_that_is_no_json_is_an_error_with_its_line(path):
    file = path / "catalog.json"
    file.write_text(file.read_text().replace(":", "", 1))
    with pytest.raises(InputError) as refused:
        opened(path)
    assert refused.value.where.startswith(f"{file}:2:")


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)


def test_a_failed_write_leaves_the_old_snapshot_and_what_was_recorded_before(path, monkeypatch):
    bought(path)
    before = stream(path)

    with pytest.raises(MarketError, match="no space left"):
        in_market(path, lambda market: (fill_disk(monkeypatch), buy(market)), durability="each")
    monkeypatch.undo()
    assert stream(path) == before
    assert_all_agree(path)
    assert bought(path) == "transaction.committed"


def test_a_failed_write_of_the_whole_group_leaves_no_effect_of_it(path, monkeypatch):
    before = stream(path)
    with pytest.raises(MarketError, match="no space left"):
        in_market(path, lambda market: (buy(market), fill_disk(monkeypatch)))
    monkeypatch.undo()
    assert stream(path) == before
    assert read_catalog(path)[1].available("laptop-1") == 5
    assert_all_agree(path)


# Edited by hand.


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = path / "catalog.json"
    tables = json.loads(file.read_text())
    change(tables)
    file.write_text(json.dumps(tables, indent=2))


@pytest.mark.parametrize(
    ("change", "said", "types"),
    [
        (lambda t: t["products"]["1"].update(price=800), "laptop-1: price_minor", ["catalog.changed"]),
        (lambda t: t["products"]["1"].update(inStock=9), "laptop-1: inStock +5", ["ledger.posted"]),
        (lambda t: t["products"]["1"].update(inStock=1), "laptop-1: inStock -3", ["ledger.posted"]),
        (
            lambda t: t["products"].update({"3": {"id": "lamp-1", "name": "Lamp", "price": 5, "inStock": 7}}),
            "lamp-1: added, lamp-1: inStock +7",
            ["catalog.changed", "ledger.posted"],
        ),
        (
            lambda t: t["products"].pop("2"),
            "desk-1: removed, desk-1: inStock -2",
            ["catalog.changed", "ledger.posted"],
        ),
        (
            lambda t: t["users"].update({"3": {"id": "user-3", "name": "Zoe"}}),
            "user-3: added",
            ["catalog.changed"],
        ),
        (lambda t: t["users"].pop("2"), "user-2: removed", ["catalog.changed"]),
        (
            lambda t: t["products"]["1"].update(colour="blue"),
            "keys that the books do not use",
            ["catalog.changed"],
        ),
        (lambda t: t["extra"]["1"].update(more=1), "keys that the books do not use", ["catalog.changed"]),
        (lambda t: t["orders"].pop("1"), "keys that the books do not use", ["catalog.changed"]),
    ],
)
def test_an_edit_by_hand_is_recorded_and_the_books_balance(path, change, said, types):
    bought(path)
    before = stream(path)
    edit(path, change)
    _, _, notices = opened(path, time="2030-01-01T00:00:00.000000Z")
    assert notices == [f"an edit of catalog.json was recorded: {said}"]
    new = stream(path)[len(before) :]
    assert [event.type for event in new] == types
    assert {event.time for event in new} == {"2030-01-01T00:00:00.000000Z"}
    assert all(event.source == "edit" for event in new if isinstance(event, CatalogChanged))
    assert all(event.reason == "edit of catalog.json" for event in new if isinstance(event, LedgerPosted))
    assert opened(path)[2] == [], "once it is recorded it is no edit any more"
    assert_all_agree(path)


def test_what_was_edited_is_what_is_sold(path):
    edit(path, lambda tables: tables["products"]["1"].update(price=0.05, inStock=1))
    assert bought(path) == "transaction.committed"
    assert read_catalog(path)[0].orders[-1]["total"] == 0.05
    assert bought(path) == "transaction.compensated"
    assert_all_agree(path)


def test_an_edit_is_not_recorded_before_the_present_of_the_stream(path):
    edit(path, lambda tables: tables["products"]["1"].update(inStock=9))
    opened(path, time="1999-01-01T00:00:00.000000Z")
    assert stream(path)[-1].time == TIME


def test_another_layout_of_the_same_catalog_is_no_edit(path):
    edit(path, lambda tables: None)
    assert opened(path)[2] == []


@pytest.mark.parametrize(
    "change",
    [lambda orders: orders["2"].update(total=1), lambda orders: orders.pop("2")],
    ids=["edited", "removed"],
)
def test_an_edited_order_is_refused_and_nothing_is_recorded(path, change):
    bought(path)
    before = stream(path)
    edit(path, lambda tables: change(tables["orders"]))
    with pytest.raises(CatalogError, match="order-1 was edited or removed") as refused:
        opened(path)
    assert refused.value.where == str(path / "catalog.json")
    assert stream(path) == before
    (path / "catalog.json").unlink()
    assert [each["id"] for each in opened(path, whole=True)[1].orders] == ["order-1"], "as the remedy says"


def test_an_edit_that_makes_no_catalog_is_refused_with_its_line(path):
    edit(path, lambda tables: tables["products"]["1"].update(price=-1))
    with pytest.raises(CatalogError, match="is negative") as refused:
        opened(path)
    assert refused.value.where.startswith(f"{path / 'catalog.json'}:")


def test_the_program_edits_under_the_same_rules(path):
    with open_market(path) as market:
        with pytest.raises(CatalogError):
            market.edit(lambda products: products[0].update(inStock=-1), TIME)
        assert market.edit(lambda products: products[0].update(inStock=8), TIME) == "laptop-1: inStock +3"
    assert_all_agree(path)


# Where there is no market, or where one cannot be made.


def test_what_is_no_market_is_not_opened(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "folder").mkdir()
    for name, said in [
        ("missing", "there is no market here"),
        ("file", "a market is a folder, and this is a file"),
        ("folder", "this folder holds no market"),
    ]:
        for opening in (
            open_market(tmp_path / name).__enter__,
            lambda name=name: read_catalog(tmp_path / name),
        ):
            with pytest.raises(MarketError, match=said) as refused:
                opening()
            assert refused.value.todo == "make one with: marketsim init"
    assert {each.name for each in tmp_path.rglob("*")} == {"file", "folder"}, "looking made nothing"


def make(path: Path) -> None:
    create_market(path, deepcopy(CATALOG), "USD", TIME)


def test_a_market_is_not_made_over_something_else(path, tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    (folder / "letter.txt").write_text("mine")
    for target, said in [
        (path, "there is a market already"),
        (file, "no empty folder"),
        (folder, "no empty folder"),
    ]:
        before = sorted(each for each in target.rglob("*"))
        with pytest.raises(MarketError, match=said):
            make(target)
        assert sorted(target.rglob("*")) == before
    with pytest.raises(MarketError, match="not a directory"):
        make(file / "market")
    assert file.read_text() == "mine"


def test_a_market_is_made_in_an_empty_folder_and_in_folders_that_are_not_there_yet(tmp_path):
    (tmp_path / "empty").mkdir()
    make(tmp_path / "empty")
    make(tmp_path / "a" / "b" / "c")
    assert_all_agree(tmp_path / "empty")
    assert_all_agree(tmp_path / "a" / "b" / "c")


def test_a_market_is_made_in_the_folder_one_stands_in(tmp_path, monkeypatch):
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    make(Path())
    assert stream(Path())[0].origin == "shop"
    assert Path("catalog.json").exists(), "the folder is the same one as before"


@pytest.mark.parametrize("moment", ["save_catalog", "opening_events"])
def test_a_market_that_cannot_be_made_leaves_nothing_behind(tmp_path, monkeypatch, moment):
    def fail(*_: object) -> Iterator[Event]:
        raise MarketError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(directory, moment, fail)
        with pytest.raises(MarketError, match="the disk is full"):
            make(tmp_path / "market")
    assert list(tmp_path.iterdir()) == []
    make(tmp_path / "market")


def test_a_market_that_was_killed_while_it_was_made_is_made_anew(tmp_path, monkeypatch):
    def killed(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(directory.shutil, "rmtree", lambda *_, **__: None)
        patch.setattr(directory, "save_catalog", killed)
        with pytest.raises(SystemExit):
            make(tmp_path / "market")
    with pytest.raises(MarketError, match="holds no market"):
        opened(tmp_path / "market")
    make(tmp_path / "market")
    assert_all_agree(tmp_path / "market")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_an_error(path):
    path.chmod(0o500)
    with pytest.raises(MarketError, match="permission denied"):
        opened(path)
    path.chmod(0o700)


# One writer at a time.

HOLD = """
import sys
from pathlib import Path
from marketsim.market.directory import open_market
sys.argv = ["marketsim", "purchase"]
with open_market(Path(sys.stdin.readline().strip())):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(path: Path) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(directory.__file__).parents[2])},
    )
    assert child.stdin
    assert child.stdout
    child.stdin.write(f"{path}\n")
    child.stdin.flush()
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.communicate()


def test_a_market_that_another_process_holds_is_busy_and_the_holder_is_named(path, holder):
    with pytest.raises(MarketBusy) as refused:
        opened(path, timeout_s=0.2)
    assert refused.value.what == f"the market is held by process {holder.pid} (marketsim purchase)"
    assert refused.value.todo == "wait for it to end, then try again"
    assert read_catalog(path)[1].available("laptop-1") == 5, "a reader need not wait"


def test_who_waits_long_enough_gets_the_market(path, holder):
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert opened(path, timeout_s=10)[2] == []


def test_a_lock_of_a_dead_process_is_no_lock(path, holder):
    holder.kill()
    holder.wait()
    assert opened(path, timeout_s=0.2)[2] == []


def test_the_lock_is_let_go_after_an_error_too(path):
    edit(path, lambda tables: tables["products"]["1"].update(price=-1))
    for _ in range(2):
        with pytest.raises(CatalogError):
            opened(path, timeout_s=0.2)


def test_a_stream_that_others_extend_is_read_on(path):
    reader = LogReader(path / "audit")
    list(reader)
    with LogWriter(path / "audit", "market", reader.position) as log:
        log.append(CatalogChanged(source="edit", time=TIME, removed_customers=["user-2"]))
    assert "user-2" not in read_catalog(path)[1].customers
    assert [each["id"] for each in read_catalog(path)[0].users] == ["user-1"]
    assert_all_agree(path)


@pytest.mark.parametrize("damage", ["last line altered", "cut short"])
def test_a_log_that_is_not_what_the_snapshot_knew_is_refused_and_left_as_it_is(
    path: Path, damage: str
) -> None:
    bought(path)
    segment = path / "audit" / "000001.jsonl"
    text = segment.read_bytes()
    segment.write_bytes(text[:-100] if damage == "cut short" else text.replace(b"tx-1", b"tx-9"))
    before = segment.read_bytes()
    for whole in (False, True):
        with pytest.raises(LogDamaged, match=r"audit/000001\.jsonl"), open_market(path, whole=whole):
            pass
    with pytest.raises(LogDamaged):
        read_catalog(path)
    assert segment.read_bytes() == before


def test_what_a_killed_init_left_inside_is_removed_by_the_next_writer(path: Path) -> None:
    (path / ".new" / "audit").mkdir(parents=True)
    read_catalog(path)
    assert (path / ".new").exists()
    in_market(path, lambda market: None)
    assert not (path / ".new").exists()


@pytest.mark.parametrize(
    "event",
    [
        CatalogChanged(source="edit", products=[{"id": "lamp-1", "name": "Lamp"}]),
        CatalogChanged(source="edit", products=[{"id": "lamp-1", "name": "Lamp", "price_minor": "9"}]),
        CatalogChanged(source="edit", customers=[{"id": "user-3"}]),
        OrderPlaced(
            order="order-1",
            customer="user-1",
            lines=[{"product": "laptop-1", "quantity": 1}],
            total_minor=75_000,
            currency="USD",
        ),
    ],
    ids=["no price", "a price of letters", "no name", "a line without a price"],
)
def test_a_log_that_does_not_fit_together_is_refused_with_the_event(path: Path, event: Event) -> None:
    with LogWriter(path / "audit", "market", end_of(path)) as log:
        event.time = TIME
        log.append(event)
    before = (path / "catalog.json").read_bytes()
    with pytest.raises(LogDamaged, match="does not say what it should") as told, open_market(path):
        pass
    assert told.value.where == f"event {event.seq}"
    with pytest.raises(LogDamaged):
        read_catalog(path)
    assert (path / "catalog.json").read_bytes() == before


def test_events_that_decode_and_do_not_fit_together_are_told_as_damage() -> None:
    with pytest.raises(LogDamaged, match=r"catalog\.changed does not say what it should"):
        World.of([CatalogChanged(source="init", products=[{"id": "laptop-1"}])])


def test_an_init_that_was_killed_between_its_two_moves_is_simply_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "market"
    real = os.replace

    def killed(source: Path, target: Path) -> None:
        # The snapshot's own replace comes first, then the two moves out of the staging folder.
        if str(target) == str(path / "audit"):
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(directory.os, "replace", killed)
    monkeypatch.setattr(directory.shutil, "rmtree", lambda *_, **__: None)
    with pytest.raises(KeyboardInterrupt):
        create_market(path, deepcopy(CATALOG), "USD", TIME)
    monkeypatch.undo()
    assert (path / "catalog.json").exists()
    assert not (path / "audit").exists()
    create_market(path, deepcopy(CATALOG), "USD", TIME)
    with open_market(path) as market:
        assert market.world.available("laptop-1") > 0
