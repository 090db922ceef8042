"""The states that were seen, and with how much left of the bound."""

from collections.abc import Iterable

from marketsim.explore.budget import Left, covers

__all__ = ["Known"]


class Known:
    """Remembers states as numbers, each with what was left of the bound when a run came to it."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[Left, ...]] = {}

    def __len__(self) -> int:
        return len(self._left)

    def __contains__(self, state: int) -> bool:
        return state in self._left

    def covers(self, state: int, left: Left) -> bool:
        """Whether all that can be done from here was done from this state before."""
        seen = self._left.get(state)
        return seen is not None and any(covers(each, left) for each in seen)

    def add(self, state: int, left: Left) -> None:
        """Remember a state; what it was known with before and is less is forgotten."""
        seen = self._left.get(state, ())
        self._left[state] = (*(each for each in seen if not covers(left, each)), left)

    def items(self) -> Iterable[tuple[int, tuple[Left, ...]]]:
        """All that is known."""
        return self._left.items()

    def each(self) -> list[tuple[int, Left]]:
        """All that is known, one by one: whoever adds it knows as much."""
        return [(state, left) for state, seen in self._left.items() for left in seen]
