"""What the code of a handler shows without being run: its place, what it reads of its call, what it uses."""

import dis
import functools
import inspect
from collections.abc import Iterable, Iterator
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

import msgspec

__all__ = [
    "HELPERS_DEPTH_MAX",
    "Place",
    "Reads",
    "function_of",
    "names_in",
    "place_of",
    "reads_of",
    "uses_of",
]

HELPERS_DEPTH_MAX = 3
"""How many calls deep a handler is followed into the helpers that it calls."""

_LOCAL = ("LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD")

_EMPTY = CellType()
_Code: TypeAlias = list[dis.Instruction]


class Place(msgspec.Struct, frozen=True):
    """A line, from 1, of a file; ``file`` is empty and ``line`` 0 where there is none."""

    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.file else "no file"


class Reads(msgspec.Struct):
    """What a handler, and the helpers it calls, read: attributes of the call, and earlier results by name.

    ``names`` are all attributes of anything, such as the questions that are put to the world, and all
    globals, such as the exceptions that are raised.
    """

    attributes: dict[str, Place] = {}
    results: dict[str, Place] = {}
    names: set[str] = set()


def function_of(handler: object) -> FunctionType | None:
    """The function behind a handler, through wrappers, partials and methods; None if it is not Python."""
    found = inspect.unwrap(handler) if callable(handler) else handler
    while isinstance(found, functools.partial):
        found = inspect.unwrap(found.func)
    if isinstance(found, MethodType):
        found = found.__func__
    if not isinstance(found, FunctionType) and callable(found):
        found = type(found).__call__  # An object that is called like a function.
    return found if isinstance(found, FunctionType) else None


def place_of(handler: object) -> Place:
    """Where a handler is written."""
    function = function_of(handler)
    return Place(function.__code__.co_filename, function.__code__.co_firstlineno) if function else Place()


def reads_of(handler: object) -> Reads:
    """What a handler reads of its call, and which earlier results, as far as names are written out."""
    found, given = Reads(), _parameter(function_of(handler))
    for function in _followed(handler):
        names = {given, _parameter(function), "call"}
        for code in _codes(function.__code__):
            _read(code, names, found)
    return found


def uses_of(handler: object) -> Iterator[tuple[str, object, Place]]:
    """What a handler and its helpers take from their modules: the name, the thing, and the place."""
    for function in _followed(handler):
        yield from _used(function)


@functools.lru_cache(maxsize=1024)
def names_in(handler: Any) -> frozenset[str]:
    """The texts and names in the code of a function, of those inside it, and of those that it can reach.

    What it reaches through an object that it is given, such as its call's world, is not followed.
    """
    found, seen, waiting = set[str](), set[int](), [handler]
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, FunctionType):
            for code in _codes(each.__code__):
                found.update(_texts(code.co_consts), code.co_names)
                waiting += _named(code.co_names, each.__globals__)
            waiting += [cell.cell_contents for cell in each.__closure__ or () if cell != _EMPTY]
        elif isinstance(each, MethodType):
            waiting.append(each.__func__)
        elif isinstance(each, functools.partial):
            waiting += [each.func, *each.args, *each.keywords.values()]
        else:
            found.update(_texts((each,)))
    return frozenset(found)


def _parameter(function: FunctionType | None) -> str:
    """The name of the parameter that the call is given in."""
    names = function.__code__.co_varnames[: function.__code__.co_argcount] if function else ()
    return next((name for name in names if name != "self"), "call")


def _followed(handler: object) -> Iterator[FunctionType]:
    """The handler's function and the helpers that it calls, each once, the nearest first."""
    function = function_of(handler)
    near, seen = [function] if function else [], set[CodeType]()
    for _ in range(HELPERS_DEPTH_MAX + 1):
        fresh = [each for each in near if each.__code__ not in seen]
        seen |= {each.__code__ for each in fresh}
        yield from fresh
        near = [used for each in fresh for _, used, _ in _used(each) if isinstance(used, FunctionType)]


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code and what is nested in it: lambdas and comprehensions."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _read(code: CodeType, names: set[str], found: Reads) -> None:
    steps = list(dis.get_instructions(code))
    for index, step in enumerate(steps):
        after = steps[index + 1] if index + 1 < len(steps) else step
        if step.opname in _ATTRIBUTE or step.opname.startswith("LOAD_GLOBAL"):
            found.names.add(str(step.argval))
        if step.opname.startswith(_LOCAL) and after.opname in _ATTRIBUTE and _last(step) in names:
            found.attributes.setdefault(str(after.argval), _place(code, after))
        if step.opname.startswith(_LOCAL + _ATTRIBUTE) and _last(step) == "results":
            name = _constant_behind(steps, index + 1)
            if name is not None:
                found.results.setdefault(name, _place(code, step))


def _last(step: dis.Instruction) -> object:
    # Newer interpreters load two variables in one step; an attribute is read of the second.
    return step.argval[-1] if isinstance(step.argval, tuple) else step.argval


def _constant_behind(steps: _Code, index: int) -> str | None:
    """The text in ``results["text"]`` or ``results.get("text")``, if it is written out."""
    if index < len(steps) and steps[index].opname in _ATTRIBUTE and steps[index].argval == "get":
        index += 1
    step = steps[index] if index < len(steps) else None
    return step.argval if step and step.opname == "LOAD_CONST" and isinstance(step.argval, str) else None


def _used(function: FunctionType) -> Iterator[tuple[str, object, Place]]:
    scope = function.__globals__ | _closure(function)
    for code in _codes(function.__code__):
        steps = list(dis.get_instructions(code))
        for index, step in enumerate(steps):
            if step.opname == "IMPORT_NAME":
                yield str(step.argval), None, _place(code, step)
            elif step.opname.startswith(("LOAD_GLOBAL", "LOAD_DEREF")) and step.argval in scope:
                name, thing = _led_to(str(step.argval), scope[step.argval], steps, index + 1)
                yield name, thing, _place(code, step)


def _closure(function: FunctionType) -> dict[str, Any]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    found: dict[str, Any] = {}
    for name, cell in cells:
        try:
            found[name] = cell.cell_contents
        except ValueError:  # It is not bound yet.
            continue
    return found


def _led_to(name: str, thing: object, steps: _Code, index: int) -> tuple[str, object]:
    """Follow attributes from a module or a class on: ``services.release``, ``datetime.datetime.now``."""
    while isinstance(thing, ModuleType | type) and index < len(steps) and steps[index].opname in _ATTRIBUTE:
        attribute = str(steps[index].argval)
        thing = getattr(thing, attribute, None)
        name, index = f"{name}.{attribute}", index + 1
    return name, thing


def _place(code: CodeType, step: dis.Instruction) -> Place:
    line = step.positions.lineno if step.positions else None
    return Place(code.co_filename, line or code.co_firstlineno)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    waiting, seen = [*values], set[int]()
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, tuple | list | set | frozenset | dict) and id(each) not in seen:
            seen.add(id(each))  # It may hold itself.
            waiting += [*each, *each.values()] if isinstance(each, dict) else each


def _named(names: tuple[str, ...], known: dict[str, Any]) -> Iterator[Any]:
    """What the names stand for in a module, and in the modules that it names."""
    for name in names:
        each = known.get(name)
        if isinstance(each, ModuleType):
            yield from (vars(each)[other] for other in names if other in vars(each))
        elif each is not None:
            yield each
