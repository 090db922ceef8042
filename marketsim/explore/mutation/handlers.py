"""Operators of mutation that change what a handler does, says, or is told."""

from typing import Any

import msgspec

from marketsim.explore.mutation.operators import Operator, operations_where
from marketsim.explore.mutation.rebuild import Act, OtherWorld, handler_of, on, with_act, writing
from marketsim.explore.reading import reads_of
from marketsim.saga.definition import Call, Handler, Role, Saga
from marketsim.saga.errors import NEVER_ARRIVED, NOTHING_STANDS, Aborted, Expired, Failed, Partial, Unknown
from marketsim.saga.events import EffectEvent, Event, JSONObject, LedgerPosted, Posting, ServiceNoted

__all__ = ["HANDLERS"]


def _acting(name: str, sentence: str, words: str, role: Role, act: Act, *asks: str) -> Operator:
    """An operator that acts out a handler otherwise, wherever that reads one of the attributes ``asks``."""

    def holds(operation: Any) -> bool:
        handler = handler_of(operation, role)
        if handler is None or (role == "action" and operation.kind == "read_only"):
            return False
        return not asks or bool({*asks} & reads_of(handler).names)

    change = lambda saga, place: with_act(saga, place, role, act)  # noqa: E731
    return Operator(name, sentence, words, operations_where(holds), change, role=role)


# What is written.


def _is_effect(event: Event) -> bool:
    return isinstance(event, EffectEvent) and not isinstance(event, ServiceNoted)


def _twice(handler: Handler, call: Call) -> JSONObject:
    """Do it, and then write all its effects once more, under keys of their own."""
    written: list[Event] = []

    def keep(event: Event) -> Event:
        written.append(event)
        return event

    answer = handler(writing(call, keep))
    for event in written:
        if isinstance(event, EffectEvent) and _is_effect(event):
            call.record(msgspec.structs.replace(event, key=f"{event.key}#again"))
    return answer


def _half(handler: Handler, call: Call) -> JSONObject:
    return handler(writing(call, _halved))


def _halved(event: Event) -> Event | None:
    if not isinstance(event, LedgerPosted):
        return event
    return msgspec.structs.replace(event, postings=[_half_of(line) for line in event.postings])


def _half_of(line: Posting) -> Posting:
    amount = (abs(line.amount) // 2) * (1 if line.amount > 0 else -1)
    field = "amount_minor" if line.currency else "quantity"
    return msgspec.structs.replace(line, **{field: amount})


def _unwritten(handler: Handler, call: Call) -> JSONObject:
    """The answer, without any effect; where the handler misses it, an empty one."""
    try:
        return handler(writing(call, lambda event: None if _is_effect(event) else event))
    except (LookupError, Unknown, Failed, TypeError, ValueError):
        return {}


def _unkeyed(handler: Handler, call: Call) -> JSONObject:
    return handler(writing(call, lambda event: _keyed(event, "")))


def _keyed(event: Event, key: str) -> Event:
    return msgspec.structs.replace(event, key=key) if isinstance(event, EffectEvent) else event


def _without_fence(handler: Handler, call: Call) -> JSONObject:
    return handler(writing(call, lambda event: None if _is_fence(event) else event))


def _is_fence(event: Event) -> bool:
    return isinstance(event, ServiceNoted) and event.note == "fenced"


def _answers_early(saga: Saga, place: str) -> Saga:
    """The operation answers at once, and takes effect when the next one is called."""
    original = saga.operations[place].action
    made = with_act(saga, place, "action", _unwritten)
    for follower in saga.followers[place]:
        made = with_act(made, follower.name, "action", _after(original, place))
    return made


def _after(original: Handler, place: str) -> Act:
    def act(handler: Handler, call: Call) -> JSONObject:
        results = {name: result for name, result in call.results.items() if name != place}
        key = f"{call.transaction}:{place}"
        original(on(call, operation=place, key=key, attempt=1, fault="", results=results))
        return handler(call)

    return act


# What is told.


def _swallows(handler: Handler, call: Call) -> JSONObject:
    try:
        return handler(call)
    except (Failed, Unknown, Aborted, Expired):
        return {}


def _fails_for_certain(handler: Handler, call: Call) -> JSONObject:
    try:
        return handler(call)
    except Unknown as error:
        raise Failed(error.code, error.reason) from None


def _may_be_retried(handler: Handler, call: Call) -> JSONObject:
    try:
        return handler(call)
    except Failed as error:
        raise Failed(error.code, error.reason, retry="safe") from None


def _takes_part_for_whole(handler: Handler, call: Call) -> JSONObject:
    try:
        return handler(call)
    except Partial as error:
        return dict(error.result)
    except Aborted as error:
        return dict(error.payload)
    except Failed as error:
        if error.code == "partly_done":
            return {}
        raise


# What is known.


def _new_key(handler: Handler, call: Call) -> JSONObject:
    return handler(on(call, key=f"{call.key}#{call.attempt}"))


def _one_key(handler: Handler, call: Call) -> JSONObject:
    return handler(on(call, key=call.operation))


def _key_of_nothing(handler: Handler, call: Call) -> JSONObject:
    return handler(on(call, action_key=""))


def _forgetful(handler: Handler, call: Call) -> JSONObject:
    return handler(on(call, world=OtherWorld(call.world, effect=lambda kind, key: None)))


def _unfenced(handler: Handler, call: Call) -> JSONObject:
    return handler(on(call, world=OtherWorld(call.world, fenced=lambda *place: False)))


def _not_idempotent(handler: Handler, call: Call) -> JSONObject:
    world = call.world
    return handler(on(call, world=OtherWorld(world, standing=world.done, effect=lambda kind, key: None)))


def _only_what_was_answered(handler: Handler, call: Call) -> JSONObject:
    return {} if call.result is None else handler(call)


def _only_first(handler: Handler, call: Call) -> JSONObject:
    return handler(call) if call.attempt == 1 else {}


# What is asked.


def _always(answer: JSONObject | Exception) -> Act:
    def act(handler: Handler, call: Call) -> JSONObject:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return act


HANDLERS: tuple[Operator, ...] = (
    _acting("act-twice", "An effect is doubled.", "{operation}: takes effect twice", "action", _twice),
    _acting(
        "act-by-half",
        "An effect is half of what it says.",
        "{operation}: does half",
        "action",
        _half,
        "post",
    ),
    _acting(
        "act-not-at-all",
        "An operation says that it is done, and does nothing.",
        "{operation}: says that it is done, and does nothing",
        "action",
        _unwritten,
    ),
    Operator(
        "answer-early",
        "An operation is committed before it takes effect, which it does when the next one is called.",
        "{operation}: answers before it takes effect",
        lambda saga: [
            each.name
            for each in saga.operations.values()
            if each.kind != "read_only" and saga.followers[each.name]
        ],
        _answers_early,
    ),
    _acting(
        "act-unkeyed", "An effect has no key.", "{operation}: writes under an empty key", "action", _unkeyed
    ),
    _acting(
        "new-key-per-attempt",
        "Each attempt has a key of its own.",
        "{operation}: uses a new key at each attempt",
        "action",
        _new_key,
        "key",
    ),
    _acting(
        "one-key-for-all",
        "All customers have the same key.",
        "{operation}: uses its own name as the key of every customer",
        "action",
        _one_key,
        "key",
    ),
    _acting(
        "forget-keys",
        "A service does not remember the keys that it has seen.",
        "{operation}: does not look whether its key has its effect already",
        "action",
        _forgetful,
        "effect",
    ),
    _acting(
        "skip-fence",
        "What arrives after its revert is not refused.",
        "{operation}: does not look whether its revert was here first",
        "action",
        _unfenced,
        "fenced",
    ),
    _acting(
        "swallow-error",
        "What went wrong is answered as a success.",
        "{operation}: answers success when it failed",
        "action",
        _swallows,
        "Failed",
        "Unknown",
        "Aborted",
    ),
    _acting(
        "unknown-is-failed",
        "What is unknown is told as a failure.",
        "{operation}: says that it failed when nobody knows",
        "action",
        _fails_for_certain,
        "Unknown",
    ),
    _acting(
        "retry-hard-failure",
        "What must not be tried again is told to be safe to try.",
        "{operation}: says that every failure may be tried again",
        "action",
        _may_be_retried,
        "Failed",
    ),
    _acting(
        "part-for-whole",
        "A part is answered as if it were all.",
        "{operation}: answers success when only a part was done",
        "action",
        _takes_part_for_whole,
        "Aborted",
    ),
    _acting("revert-twice", "A revert is done twice.", "{revert}: runs twice", "revert", _twice),
    _acting(
        "revert-by-half",
        "A revert gives back half.",
        "{revert}: gives back half",
        "revert",
        _half,
        "post",
    ),
    _acting(
        "revert-not-at-all",
        "A revert says that it is done, and does nothing.",
        "{revert}: does nothing",
        "revert",
        _always({}),
    ),
    _acting(
        "revert-not-idempotent",
        "A revert does not look whether it was done before.",
        "{revert}: does not look whether it was done before",
        "revert",
        _not_idempotent,
        "standing",
    ),
    _acting(
        "register-too-late",
        "What was not answered is not reverted, since the revert is registered behind the call.",
        "{revert}: undoes nothing when the outcome is unknown",
        "revert",
        _only_what_was_answered,
    ),
    _acting(
        "revert-first-attempt",
        "A revert is done at its first attempt or never.",
        "{revert}: does nothing when it is tried again",
        "revert",
        _only_first,
    ),
    _acting(
        "revert-swallows-error",
        "A revert that went wrong is answered as a success.",
        "{revert}: answers success when it failed",
        "revert",
        _swallows,
        "Failed",
        "Unknown",
    ),
    _acting(
        "revert-part-for-whole",
        "A part that was given back is answered as if it were all.",
        "{revert}: answers success when only a part was given back",
        "revert",
        _takes_part_for_whole,
        "Partial",
    ),
    _acting(
        "revert-without-fence",
        "A revert that finds nothing keeps out nothing that comes later.",
        "{revert}: does not fence what it overtook",
        "revert",
        _without_fence,
        "note",
    ),
    _acting(
        "revert-without-key",
        "A revert does not know under which key its operation ran.",
        "{revert}: is not told the key of its operation",
        "revert",
        _key_of_nothing,
        "action_key",
    ),
    _acting(
        "revert-unkeyed",
        "A revert writes under no key.",
        "{revert}: writes under an empty key",
        "revert",
        _unkeyed,
        "key",
        "post",
    ),
    _acting(
        "revert-new-key",
        "Each attempt at a revert has a key of its own.",
        "{revert}: uses a new key at each attempt",
        "revert",
        _new_key,
        "key",
    ),
    _acting(
        "probe-says-landed",
        "A probe finds everything, always.",
        "{probe}: always says that it landed",
        "probe",
        _always({}),
    ),
    _acting(
        "probe-says-nothing",
        "A probe never finds anything.",
        "{probe}: never finds anything",
        "probe",
        _always(Failed(NOTHING_STANDS)),
    ),
    _acting(
        "probe-says-never",
        "A probe says that it has seen neither the operation nor its revert.",
        "{probe}: always says that it has seen nothing yet",
        "probe",
        _always(Failed(NEVER_ARRIVED)),
    ),
    _acting(
        "probe-cannot-tell",
        "A probe never knows.",
        "{probe}: never knows",
        "probe",
        _always(Unknown("unknown")),
    ),
    _acting(
        "probe-part-for-whole",
        "A probe takes a part for the whole.",
        "{probe}: says that it landed when a part stands",
        "probe",
        _takes_part_for_whole,
        "Failed",
    ),
)
"""The operators, in the order in which they are told."""
