"""What is demanded of one record of a catalog, be it a product, a user or an order."""

import re
from typing import Any, TypeAlias

import msgspec

from marketsim.market.money import to_minor
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = [
    "ID",
    "NAME_LENGTH_MAX",
    "RECORD_SIZE_MAX_BYTES",
    "STOCK_MAX",
    "Record",
    "RecordWrong",
    "check_order",
    "check_product",
    "check_text",
    "check_user",
]

Record: TypeAlias = dict[str, Any]
"""A JSON object as a person brought it, every key kept."""

NAME_LENGTH_MAX = 200
"""How many characters a name, a category or a condition may have."""

RECORD_SIZE_MAX_BYTES = 64 * 1024
"""How large one record may be, as compact JSON."""

STOCK_MAX = 10**9
"""How many units of a product may be in stock."""

# They are compiled when a catalog is brought: one that was checked before needs them not.
ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
"""How an id is spelt."""

# Control characters steer a terminal, and the overrides of direction make a name read as another one.
_STEERING = "[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_encode = msgspec.json.Encoder().encode


class RecordWrong(Exception):
    """One record cannot be accepted: under which key (empty: as a whole), why, and what to do."""

    def __init__(self, key: str, what: str, todo: str = "") -> None:
        super().__init__(what)
        self.key = key
        self.what = what
        self.todo = todo


def check_product(record: Record, currency: str) -> None:
    """Raise RecordWrong unless the record has an id, a name, a price in the currency, and its stock."""
    _check_present(record, ("id", "name", "price", "inStock"))
    _check_id(record["id"])
    _check_name(record["name"])
    for key in ("category", "condition"):
        if isinstance(text := record.get(key), str):
            check_text(key, text)
    try:
        to_minor(record["price"], currency)
    except InputError as wrong:
        raise RecordWrong("price", wrong.what, wrong.todo) from wrong
    _check_stock(record["inStock"])
    check_size(record)


def check_user(record: Record) -> None:
    """Raise RecordWrong unless the record has an id and a name."""
    _check_present(record, ("id", "name"))
    _check_id(record["id"])
    _check_name(record["name"])
    check_size(record)


def check_order(record: Record) -> None:
    """Raise RecordWrong if the record is too large; an order is kept as it is, not judged."""
    check_size(record)


def check_size(record: Record) -> None:
    size_bytes = len(_encode(record))
    if size_bytes > RECORD_SIZE_MAX_BYTES:
        raise RecordWrong("", f"is {size_bytes:,} bytes of JSON; at most {RECORD_SIZE_MAX_BYTES:,} are kept")


def _check_present(record: Record, keys: tuple[str, ...]) -> None:
    for key in keys:
        if key not in record:
            others = [other for other in record if other not in keys]
            similar = nearest(key, others) if others else ""
            todo = similar if similar.startswith("did you mean") else "add it"
            raise RecordWrong("", f"{quoted(key)} is missing", todo)


def _check_id(value: object) -> None:
    if not isinstance(value, str):
        raise RecordWrong("id", f"must be text, not {_kind(value)}", "put it in quotes")
    if not value:
        raise RecordWrong("id", "is empty", "give it an id, such as laptop-1")
    if not re.match(ID, value):
        allowed = "1 to 64 of A-Z a-z 0-9 . _ -, the first a letter or a digit"
        raise RecordWrong("id", f"{quoted(value)} is no id", f"allowed: {allowed}")


def _check_name(value: object) -> None:
    if not isinstance(value, str):
        raise RecordWrong("name", f"must be text, not {_kind(value)}", "put it in quotes")
    if not value or value.isspace():
        raise RecordWrong("name", "is empty", "give it a name")
    check_text("name", value)


def check_text(key: str, text: str) -> None:
    """Raise RecordWrong for a text that is too long, or would steer a terminal."""
    if len(text) > NAME_LENGTH_MAX:
        raise RecordWrong(key, f"has {len(text):,} characters", f"at most {NAME_LENGTH_MAX} are allowed")
    if found := re.search(_STEERING, text):
        at, code = found.start() + 1, ord(found.group())
        kind = "control" if code < 0xA0 else "direction" if code < 0xD800 else "surrogate"
        raise RecordWrong(key, f"has the {kind} character U+{code:04X} at character {at}", "remove it")


def _check_stock(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RecordWrong("inStock", f"must be a whole number, not {_kind(value)}", "write it as 5")
    if value < 0:
        raise RecordWrong("inStock", "is negative", "write 0 or more")
    if value > STOCK_MAX:
        raise RecordWrong("inStock", "is too large", f"at most {STOCK_MAX:,} units are counted")


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    return names.get(type(value)) or (quoted(value) if isinstance(value, str) else str(value)[:80])
