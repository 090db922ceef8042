"""The enumerating tape: each choice is one draw, and a script of their values is one run."""

from marketsim.saga.tape import Tape

__all__ = ["OVERTAKEN", "ScriptTape", "Strayed"]

OVERTAKEN = 0x80
"""Added to the value of a turn by which somebody is overtaken who might as well have moved before.

No point has so many alternatives.
"""


class Strayed(BaseException):
    """A script asks for an alternative that is not there: the run takes another way than it did before.

    Not an ``Exception``, so that no handler's ``except`` clause swallows it.
    """


class ScriptTape(Tape):
    """Draws the values of a script in their order, and the calm alternative from its end on.

    Only what is explored is drawn so: which fault strikes a call, and who moves next. Whatever else is
    asked (a pause, a moment of arrival) takes the calm alternative, and is not told. ``points`` are those
    that were drawn, ``kinds`` the alternatives of each by their kinds, ``values`` what was chosen, and
    ``taken`` the kinds of what was chosen, but for the calm ones.
    """

    __slots__ = ("kinds", "points", "script", "taken", "values")

    def __init__(self, script: bytes = b"") -> None:
        super().__init__()
        self.script = script
        self.points: list[str] = []
        self.kinds: list[bytes] = []
        self.values = bytearray()
        self.taken = b""

    @property
    def done(self) -> bool:
        """Whether all of the script was drawn: what comes now is new."""
        return len(self.values) >= len(self.script)

    def draw(self, point: str, alternatives: int) -> int:
        """The calm one: what is explored is chosen by :meth:`choose`."""
        return 0

    def choose(self, point: str, kinds: bytes) -> int:
        """One of the alternatives of these kinds."""
        at = len(self.values)
        value = self.script[at] & ~OVERTAKEN if at < len(self.script) else 0
        if value >= len(kinds):
            raise Strayed(point)
        self.points.append(point)
        self.kinds.append(kinds)
        self.values.append(value)
        if kinds[value]:
            self.taken += kinds[value : value + 1]
        return value

    @property
    def overtakes(self) -> bool:
        """Whether by what was chosen last somebody is overtaken."""
        at = len(self.values) - 1
        return at < len(self.script) and bool(self.script[at] & OVERTAKEN)
