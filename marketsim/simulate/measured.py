"""What a simulation came to, as plain numbers that can be kept, told, and added up over many runs."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from marketsim.audit.quantiles import Histogram
from marketsim.audit.stats import Cause, Durations
from marketsim.simulate.held import Held
from marketsim.simulate.series import Counts
from marketsim.simulate.shelves import Phantom
from marketsim.simulate.wishes import Sales

__all__ = ["OUTCOMES", "Injected", "Measured", "Tallied", "figures", "merged"]

OUTCOMES = ("committed", "compensated", "rejected", "stuck", "abandoned", "open")
"""How a transaction may end, or not have ended."""

T = TypeVar("T")


class Tallied(msgspec.Struct, frozen=True):
    """So many transactions, and what they were about in minor units of money.

    What committed counts what was sold; the others what was wanted, at the price when they ended.
    """

    count: int = 0
    minor: int = 0


class Injected(msgspec.Struct, frozen=True):
    """How often a fault was injected at a place: an operation, a revert or a probe."""

    place: str
    fault: str
    count: int


class Measured(msgspec.Struct, frozen=True):
    """What the events of one run came to, or of ``runs`` together.

    Lengths are in microseconds and money is in minor units of ``currency``. ``length_us`` is from the
    first event of a transaction to the last event, ``refused`` are customers who were turned away since
    there was not enough stock, whatever the reason. ``phantom`` counts those of them who were turned
    away for stock that only looked sold: sales are ``lost`` but for those who ``came_back`` within an
    hour and bought. ``out`` tells for each product how long none was on sale while a purchase held some
    that did not stand. ``stranded`` units are gone from sale and sold to nobody at the end;
    ``oversold`` is by how many units more was promised than there was, at the worst of each product.
    ``consistency`` is how long it took from the first effect of what did not stand until its last revert.
    """

    currency: str
    length_us: int
    outcomes: dict[str, Tallied]
    refused: Sales
    phantom: Phantom
    lost: Sales
    came_back: Sales
    out: dict[str, int]
    stranded: Tallied
    oversold: int
    held: Held
    consistency: Durations
    ends: list[Durations]
    operations: list[Durations]
    reverts: list[Durations]
    causes: list[Cause]
    faults: list[Injected]
    never_struck: list[str]
    dead_letters: int
    series: Counts
    events: int = 0
    untracked: int = 0
    runs: int = 1

    @property
    def purchases(self) -> int:
        """How many transactions began."""
        return sum(each.count for each in self.outcomes.values())


def merged(one: Measured, other: Measured) -> Measured:
    """Both together: what is counted is added up, what is timed is poured together.

    Raises ValueError for two currencies. A fault has never struck that has struck in neither.
    """
    if one.currency != other.currency:
        raise ValueError(f"{one.currency} and {other.currency} cannot be added up")
    return Measured(
        currency=one.currency,
        length_us=one.length_us + other.length_us,
        outcomes={name: _sum(one.outcomes[name], other.outcomes[name]) for name in OUTCOMES},
        refused=_sum(one.refused, other.refused),
        phantom=_sum(one.phantom, other.phantom),
        lost=_sum(one.lost, other.lost),
        came_back=_sum(one.came_back, other.came_back),
        out=_most({name: one.out.get(name, 0) + other.out.get(name, 0) for name in one.out | other.out}),
        stranded=_sum(one.stranded, other.stranded),
        oversold=one.oversold + other.oversold,
        held=_sum(one.held, other.held),
        consistency=one.consistency.and_those(other.consistency),
        ends=_both(one.ends, other.ends, _name, Durations.and_those),
        operations=_both(one.operations, other.operations, _name, Durations.and_those),
        reverts=_both(one.reverts, other.reverts, _name, Durations.and_those),
        causes=_causes(one, other),
        faults=_both(one.faults, other.faults, lambda each: (each.place, each.fault), _sum),
        never_struck=[each for each in one.never_struck if each in other.never_struck],
        dead_letters=one.dead_letters + other.dead_letters,
        series=one.series.and_those(other.series),
        events=one.events + other.events,
        untracked=one.untracked + other.untracked,
        runs=one.runs + other.runs,
    )


def _sum(one: T, other: T) -> T:
    """Two structs with their numbers added up; texts are those of the first."""
    added: dict[str, Any] = {}
    for name in one.__struct_fields__:  # type: ignore[attr-defined]
        mine, others = getattr(one, name), getattr(other, name)
        if isinstance(mine, int):
            added[name] = mine + others
        elif isinstance(mine, Durations):
            added[name] = mine.and_those(others)
        else:
            added[name] = mine
    return type(one)(**added)


def _both(
    some: list[T], others: list[T], key: Callable[[Any], Any], together: Callable[[T, T], T]
) -> list[T]:
    """The items of two lists, those with the same key together, in the order of the keys."""
    found = {key(each): each for each in some}
    for each in others:
        mine = found.get(key(each))
        found[key(each)] = each if mine is None else together(mine, each)
    return [found[name] for name in sorted(found)]


def _name(each: Durations) -> str:
    return each.name


def _causes(one: Measured, other: Measured) -> list[Cause]:
    ended = sum(each.purchases - each.outcomes["open"].count for each in (one, other))
    every = _both(one.causes, other.causes, lambda each: (each.operation, each.code), _sum)
    causes = [
        msgspec.structs.replace(each, rate_ppm=each.count * 1_000_000 // ended if ended else 0)
        for each in every
    ]
    return sorted(causes, key=lambda each: (-each.count, each.operation, each.code))


def _most(out: dict[str, int]) -> dict[str, int]:
    return dict(sorted(out.items(), key=lambda each: (-each[1], each[0])))


def figures(measured: Measured) -> dict[str, int]:
    """The figures in a row, by stable names: counts, ``_minor`` units of money, ``_us`` microseconds."""
    found = {"purchases": measured.purchases, "events": measured.events, "length_us": measured.length_us}
    for name, each in measured.outcomes.items():
        found |= {name: each.count, f"{name}_minor": each.minor}
    for name, sales in (
        ("refused", measured.refused),
        ("lost", measured.lost),
        ("came_back", measured.came_back),
    ):
        found |= {name: sales.count, f"{name}_units": sales.units, f"{name}_minor": sales.minor}
    phantom, held = measured.phantom, measured.held
    found |= {
        "phantom": phantom.refusals,
        "phantom_units": phantom.units,
        "phantom_minor": phantom.minor,
        "phantom_waited_us": phantom.waited_us,
        "phantom_out_us": phantom.out_us,
        "stranded_units": measured.stranded.count,
        "stranded_minor": measured.stranded.minor,
        "oversold_units": measured.oversold,
        "held": held.count,
        "held_minor": held.minor,
        "held_minor_hours": held.minor_hours,
        "held_p50_us": held.returned.p50_us,
        "held_p99_us": held.returned.p99_us,
        "held_still_minor": held.still_minor,
        "double_charges": held.double,
        "double_charges_minor": held.double_minor,
        "dead_letters": measured.dead_letters,
        "faults": sum(each.count for each in measured.faults),
        "retries": sum(each.retries for each in (*measured.operations, *measured.reverts)),
    }
    took = {each.name: each for each in measured.ends}
    nothing = Durations.of("", Histogram())
    for name in ("committed", "compensated"):
        found |= _quantiles(f"{name}_took", took.get(name, nothing))
    return found | _quantiles("consistency", measured.consistency)


def _quantiles(name: str, lengths: Durations) -> dict[str, int]:
    return {
        f"{name}_p50_us": lengths.p50_us,
        f"{name}_p95_us": lengths.p95_us,
        f"{name}_p99_us": lengths.p99_us,
    }
