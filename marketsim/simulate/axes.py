"""The axes of a sweep: what is varied, and over which values, as `NAME=VALUES` or `FAULT%VALUES`."""

import re
from collections.abc import Iterator
from operator import eq
from typing import Any, Literal, TypeAlias, get_args, get_origin

import msgspec

from marketsim.saga.errors import InputError, nearest, quoted

__all__ = ["Axis", "Kind", "Steps", "check_option", "options_of", "parse_axis", "with_option"]

Kind: TypeAlias = Literal["fault", "policy", "gateway", "option"]
"""What an axis varies: the rate of a fault, the policy, the gateway's rules, or an option of the workload."""

_FORMS = "write 'payment:card_declined%0..40/5', policy=default,none or arrivals.poisson=10..50/10"
_STEPS = "write FROM..TO/STEP, as in 0..40/5, or values with commas between them"
_NUMBER = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?([a-z]{0,2})")
_NAME_LENGTH_MAX = 200
_OF_CHOICE: dict[str, Kind] = {"policy": "policy", "gateway": "gateway"}


class Steps(msgspec.Struct, frozen=True):
    """Numbers at equal distances, counted before they are made: whole multiples of 10 ** -decimals."""

    first: int
    last: int
    step: int
    decimals: int = 0
    unit: str = ""

    def __len__(self) -> int:
        return (self.last - self.first) // self.step + 1

    def __iter__(self) -> Iterator[str]:
        return map(self._text, range(self.first, self.last + 1, self.step))

    def _text(self, value: int) -> str:
        whole, rest = divmod(value, 10**self.decimals)
        fraction = f".{rest:0{self.decimals}d}".rstrip("0").rstrip(".") if rest else ""
        return f"{whole}{fraction}{self.unit}"


class Axis(msgspec.Struct, frozen=True):
    """What is varied, by its name, and its values in order, as they are written."""

    kind: Kind
    name: str
    values: Steps | tuple[str, ...]

    @property
    def label(self) -> str:
        """What a person reads above its values."""
        return f"{self.name} %" if self.kind == "fault" else self.name

    def cell(self, value: str) -> int | float | str:
        """A value for a table: a number, if all values are numbers."""
        numbers = (
            not self.values.unit if isinstance(self.values, Steps) else all(map(_is_number, self.values))
        )
        return _value(value) if numbers else value


def parse_axis(text: str, *, where: str = "--sweep") -> Axis:
    """Read ``TARGET:FAULT[@ATTEMPTS]%VALUES`` or ``NAME=VALUES``.

    VALUES are separated by commas, or ``FROM..TO/STEP``: TO is among them if the steps lead to it. They
    may have decimals, and a unit of time where the option is one (``10s..60s/10s``). Rates are percentages.
    Raises InputError for a form that cannot be read, and a rate above 100; the names are not looked up.
    """
    if ":" in text.partition("=")[0]:
        name, found, values = text.rpartition("%")
        kind: Kind = "fault"
    else:
        name, found, values = text.partition("=")
        kind = _OF_CHOICE.get(name, "option")
    if not found or not name or not values or len(name) > _NAME_LENGTH_MAX:
        raise InputError(f"{quoted(text)} is no axis", where=where, todo=_FORMS)
    read = _steps(values, text, where) if ".." in values else _listed(values, text, where)
    if kind == "fault":
        _check_rates(read, text, where)
    return Axis(kind, name, read)


def _listed(values: str, text: str, where: str) -> tuple[str, ...]:
    listed = tuple(each.strip() for each in values.split(","))
    if not all(listed):
        raise InputError(f"{quoted(text)} has an empty value", where=where, todo=_STEPS)
    if len(set(listed)) < len(listed):
        twice = next(each for at, each in enumerate(listed) if each in listed[:at])
        raise InputError(f"{quoted(text)} has {quoted(twice)} twice", where=where, todo="name it once")
    return listed


def _steps(values: str, text: str, where: str) -> Steps:
    ends, _, step = values.partition("/")
    first, _, last = ends.partition("..")
    read = [_NUMBER.fullmatch(each) for each in (first, last, step)]
    numbers = [found for found in read if found is not None]
    if len(numbers) < 3:
        raise InputError(f"{quoted(values)} are no steps", where=where, todo=_STEPS)
    decimals = max(len(found[2] or "") for found in numbers)
    low, high, by = (int(found[1] + (found[2] or "").ljust(decimals, "0")) for found in numbers)
    units = {found[3] for found in numbers}
    if len(units) > 1:
        raise InputError(
            f"{quoted(values)} have different units", where=where, todo="write one, as in 10s..60s/5s"
        )
    if not by:
        raise InputError(f"{quoted(text)} makes steps of 0", where=where, todo=_STEPS)
    if high < low:
        raise InputError(f"{quoted(text)} goes down", where=where, todo=f"write {last}..{first}/{step}")
    return Steps(low, high, by, decimals, units.pop())


def _check_rates(values: Steps | tuple[str, ...], text: str, where: str) -> None:
    if isinstance(values, Steps):
        wrong = bool(values.unit) or values.last > 100 * 10**values.decimals or values.decimals > 4
    else:
        read = [_NUMBER.fullmatch(each) for each in values]
        wrong = not all(found and not found[3] and len(found[2] or "") <= 4 for found in read)
        wrong = wrong or any(float(each) > 100 for each in values)
    if wrong:
        todo = "give percentages from 0 to 100, with at most 4 decimals"
        raise InputError(f"{quoted(text)} has what is no rate", where=where, todo=todo)


# The options of a workload, by dotted names.


def options_of(kind: Any, *, depth: int = 6) -> Iterator[tuple[str, ...]]:
    """The names of whatever can be set in a Struct, each in its parts; ``*`` is a key that may be any."""
    if depth and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        for field in msgspec.structs.fields(kind):
            for rest in options_of(field.type, depth=depth - 1):
                yield field.encode_name, *rest
        return
    kinds = get_args(kind)
    if get_origin(kind) is dict:
        for rest in options_of(kinds[1], depth=depth):
            yield "*", *rest
    elif get_origin(kind) is list:
        return  # What has no name cannot be named.
    elif kinds and get_origin(kind) is not Literal:
        # Annotated, and unions: each of their members, without the notes of the former.
        inner = kinds[:1] if hasattr(kind, "__metadata__") else kinds
        for each in inner:
            yield from options_of(each, depth=depth)
    elif kind in (int, float, str, bool) or get_origin(kind) is Literal:
        yield ()


def check_option(name: str, kind: type[msgspec.Struct], *, where: str = "--sweep") -> None:
    """Raise InputError, with the nearest right name, for a dotted name of nothing that can be set."""
    known = sorted(set(options_of(kind)))
    parts = tuple(name.split("."))
    if any(_names(each, parts) for each in known):
        return
    # Of the options with as many parts, those that share most; a key that may be any is taken as given.
    alike = {each: sum(map(eq, each, parts)) for each in known if len(each) == len(parts)}
    most = max(alike.values(), default=0)
    meant = [".".join(_with_keys(each, parts)) for each, count in alike.items() if count == most]
    todo = nearest(name, meant or map(".".join, known))
    raise InputError(f"no option is called {quoted(name)}", where=where, todo=todo)


def _names(option: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return len(option) == len(parts) and all(o in ("*", p) and p for o, p in zip(option, parts, strict=True))


def _with_keys(option: tuple[str, ...], parts: tuple[str, ...]) -> Iterator[str]:
    return (part if name == "*" else name for name, part in zip(option, parts, strict=True))


def with_option(document: dict[str, Any], name: str, text: str) -> dict[str, Any]:
    """The document with another value at a dotted name; it itself stays as it is.

    A number becomes one. Raises InputError where something else stands in the way.
    """
    head, dot, rest = name.partition(".")
    if not dot:
        return document | {head: _value(text)}
    inner = document.get(head, {})
    if not isinstance(inner, dict):
        raise InputError(f"{quoted(head)} has no {quoted(rest)}: it is {quoted(inner)}", where="--sweep")
    return document | {head: with_option(inner, rest, text)}


def _value(text: str) -> int | float | str:
    if not _is_number(text):
        return text
    return float(text) if "." in text else int(text)


def _is_number(text: str) -> bool:
    found = _NUMBER.fullmatch(text)
    return found is not None and not found[3]
