"""A workload as it is typed on a command line: short texts that become the table of a file."""

import re
from collections.abc import Iterable
from typing import Any

from marketsim.saga.errors import InputError, quoted
from marketsim.saga.events import JSONObject

__all__ = ["arrivals_typed", "items_typed", "set_typed", "table_typed", "typed"]

_TODO = "write NAME:VALUE or NAME:KEY=VALUE,KEY=VALUE, as in poisson:50 or closed:customers=200,think=30s"
_PAIRS_MAX = 100
_KEYS_MAX = 10
_TRACE = ("file", "dates", "stock")


def typed(text: str) -> tuple[str, Any]:
    """A name and its value: ``poisson:50``, ``closed:customers=200,think=30s``, ``uniform`` (no value: {}).

    A key with a dot is one inside another: ``payment:rate=50,breaker.failures=5``. What looks like a
    number is one. Raises InputError for another form.
    """
    name, colon, rest = text.partition(":")
    if not name or (colon and not rest):
        raise InputError(f"{quoted(text)} cannot be read", todo=_TODO)
    if not colon:
        return name, {}
    if "=" not in rest:
        return name, _value(rest)
    table: JSONObject = {}
    for pair in rest.split(",", _PAIRS_MAX):
        key, equals, value = pair.partition("=")
        *outer, inner = key.split(".", 3)
        if not equals or not value or not all((*outer, inner)):
            raise InputError(f"{quoted(pair)} in {quoted(text)} cannot be read", todo=_TODO)
        here = table
        for step in outer:
            here = here.setdefault(step, {})
            if not isinstance(here, dict):
                raise InputError(f"{quoted(step)} in {quoted(text)} has two meanings", todo=_TODO)
        if inner in here:
            raise InputError(f"{quoted(key)} stands twice in {quoted(text)}", todo="keep one of them")
        here[inner] = _value(value)
    return name, table


def arrivals_typed(text: str) -> JSONObject:
    """How customers come: ``poisson:50``, ``trace:orders.csv``, ``flash_sale:peak=400,hold=5m``.

    The columns of a trace stand beside its file: ``trace:file=orders.txt,customer=1,time=2,amount=4``.
    """
    name, value = typed(text)
    if name != "trace":
        return {name: value}
    if not isinstance(value, dict):
        return {"trace": {"file": text.partition(":")[2]}}
    own = {key: value.pop(key) for key in _TRACE if key in value}
    return {"trace": own | ({"columns": value} if value else {})}


def table_typed(texts: Iterable[str]) -> JSONObject:
    """A table of what is said by name: ``payment:20ms`` and ``orders:median=20ms,p99=1s`` as ``latency``.

    Raises InputError for a name that is said twice.
    """
    table: JSONObject = {}
    for name, value in map(typed, texts):
        if name in table:
            raise InputError(f"{quoted(name)} is said twice", todo="say it once")
        table[name] = value
    return table


def items_typed(texts: Iterable[str], key: str) -> list[JSONObject]:
    """A list of items, each with its name under ``key``: ``payment:from=10m,to=15m`` is an outage."""
    items = []
    for name, value in map(typed, texts):
        if not isinstance(value, dict):
            todo = f"write {key.upper()}:KEY=VALUE,KEY=VALUE"
            raise InputError(f"{quoted(f'{name}:{value}')} says too little", todo=todo)
        items.append({key: name, **value})
    return items


def set_typed(table: JSONObject, text: str) -> None:
    """Set in a table what ``habits.again.percent=40`` says; what it said before is replaced.

    Raises InputError for another form, and for a key inside of what is a value.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError(f"{quoted(text)} sets nothing", todo="write NAME=VALUE")
    *outer, last = keys = name.strip().split(".")
    if len(keys) > _KEYS_MAX:
        raise InputError(f"{quoted(name)} goes too deep", where="--set", todo="write habits.again.percent=40")
    for key in outer:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError(f"{quoted(key)} in {quoted('.'.join(keys))} is a value", where="--set")
    table[last] = _value(value.strip())


def _value(text: str) -> int | float | str:
    """A number if it is written as one, else the text."""
    if re.fullmatch(r"-?[0-9]{1,19}", text):
        return int(text)
    if re.fullmatch(r"-?(?=\.?[0-9])[0-9]{0,15}\.[0-9]{0,15}", text):
        return float(text)
    return text
