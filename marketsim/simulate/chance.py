"""Distributions in whole numbers: the same draw gives the same value on any machine.

A library's ``log`` may differ from another's in the last bit, and so a rounded microsecond in a run of
millions. Here logarithms, powers and the normal distribution are tables of knots in units of 2**-24,
with straight lines between them (off by less than 10**-4 in the normal distribution, 10**-6 elsewhere):
no knot is so near a border of rounding that two libraries could disagree about it.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist

from marketsim.saga.tape import Tape

__all__ = [
    "UNIT",
    "exponential",
    "fixed",
    "logarithm",
    "normal",
    "power",
    "quotient",
    "tables",
]

_UNIT_BITS = 40
_KNOT_BITS = 24
_DRAW_BITS = 53
_LOG_BITS = 10
_NORMAL_BITS = 6

UNIT = 1 << _UNIT_BITS
"""What stands for one in a fixed-point number."""

_LN2 = 762_123_384_786
"""The natural logarithm of 2, in fixed point."""


def fixed(number: float) -> int:
    """A number as a person wrote it, in fixed point."""
    return math.floor(Fraction(repr(number)) * UNIT)


def quotient(upper: int, lower: int) -> int:
    """The natural logarithm of a quotient of whole numbers from 1 on, in fixed point."""
    return logarithm(upper) - logarithm(lower)


def logarithm(number: int) -> int:
    """The natural logarithm of a whole number from 1 on, in fixed point."""
    length = number.bit_length()
    shift = _DRAW_BITS - length
    mantissa = number << shift if shift >= 0 else number >> -shift
    return (length - 1) * _LN2 + _between(_logarithms(), mantissa, _DRAW_BITS - 1 - _LOG_BITS, _LOG_BITS)


def power(exponent: int) -> int:
    """e to the power of a fixed-point number, in fixed point; 0 where it is smaller than that can tell."""
    whole, rest = divmod((exponent << _UNIT_BITS) // _LN2, UNIT)
    mantissa = _between(_powers(), rest, _UNIT_BITS - _LOG_BITS, _LOG_BITS)
    return mantissa << whole if whole >= 0 else mantissa >> -whole


def exponential(tape: Tape, point: str) -> int:
    """A draw of the exponential distribution with mean one, in fixed point; the calm one is 0."""
    return _DRAW_BITS * _LN2 - logarithm((1 << _DRAW_BITS) - tape.draw(point, 1 << _DRAW_BITS))


def normal(tape: Tape, point: str) -> int:
    """A draw of the standard normal distribution, in fixed point; the calm one is 0."""
    drawn = tape.draw(point, 1 << _DRAW_BITS)
    # The lowest bit says on which side, and the others how far out: a probability of at most a half.
    tail = (1 << (_DRAW_BITS - 1)) - (drawn >> 1)
    length = tail.bit_length()
    knots = _normals()[length - 1]
    far = _between(knots, tail << (_DRAW_BITS - length), _DRAW_BITS - 1 - _NORMAL_BITS, _NORMAL_BITS)
    return far if drawn & 1 else -far


def _between(knots: Sequence[int], position: int, shift: int, bits: int) -> int:
    """The value on the straight line between two knots; whatever is above the index is cut off."""
    index = (position >> shift) & ((1 << bits) - 1)
    low = knots[index]
    return low + ((knots[index + 1] - low) * (position & ((1 << shift) - 1)) >> shift)


# The tables.


def tables() -> list[list[float]]:
    """The knots of every table before they are rounded."""
    count = 1 << _LOG_BITS
    return [
        [math.log((count + each) / count) for each in range(count + 1)],
        [2.0 ** (each / count) for each in range(count + 1)],
        *(_normal_knots(length) for length in range(1, _DRAW_BITS + 1)),
    ]


def _normal_knots(length: int) -> list[float]:
    """How far out the upper tail is as probable as a draw of so many bits says, from 2**(bits-1) on."""
    count, far = 1 << _NORMAL_BITS, NormalDist().inv_cdf
    tails = ((count + each) * 2.0 ** (length - 1 - _NORMAL_BITS - _DRAW_BITS) for each in range(count + 1))
    return [-far(min(0.5, tail)) for tail in tails]


def _rounded(knots: list[float]) -> list[int]:
    return [round(each * (1 << _KNOT_BITS)) << (_UNIT_BITS - _KNOT_BITS) for each in knots]


@lru_cache(maxsize=1)
def _every() -> list[list[int]]:
    return [_rounded(knots) for knots in tables()]


def _logarithms() -> list[int]:
    return _every()[0]


def _powers() -> list[int]:
    return _every()[1]


def _normals() -> list[list[int]]:
    return _every()[2:]
