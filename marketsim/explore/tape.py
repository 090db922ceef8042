"""The enumerating tape: each choice is one draw, and a script of their values is one run."""

from collections.abc import Sequence

from marketsim.explore.model import Choice, Cost
from marketsim.saga.tape import Tape

__all__ = ["CALM", "ScriptTape"]

CALM = Cost()
PREEMPTION = Cost(preemptions=1)


class ScriptTape(Tape):
    """Draws the values of a script in their order, and the calm alternative from its end on.

    Only what is explored is drawn so: which fault strikes a call, and who moves next. Whatever else is
    asked (a pause, a moment of arrival) takes the calm alternative, and is not told.
    """

    __slots__ = ("_script", "costs", "drawn", "spent")

    def __init__(self, script: Sequence[int] = b"") -> None:
        super().__init__()
        self._script = script
        self.drawn: list[Choice] = []
        self.costs: list[Sequence[Cost]] = []
        self.spent = CALM

    def draw(self, point: str, alternatives: int) -> int:
        """The script's next value, if the point is one of those that are explored."""
        if not point.partition("#")[0].endswith("/turn"):
            return 0
        return self.choose(point, (CALM, *[PREEMPTION] * (alternatives - 1)))

    def choose(self, point: str, costs: Sequence[Cost], words: Sequence[str] = ()) -> int:
        """One of the alternatives whose costs these are."""
        at = len(self.drawn)
        value = self._script[at] if at < len(self._script) else 0
        self.drawn.append(Choice(point, value, len(costs), words[value] if words else ""))
        self.costs.append(costs)
        if value:
            self.spent = self.spent + costs[value]
        return value
