"""Which transactions have ended, and which of them committed: one byte for each, if they are counted."""

from typing import Literal, TypeAlias

__all__ = ["Ended"]

_GAP_MAX = 10_000

_End: TypeAlias = Literal["", "committed", "otherwise"]
_ENDS: tuple[_End, ...] = ("", "committed", "otherwise")


class Ended:
    """How transactions ended, by their names.

    Those of a market are ``tx-1``, ``tx-2`` and so on: a long simulation ends a great many, and each
    takes a byte. Of any other name, or one that is far ahead, the name is kept.
    """

    def __init__(self) -> None:
        self._counted = bytearray()
        self._named: dict[str, _End] = {}

    def add(self, transaction: str, *, committed: bool) -> None:
        """Note that a transaction has ended."""
        number, counted = _number(transaction), self._counted
        if 0 <= number < len(counted) + _GAP_MAX:
            counted.extend(bytes(max(0, number + 1 - len(counted))))
            counted[number] = 1 if committed else 2
        else:
            self._named[transaction] = _ENDS[1 if committed else 2]

    def end_of(self, transaction: str) -> _End:
        """How it ended: ``committed`` or ``otherwise``; empty if it has not."""
        number = _number(transaction)
        if 0 <= number < len(self._counted) and self._counted[number]:
            return _ENDS[self._counted[number]]
        return self._named.get(transaction, "")


def _number(transaction: str) -> int:
    """The number of a transaction that is named as a market names them, or -1."""
    text = transaction[3:]
    named_so = transaction[:3] == "tx-" and text.isascii() and text.isdigit() and len(text) <= 10
    return int(text) if named_so and text[0] != "0" else -1
