"""What a handler looks at: every text and every attribute that its code, and what it calls, names."""

from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

__all__ = ["names_in"]


@lru_cache(maxsize=1024)
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
        elif isinstance(each, partial):
            waiting += [each.func, *each.args, *each.keywords.values()]
        else:
            found.update(_texts((each,)))
    return frozenset(found)


_EMPTY = type((lambda x: lambda: x)(0).__closure__[0])()  # type: ignore[index]


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _texts(values: Iterable[Any]) -> Iterator[str]:
    for each in values:
        if isinstance(each, str):
            yield each
        elif isinstance(each, tuple | list | set | frozenset):
            yield from _texts(each)
        elif isinstance(each, dict):
            yield from _texts(each)
            yield from _texts(each.values())


def _named(names: tuple[str, ...], known: dict[str, Any]) -> Iterator[Any]:
    """What the names stand for in a module, and in the modules that it names."""
    for name in names:
        each = known.get(name)
        if isinstance(each, ModuleType):
            yield from (vars(each)[other] for other in names if other in vars(each))
        elif each is not None:
            yield each
