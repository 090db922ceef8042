"""How long services take: by a distribution, or by real timings, in whole microseconds."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from msgspec import UNSET

from marketsim.drivers.clock import span_us
from marketsim.saga.definition import SPAN_MAX_US
from marketsim.saga.errors import InputError, quoted
from marketsim.saga.tape import Tape
from marketsim.simulate.chance import UNIT, exponential, fixed, normal, power, quotient
from marketsim.simulate.model import Latency
from marketsim.simulate.rows import column_of, read_rows

__all__ = ["Draw", "latency_of", "read_timings", "uniform"]

Draw: TypeAlias = Callable[[Tape, str], int]
"""Draws how long a call takes, in microseconds, at a point of the tape."""

_UNITS_US = {"us": 1, "ms": 1_000, "s": 1_000_000}
_NORMAL_99 = fixed(2.3263478740408408)
"""What 99 percent of a normal distribution stay below, in standard deviations."""


def latency_of(said: str | Latency, timings: Sequence[int] = ()) -> Draw:
    """The distribution that a workload says; ``timings`` are those of its CSV, in microseconds."""
    if isinstance(said, str):
        length_us = span_us(said)
        return lambda tape, point: length_us
    if said.csv is not UNSET:
        return lambda tape, point: timings[tape.draw(point, len(timings))]
    if said.mean is not UNSET:
        mean_us = span_us(said.mean)
        return lambda tape, point: mean_us * exponential(tape, point) // UNIT
    assert said.median is not UNSET
    median_us, sigma = span_us(said.median), _sigma(said)
    return lambda tape, point: median_us * power(sigma * normal(tape, point) // UNIT) // UNIT


def _sigma(said: Latency) -> int:
    """The standard deviation of the logarithm of a lognormal distribution, in fixed point."""
    if said.sigma is not UNSET:
        return fixed(said.sigma)
    assert said.p99 is not UNSET
    assert said.median is not UNSET
    return quotient(span_us(said.p99), span_us(said.median)) * UNIT // _NORMAL_99


def uniform(least_us: int, most_us: int) -> Draw:
    """Anything from ``least_us`` to ``most_us``, as an operation itself says."""
    count = most_us - least_us + 1
    return lambda tape, point: least_us + tape.draw(point, count)


def read_timings(path: Path, said: Latency) -> list[int]:
    """The timings in a column of a CSV, in microseconds and in order.

    Raises InputError, with the line, for what is no timing.
    """
    rows = read_rows(path)
    index = 0 if said.column is UNSET else column_of(rows, said.column, "timings")
    found: list[int] = []
    for line, cells in rows.cells:
        text = cells[index].strip() if index < len(cells) else ""
        length_us = _timing_us(text, _UNITS_US[said.unit])
        if length_us is None:
            todo = f"write a number of {said.unit}, up to a year"
            raise InputError(f"{quoted(text)} is not a timing", where=f"{rows.name}:{line}", todo=todo)
        found.append(length_us)
    if not found:
        raise InputError("there is no timing in this file", where=rows.name)
    return sorted(found)


def _timing_us(text: str, unit_us: int) -> int | None:
    whole, _, decimals = text.partition(".")
    digits = whole + decimals
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 30:
        return None
    length_us = int(digits) * unit_us // int(10 ** len(decimals))
    return length_us if length_us <= SPAN_MAX_US else None
