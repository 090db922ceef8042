"""Where two streams part: the first event that differs, and both sides from there on."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Literal, TypeAlias

import msgspec

from marketsim.saga.events import Event, OrderPlaced, TransactionBegan, encode

__all__ = ["CONTEXT_EVENTS", "WINDOW_EVENTS", "Difference", "Mark", "Row", "compare"]

CONTEXT_EVENTS = 3
"""How many equal events are kept from before the first difference."""

WINDOW_EVENTS = 500
"""How many events of each side are laid side by side from the first difference on."""

Mark: TypeAlias = Literal["=", "|", "<", ">"]
"""The same on both sides, differing in fields, on the left alone, on the right alone."""

Key: TypeAlias = Callable[[Event], bytes]


class Row(msgspec.Struct, frozen=True):
    """One line of the comparison; ``fields`` names what differs in a row that is marked ``|``."""

    mark: Mark
    left: Event | None
    right: Event | None
    fields: list[str] = []


class Difference(msgspec.Struct, frozen=True):
    """What a comparison came to.

    ``same`` counts the events before the first difference. ``rows`` are the last of those, and then up to
    WINDOW_EVENTS of each side; ``whole`` says whether that is all there is.
    """

    same: int
    left_size: int
    right_size: int
    rows: list[Row]
    whole: bool

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.same == self.left_size == self.right_size


def compare(
    left: Iterable[Event],
    right: Iterable[Event],
    *,
    times: bool = False,
    hashes: bool = False,
    transactions: bool = False,
) -> Difference:
    """Compare two streams, in memory that does not grow with them.

    Times are compared with ``times`` only, numbers and hashes with ``hashes`` only. Of two
    ``transactions`` the names of their own and of their orders count as the same, and a time is what has
    passed since the beginning.
    """
    ones, others = iter(left), iter(right)
    key, other_key = (_keys(times, hashes, transactions) for _ in range(2))
    before: deque[Row] = deque(maxlen=CONTEXT_EVENTS)
    same = 0
    while True:
        one, other = next(ones, None), next(others, None)
        if one is None or other is None or key(one) != other_key(other):
            break
        before.append(Row("=", one, other))
        same += 1
    window = [each for each in [one] if each is not None], [each for each in [other] if each is not None]
    lefts = [*window[0], *islice(ones, WINDOW_EVENTS - 1)]
    rights = [*window[1], *islice(others, WINDOW_EVENTS - 1)]
    rows = [*before, *_rows(lefts, rights, key, other_key)] if lefts or rights else []
    more_left, more_right = sum(1 for _ in ones), sum(1 for _ in others)
    return Difference(
        same=same,
        left_size=same + len(lefts) + more_left,
        right_size=same + len(rights) + more_right,
        rows=rows,
        whole=not more_left and not more_right,
    )


def _keys(times: bool, hashes: bool, transactions: bool) -> Key:
    """A function from the events of one side, in order, to what is compared of each."""
    names: dict[str, tuple[re.Pattern[bytes], bytes]] = {}
    began: list[str] = []
    known: dict[int, bytes] = {}

    def key(event: Event) -> bytes:
        # The first of a window was keyed before the window was: what was learnt from it must not count twice.
        if event.seq in known:
            return known[event.seq]
        if transactions:
            if isinstance(event, TransactionBegan):
                names.setdefault(event.transaction, (_name(event.transaction), b'"@'))
                began.append(event.time)
            elif isinstance(event, OrderPlaced):
                names.setdefault(event.order, (_name(event.order), b'"@order%d' % len(names)))
        time = event.time if times else ""
        if time and transactions and began:
            time = _passed(began[0], time)
        fields = {} if hashes else {"seq": 0, "prev": ""}
        line = encode(msgspec.structs.replace(event, time=time, **fields))
        for pattern, stand_in in names.values():
            line = pattern.sub(stand_in, line)
        known.clear()
        known[event.seq] = line
        return line

    return key


def _name(text: str) -> re.Pattern[bytes]:
    """A name in a line: a whole string, or the first part of one, such as a key."""
    return re.compile(re.escape(msgspec.json.encode(text)[:-1]) + rb"(?![\w-])")


def _passed(since: str, time: str) -> str:
    try:
        return str(datetime.fromisoformat(time) - datetime.fromisoformat(since))
    except (ValueError, TypeError):
        return time


def _rows(lefts: list[Event], rights: list[Event], key: Key, other_key: Key) -> Iterator[Row]:
    keys, other_keys = [key(each) for each in lefts], [other_key(each) for each in rights]
    for tag, i, i_end, j, j_end in _opcodes(keys, other_keys):
        if tag == "equal":
            for one, other in zip(lefts[i:i_end], rights[j:j_end], strict=True):
                yield Row("=", one, other)
        else:
            yield from _changed(lefts[i:i_end], rights[j:j_end], keys[i:i_end], other_keys[j:j_end])


def _changed(
    lefts: list[Event], rights: list[Event], keys: list[bytes], other_keys: list[bytes]
) -> Iterator[Row]:
    """Rows of a stretch where nothing is the same: events of the same shape beside one another."""
    for tag, i, i_end, j, j_end in _opcodes(
        [_shape(each) for each in lefts], [_shape(each) for each in rights]
    ):
        if tag == "equal":
            for step in range(i_end - i):
                fields = _fields(keys[i + step], other_keys[j + step])
                yield Row("|", lefts[i + step], rights[j + step], fields)
        else:
            yield from (Row("<", each, None) for each in lefts[i:i_end])
            yield from (Row(">", None, each) for each in rights[j:j_end])


def _opcodes(ones: list[bytes], others: list[bytes]) -> list[tuple[str, int, int, int, int]]:
    from difflib import SequenceMatcher  # only where something differs: it costs a millisecond of start-up

    return list(SequenceMatcher(None, ones, others, autojunk=False).get_opcodes())


def _shape(event: Event) -> bytes:
    what = (getattr(event, name, "") for name in ("operation", "compensation", "attempt"))
    return " ".join([event.type, *map(str, what)]).encode()


def _fields(one: bytes, other: bytes) -> list[str]:
    left, right = (msgspec.json.decode(each, type=dict[str, msgspec.Raw]) for each in (one, other))
    return sorted(
        name for name in {*left, *right} if bytes(left.get(name, b"")) != bytes(right.get(name, b""))
    )
