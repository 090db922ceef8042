"""The tape: the one source of every choice that could have gone another way."""

from collections.abc import Mapping
from hashlib import blake2b

__all__ = ["MILLION", "Tape"]

MILLION = 1_000_000
"""Probabilities are whole numbers of parts in a million."""


class Tape:
    """Answers each choice by its *point*, a stable name such as ``tx-1/charge_payment@2/latency``.

    A choice is a function of the seed and the point alone, never of how many choices came before
    it: two runs that differ in one step draw alike everywhere else, a recovered process draws
    what the dead one would have drawn, and a choice can be quoted by name.

    - *scripted*: ``Tape(choices={point: value})``; what is not scripted takes alternative 0, the calm one;
    - *seeded*: ``Tape(seed)``;
    - *recorded*: ``Tape(seed, choices)`` as ``recorded()`` gave them after an earlier run.

    An enumerating tape overrides :meth:`draw` alone.
    """

    __slots__ = ("_choices", "_drawn", "_keyed", "seed")

    def __init__(self, seed: int | None = None, choices: Mapping[str, int] | None = None) -> None:
        self.seed = seed
        # To copy a hash that was keyed costs less than to key one.
        self._keyed = None if seed is None else blake2b(digest_size=8, key=str(seed).encode()[:64]).copy
        self._choices = choices or {}
        self._drawn: dict[str, int] | None = None

    def draw(self, point: str, alternatives: int) -> int:
        """Choose one of ``alternatives`` (at least 1) at ``point``: a number from 0 on.

        A scripted value that is no alternative is brought into the range. Seeded values are
        BLAKE2b (RFC 7693) of the point, keyed by the seed, reduced to the range; with 64 bits
        the bias is below 1 in 10^12 for every range in use here.
        """
        chosen = self._choices.get(point) if self._choices else None
        if chosen is not None:
            chosen = min(max(chosen, 0), alternatives - 1)
        elif self._keyed is not None and alternatives > 1:
            keyed = self._keyed()
            keyed.update(point.encode())
            chosen = int.from_bytes(keyed.digest(), "big") % alternatives
        else:
            chosen = 0
        if self._drawn is not None:
            self._drawn[point] = chosen
        return chosen

    def chance(self, point: str, probability_ppm: int) -> bool:
        """Whether something with this probability (0 to 1,000,000 parts in a million) happens.

        Certainties draw nothing. Alternative 0 of the draw is the calm one: it does not happen.
        """
        if probability_ppm >= MILLION:
            return True
        return probability_ppm > 0 and self.draw(point, MILLION) >= MILLION - probability_ppm

    def between(self, point: str, least: int, most: int) -> int:
        """A whole number from ``least`` to ``most``, both included."""
        return least + self.draw(point, most - least + 1) if most > least else least

    def record(self) -> None:
        """From now on keep what is drawn, for :meth:`recorded`."""
        self._drawn = {}

    def recorded(self) -> dict[str, int]:
        """Every choice drawn since :meth:`record`, by its point."""
        return dict(self._drawn or {})
