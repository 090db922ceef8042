"""What a saga is: operations in their order, how each is reverted, and the rules for doing so."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from marketsim.saga.errors import DefinitionError
from marketsim.saga.events import (
    Event,
    JSONObject,
    LedgerPosted,
    OperationProgress,
    Posting,
    ServiceNoted,
    TransactionBegan,
)
from marketsim.saga.tape import Tape

__all__ = [
    "ROLES",
    "SECOND_US",
    "SPAN_MAX_US",
    "Call",
    "Guardrail",
    "Handler",
    "Judge",
    "Kind",
    "Operation",
    "Policy",
    "Retry",
    "Role",
    "Saga",
    "plain",
]

SECOND_US = 1_000_000

SPAN_MAX_US = 365 * 24 * 3600 * SECOND_US
"""The longest time that can be asked for: a year, in microseconds."""

EventT = TypeVar("EventT", bound=Event)

_Span: TypeAlias = Annotated[int, Meta(ge=0, le=SPAN_MAX_US)]

Kind: TypeAlias = Literal["read_only", "compensatable", "pivot", "retriable"]
Role: TypeAlias = Literal["action", "revert", "probe"]
"""In which role the service of an operation is called."""

ROLES: tuple[Role, ...] = ("action", "revert", "probe")
"""Every role, in the order in which an operation comes to play it."""


class Retry(msgspec.Struct, frozen=True):
    """How often an attempt is repeated, and after which pause.

    The pause before attempt n+1 is ``delay_us * factor**(n-1)``, at most ``delay_max_us``, made
    longer or shorter by up to ``jitter_percent`` as the tape says. No attempt begins later than
    ``elapsed_max_us`` after the first one did (0: whenever). All in microseconds.
    """

    attempts_max: Annotated[int, Meta(ge=1, le=1000)] = 3
    delay_us: _Span = SECOND_US
    factor: Annotated[int, Meta(ge=1, le=100)] = 2
    delay_max_us: _Span = 60 * SECOND_US
    jitter_percent: Annotated[int, Meta(ge=0, le=100)] = 10
    elapsed_max_us: _Span = 0

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
    for certain is reverted too.

    ``probe``: whether a service is asked what came of a call that gave no answer, if it can be asked.
    ``verify``: whether it is asked, too, before a revert is believed. ``await_late``: whether a
    transaction stays open for a result that may still come. ``expiry``: whether the time in which a
    revert is possible counts from the operation's success, or from each attempt at the revert anew.
    ``new_keys``: whether each attempt goes out under an idempotency key of its own. ``shielded``:
    whether reverts go on when the transaction is cancelled or its deadline passes.

    ``costs`` says in sentences what these rules leave behind.
    """

    name: str
    sentence: str
    compensate: bool = True
    order: Literal["newest_first", "oldest_first", "ids_as_text"] = "newest_first"
    at_once: bool = False
    halt_on_stuck: bool = False
    revert_unknown: bool = True
    revert_failed: bool = False
    probe: bool = True
    verify: bool = True
    await_late: bool = True
    expiry: Literal["from_success", "from_attempt"] = "from_success"
    new_keys: bool = False
    shielded: bool = True
    retry: Retry = Retry(attempts_max=5, delay_us=2 * SECOND_US)
    costs: tuple[str, ...] = ()


class Call(msgspec.Struct, eq=False, gc=False):
    """What an action, a compensation or a guardrail is given.

    ``request`` is the transaction's input, ``results`` the results of the operations that are done,
    by name, and ``world`` whatever the driver was given to act on. ``key`` is the idempotency key:
    the same for every attempt. ``now_us`` is the present moment, in microseconds since 1970, and
    ``fault`` the injected failure that the service itself has to act out, if there is one.

    In a compensation ``result`` is what its operation returned, or None if no answer ever came,
    ``action_key`` the key under which the operation ran, ``reason`` why the transaction is being
    reverted, and ``payload`` what the operation said that aborted it.
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
    payload: JSONObject = {}
    fault: str = ""
    now_us: int = 0
    transaction: str = ""
    request: JSONObject = {}

    def __post_init__(self) -> None:
        self.transaction = self.began.transaction
        self.request = self.began.request

    @property
    def place(self) -> dict[str, Any]:
        """The fields by which an effect of this call says whose it is."""
        return {
            "transaction": self.transaction,
            "operation": self.operation,
            "compensation": self.compensation,
            "attempt": self.attempt,
            "key": self.key,
        }

    def post(self, postings: Iterable[Posting], reason: str = "", *, part: int = 1) -> LedgerPosted:
        """Write lines of the ledger in this call's name: what the service really did.

        The second ``part`` of what is done bit by bit goes under a key of its own.
        """
        posted = LedgerPosted(
            transaction=self.transaction,
            operation=self.operation,
            compensation=self.compensation,
            attempt=self.attempt,
            key=self.key if part == 1 else f"{self.key}#{part}",
            postings=list(postings),
            reason=reason,
        )
        self._record(posted)
        return posted

    def taken_back(self, operation: str, postings: Iterable[Posting], reason: str) -> None:
        """Write that a service took back by itself what ``operation`` had done, such as a reservation."""
        key = f"{self.transaction}:{operation}:{reason}"
        lines = list(postings)
        self._record(
            LedgerPosted(
                transaction=self.transaction,
                operation=operation,
                key=key,
                postings=lines,
                reason=reason,
                unasked=True,
            )
        )

    def note(self, note: str) -> None:
        """Write what the service keeps in mind about this call."""
        self._record(ServiceNoted(**self.place, note=note))

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
"""Does one thing and returns its result; raises Failed, Unknown, Aborted, Partial or Expired otherwise.

Any other exception counts as Unknown: nobody can tell whether the effect landed.
"""

Guardrail: TypeAlias = Callable[[Call], str | None]
"""Returns why the request breaks the rule, or None if it keeps it."""

Judge: TypeAlias = Callable[[Call], tuple[str, str] | None]
"""Returns the name of a rule that the request breaks, of those that stand in data, and why; or None."""


class Operation:
    """One forward step: an action, when it may start, and perhaps a compensation and a probe.

    ``family`` is the name that it shares with its like, where a saga has one for each line of a cart.
    """

    def __init__(
        self,
        action: Handler,
        *,
        of: str,
        kind: Kind,
        service: str,
        after: tuple[str, ...],
        retry: Retry,
        latency_us: tuple[int, int],
        time_limit_us: int,
        one_shot: bool,
        revert_ttl_us: int,
    ) -> None:
        self._of = f".{of}" if of else ""
        self.family: str = action.__name__
        self.name: str = self.family + self._of
        self.sentence = (action.__doc__ or "").strip().split("\n")[0]
        self.action = action
        self.kind = kind
        self.service = service
        self.after = after
        self.retry = retry
        self.latency_us = latency_us
        self.time_limit_us = time_limit_us
        self.one_shot = one_shot
        self.revert_ttl_us = revert_ttl_us
        self.revert: Handler | None = None
        self.revert_name = self.revert_family = ""
        self.probe: Handler | None = None
        self.probe_name = self.probe_family = ""

    def compensation(self, handler: Handler) -> Handler:
        """Declare the revert of this operation (a decorator); it may run more than once.

        Raises DefinitionError for an operation that has a revert already or is read_only.
        """
        if self.revert is not None:
            raise DefinitionError(f"{self.name} has two compensations", todo="declare one")
        if self.kind == "read_only":
            raise DefinitionError(f"{self.name} is read_only and needs no compensation")
        self.revert = handler
        self.revert_family = handler.__name__
        self.revert_name = self.revert_family + self._of
        return handler

    def status(self, handler: Handler) -> Handler:
        """Declare how the service is asked what stands of this operation (a decorator): the probe.

        The handler changes nothing. It returns what the action would have returned; it raises Failed
        with the code NOTHING_STANDS if nothing does, NEVER_ARRIVED if that is because it has seen neither
        the operation nor a revert that fences it, RETURNED_TOO_MUCH if more was given back than taken,
        another one if a part of it stands, and Unknown if that cannot be told. Raises
        DefinitionError for an operation that has a probe already.
        """
        if self.probe is not None:
            raise DefinitionError(f"{self.name} has two probes", todo="declare one")
        self.probe = handler
        self.probe_family = handler.__name__
        self.probe_name = self.probe_family + self._of
        return handler

    def point(self, role: Role) -> str:
        """The name in this role, by which a fault strikes it; empty if it has no part in it."""
        if role == "action":
            return self.name
        return self.revert_name if role == "revert" else self.probe_name

    def names(self, role: Role) -> tuple[str, str]:
        """The name in this role and that of its family; both are empty if it has no part in it."""
        if role == "action":
            return self.name, self.family
        if role == "revert":
            return self.revert_name, self.revert_family
        return self.probe_name, self.probe_family

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
        one_shot: bool = False,
        revert_ttl_us: int = 0,
        of: str = "",
    ) -> Callable[[Handler], Operation]:
        """Declare the next operation (a decorator on its action).

        ``latency_us`` is the least and the most that a call takes, ``time_limit_us`` how long the
        engine waits for an answer, ``revert_ttl_us`` how long after its success it can be reverted
        (0: for ever); all in microseconds of the transaction's time. A ``one_shot`` call must never
        be made twice: unknown, it is not asked again, and is reverted under every policy that reverts
        at all, since its intent is the registration of its revert. ``of`` is what sets it apart from
        others with the same action: their names are ``ACTION.OF``. Raises DefinitionError for a name
        declared twice and an ``after`` that is not of this saga.
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
                one_shot=one_shot,
                revert_ttl_us=revert_ttl_us,
                of=of,
            )
            return self.add(made)

        return declare

    def add(self, made: Operation) -> Operation:
        """Take in an operation that is made already as the next one. Raises DefinitionError as above."""
        self._check(made)
        self.operations[made.name] = made
        self.followers[made.name] = []
        for name in made.after:
            self.followers[name].append(made)
        self.waits[made.name] = len(made.after)
        self.first += [] if made.after else [made]
        return made

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

    def find(self, name: str) -> tuple[Operation, Role] | None:
        """The operation that a name, or the name of a family, belongs to, and in which role."""
        for each in self.operations.values() if name else ():
            for role in ROLES:
                if name in each.names(role):
                    return each, role
        return None

    def targets(self) -> list[str]:
        """Every name that a fault may strike: operations, reverts, probes (and families), and services."""
        every = list(self.operations.values())
        names = [name for role in ROLES for each in every for name in each.names(role)]
        names += [each.service for each in every]
        return [name for name in dict.fromkeys(names) if name]

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
_DEPTH_MAX = 50
_BYTES_MAX = 1 << 19
_encode = msgspec.msgpack.Encoder(order="deterministic").encode  # It takes no integer of more than 64 bits.


def plain(value: Any) -> JSONObject:
    """The value, if it is what a line of a stream can hold: an object of at most 512 KiB, without floats.

    Raises TypeError otherwise.
    """
    if not isinstance(value, dict):
        raise TypeError(f"a handler returns a dict, not {type(value).__name__}")
    if not _ATOMS.issuperset(map(type, value.values())):
        for each in value.values():
            _check_plain(each)
    try:
        size_bytes = len(_encode(value))
    except (ValueError, OverflowError) as error:
        raise TypeError(f"a result holds JSON only: {error}") from error
    if size_bytes > _BYTES_MAX:
        raise TypeError(f"a result holds at most {_BYTES_MAX:,} bytes")
    return value


def _check_plain(value: Any, depth: int = 1) -> None:
    if depth > _DEPTH_MAX:
        raise TypeError(f"a result is nested at most {_DEPTH_MAX} deep")
    if isinstance(value, float):
        raise TypeError("a result holds no floats: write minor units, or text")
    if isinstance(value, dict):
        for each in value.values():
            _check_plain(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check_plain(each, depth + 1)
    elif value is not None and not isinstance(value, str | int | bool):
        raise TypeError(f"a result holds JSON only, not {type(value).__name__}")
