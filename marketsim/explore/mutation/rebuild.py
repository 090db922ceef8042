"""A saga made again with something changed: its definition, what a handler does, or what it is given."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from functools import update_wrapper
from typing import Any, TypeAlias

import msgspec

from marketsim.saga.definition import Call, Handler, Operation, Role, Saga
from marketsim.saga.events import Event, JSONObject

__all__ = [
    "Act",
    "OtherWorld",
    "altered",
    "handler_of",
    "on",
    "rebuilt",
    "rewired",
    "with_act",
    "without_guardrail",
    "writing",
]

Act: TypeAlias = Callable[[Handler, Call], JSONObject]
"""What is done in the place of a handler, which it may call, or not."""


def rebuilt(saga: Saga, operations: Iterable[Operation]) -> Saga:
    """The saga with these operations as its own, in this order. Raises DefinitionError."""
    made = Saga(saga.name, saga.sentence)
    made.guardrails, made.judge = dict(saga.guardrails), saga.judge
    for operation in operations:
        made.add(operation)
    return made


def altered(saga: Saga, name: str, **fields: Any) -> Saga:
    """The saga with other fields in one operation, such as ``kind`` or ``retry``."""
    every = saga.operations.values()
    return rebuilt(saga, [_with(each, fields) if each.name == name else each for each in every])


def rewired(saga: Saga, after: Mapping[str, Iterable[str]]) -> Saga:
    """The saga with the operations of ``after`` alone, in its order, each waiting for others than it did."""
    waits = {name: tuple(dict.fromkeys(names)) for name, names in after.items()}
    return rebuilt(saga, [_with(saga.operations[name], {"after": names}) for name, names in waits.items()])


def without_guardrail(saga: Saga, name: str) -> Saga:
    """The saga without one of its guardrails."""
    made = rebuilt(saga, saga.operations.values())
    del made.guardrails[name]
    return made


def with_act(saga: Saga, name: str, role: Role, act: Act) -> Saga:
    """The saga with one handler of an operation acted out by ``act``; its name and its place stay its own."""
    handler = handler_of(saga.operations[name], role)
    assert handler is not None

    def acted(call: Call) -> JSONObject:
        return act(handler, call)

    return altered(saga, name, **{role: update_wrapper(acted, handler)})


def handler_of(operation: Operation, role: Role) -> Handler | None:
    """The handler of an operation in this role, if it has one."""
    handler: Handler | None = getattr(operation, role)
    return handler


def _with(operation: Operation, fields: Mapping[str, Any]) -> Operation:
    other = copy(operation)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


# What a handler is given.


def on(call: Call, **fields: Any) -> Call:
    """The call with other fields, such as ``key`` or ``world``."""
    return msgspec.structs.replace(call, **fields)


def writing(call: Call, change: Callable[[Event], Event | None]) -> Call:
    """The call, each of whose effects is changed before it is written; None is not written."""
    record = call._record

    def changed(effect: Event) -> None:
        other = change(effect)
        if other is not None:
            record(other)

    return on(call, _record=changed)


class OtherWorld:
    """A world that answers some questions otherwise, and all others as it did."""

    def __init__(self, world: Any, **answers: Callable[..., Any]) -> None:
        self._world = world
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        return self._answers[name] if name in self._answers else getattr(self._world, name)
