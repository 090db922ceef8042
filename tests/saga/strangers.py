"""Sagas that know nothing of a market, made for the tests: each handler answers as it is told to."""

from collections.abc import Iterable

from marketsim.audit.log import MemoryLog
from marketsim.drivers.clock import Clock
from marketsim.drivers.virtual import Driver, NoWorld
from marketsim.saga.definition import Call, Handler, Kind, Policy, Retry, Saga
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.faults import FaultPlan, parse_fault
from marketsim.saga.policies import POLICIES
from marketsim.saga.tape import Tape

DEFAULT = POLICIES["default"]
ONCE = Retry(attempts_max=1)


class Trip:
    """A saga of bookings. ``calls`` lists every call, as in ``flight@1``, with the key it had."""

    def __init__(self, **answers: object) -> None:
        self.saga = Saga("trip", "A trip in as many bookings as one likes.")
        self.answers = answers
        self.calls: list[str] = []
        self.keys: dict[str, set[str]] = {}
        self.given: dict[str, Call] = {}

    def book(
        self,
        name: str,
        *,
        kind: Kind = "compensatable",
        after: Iterable[str] | None = None,
        retry: Retry = ONCE,
        revert: bool = True,
        probe: bool = False,
        one_shot: bool = False,
        revert_ttl_us: int = 0,
        of: str = "",
        latency_us: tuple[int, int] = (1000, 1000),
    ) -> "Trip":
        """Declare a booking and, unless it only reads or is repeated till it works, its cancellation.

        With ``probe`` the desk can be asked what stands of it, under the name ``find_NAME``.
        """
        operations = self.saga.operations
        first = None if after is None else [operations[each] for each in after]
        declare = self.saga.operation(
            service=f"{name} desk",
            kind=kind,
            after=first,
            retry=retry,
            latency_us=latency_us,
            one_shot=one_shot,
            revert_ttl_us=revert_ttl_us,
            of=of,
        )
        made = declare(self._handler(name))
        if revert and kind in ("compensatable", "pivot"):
            made.compensation(self._handler(f"cancel_{name}"))
        if probe:
            made.status(self._handler(f"find_{name}"))
        return self

    def run(
        self,
        *faults: str,
        policy: Policy = DEFAULT,
        seed: int | None = None,
        choices: dict[str, int] | None = None,
        cancel_us: int = 0,
        deadline_us: int = 0,
    ) -> list[Event]:
        """Run a transaction to its end; its events."""
        log, world = MemoryLog(), NoWorld()
        driver = Driver(log, world, Clock(1_700_000_000_000_000))
        plan = FaultPlan(parse_fault(text, self.saga) for text in faults)
        began = self.began(cancel_us=cancel_us, deadline_us=deadline_us)
        driver.begin(self.saga, policy, Tape(seed, choices), began, plan)
        driver.run()
        return log.events

    def began(self, *, cancel_us: int = 0, deadline_us: int = 0) -> TransactionBegan:
        return TransactionBegan(
            transaction="tx-1",
            saga="trip",
            policy="default",
            request={"to": "Oslo"},
            seed=0,
            cancel_us=cancel_us,
            deadline_us=deadline_us,
        )

    def _handler(self, name: str) -> Handler:
        def handler(call: Call) -> dict[str, object]:
            self.calls.append(f"{name}@{call.attempt}")
            self.keys.setdefault(name, set()).add(call.key)
            self.given[name] = call
            answer = self.answers.get(name, {})
            if isinstance(answer, list):
                answer = answer.pop(0) if answer else {}
            if isinstance(answer, BaseException):
                raise answer
            return answer  # type: ignore[return-value]

        handler.__name__ = name
        handler.__doc__ = f"Do {name}."
        return handler


def types(events: Iterable[Event], *fields: str) -> list[str]:
    """Each event's type without its first word, with the operation it is about: ``succeeded flight``."""
    return [f"{event.type.split('.')[1]} {getattr(event, 'operation', '')}".strip() for event in events]
