"""What a saga is: operations in their order, how each is reverted, and the rules for doing so."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from marketsim.saga.errors import DefinitionError
from marketsim.saga.events import (
    Event,
    JSONObject,
    LedgerPosted,
    OperationProgress,
    Posting,
    TransactionBegan,
)
from marketsim.saga.tape import Tape

__all__ = [
    "SECOND_US",
    "Call",
    "Guardrail",
    "Handler",
    "Judge",
    "Kind",
    "Operation",
    "Policy",
    "Retry",
    "Saga",
    "plain",
]

SECOND_US = 1_000_000

EventT = TypeVar("EventT", bound=Event)

Kind: TypeAlias = Literal["read_only", "compensatable", "pivot", "retriable"]


class Retry(msgspec.Struct, frozen=True):
    """How often an attempt is repeated, and after which pause.

    The pause before attempt n+1 is ``delay_us * factor**(n-1)``, at most ``delay_max_us``, made
    longer or shorter by up to ``jitter_percent`` as the tape says. All in microseconds.
    """

    attempts_max: int = 3
    delay_us: int = SECOND_US
    factor: int = 2
    delay_max_us: int = 60 * SECOND_US
    jitter_percent: int = 10

    def pause_us(self, attempt: int, tape: Tape, point: str) -> int:
        """The pause after ``attempt`` (from 1) failed, in microseconds."""
        pause = min(self.delay_us * int(self.factor ** min(attempt - 1, 40)), self.delay_max_us)
        spread = pause * self.jitter_percent // 100
        return pause + tape.between(point, -spread, spread)


class Policy(msgspec.Struct, frozen=True):
    """The rules of compensation.

    ``compensate``: whether anything is reverted at all. ``order``: in which order, unless they are
    begun ``at_once``; ``ids_as_text`` compares the numbers of the operations as text, so that 10
    comes before 9. ``halt_on_stuck``: whether the first revert that fails for good ends the
    reverting, or the others are still done. ``revert_unknown``: whether an operation whose outcome
    stayed unknown is reverted as if it had landed; ``revert_failed``: whether the one that failed
    for certain is reverted too. ``costs`` says in sentences what these rules leave behind.
    """

    name: str
    sentence: str
    compensate: bool = True
    order: Literal["newest_first", "oldest_first", "ids_as_text"] = "newest_first"
    at_once: bool = False
    halt_on_stuck: bool = False
    revert_unknown: bool = True
    revert_failed: bool = False
    retry: Retry = Retry(attempts_max=5, delay_us=2 * SECOND_US)
    costs: tuple[str, ...] = ()


class Call(msgspec.Struct, eq=False):
    """What an action, a compensation or a guardrail is given.

    ``request`` is the transaction's input, ``results`` the results of the operations that are done,
    by name, and ``world`` whatever the driver was given to act on. ``key`` is the idempotency key:
    the same for every attempt. In a compensation ``result`` is what its operation returned, or None
    if no answer ever came, ``action_key`` the key under which the operation ran, and ``reason`` why
    the transaction is being reverted.
    """

    began: TransactionBegan
    results: dict[str, JSONObject]
    world: Any
    _record: Callable[[Event], None]
    operation: str = ""
    compensation: str = ""
    attempt: int = 0
    key: str = ""
    action_key: str = ""
    result: JSONObject | None = None
    reason: str = ""
    transaction: str = ""
    request: JSONObject = {}

    def __post_init__(self) -> None:
        self.transaction = self.began.transaction
        self.request = self.began.request

    def post(self, postings: Iterable[Posting], reason: str = "") -> LedgerPosted:
        """Write lines of the ledger in this call's name: what the service really did."""
        posted = LedgerPosted(
            transaction=self.transaction,
            operation=self.operation,
            compensation=self.compensation,
            attempt=self.attempt,
            key=self.key,
            postings=list(postings),
            reason=reason,
        )
        self._record(posted)
        return posted

    def progress(self, **payload: Any) -> None:
        """Report how far the operation has come. Raises TypeError for a float."""
        self._record(
            OperationProgress(
                transaction=self.transaction,
                operation=self.operation,
                attempt=self.attempt,
                payload=plain(payload),
            )
        )

    def record(self, event: EventT) -> EventT:
        """Write an effect into the stream; it takes effect by being written."""
        self._record(event)
        return event


Handler: TypeAlias = Callable[[Call], JSONObject]
"""Does one thing and returns its result; raises Failed, Unknown, Aborted or Partial otherwise.

Any other exception counts as Unknown: nobody can tell whether the effect landed.
"""

Guardrail: TypeAlias = Callable[[Call], str | None]
"""Returns why the request breaks the rule, or None if it keeps it."""

Judge: TypeAlias = Callable[[Call], tuple[str, str] | None]
"""Returns the name of a rule that the request breaks, of those that stand in data, and why; or None."""


class Operation:
    """One forward step: an action, when it may start, and perhaps a compensation."""

    def __init__(
        self,
        action: Handler,
        *,
        kind: Kind,
        service: str,
        after: tuple[str, ...],
        retry: Retry,
        latency_us: tuple[int, int],
        time_limit_us: int,
    ) -> None:
        self.name: str = action.__name__
        self.sentence = (action.__doc__ or "").strip().split("\n")[0]
        self.action = action
        self.kind = kind
        self.service = service
        self.after = after
        self.retry = retry
        self.latency_us = latency_us
        self.time_limit_us = time_limit_us
        self.revert: Handler | None = None
        self.revert_name = ""

    def compensation(self, handler: Handler) -> Handler:
        """Declare the revert of this operation (a decorator); it may run more than once.

        Raises DefinitionError for an operation that has a revert already or is read_only.
        """
        if self.revert is not None:
            raise DefinitionError(f"{self.name} has two compensations", todo="declare one")
        if self.kind == "read_only":
            raise DefinitionError(f"{self.name} is read_only and needs no compensation")
        self.revert = handler
        self.revert_name = handler.__name__
        return handler

    def __repr__(self) -> str:
        return f"<operation {self.name}>"


class Saga:
    """A definition: operations in the order of their declaration, or of their dependencies.

    An operation starts when all that it names in ``after`` are done; without ``after`` it waits
    for the operation declared before it. Operations that wait for the same run in parallel.
    ``followers`` are, by an operation's name, those that wait for it, ``waits`` for how many each does,
    and ``first`` are those that wait for none.
    """

    def __init__(self, name: str, sentence: str = "") -> None:
        self.name = name
        self.sentence = sentence
        self.operations: dict[str, Operation] = {}
        self.followers: dict[str, list[Operation]] = {}
        self.waits: dict[str, int] = {}
        self.first: list[Operation] = []
        self.guardrails: dict[str, Guardrail] = {}
        self.judge: Judge | None = None

    def operation(
        self,
        *,
        service: str,
        kind: Kind = "compensatable",
        after: Iterable[Operation] | None = None,
        retry: Retry = Retry(),  # noqa: B008 - frozen
        latency_us: tuple[int, int] = (5_000, 60_000),
        time_limit_us: int = 10 * SECOND_US,
    ) -> Callable[[Handler], Operation]:
        """Declare the next operation (a decorator on its action).

        ``latency_us`` is the least and the most that a call takes, ``time_limit_us`` how long the
        engine waits for an answer; both in microseconds of the transaction's time. Raises
        DefinitionError for a name declared twice and an ``after`` that is not of this saga.
        """

        def declare(action: Handler) -> Operation:
            previous = list(self.operations)[-1:] if after is None else [each.name for each in after]
            made = Operation(
                action,
                kind=kind,
                service=service,
                after=tuple(dict.fromkeys(previous)),
                retry=retry,
                latency_us=latency_us,
                time_limit_us=time_limit_us,
            )
            self._check(made)
            self.operations[made.name] = made
            self.followers[made.name] = []
            for name in made.after:
                self.followers[name].append(made)
            self.waits[made.name] = len(made.after)
            self.first += [] if made.after else [made]
            return made

        return declare

    def guardrail(self, rule: Guardrail) -> Guardrail:
        """Declare a rule that a request must keep before anything starts (a decorator)."""
        name: str = rule.__name__
        if name in self.guardrails:
            raise DefinitionError(f"two guardrails are called {name}", where=self.name)
        self.guardrails[name] = rule
        return rule

    def declared(self, judge: Judge) -> Judge:
        """Declare what is asked behind the guardrails, for rules that are data (a decorator)."""
        self.judge = judge
        return judge

    def find(self, name: str) -> Operation | None:
        """The operation of this name, or the one whose revert has it."""
        found = self.operations.get(name)
        if found is None:
            found = next((each for each in self.operations.values() if each.revert_name == name), None)
        return found

    def targets(self) -> list[str]:
        """Every name that a fault may strike: operations, reverts and services."""
        operations = self.operations.values()
        reverts = [each.revert_name for each in operations if each.revert_name]
        return [*self.operations, *reverts, *dict.fromkeys(each.service for each in operations)]

    def _check(self, made: Operation) -> None:
        if made.name in self.operations:
            raise DefinitionError(f"two operations are called {made.name}", where=self.name)
        strangers = [name for name in made.after if name not in self.operations]
        if strangers:
            raise DefinitionError(
                f"{made.name} is to run after {strangers[0]}, which is not declared before it",
                where=self.name,
            )
        if made.kind == "pivot" and any(each.kind == "pivot" for each in self.operations.values()):
            raise DefinitionError("a saga has at most one pivot", where=self.name)


_ATOMS = frozenset({int, str, bool, type(None)})


def plain(value: Any) -> JSONObject:
    """The value, if it is what a stream can hold: an object without floats. Raises TypeError otherwise."""
    if not isinstance(value, dict):
        raise TypeError(f"a handler returns a dict, not {type(value).__name__}")
    for each in value.values():
        if type(each) not in _ATOMS:
            _check_plain(each)
    return value


def _check_plain(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError("a result holds no floats: write minor units, or text")
    if isinstance(value, dict):
        for each in value.values():
            _check_plain(each)
    elif isinstance(value, list):
        for each in value:
            _check_plain(each)
    elif value is not None and not isinstance(value, str | int | bool):
        raise TypeError(f"a result holds JSON only, not {type(value).__name__}")
