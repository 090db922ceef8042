"""What is on sale and who holds the rest, to tell stock that is sold from stock that only looks sold."""

from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate

import msgspec

from marketsim.simulate.wishes import Wish, Wishes

__all__ = ["MARKS_MAX", "Phantom", "Shelf", "Tally"]

MARKS_MAX = 100_000
"""How many refusals of one product wait at once for those who hold it to end; the oldest wait no longer."""

Move = tuple[int, int, int]
"""How many marks a shelf had made, the moment in microseconds, and the units taken (or given back, < 0)."""


class Phantom(msgspec.Struct, frozen=True):
    """What stock that only looked sold came to.

    ``refusals`` of ``units`` for ``minor`` units of money: customers were turned away while those whose
    purchase did not stand in the end held enough of the product, and for ``waited_us`` microseconds
    together, each from the refusal until the units were back (or the end). ``out_us``: how long products
    had none on sale while such a purchase held some, all products together.
    """

    refusals: int = 0
    units: int = 0
    minor: int = 0
    waited_us: int = 0
    out_us: int = 0


class Tally:
    """What all shelves count together. ``for_good`` are refusals whose units never came back."""

    __slots__ = ("for_good", "for_good_at_us", "minor", "refusals", "units", "waited_us", "wishes")

    def __init__(self) -> None:
        self.refusals = self.units = self.minor = self.waited_us = self.for_good = self.for_good_at_us = 0
        self.wishes = Wishes()

    def confirm(self, units: int, minor: int) -> None:
        """A customer was turned away for stock that only looked sold."""
        self.refusals += 1
        self.units += units
        self.minor += minor

    def wait(self, at_us: int, until_us: int) -> None:
        """For so long the units were gone; ``until_us`` 0: for good."""
        if until_us:
            self.waited_us += until_us - at_us
        else:
            self.for_good += 1
            self.for_good_at_us += at_us


class _Mark:
    """A moment at which ``short`` units were missing, and how many of them were held in vain.

    It is a refusal, or the begin of a stretch in which none was on sale. ``until_us`` is the end of
    that stretch; ``returns`` are units that came back after it, by the moment. ``need`` is how many more
    units, which made no other sale be lost, it takes until this one is.
    """

    __slots__ = ("at_us", "found", "minor", "need", "returns", "short", "units", "until_us", "wish")

    def __init__(self, at_us: int, short: int, found: int) -> None:
        self.at_us, self.short, self.found = at_us, short, found
        self.units = self.minor = self.until_us = self.need = 0
        self.wish: Wish | None = None
        self.returns: list[tuple[int, int]] = []

    @property
    def phantom(self) -> bool:
        return self.found >= self.short

    def claim(self, free: int, tally: Tally) -> int:
        """How many of these units it takes for its lost sale: that of a wish is lost once."""
        if self.wish is None or self.wish.in_vain:
            return 0
        claimed = min(free, self.need)
        self.need -= claimed
        if not self.need:
            tally.wishes.count(self.wish)
        return claimed

    def back_us(self) -> int:
        """When the units that were missing were back; 0 if they were not."""
        back = 0
        for moment_us, units in sorted(self.returns):
            back += units
            if back >= self.short:
                return moment_us
        return 0


class Shelf:
    """One product: how much is on sale, and which transactions hold how much, in the order of their taking.

    ``stranded`` units are held by transactions that ended without giving them back, and ``made_up`` ones
    were given back and had never been taken; ``oversold`` is by how much more was promised than there
    was, at the worst.

    Which refusal was for stock that only looked sold is known when those have ended who held it: a mark
    waits until the oldest transaction is gone that had taken something before. A unit that is held in
    vain makes one sale be lost, however many ask for it; of the stranded ones, ``_free`` have made none.
    Memory is bounded by what is open at once, and by the refusals meanwhile (MARKS_MAX).
    """

    __slots__ = (
        *("_base", "_free", "_holders", "_marks", "_stretch", "_tally"),
        *("available", "made_up", "out_us", "oversold", "price_minor", "stranded"),
    )

    def __init__(self, tally: Tally) -> None:
        self.available = self.stranded = self.made_up = self.oversold = self.price_minor = self.out_us = 0
        self._holders: OrderedDict[str, list[Move]] = OrderedDict()
        self._marks: list[_Mark] = []
        self._base = self._free = 0
        self._stretch: _Mark | None = None
        self._tally = tally

    def move(self, transaction: str, taken: int, now_us: int) -> None:
        """Units are taken off sale, or (below 0) come back; ``transaction`` is "" if none is open for it."""
        self.available -= taken
        if transaction:
            move = (self._base + len(self._marks), now_us, taken)
            moves = self._holders.get(transaction)
            if moves is None:
                self._holders[transaction] = moves = [move]
            else:
                moves.append(move)
            if taken < 0:
                held = sum(each[2] for each in moves)
                self.made_up += max(0, -held) - max(0, taken - held)
        if self.available < self.made_up:
            self.oversold = max(self.oversold, self.made_up - self.available)
        if self.available <= 0:
            if self._stretch is None:
                self._stretch = self._mark(now_us, 1)
        elif self._stretch is not None:
            self._close(now_us)

    def strand(self, units: int) -> None:
        """Units of a transaction that has ended are held for good, or (below 0) no longer."""
        self.stranded += units
        if self.stranded < 0:
            self.made_up -= self.stranded
            self.stranded = 0
        self._free = min(self._free + max(0, units), self.stranded)

    def refuse(self, wish: Wish, units: int, minor: int, now_us: int) -> None:
        """A customer who wants so many is turned away."""
        short = units - self.available
        if short <= 0:
            return  # There was enough: it was no lack of stock.
        mark = self._mark(now_us, short)
        mark.wish, mark.units, mark.minor, mark.need = wish, units, minor, short
        self._free -= mark.claim(self._free, self._tally)
        if mark.phantom:
            self._tally.confirm(units, minor)
        if not self._holders and mark.phantom:
            self._tally.wait(now_us, 0)

    def end(self, transaction: str, stands: bool) -> None:
        """A transaction has ended, and what it holds is sold (it ``stands``) or held in vain."""
        moves = self._holders.pop(transaction, None)
        if moves is None:
            return
        if not stands:
            left = max(0, sum(taken for _, _, taken in moves))
            self.stranded += left
            self._free += min(left, self._reveal(moves))
        if self._marks:
            oldest = next(iter(self._holders.values()))[0][0] - self._base if self._holders else MARKS_MAX
            self._settle(max(0, oldest))

    def phantom(self, now_us: int) -> tuple[int, int]:
        """How long none was on sale in vain, and how long those waited who still do, in microseconds."""
        out_us, waited_us = self.out_us, 0
        if self._stretch is not None and self._stretch.phantom:
            out_us += now_us - self._stretch.at_us
        for mark in self._marks:
            if mark.wish is not None and mark.phantom:
                waited_us += (mark.back_us() or now_us) - mark.at_us
        return out_us, waited_us

    def _mark(self, now_us: int, short: int) -> _Mark:
        mark = _Mark(now_us, short, self.stranded)
        if self._holders:
            self._marks.append(mark)
            if len(self._marks) > MARKS_MAX:
                self._settle(MARKS_MAX // 2)
        return mark

    def _close(self, now_us: int) -> None:
        mark, self._stretch = self._stretch, None
        assert mark is not None
        mark.until_us = now_us
        if mark.phantom:
            self.out_us += now_us - mark.at_us

    def _reveal(self, moves: list[Move]) -> int:
        """Tell the marks made meanwhile that this was held in vain; the units that made no sale be lost."""
        free = max(accumulate(taken for _, _, taken in moves))
        for mark, held, rest in self._held(moves):
            was = mark.phantom
            mark.found += held
            if mark.wish is not None:
                free -= mark.claim(min(free, held), self._tally)
                mark.returns += [(moment_us, -taken) for _, moment_us, taken in rest if taken < 0]
                if mark.phantom and not was:
                    self._tally.confirm(mark.units, mark.minor)
            elif mark.phantom and not was and mark.until_us:
                self.out_us += mark.until_us - mark.at_us
        return free

    def _held(self, moves: list[Move]) -> Iterator[tuple[_Mark, int, list[Move]]]:
        """Each mark in whose moment something was held: how much, and the moves that came after it."""
        held = done = 0
        first = moves[0][0]
        for number, mark in enumerate(self._marks[max(0, first - self._base) :], max(first, self._base)):
            while done < len(moves) and moves[done][0] <= number:
                held += moves[done][2]
                done += 1
            if held > 0:
                yield mark, held, moves[done:]

    def _settle(self, count: int) -> None:
        """Nobody is left who could tell more of the oldest marks."""
        settled = self._marks[:count]
        del self._marks[: len(settled)]
        self._base += len(settled)
        for mark in settled:
            if mark.wish is not None and mark.phantom:
                self._tally.wait(mark.at_us, mark.back_us())
