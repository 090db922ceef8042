"""A run is made again: if it takes another way, the saga has a choice that is not on the tape."""

from contextlib import suppress
from itertools import zip_longest

import msgspec

from marketsim.explore.faults import Menus
from marketsim.explore.model import Bound, Case, Irreproducible
from marketsim.explore.tape import Strayed
from marketsim.explore.trial import Trial
from marketsim.saga.events import Event, encode

__all__ = ["differs"]

_TIMES = 2


def differs(case: Case, bound: Bound, menus: Menus, script: bytes) -> Irreproducible | None:
    """Make a run twice, and say where the second takes another way, if it does."""
    first, second = (_made(case, bound, menus, script) for _ in range(_TIMES))
    last: Event | None = None
    for one, other in zip_longest(first.log.events, second.log.events):
        if one is None or other is None or encode(one) != encode(other):
            return _where(first, one, other, last)
        last = one
    if first.tape.points == second.tape.points and first.tape.done:
        return None
    return _where(first, None, None, last)


def _made(case: Case, bound: Bound, menus: Menus, script: bytes) -> Trial:
    trial = Trial(case, bound, menus, script)
    with suppress(Strayed):  # It is compared as far as it came.
        trial.run()
    return trial


def _where(first: Trial, one: Event | None, other: Event | None, last: Event | None) -> Irreproducible:
    place = next((each for each in (one, other, last) if getattr(each, "operation", "")), None)
    turns = {
        point: value
        for point, value in zip(first.tape.points, first.tape.values, strict=True)
        if value and "/turn" in point
    }
    return Irreproducible(
        faults=tuple(tuple(plan.texts) for plan in first.plans),
        turns=turns,
        transaction=str(getattr(place, "transaction", "")),
        operation=str(getattr(place, "compensation", "") or getattr(place, "operation", "")),
        attempt=int(getattr(place, "attempt", 0)),
        expected=_text(one),
        actual=_text(other),
    )


def _text(event: Event | None) -> str:
    return msgspec.json.encode(event).decode() if event is not None else "nothing more"
