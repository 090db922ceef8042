"""The catalog: what may be brought, how it is kept, and what differs between two."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import marketsim
from marketsim.market.catalog import (
    PRODUCTS_MAX,
    Catalog,
    Customer,
    Product,
    catalog_difference,
    catalog_digest,
    customer,
    export_catalog,
    load_catalog,
    parse_catalog,
    product,
    save_catalog,
)
from marketsim.market.documents import parse_document
from marketsim.saga.errors import CatalogError, InputError, MarketError

LAPTOP = {"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 5}
ADA = {"id": "user-1", "name": "Ada"}


def brought(**changes: Any) -> dict[str, Any]:
    """A right catalog, with the first product changed; a key set to ... is taken away."""
    record = {key: value for key, value in {**LAPTOP, **changes}.items() if value is not ...}
    return {"products": [record], "users": [ADA]}


def parsed(value: object, currency: str = "USD") -> Catalog:
    return parse_catalog(parse_document(json.dumps(value, indent=1), "c.json"), currency)


def lined(value: object) -> str:
    return json.dumps(value, indent=1)


BIG = 70_000

# What is brought, the line at which it is refused (as ``lined`` writes it), and what is said.
REFUSED: list[tuple[Any, int, str]] = [
    ([], 1, "a catalog must be an object"),
    ("laptop", 1, "a catalog must be an object"),
    ({}, 1, "'products' is missing (add \"products\""),
    ({"product": [], "users": [ADA]}, 1, "'products' is missing (did you mean 'product'?)"),
    ({"products": [LAPTOP]}, 1, "'users' is missing"),
    ({"products": {"1": LAPTOP}, "users": [ADA]}, 2, "products: must be a list, not an object"),
    ({"products": "x", "users": [ADA]}, 2, "products: must be a list"),
    ({"products": [LAPTOP], "users": [ADA], "orders": 5}, 16, "orders: must be a list"),
    ({"products": [], "users": [ADA]}, 2, "products: a market needs at least one product"),
    ({"products": [LAPTOP], "users": []}, 10, "users: a market needs at least one user"),
    ({"products": [LAPTOP, 5], "users": [ADA]}, 9, "products[1]: must be an object"),
    ({"products": [LAPTOP], "users": [None]}, 11, "users[0]: must be an object"),
    ({"products": [LAPTOP], "users": [ADA], "orders": [[]]}, 17, "orders[0]: must be an object"),
    (
        {"products": [LAPTOP, LAPTOP], "users": [ADA]},
        10,
        "products[1].id: the id 'laptop-1' is taken by products[0] at c.json:4",
    ),
    (
        {"products": [LAPTOP], "users": [ADA, ADA]},
        16,
        "users[1].id: the id 'user-1' is taken by users[0] at c.json:12",
    ),
    (brought(id=...), 3, "products[0]: 'id' is missing"),
    (brought(name=...), 3, "products[0]: 'name' is missing"),
    (brought(price=...), 3, "products[0]: 'price' is missing"),
    (brought(inStock=...), 3, "products[0]: 'inStock' is missing"),
    (brought(inStock=..., instock=1), 3, "products[0]: 'inStock' is missing (did you mean 'instock'?)"),
    (brought(id=5), 4, "products[0].id: must be text, not 5"),
    (brought(id=""), 4, "products[0].id: is empty"),
    (brought(id="-laptop"), 4, "products[0].id: '-laptop' is no id (allowed: "),
    (brought(id="a/../b"), 4, "products[0].id: 'a/../b' is no id"),
    (brought(id="laptop 1"), 4, "is no id"),
    (brought(id="laptop-1\n"), 4, "is no id"),
    (brought(id="é"), 4, "is no id"),
    (brought(id="a" * 65), 4, "is no id"),
    (brought(name=None), 5, "products[0].name: must be text, not null"),
    (brought(name=""), 5, "products[0].name: is empty"),
    (brought(name="  "), 5, "products[0].name: is empty"),
    (brought(name="a" * 201), 5, "products[0].name: has 201 characters (at most 200"),
    (brought(name="a\x1b[31m"), 5, "products[0].name: has the control character U+001B at character 2"),
    (brought(name="a\x00"), 5, "U+0000"),
    (brought(name="a\nb"), 5, "U+000A"),
    (brought(name="\x9b1m"), 5, "has the control character U+009B at character 1"),
    (brought(name="a\u202eb"), 5, "has the direction character U+202E at character 2"),
    (brought(name="a\u2066b"), 5, "U+2066"),
    (brought(category="a\x07"), 8, "products[0].category: has the control character U+0007"),
    (brought(condition="\u202a"), 8, "products[0].condition: has the direction character U+202A"),
    (brought(price="750"), 6, "products[0].price: must be a number, not '750'"),
    (brought(price=True), 6, "products[0].price: must be a number, not true"),
    (brought(price=None), 6, "products[0].price: must be a number, not null"),
    (brought(price=-1), 6, "products[0].price: is negative"),
    (brought(price=1.999), 6, "products[0].price: has 3 decimals; USD has 2"),
    (brought(price=10**30), 6, "products[0].price: is too large"),
    (brought(inStock="5"), 7, "products[0].inStock: must be a whole number, not '5'"),
    (brought(inStock=True), 7, "products[0].inStock: must be a whole number, not true"),
    (brought(inStock=5.0), 7, "products[0].inStock: must be a whole number, not 5.0"),
    (brought(inStock=-1), 7, "products[0].inStock: is negative"),
    (brought(inStock=10**9 + 1), 7, "products[0].inStock: is too large"),
    (brought(description="x" * BIG), 3, "products[0]: is 70,"),
    ({"products": [LAPTOP], "users": [{"id": "u"}]}, 11, "users[0]: 'name' is missing"),
    ({"products": [LAPTOP], "users": [{"name": "u"}]}, 11, "users[0]: 'id' is missing"),
    (
        {"products": [LAPTOP], "users": [{"id": "u", "name": "\x7f"}]},
        13,
        "users[0].name: has the control character U+007F",
    ),
    ({"products": [LAPTOP], "users": [{**ADA, "x": "x" * BIG}]}, 11, "users[0]: is 70,"),
    ({"products": [LAPTOP], "users": [ADA], "orders": [{"x": "x" * BIG}]}, 17, "orders[0]: is 70,"),
]


@pytest.mark.parametrize(("value", "line", "told"), REFUSED)
def test_a_catalog_that_describes_no_market_is_refused_at_its_line(value: Any, line: int, told: str) -> None:
    with pytest.raises(CatalogError) as raised:
        parsed(value)
    assert told in str(raised.value)
    assert raised.value.where == f"c.json:{line}"


def test_a_catalog_of_too_many_products_is_refused() -> None:
    document = parse_document("{}", "c.json")
    value = {"products": [LAPTOP] * (PRODUCTS_MAX + 1), "users": [ADA]}
    with pytest.raises(CatalogError, match=r"there are 200,001; at most 200,000 are kept"):
        parse_catalog(type(document)(value, "c.json", "{}", "json"), "USD")


def test_a_price_is_judged_by_the_digits_of_the_currency() -> None:
    assert parsed(brought(price=0.125), "KWD").products[0]["price"] == 0.125
    with pytest.raises(CatalogError, match="has 1 decimal; JPY has 0"):
        parsed(brought(price=0.5), "JPY")
    with pytest.raises(InputError, match="no currency code"):
        parsed(brought(), "EURO")


@pytest.mark.parametrize(
    "name", ["\U0001f600", "[bold]x[/bold]", "a\u200fb", "e\u0301", "'; DROP TABLE products; --", "a" * 200]
)
def test_a_name_may_look_strange_as_long_as_it_cannot_steer_a_terminal(name: str) -> None:
    assert parsed(brought(name=name)).products[0]["name"] == name


def test_a_catalog_may_be_written_in_yaml() -> None:
    text = (
        "products:\n- {id: laptop-1, name: Laptop, price: 750, inStock: 5}\n"
        "users:\n- {id: user-1, name: Ada}\n"
    )
    assert parse_catalog(parse_document(text, "c.yaml"), "USD") == Catalog([LAPTOP], [ADA])
    with pytest.raises(CatalogError, match=r"c\.yaml:2: products\[0\]\.price: is negative"):
        parse_catalog(parse_document(text.replace("750", "-750"), "c.yaml"), "USD")


def test_a_catalog_that_is_part_of_a_document_is_placed_in_the_whole() -> None:
    document = parse_document(lined({"catalog": brought(inStock=-1)}), "s.json")
    with pytest.raises(CatalogError, match=r"s\.json:8: catalog\.products\[0\]\.inStock: is negative"):
        parse_catalog(document.part("catalog"), "USD")


def test_records_have_typed_views() -> None:
    record = {**LAPTOP, "price": 19.99, "category": "computers", "condition": ["odd"], "x": 1}
    assert product(record, "USD") == Product("laptop-1", "Laptop", 1_999, "computers", "")
    assert customer({**ADA, "email": "ada@example.com"}) == Customer("user-1", "Ada")


# Keeping.

KEYS = st.text(min_size=1, max_size=8)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,10}", fullmatch=True)
NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, Any]:
    """A catalog as a person may bring it, with keys that no one foresaw on both levels."""
    extras = st.dictionaries(KEYS, VALUES, max_size=3)
    prices = st.integers(0, 10**9) | st.integers(0, 10**9).map(lambda quarters: quarters / 4)
    goods = st.fixed_dictionaries(
        {"name": NAMES, "price": prices, "inStock": st.integers(0, 99)}, optional={"condition": NAMES}
    )
    products = [
        {**draw(extras), "category": "", **draw(goods), "id": each}
        for each in draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    ]
    users = [
        {**draw(extras), "id": each, "name": draw(NAMES)}
        for each in draw(st.lists(IDS, min_size=1, max_size=4, unique=True))
    ]
    return {
        **draw(extras),
        "products": products,
        "users": users,
        "orders": draw(st.lists(extras, max_size=2)),
    }


@given(value=catalogs(), market=st.dictionaries(KEYS, VALUES, max_size=4))
def test_what_was_brought_is_exported_again_after_being_kept(
    value: dict[str, Any], market: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("market") / "catalog.json"
    catalog = parsed(value)
    save_catalog(path, catalog, market)
    loaded, bookkeeping = load_catalog(path, "USD")
    assert export_catalog(loaded) == value
    assert json.dumps(export_catalog(loaded)["products"]) == json.dumps(value["products"])
    assert bookkeeping == market
    assert catalog_digest(loaded) == catalog_digest(catalog)
    assert not catalog_difference(catalog, loaded)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A kept catalog of two products in US dollars."""
    path = tmp_path / "catalog.json"
    mug = {"id": "mug-1", "name": "Mug", "price": 9.5, "inStock": 0}
    save_catalog(path, Catalog([LAPTOP, mug], [ADA], [{"id": "order-1"}], {"note": "x"}), {"currency": "USD"})
    return path


def test_the_kept_file_is_a_tinydb_database(kept: Path) -> None:
    from tinydb import TinyDB, where

    with TinyDB(kept, access_mode="r") as database:
        assert database.tables() == {"products", "users", "orders", "market", "extra"}
        assert database.table("products").get(where("id") == "mug-1")["price"] == 9.5
        assert database.table("market").get(doc_id=1) == {"currency": "USD"}


def test_tinydb_can_use_the_storage_for_its_own_operations(tmp_path: Path) -> None:
    from tinydb import TinyDB

    from marketsim.market._storage import AtomicStorage

    with TinyDB(tmp_path / "db.json", storage=AtomicStorage) as database:
        assert not (tmp_path / "db.json").exists()
        assert database.tables() == set()
        database.table("users").insert_multiple([{"a": 1}, {"a": 2}])
        database.table("users").remove(doc_ids=[1])
    with TinyDB(tmp_path / "db.json", storage=AtomicStorage) as database:
        assert [dict(each) for each in database.table("users")] == [{"a": 2}]


def test_the_order_is_that_of_the_numbers_not_of_the_lines(kept: Path) -> None:
    value = json.loads(kept.read_text())
    value["products"] = {"10": value["products"]["1"], "9": value["products"]["2"]}
    kept.write_text(json.dumps(value))
    catalog, _ = load_catalog(kept)
    assert [record["id"] for record in catalog.products] == ["mug-1", "laptop-1"]


def test_a_person_can_read_the_kept_file_and_edit_it(kept: Path) -> None:
    kept.write_text(kept.read_text().replace('"price": 750', '"price": 799.5'))
    catalog, market = load_catalog(kept)
    assert catalog.products[0]["price"] == 799.5
    assert market == {"currency": "USD"}


# An edit of the kept file, and what is then told.
EDITS = [
    ('"price": 750', '"price": 750,,', r"catalog\.json:6:20: not valid JSON"),
    ('"price": 750', '"price": "750"', r"catalog\.json:6: products\.1\.price: must be a number, not '750'"),
    ('"inStock": 0', '"inStock": -3', r"catalog\.json:13: products\.2\.inStock: is negative"),
    ('"mug-1"', '"laptop-1"', r"catalog\.json:10: products\.2\.id: the id 'laptop-1' is taken"),
    ('"mug-1"', '"mug 1"', r"catalog\.json:10: products\.2\.id: 'mug 1' is no id"),
    ('"products"', '"prodcts"', r"prodcts: there is no table 'prodcts' \(did you mean 'products'"),
    ('"2": {', '"two": {', r"catalog\.json:9: products\.two: 'two' is no number of a record"),
    ('"2": {', '"02": {', r"catalog\.json:9: products\.02: '02' is no number of a record"),
    ('"2": {', '"2": 5, "3": {', r"catalog\.json:9: products\.2: must be an object"),
    ('"2": {', '"1": {', r"catalog\.json:9:5: the key '1' stands twice"),
    ('"users": {', '"users": 5, "orders": {', r"the key 'orders' stands twice"),
    ('"currency": "USD"', '"currency": "US"', r"\d: market\.1\.currency: no currency is named"),
    ('"currency": "USD"', '"x": "USD"', r"\d: market\.1\.currency: no currency is named"),
    ('"currency": "USD"', '"currency": "USD"}, "2": {', r"market\.2: there must be one record only"),
    ('"currency": "USD"', '"currency": "JPY"', r"products\.2\.price: has 1 decimal; JPY has 0"),
]


@pytest.mark.parametrize(("old", "new", "told"), EDITS)
def test_an_edit_that_breaks_the_kept_file_is_told_with_its_line(
    kept: Path, old: str, new: str, told: str
) -> None:
    text = kept.read_text()
    assert old in text
    kept.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=told):
        load_catalog(kept)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("[]", "is no object of tables"),
        ('{"products": []}', "products: must be an object of records"),
        ('{"users": {"1": {"id": "u", "name": "U"}}}', "no currency is named"),
        ('{"market": {"1": {"currency": "USD"}}}', "a market needs at least one product"),
    ],
)
def test_a_file_that_keeps_no_catalog_is_refused(kept: Path, text: str, told: str) -> None:
    kept.write_text(text)
    with pytest.raises(InputError, match=told):
        load_catalog(kept)


def test_a_missing_file_is_told_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(MarketError, match="there is no catalog"):
        load_catalog(tmp_path / "catalog.json")
    assert list(tmp_path.iterdir()) == []


def test_a_value_as_deep_as_may_be_brought_can_be_kept(tmp_path: Path) -> None:
    deep = json.loads("[" * 49 + "]" * 49)
    catalog = parsed({**brought(), "x": deep})
    save_catalog(tmp_path / "catalog.json", catalog, {"currency": "USD"})
    assert load_catalog(tmp_path / "catalog.json")[0] == catalog


@pytest.mark.parametrize("call", ["os.replace", "os.fsync"])
def test_a_write_that_fails_leaves_the_old_file(
    kept: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(call, fail)
    with pytest.raises(MarketError, match="cannot be written: No space left on device"):
        save_catalog(kept, Catalog([LAPTOP], [ADA]), {})
    assert kept.read_bytes() == before
    assert list(kept.parent.iterdir()) == [kept]


def test_a_process_killed_while_writing_leaves_the_old_file_and_the_next_write_succeeds(kept: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from marketsim.market.catalog import load_catalog, save_catalog\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "catalog, market = load_catalog(path)\n"
        "os.replace = lambda *_: os._exit(9)\n"
        "catalog.products[0]['price'] = 1\n"
        "save_catalog(path, catalog, market)\n"
    )
    before = kept.read_bytes()
    environment = {**os.environ, "PYTHONPATH": str(Path(marketsim.__file__).parents[1])}
    ended = subprocess.run([sys.executable, "-c", code, str(kept)], env=environment, check=False)
    assert ended.returncode == 9
    assert kept.read_bytes() == before
    catalog, market = load_catalog(kept)
    save_catalog(kept, catalog, market)
    assert list(kept.parent.iterdir()) == [kept]


def test_reading_and_judging_a_catalog_imports_nothing_heavy() -> None:
    code = (
        "import sys, marketsim.market.catalog, marketsim.market.samples\n"
        "from marketsim.market.documents import parse_document\n"
        "parse_document('{}', 'x.json')\n"
        "print([name for name in ('tinydb', 'yaml', 'faker', 'difflib', 'rich') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(marketsim.__file__).parents[1])}
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"


# Comparing.


def test_the_digest_is_of_what_is_said_not_of_how_it_is_written() -> None:
    one = parsed({**brought(), "a": 1, "b": 2})
    other = Catalog([dict(reversed(LAPTOP.items()))], [ADA], [], {"b": 2, "a": 1})
    assert catalog_digest(one) == catalog_digest(other)
    assert len(catalog_digest(one)) == 64


@pytest.mark.parametrize(
    "other",
    [
        Catalog([{**LAPTOP, "inStock": 4}], [ADA]),
        Catalog([{**LAPTOP, "x": None}], [ADA]),
        Catalog([LAPTOP], [{**ADA, "email": ""}]),
        Catalog([LAPTOP], [ADA], [{}]),
        Catalog([LAPTOP], [ADA], [], {"x": 1}),
    ],
)
def test_the_digest_changes_with_anything_that_is_said(other: Catalog) -> None:
    same = Catalog([LAPTOP], [ADA])
    assert catalog_digest(other) != catalog_digest(same)
    assert catalog_difference(same, other)
    assert catalog_difference(other, same)


def test_a_difference_names_what_came_what_went_and_which_fields_changed() -> None:
    mug = {"id": "mug-1", "name": "Mug", "price": 9, "inStock": 0}
    grace = {"id": "user-2", "name": "Grace"}
    old = Catalog([LAPTOP, mug], [ADA], [], {"note": 1})
    new = Catalog(
        [{**LAPTOP, "price": 700, "x": None, "id": "laptop-1"}, {**mug, "id": "mug-2"}],
        [grace, {**ADA, "name": "Ada L."}],
        [{"id": "order-1"}],
        {"note": 2},
    )
    difference = catalog_difference(old, new)
    assert difference.added_products == ["mug-2"]
    assert difference.removed_products == ["mug-1"]
    assert difference.changed_products == {"laptop-1": ["price", "x"]}
    assert difference.added_users == ["user-2"]
    assert difference.removed_users == []
    assert difference.changed_users == {"user-1": ["name"]}
    assert difference.others == ["orders", "note"]


def test_a_number_of_another_type_is_a_change() -> None:
    difference = catalog_difference(Catalog([LAPTOP], [ADA]), Catalog([{**LAPTOP, "price": 750.0}], [ADA]))
    assert difference.changed_products == {"laptop-1": ["price"]}


def test_catalogs_made_apart_share_no_lists() -> None:
    one, other = Catalog([LAPTOP], [ADA]), Catalog([LAPTOP], [ADA])
    one.orders.append({"id": "order-1"})
    one.extra["x"] = 1
    assert (other.orders, other.extra) == ([], {})
