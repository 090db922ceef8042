"""The story of a run in a few sentences: who did what in which order, what struck, and what is wrong."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from marketsim.audit.findings import ERROR, Finding
from marketsim.saga import events as e
from marketsim.saga.taxonomy import FAULTS

__all__ = ["story_of", "wrong_in"]

SENTENCES_MAX = 40
"""How long a story gets; what is longer is told by the timeline."""

_FAIL = "fail"
_SAID = {fault.sentence for fault in FAULTS.values()}


class _Note(msgspec.Struct, frozen=True):
    """A piece of a story: whose it is, a sentence, and the verb that it shares with its neighbours."""

    whose: str
    sentence: str
    verb: str = ""


def story_of(events: Iterable[e.Event]) -> list[str]:
    """What happened, as sentences; whose turn it is stands first where there is more than one transaction."""
    notes = list(_notes(events))
    alone = len({note.whose for note in notes}) < 2
    told: list[str] = []
    spoken = ""
    for (whose, verb), group in groupby(notes, lambda note: (note.whose, note.verb)):
        said = [note.sentence for note in group]
        first, *rest = _joined(said, verb) if verb else said
        known = alone or whose == spoken or first.startswith(f"{whose} ")
        told += [first if known else f"{whose}: {first}", *rest]
        spoken = whose
    told = told if len(told) < SENTENCES_MAX else [*told[: SENTENCES_MAX - 1], "And so on"]
    return [f"{each.rstrip('.')}." for each in told]


def wrong_in(findings: Sequence[Finding]) -> list[str]:
    """What is wrong in the end, for each rule what says most: ``stock-conserved: 2 laptop-1 is ...``."""
    most: dict[str, str] = {}
    for finding in findings:
        if finding.severity == ERROR:
            most[finding.rule] = max(most.get(finding.rule, ""), finding.message, key=len)
    return [f"{rule}: {message}" for rule, message in most.items()]


def _joined(names: Sequence[str], verb: str) -> list[str]:
    """`a, b and c succeed`, or `a succeeds`; who fails does so by itself, perhaps several times."""
    counts = Counter(names)
    if verb == _FAIL:
        return [f"{name} {times} times" if times > 1 else name for name, times in counts.items()]
    *most, last = counts
    return [f"{', '.join(most)} and {last} {verb}" if most else f"{last} {verb}s"]


def _notes(events: Iterable[e.Event]) -> Iterator[_Note]:
    """What there is to tell of each event; of a call that was struck it is told what struck."""
    names: dict[str, str] = {}
    struck: set[tuple[str, str, int]] = set()
    for event in events:
        if not isinstance(event, e.TransactionEvent):
            continue
        whose = names.setdefault(event.transaction, _who(event))
        place = getattr(event, "compensation", "") or getattr(event, "operation", "")
        call = (event.transaction, place, getattr(event, "attempt", 0))
        if isinstance(event, e.FaultInjected):
            struck.add(call)
        if isinstance(event, e.OperationSucceeded | e.CompensationSucceeded):
            yield _Note(whose, place, "succeed")
        elif isinstance(event, e.OperationFailed | e.OperationUnknown | e.CompensationFailed):
            if call not in struck:
                yield _Note(whose, f"{place} fails ({event.code})", _FAIL)
        elif (tell := _TELL.get(type(event))) and (sentence := tell(event)):
            yield _Note(whose, sentence)


def _who(event: e.TransactionEvent) -> str:
    customer = event.request.get("customer") if isinstance(event, e.TransactionBegan) else None
    return customer if isinstance(customer, str) else event.transaction


def _asks(began: e.TransactionBegan) -> str:
    request = began.request
    who = request.get("customer", "somebody")
    lines = request.get("cart", [request])
    if all(isinstance(line, dict) and {"product", "quantity"} <= line.keys() for line in lines):
        goods = [f"{line['quantity']} {line['product']}" for line in lines]
        return f"{who} asks for {' and '.join(goods)}"
    facts = ", ".join(f"{key} {value}" for key, value in request.items())
    return f"{began.saga} is asked for{f' with {facts}' if facts else ''}"


def _strikes(event: e.FaultInjected) -> str:
    place = event.probe or event.compensation or event.operation
    fault = FAULTS.get(event.fault)
    sentence = fault.sentence.rstrip(".") if fault is not None else "it fails"
    attempt = f", attempt {event.attempt}," if event.attempt > 1 else ""
    return f"{place}{attempt} is struck by {event.fault}: {sentence[:1].lower()}{sentence[1:]}"


def _turns_back(event: e.TransactionCompensating) -> str:
    failed = f"{event.operation} has failed for good ({event.reason})"
    return f"{failed if event.operation else 'It turns back'}, and what was done is to be reverted"


def _abandoned(event: e.TransactionAbandoned) -> str:
    failed = f"{event.operation} has failed for good"
    return f"{failed if event.operation else 'It ends'} ({event.reason}), and nothing is reverted"


def _aborted(event: e.OperationAborted) -> str:
    return "" if event.reason in _SAID else f"{event.operation} asks for the end: {event.reason}"


def _stops(event: e.TransactionCancelRequested) -> str:
    return "" if event.reason in _SAID else f"It is asked to stop: {event.reason}"


def _stuck(event: e.TransactionStuck) -> str:
    waiting = event.dead_letters
    return f"It is stuck: {' and '.join(waiting)} wait{'s' if len(waiting) == 1 else ''} for a person"


def _probed(event: e.OperationProbed) -> str:
    said = {"landed": "it had landed", "not_landed": "nothing had landed"}.get(
        event.outcome, "nobody can tell"
    )
    return f"{event.probe} asks what came of {event.operation}: {said}"


_TELL: dict[type[e.Event], Callable[[Any], str]] = {
    e.TransactionBegan: _asks,
    e.FaultInjected: _strikes,
    e.ProcessRecovered: lambda event: "Another process takes over",
    e.OperationProbed: _probed,
    e.OperationAborted: _aborted,
    e.OperationSuspended: lambda event: f"{event.operation} waits for an answer from outside",
    e.OperationLate: lambda event: f"Late, an answer to {event.operation} arrives: {event.outcome}",
    e.CompensationPartial: lambda event: f"{event.compensation} gives back only a part",
    e.CompensationExpired: lambda event: f"{event.compensation} comes too late",
    e.CompensationSkipped: lambda event: f"{event.compensation} is skipped: {event.reason}",
    e.TransactionCancelRequested: _stops,
    e.TransactionRejected: lambda event: f"It is rejected: {event.reason}",
    e.TransactionCompensating: _turns_back,
    e.TransactionAbandoned: _abandoned,
    e.TransactionCommitted: lambda event: "It is committed",
    e.TransactionCompensated: lambda event: "It ends, and believes that everything is reverted",
    e.TransactionStuck: _stuck,
    e.DeadLetterResolved: lambda event: f"Tried again, {event.operation} is reverted at last",
}
