"""The enumerating tape: each choice is one draw, and a script of their values is one run."""

from collections.abc import Sequence
from typing import Literal

from marketsim.saga.tape import Tape

__all__ = ["CALM", "CRASH", "FAULT", "TURN", "Kind", "ScriptTape", "Strayed"]

Kind = Literal[0, 1, 2, 3]
"""What an alternative takes from the bound: nothing, or one of these."""

CALM, FAULT, CRASH, TURN = range(4)


class Strayed(BaseException):
    """A script asks for an alternative that is not there: the run takes another way than it did before.

    Not an ``Exception``, so that no handler's ``except`` clause swallows it.
    """


class ScriptTape(Tape):
    """Draws the values of a script in their order, and the calm alternative from its end on.

    Only what is explored is drawn so: which fault strikes a call, and who moves next. Whatever else is
    asked (a pause, a moment of arrival) takes the calm alternative, and is not told. ``points`` are those
    that were drawn, ``kinds`` the alternatives of each by what they take, and ``values`` what was chosen.
    """

    __slots__ = ("_script", "kinds", "points", "values")

    def __init__(self, script: Sequence[int] = b"") -> None:
        super().__init__()
        self._script = script
        self.points: list[str] = []
        self.kinds: list[bytes] = []
        self.values = bytearray()

    @property
    def done(self) -> bool:
        """Whether all of the script was drawn: what comes now is new."""
        return len(self.values) >= len(self._script)

    def draw(self, point: str, alternatives: int) -> int:
        """The script's next value, if the point is one of those that are explored."""
        if not point.partition("#")[0].endswith("/turn"):
            return 0
        return self.choose(point, bytes([CALM, *[TURN] * (alternatives - 1)]))

    def choose(self, point: str, kinds: bytes) -> int:
        """One of the alternatives of these kinds."""
        at = len(self.values)
        value = self._script[at] if at < len(self._script) else 0
        if value >= len(kinds):
            raise Strayed(point)
        self.points.append(point)
        self.kinds.append(kinds)
        self.values.append(value)
        return value

    def spent(self) -> tuple[int, int, int]:
        """How many faults, crashes and turns were chosen."""
        taken = [kinds[value] for kinds, value in zip(self.kinds, self.values, strict=True) if value]
        return taken.count(FAULT), taken.count(CRASH), taken.count(TURN)
