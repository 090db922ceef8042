"""Read JSON text strictly, and find where in it a value stands."""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from marketsim.saga.errors import InputError, quoted

__all__ = ["DIGITS_MAX", "Refused", "json_offset", "parse_json", "position", "read_float", "read_integer"]

DIGITS_MAX = 100
"""How many characters an integer may have: enough for any mistake to be told as one of range."""

# They are compiled when they are needed: most texts are in order, and every command reads one.
_TOKEN = r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+'
_SURROGATE = r"\\u[dD][89abAB]|\\u[dD][c-fC-F]"


class Refused(Exception):
    """A token is well-formed and cannot be accepted: what is wrong, and the token as it is written."""

    def __init__(self, what: str, token: str) -> None:
        super().__init__(what)
        self.what = what
        self.token = token


class _Repeated(Exception):
    """A key stands twice in one object."""


def read_integer(text: str) -> int:
    """The integer in ``text``. Raises Refused over DIGITS_MAX characters: Python's own limit may be off."""
    if len(text) > DIGITS_MAX:
        raise Refused(f"an integer of {len(text):,} characters; at most {DIGITS_MAX} are read", text)
    return int(text)


def read_float(text: str) -> float:
    """The number in ``text``. Raises Refused where it is too large for a double."""
    value = float(text)
    if not math.isfinite(value):
        raise Refused(f"the number {quoted(text)} is too large", text)
    return value


def _constant(text: str) -> NoReturn:
    raise Refused(f"{text} is not a number", text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        raise _Repeated(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return made


def parse_json(text: str, name: str) -> object:
    """The value in ``text``; ``name`` is what errors call it.

    Raises InputError with "name:line:column" for what is malformed, a key that stands twice,
    NaN and Infinity, a number out of all range, half a surrogate pair, and unbounded depth.
    """
    try:
        value: object = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=read_integer,
            parse_float=read_float,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as wrong:
        what = f"not valid JSON: {wrong.msg[:1].lower()}{wrong.msg[1:]}"
        raise InputError(what, where=f"{name}:{wrong.lineno}:{wrong.colno}") from wrong
    except _Repeated as wrong:
        raise _repeated(text, name, str(wrong)) from wrong
    except Refused as wrong:
        raise InputError(wrong.what, where=f"{name}:{position(text, _find(text, wrong.token))}") from wrong
    except RecursionError as wrong:
        raise InputError("nested too deeply", where=name) from wrong
    _refuse_surrogates(text, name)
    return value


def _marks(text: str) -> Iterator[tuple[list[str | int], int]]:
    """Each path in valid JSON with the offset of its key or item; the list changes from one to the next."""
    path: list[str | int] = []
    key_next = False
    for token in re.finditer(_TOKEN, text):
        first = text[token.start()]
        if first in ",}]":
            key_next = first == "," and isinstance(path[-1], str)
            _step(path, closing=first != ",")
            continue
        if key_next:
            path[-1] = json.loads(token.group())
            yield path, token.start()
            key_next = False
            continue
        if path and isinstance(path[-1], int):
            yield path, token.start()
        if first in "{[":
            path.append("" if first == "{" else 0)
            key_next = first == "{"


def _step(path: list[str | int], *, closing: bool) -> None:
    last = path.pop()
    if not closing:
        path.append(last + 1 if isinstance(last, int) else last)


def _repeated(text: str, name: str, key: str) -> InputError:
    places: dict[tuple[str | int, ...], int] = {}
    for path, offset in _marks(text):
        if path[-1] != key:
            continue
        if (before := places.setdefault(tuple(path), offset)) != offset:
            first = text.count("\n", 0, before) + 1
            return InputError(
                f"the key {quoted(key)} stands twice, first on line {first}",
                where=f"{name}:{position(text, offset)}",
                todo="keep one of them",
            )
    return InputError(f"the key {quoted(key)} stands twice", where=name)


def _find(text: str, token: str) -> int:
    found = (each.start() for each in re.finditer(_TOKEN, text) if each.group() == token)
    return next(found, 0)


def _refuse_surrogates(text: str, name: str) -> None:
    if "\\u" not in text or not re.search(_SURROGATE, text):
        return
    for token in re.finditer(_TOKEN, text):
        if token.group()[0] != '"' or not re.search(_SURROGATE, token.group()):
            continue
        try:
            json.loads(token.group()).encode()
        except UnicodeEncodeError as wrong:
            what = f"half a surrogate pair, U+{ord(wrong.object[wrong.start]):04X}, is no character"
            raise InputError(what, where=f"{name}:{position(text, token.start())}") from wrong


def position(text: str, offset: int) -> str:
    """The line and column of an offset, both from 1: ``3:14``."""
    return f"{text.count(chr(10), 0, offset) + 1}:{offset - text.rfind(chr(10), 0, offset)}"


def json_offset(text: str, path: Sequence[str | int]) -> int:
    """Where the key or the item at ``path`` begins in valid JSON, or else the nearest one above it."""
    wanted = list(path)
    best, best_offset = 0, len(text) - len(text.lstrip())
    for found, offset in _marks(text):
        depth = len(found)
        if depth > best and found == wanted[:depth]:
            best, best_offset = depth, offset
            if best == len(wanted):
                break
    return best_offset
