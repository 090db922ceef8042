"""The rules for a saga's handlers: their keys, what they read and write, and what they must not do."""

import os
import random
import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import date, datetime
from inspect import iscoroutinefunction, isgeneratorfunction

import msgspec

from marketsim.audit.findings import ERROR, WARNING, Finding
from marketsim.explore.lint.shape import ancestors_of, found
from marketsim.explore.reading import Place, function_of, reads_of, uses_of
from marketsim.saga.definition import Handler, Operation, Policy, Saga
from marketsim.saga.errors import nearest

__all__ = [
    "handlers_answer",
    "keys_apart",
    "keys_used",
    "on_the_tape",
    "reads_only",
    "reads_what_it_waits_for",
    "revert_without_answer",
]

_WRITES = ("post", "record", "taken_back", "note")
_TELLS_WHICH = {"action_key", "key", "request", "results", "transaction", "world", "payload", "began"}
"""What tells a revert what it is to undo, though no answer ever came."""

_CLOCKS = (
    time.time,
    time.time_ns,
    time.monotonic,
    time.perf_counter,
    datetime.now,
    datetime.utcnow,
    date.today,
)
_DICE = (os.urandom, uuid.uuid1, uuid.uuid4)
_DICE_MODULES = ("random", "secrets")


def handlers_of(operation: Operation) -> list[tuple[str, Handler]]:
    """The handlers of an operation by their names: the action, the revert, the probe."""
    named = [
        (operation.name, operation.action),
        (operation.revert_name, operation.revert),
        (operation.probe_name, operation.probe),
    ]
    return [(name, handler) for name, handler in named if handler is not None]


def _at(finding: Finding, place: Place) -> Finding:
    """The finding, at the very line."""
    return msgspec.structs.replace(finding, file=place.file, line=place.line)


def keys_used(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """What may be asked for twice looks at its idempotency key, or at the transaction as one."""
    for operation in saga.operations.values():
        asked_first = operation.probe is not None and policy.probe
        if operation.kind == "read_only" or operation.one_shot or function_of(operation.action) is None:
            continue
        if not {"key", "transaction"} & reads_of(operation.action).attributes.keys():
            yield found(
                "keys-used",
                WARNING if asked_first else ERROR,
                operation,
                f"{operation.name} may be asked for again and never looks at its key: it is done again",
                expected="call.key, handed to the service or looked up",
                actual="the key is not read",
                remedy="let the service refuse a key that it knows; or declare one_shot=True",
            )


def keys_apart(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """Two operations of one service have two keys: the transaction alone is one for both."""
    first: dict[str, Operation] = {}
    for operation in saga.operations.values():
        read = reads_of(operation.action).attributes
        if operation.kind == "read_only" or "transaction" not in read or "key" in read:
            continue
        before = first.setdefault(operation.service, operation)
        if before is not operation:
            yield found(
                "keys-apart",
                ERROR,
                operation,
                f"{operation.name} and {before.name} both call {operation.service} with the transaction as "
                "their key: the second is taken for the first",
                expected="call.key, which has the operation's name in it",
                actual="call.transaction",
                remedy="use call.key",
            )


def revert_without_answer(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """A revert knows what to undo before the call is answered, or it is registered too late."""
    for operation in saga.operations.values():
        if operation.revert is None or function_of(operation.revert) is None:
            continue
        read = reads_of(operation.revert).attributes
        if "result" in read and not _TELLS_WHICH & read.keys():
            finding = found(
                "revert-without-answer",
                ERROR if operation.one_shot else WARNING,
                operation,
                f"{operation.revert_name} knows what to undo from the answer alone: where none came, "
                f"{operation.name} may stand, and nobody can undo it",
                operation.revert,
                expected="call.action_key, or another thing that is known before the call",
                actual="call.result, which is None then",
                remedy="give the service a key with the call, and undo by that key",
            )
            yield _at(finding, read["result"])


def reads_what_it_waits_for(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """An operation reads the results of those that it waits for, and of no others."""
    for operation in saga.operations.values():
        known = ancestors_of(saga, operation)
        for name, handler in handlers_of(operation):
            own = {operation.name} if handler is not operation.action else set()
            for wanted, place in reads_of(handler).results.items():
                if wanted not in known | own:
                    finding = found(
                        "reads-what-it-waits-for",
                        ERROR,
                        operation,
                        f"{name} reads the result of {wanted}, {_why_not(saga, operation, wanted)}",
                        handler,
                        expected=f"one of: {', '.join(sorted(known)) or 'none, it is the first'}",
                        actual=wanted,
                        remedy=_remedy(saga, operation, wanted, known),
                    )
                    yield _at(finding, place)


def _why_not(saga: Saga, operation: Operation, wanted: str) -> str:
    other = saga.operations.get(wanted)
    if other is None:
        return "which no operation is called"
    if operation.name in ancestors_of(saga, other):
        return "which comes later"
    return "which runs beside it, and may not be done yet" if other is not operation else "which is itself"


def _remedy(saga: Saga, operation: Operation, wanted: str, known: set[str]) -> str:
    if wanted not in saga.operations:
        return nearest(wanted, known)
    return f"let {operation.name} wait for it: after=[..., {saga.operations[wanted].family}]"


def reads_only(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """What only reads, and what only asks, writes nothing."""
    for operation in saga.operations.values():
        for name, handler in handlers_of(operation):
            asks = handler is operation.probe
            if handler is operation.revert or not (asks or operation.kind == "read_only"):
                continue
            read = reads_of(handler).attributes
            written = next((each for each in _WRITES if each in read), None)
            if written is not None:
                finding = found(
                    "reads-only",
                    ERROR,
                    operation,
                    f"{name} {'only asks' if asks else 'is read_only'}, and writes what nobody would revert",
                    handler,
                    expected="no effect",
                    actual=f"call.{written}",
                    remedy="write it in an operation that is compensatable, with its revert",
                )
                yield _at(finding, read[written])


def handlers_answer(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """A handler is a plain function of one call: it is neither awaited nor iterated over."""
    for operation in saga.operations.values():
        for name, handler in handlers_of(operation):
            function = function_of(handler)
            if function is None or not (iscoroutinefunction(function) or isgeneratorfunction(function)):
                continue
            what = "a coroutine" if iscoroutinefunction(function) else "a generator"
            yield found(
                "handlers-answer",
                ERROR,
                operation,
                f"{name} returns {what}, which nobody runs: each call of it is unknown",
                handler,
                expected="a plain function that returns a dict",
                actual=what,
                remedy="call what it awaits with asyncio.run, inside the handler",
            )


def on_the_tape(saga: Saga, policy: Policy) -> Iterator[Finding]:
    """A handler has no clock and no dice of its own: a run of it could not be repeated."""
    for operation in saga.operations.values():
        for name, handler in handlers_of(operation):
            for used, thing, place in uses_of(handler):
                if _is_chance(used, thing):
                    finding = found(
                        "on-the-tape",
                        WARNING,
                        operation,
                        f"{name} uses {used}: replayed, or recovered, it takes another way",
                        handler,
                        expected="call.now_us for the time, and call.key for a name of its own",
                        actual=used,
                        remedy="take it from the call, or from the request",
                    )
                    yield _at(finding, place)
                    break


def _is_chance(name: str, thing: object) -> bool:
    if thing is random or thing is secrets or name.partition(".")[0] in _DICE_MODULES:
        return True
    if isinstance(getattr(thing, "__self__", None), random.Random):
        return True
    return callable(thing) and any(thing == each for each in _CLOCKS + _DICE)
