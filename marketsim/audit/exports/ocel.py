"""The log as an OCEL 2.0 document: events, and the orders, products, payments and people that they touch."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from marketsim.audit.exports.common import ENCODER, listed, members, origin_of
from marketsim.audit.redaction import Record
from marketsim.saga.events import (
    ENDS,
    CatalogChanged,
    CompensationEvent,
    CompensationStarted,
    Event,
    JSONObject,
    LedgerPosted,
    OperationEvent,
    OperationStarted,
    OrderPlaced,
    TransactionBegan,
)

__all__ = ["OBJECT_TYPES", "ocel"]

OBJECT_TYPES: dict[str, dict[str, str]] = {
    "market": {},
    "product": {"name": "string", "price_minor": "integer", "category": "string", "condition": "string"},
    "customer": {"name": "string"},
    "transaction": {"saga": "string", "policy": "string", "outcome": "string"},
    "payment": {},
    "order": {"total_minor": "integer", "currency": "string"},
}
"""The types of object, each with its attributes. What concerns the whole market is about ``market``."""

_ENVELOPE = ("seq", "time", "transaction")
_KINDS: dict[Any, str] = {int: "integer", bool: "boolean"}
_PAYMENT_SERVICE = "payment"
_KNOWN_MAX = 4096


def ocel(records: Iterable[Record], header: JSONObject) -> Iterator[str]:
    """Yield one OCEL 2.0 document (JSON), an event and an object a line, in pieces.

    The type of an event is what process mining calls an activity: of an operation or a revert it has the
    name in it, as in ``charge_payment succeeded``; a family of operations is one. Events come first, and
    the types that there were at the end. An object is written once, however many events are about it, so
    objects wait in a database on disk until then: the memory stays flat. The id of an object begins
    with its type, as in ``order:order-1``, because ids of all types share one space.
    """
    objects, types = _Objects(), dict[str, type[Event]]()
    market = "market:" + origin_of(header)
    events = (_event(event, leaf, objects, types, market) for event, leaf in records)
    try:
        yield from listed('{"events":[', events, "")
        yield from listed('\n],\n"objects":[', objects.written(), "\n],\n")
        yield ENCODER.encode({"eventTypes": _event_types(types), "objectTypes": _object_types()}).decode()[1:]
        yield "\n"
    finally:
        objects.close()


def _activity(event: Event) -> str:
    if not isinstance(event, OperationEvent | CompensationEvent):
        return event.type
    name = event.compensation if isinstance(event, CompensationEvent) else event.operation
    return f"{name.partition('.')[0]} {event.type.partition('.')[2]}"


def _event_types(types: dict[str, type[Event]]) -> list[JSONObject]:
    return [
        {
            "name": name,
            "attributes": [
                {"name": field.name, "type": _KINDS.get(field.type, "string")}
                for field in msgspec.structs.fields(kind)
                if field.name not in _ENVELOPE
            ]
            + [{"name": "seq", "type": "integer"}]
            + [{"name": each, "type": "string"} for each in ("type", "leaf")],
        }
        for name, kind in types.items()
    ]


def _object_types() -> list[JSONObject]:
    return [
        {"name": name, "attributes": [{"name": key, "type": kind} for key, kind in attributes.items()]}
        for name, attributes in OBJECT_TYPES.items()
    ]


def _event(event: Event, leaf: str, objects: "_Objects", types: dict[str, type[Event]], market: str) -> str:
    activity = _activity(event)
    types.setdefault(activity, type(event))
    said = (
        {"seq": event.seq, "prev": event.prev, "type": event.type}
        | ({"leaf": leaf} if leaf else {})
        | members(event)
    )
    about = dict.fromkeys(_about(event, objects)) or {(market, "market"): None}
    for each, _ in about:
        objects.meet(each)
    _learn(event, objects)
    one = {
        "id": f"event:{event.seq}",
        "type": activity,
        "time": event.time,
        "attributes": [{"name": key, "value": _value(value)} for key, value in said.items()],
        "relationships": [{"objectId": each, "qualifier": role} for each, role in about],
    }
    return ENCODER.encode(one).decode()


def _value(value: Any) -> Any:
    return value if isinstance(value, str | int) else ENCODER.encode(value).decode()


def _about(event: Event, objects: "_Objects") -> Iterator[tuple[str, str]]:
    """The objects that an event is about, each with its part in it."""
    name = getattr(event, "transaction", "")
    if name:
        yield f"transaction:{name}", "transaction"
        if objects.pays(event, name):
            yield f"payment:{name}", "payment"
    if isinstance(event, CatalogChanged):
        yield from ((f"product:{each.get('id')}", "product") for each in event.products)
        yield from ((f"customer:{each.get('id')}", "customer") for each in event.customers)
        yield from ((f"product:{each}", "removed") for each in event.removed_products)
        yield from ((f"customer:{each}", "removed") for each in event.removed_customers)
    elif isinstance(event, TransactionBegan):
        yield from ((f"product:{each}", "product") for each in _products(event.request))
        if customer := event.request.get("customer"):
            yield f"customer:{customer}", "customer"
    elif isinstance(event, LedgerPosted):
        yield from ((f"product:{line.product}", "product") for line in event.postings if line.product)
    if order := getattr(event, "order", ""):
        yield f"order:{order}", "order"
    if customer := getattr(event, "customer", ""):
        yield f"customer:{customer}", "customer"
    if isinstance(event, OrderPlaced):
        yield from ((f"product:{line['product']}", "product") for line in event.lines if "product" in line)


def _products(request: JSONObject) -> Iterator[str]:
    if isinstance(product := request.get("product"), str):
        yield product
    cart = request.get("cart")
    if isinstance(cart, dict):
        yield from cart
    elif isinstance(cart, list):
        yield from (str(each["product"]) for each in cart if isinstance(each, dict) and "product" in each)


def _learn(event: Event, objects: "_Objects") -> None:
    """What an event says of objects themselves, and of how they belong together."""
    if isinstance(event, CatalogChanged):
        for kind, found in (("product", event.products), ("customer", event.customers)):
            for each in found:
                objects.tell(f"{kind}:{each.get('id')}", each, event.time)
    elif isinstance(event, TransactionBegan):
        objects.tell(
            f"transaction:{event.transaction}", {"saga": event.saga, "policy": event.policy}, event.time
        )
        if customer := event.request.get("customer"):
            objects.join(f"transaction:{event.transaction}", f"customer:{customer}", "for")
    elif isinstance(event, ENDS):
        outcome = event.type.partition(".")[2]
        objects.tell(f"transaction:{event.transaction}", {"outcome": outcome}, event.time)
    elif isinstance(event, OrderPlaced):
        own = f"order:{event.order}"
        objects.tell(own, {"total_minor": event.total_minor, "currency": event.currency}, event.time)
        objects.join(own, f"customer:{event.customer}", "for")
        objects.join(own, f"transaction:{event.transaction}", "placed by")


class _Objects:
    """Objects on disk, in the order in which they were met, until they are written."""

    def __init__(self) -> None:
        import sqlite3  # only for this form

        # The empty name is a database of SQLite's own on disk, which is gone when it is closed.
        self.base = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.base.execute("PRAGMA journal_mode=OFF")
        self.base.execute("PRAGMA cache_size=-8000")
        self.base.execute(
            "CREATE TABLE object (id TEXT PRIMARY KEY, attributes TEXT NOT NULL DEFAULT '',"
            " relationships TEXT NOT NULL DEFAULT '')"
        )
        self.base.execute("BEGIN")
        self.known: set[str] = set()
        self.paying: dict[str, set[str]] = {}

    def pays(self, event: Event, transaction: str) -> bool:
        """Whether an event is about the payment: it moves money, or is of a call of the payment service."""
        operation = getattr(event, "operation", "")
        if isinstance(event, OperationStarted | CompensationStarted) and event.service == _PAYMENT_SERVICE:
            self.paying.setdefault(transaction, set()).add(operation)
            if len(self.paying) > _KNOWN_MAX:  # Where ends were filtered out, the oldest is over long since.
                self.paying.pop(next(iter(self.paying)))
        elif isinstance(event, ENDS):
            self.paying.pop(transaction, None)
        elif isinstance(event, LedgerPosted) and any(line.currency for line in event.postings):
            return True
        return operation in self.paying.get(transaction, ())

    def meet(self, name: str) -> None:
        if name not in self.known:
            self.base.execute("INSERT OR IGNORE INTO object (id) VALUES (?)", (name,))
            if len(self.known) >= _KNOWN_MAX:
                self.known.clear()
            self.known.add(name)

    def tell(self, name: str, said: JSONObject, time: str) -> None:
        """Add attributes, each with the time from which it holds."""
        declared = OBJECT_TYPES[name.partition(":")[0]]
        entries = [
            {"name": key, "time": time, "value": value}
            for key, value in said.items()
            if key in declared and isinstance(value, str | int)
        ]
        self._append("attributes", name, entries)

    def join(self, name: str, other: str, qualifier: str) -> None:
        """Add a relationship to another object, which is met by that."""
        self.meet(other)
        self._append("relationships", name, [{"objectId": other, "qualifier": qualifier}])

    def _append(self, column: str, name: str, entries: list[JSONObject]) -> None:
        if entries:
            self.meet(name)
            text = "," + ENCODER.encode(entries).decode()[1:-1]
            self.base.execute(f"UPDATE object SET {column} = {column} || ? WHERE id = ?", (text, name))

    def written(self) -> Iterator[str]:
        for name, attributes, relationships in self.base.execute("SELECT * FROM object ORDER BY rowid"):
            kind = name.partition(":")[0]
            head = ENCODER.encode({"id": name, "type": kind}).decode()[:-1]
            yield f'{head},"attributes":[{attributes[1:]}],"relationships":[{relationships[1:]}]}}'

    def close(self) -> None:
        self.base.close()
