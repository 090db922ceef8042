"""The catalog: products, customers and orders, as a person brings them and as the market keeps them."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from marketsim.market._records import Record, RecordWrong, check_order, check_product, check_user
from marketsim.market.documents import Document, parse_document
from marketsim.market.money import CURRENCIES, currency_digits, to_minor
from marketsim.saga.errors import CatalogError, MarketError, nearest, quoted

__all__ = [
    "PRODUCTS_MAX",
    "USERS_MAX",
    "Catalog",
    "Customer",
    "Difference",
    "Product",
    "Record",
    "catalog_difference",
    "catalog_digest",
    "check_catalog",
    "customer",
    "export_catalog",
    "load_catalog",
    "parse_catalog",
    "product",
    "products_of",
    "save_catalog",
]

PRODUCTS_MAX = 200_000
"""How many products a catalog may have."""

USERS_MAX = 200_000
"""How many users a catalog may have."""

_Entries: TypeAlias = list[tuple[tuple[str | int, ...], Any]]
"""What a list or a table holds, each with its path in the document."""

_BROUGHT = ("products", "users", "orders", "guardrails")
_OPTIONAL = ("orders", "guardrails")
_encode = msgspec.json.Encoder(order="sorted").encode


class Product(msgspec.Struct, frozen=True):
    """What the market acts on of a product; its stock is in the ledger."""

    id: str
    name: str
    price_minor: int
    category: str = ""
    condition: str = ""


class Customer(msgspec.Struct, frozen=True):
    """What the market acts on of a user."""

    id: str
    name: str


class Catalog(msgspec.Struct, frozen=True):
    """Records as a person brought them, every key kept; ``extra`` has the keys that no one foresaw."""

    products: list[Record]
    users: list[Record]
    orders: list[Record] = []
    extra: Record = {}
    guardrails: list[Record] = []


class Difference(msgspec.Struct, frozen=True):
    """What one catalog has that another has not: ids, and for what changed the names of its fields.

    ``others`` names what else differs: ``orders``, ``guardrails``, or keys that no one foresaw.
    """

    added_products: list[str]
    changed_products: dict[str, list[str]]
    removed_products: list[str]
    added_users: list[str]
    changed_users: dict[str, list[str]]
    removed_users: list[str]
    others: list[str]

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__struct_fields__)


def product(record: Record, currency: str) -> Product:
    """The product in a record that parse_catalog or load_catalog accepted under the same currency."""
    return products_of([record], currency)[record["id"]]


def products_of(records: Iterable[Record], currency: str) -> dict[str, Product]:
    """The products in many such records, by their ids."""
    scale = int(10 ** currency_digits(currency))
    found = {}
    for record in records:
        name, price = record["id"], record["price"]
        category, condition = record.get("category"), record.get("condition")
        found[name] = Product(
            name,
            record["name"],
            price * scale if type(price) is int else to_minor(price, currency),
            category if isinstance(category, str) else "",
            condition if isinstance(condition, str) else "",
        )
    return found


def customer(record: Record) -> Customer:
    """The customer in a record of a user that parse_catalog or load_catalog accepted."""
    return Customer(id=record["id"], name=record["name"])


def parse_catalog(document: Document, currency: str) -> Catalog:
    """The catalog that a person brought: an object with lists of products, users, and perhaps others.

    Raises CatalogError, with the line, the path in words and the remedy, for the first record that
    cannot be sold or sold to; InputError for no currency.
    """
    currency_digits(currency)
    if not isinstance(document.value, dict):
        todo = 'write {"products": [...], "users": [...]}'
        raise _wrong(document, (), "a catalog must be an object", todo)
    entries = {name: _listed(document, name) for name in _BROUGHT}
    extra = {key: value for key, value in document.value.items() if key not in _BROUGHT}
    return _checked(document, entries, extra, currency)


def _listed(document: Document, name: str) -> _Entries:
    if name not in document.value:
        if name in _OPTIONAL:
            return []
        others = [key for key in document.value if key not in _BROUGHT]
        similar = nearest(name, others) if others else ""
        todo = similar if similar.startswith("did you mean") else f'add "{name}": [...]'
        raise _wrong(document, (), f"{quoted(name)} is missing", todo)
    value = document.value[name]
    if isinstance(value, dict):
        todo = "write [...]; a market's own catalog.json is brought by: marketsim catalog export"
        raise _wrong(document, (name,), "must be a list, not an object", todo)
    if not isinstance(value, list):
        raise _wrong(document, (name,), "must be a list", "write [...]")
    return [((name, index), record) for index, record in enumerate(value)]


def _checked(document: Document, entries: dict[str, _Entries], extra: Record, currency: str) -> Catalog:
    _check_count(document, "products", len(entries["products"]), PRODUCTS_MAX)
    _check_count(document, "users", len(entries["users"]), USERS_MAX)
    _check_each(document, entries["products"], lambda record: check_product(record, currency))
    _check_each(document, entries["users"], check_user)
    _check_each(document, entries["orders"], check_order)
    _check_unique(document, entries["products"])
    _check_unique(document, entries["users"])
    if entries["guardrails"]:
        from marketsim.market._rules import check_guardrails  # most markets declare none

        check_guardrails(document, entries["guardrails"], currency)
    return Catalog(
        products=[record for _, record in entries["products"]],
        users=[record for _, record in entries["users"]],
        orders=[record for _, record in entries["orders"]],
        extra=extra,
        guardrails=[record for _, record in entries["guardrails"]],
    )


def check_catalog(catalog: Catalog, currency: str) -> None:
    """Raise CatalogError unless the catalog, written down, could be read back under this currency."""
    parse_catalog(parse_document(_encode(export_catalog(catalog)), "catalog.json"), currency)


def _check_each(document: Document, entries: _Entries, check: Callable[[Record], None]) -> None:
    for path, record in entries:
        if not isinstance(record, dict):
            raise _wrong(document, path, "must be an object", "write {...}")
        try:
            check(record)
        except RecordWrong as wrong:
            at = (*path, wrong.key) if wrong.key else path
            raise _wrong(document, at, wrong.what, wrong.todo) from wrong


def _check_count(document: Document, name: str, count: int, count_max: int) -> None:
    place = (name,) if name in document.value else ()
    if count == 0:
        raise _wrong(document, place, f"a market needs at least one {name[:-1]}", "add one")
    if count > count_max:
        raise _wrong(document, place, f"there are {count:,}; at most {count_max:,} are kept")


def _check_unique(document: Document, entries: _Entries) -> None:
    seen: dict[str, tuple[str | int, ...]] = {}
    for path, record in entries:
        if (before := seen.setdefault(record["id"], path)) is not path:
            first = f"{document.words(before)} at {document.place((*before, 'id'))}"
            what = f"the id {quoted(record['id'])} is taken by {first}"
            raise _wrong(document, (*path, "id"), what, "give each its own")


def _wrong(document: Document, path: Sequence[str | int], what: str, todo: str = "") -> CatalogError:
    words = document.words(path)
    return CatalogError(f"{words}: {what}" if words else what, where=document.place(path), todo=todo)


def save_catalog(path: Path, catalog: Catalog, market: Mapping[str, Any]) -> None:
    """Write the whole file at once, as a TinyDB database: the catalog, and the market's own record.

    A death at any moment leaves the old file or the new one. Raises MarketError where it cannot be
    written; the old file is then as it was.
    """
    from tinydb import TinyDB

    from marketsim.market._storage import AtomicStorage

    tables = {name: _numbered(records) for name, records in _lists(catalog).items()}
    tables["market"] = _numbered([dict(market)])
    if catalog.extra:
        tables["extra"] = _numbered([catalog.extra])
    # Not by inserting: every operation of a TinyDB table rewrites the whole of it.
    with TinyDB(path, storage=AtomicStorage) as database:
        database.storage.write(tables)


def _lists(catalog: Catalog) -> dict[str, list[Record]]:
    lists = {name: getattr(catalog, name) for name in _BROUGHT}
    return {name: records for name, records in lists.items() if records or name != "guardrails"}


def _numbered(records: list[Record]) -> dict[str, Record]:
    return {str(number): record for number, record in enumerate(records, 1)}


def load_catalog(path: Path, currency: str | None = None) -> tuple[Catalog, dict[str, Any]]:
    """The catalog in a file that save_catalog wrote and a person may have edited, and the market's record.

    Without a currency, prices are read in the one that the market's record names under ``currency``.

    Raises MarketError where there is no file, InputError for what is no JSON, and CatalogError for
    what is no catalog, each with its line.
    """
    from marketsim.market._storage import AtomicStorage

    storage = AtomicStorage(path)
    if (untouched := _untouched(storage.read_untouched(), currency)) is not None:
        return untouched
    from tinydb import TinyDB

    with TinyDB(storage=lambda: storage) as database:
        tables = {name: _entries(database, name) for name in database.tables()}
    if (document := storage.document) is None:
        raise MarketError("there is no catalog", where=str(path), todo="make one by: marketsim init")
    market = _single(document, "market", tables)
    extra = _single(document, "extra", tables)
    known = currency or _currency(document, market)
    entries = {name: tables.get(name, []) for name in _BROUGHT}
    as_saved = Catalog(**{name: [record for _, record in entries[name]] for name in _BROUGHT}, extra=extra)
    # What nobody touched since it was saved was checked when it was brought.
    if market.get("digest") == catalog_digest(as_saved):
        return as_saved, market
    return _checked(document, entries, extra, known), market


def _untouched(
    tables: dict[str, dict[str, Record]] | None, currency: str | None
) -> tuple[Catalog, Record] | None:
    """The catalog in tables that nobody touched since they were saved, if that is what they are."""
    records = {name: list(table.values()) for name, table in (tables or {}).items()}
    market, extra = records.pop("market", []), records.pop("extra", [{}])
    if len(market) != 1 or len(extra) != 1 or not {"products", "users"} <= records.keys():
        return None
    if (currency or market[0].get("currency")) not in CURRENCIES:
        return None
    catalog = Catalog(**records, extra=extra[0])
    return (catalog, market[0]) if market[0].get("digest") == catalog_digest(catalog) else None


def _currency(document: Document, market: Record) -> str:
    code = market.get("currency")
    if isinstance(code, str) and code in CURRENCIES:
        return code
    path = ("market", next(iter(document.value.get("market", {})), ""), "currency")
    raise _wrong(document, path, "no currency is named", "put the code back, such as USD")


def _entries(database: Any, name: str) -> _Entries:
    records = sorted(database.table(name), key=lambda record: int(record.doc_id))
    return [((name, str(record.doc_id)), dict(record)) for record in records]


def _single(document: Document, name: str, tables: dict[str, _Entries]) -> Record:
    entries = tables.get(name, [])
    if len(entries) > 1:
        raise _wrong(document, entries[1][0], "there must be one record only", "remove this one")
    return dict(entries[0][1]) if entries else {}


def catalog_digest(catalog: Catalog) -> str:
    """SHA-256, in hex, of all that the catalog says; the order of keys within an object is not said."""
    return hashlib.sha256(_encode(catalog)).hexdigest()


def export_catalog(catalog: Catalog) -> dict[str, Any]:
    """The catalog in the shape that parse_catalog takes."""
    return {**_lists(catalog), **catalog.extra}


def catalog_difference(old: Catalog, new: Catalog) -> Difference:
    """What was added, changed and removed on the way from one catalog to another.

    It is empty exactly when both have the same digest, but for the order of products or users.
    """
    added_products, changed_products, removed_products = _compare(old.products, new.products)
    added_users, changed_users, removed_users = _compare(old.users, new.users)
    kept = [name for name in _OPTIONAL if _encode(getattr(old, name)) != _encode(getattr(new, name))]
    return Difference(
        added_products=added_products,
        changed_products=changed_products,
        removed_products=removed_products,
        added_users=added_users,
        changed_users=changed_users,
        removed_users=removed_users,
        others=kept + _changed_fields(old.extra, new.extra),
    )


def _compare(old: list[Record], new: list[Record]) -> tuple[list[str], dict[str, list[str]], list[str]]:
    before = {record["id"]: record for record in old}
    after = {record["id"]: record for record in new}
    both = [each for each in after if each in before and before[each] is not after[each]]
    fields = {each: _changed_fields(before[each], after[each]) for each in both}
    return (
        [each for each in after if each not in before],
        {each: names for each, names in fields.items() if names},
        [each for each in before if each not in after],
    )


def _changed_fields(old: Record, new: Record) -> list[str]:
    if _encode(old) == _encode(new):
        return []
    keys = [*old, *(key for key in new if key not in old)]
    return [key for key in keys if (key in old) != (key in new) or _encode(old[key]) != _encode(new[key])]
