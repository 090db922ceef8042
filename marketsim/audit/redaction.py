"""What is personal in an event, and how it is replaced, so that a log can be handed on and still verifies.

A value that must not leave is replaced by a *token*: ``redacted-`` and the commitment to the value,
BASE64URL(SHA-256(salt ‖ value)), where the value is its canonical JSON and the salt is HMAC-SHA-256 of
it under a secret of 32 random bytes. Without the secret nothing can be guessed from a token, not even
by trying every card number; the same value has the same token throughout one export, so what refers to
it still does; and the salt of one value proves that value alone.

What a token hides, a hash of the log may still give away: a leaf hash has no salt. Who has the rest of an
event, and few enough values to try for what is missing, can try them against its hash.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Annotated, Any, TypeAlias

import msgspec

from marketsim.saga.errors import LogDamaged
from marketsim.saga.events import EVENT_TYPES, Event, JSONObject, decode, encode, leaf_hash

__all__ = [
    "SECRET_BYTES",
    "TOKEN",
    "TOKEN_LENGTH",
    "Record",
    "Redactor",
    "card_numbers",
    "commitment",
    "is_token",
    "marked",
    "plain",
    "restored",
    "tokens_in",
    "unmarked",
]

Record: TypeAlias = tuple[Event, str]
"""An event on its way out, and the leaf hash it had in the log (hex) if something in it was replaced."""

SECRET_BYTES = 32
"""The size of the secret of an export."""

TOKEN = "redacted-"
"""How every token begins."""

TOKEN_LENGTH = len(TOKEN) + 43
"""How many characters every token has."""

_Leaf = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_TOKENS = re.compile(TOKEN + r"[A-Za-z0-9_-]{43}")
_PERSONAL = frozenset(
    (
        *("address", "cardholder", "cardnumber", "customername", "email", "firstname", "fullname", "iban"),
        *("lastname", "mail", "phone", "surname", "telephone"),
    )
)
_PERSONS = frozenset(("customer", "customers", "user", "users"))
_KEPT = frozenset(("seq", "time", "type", "prev", "leaf"))
_NUMBERS = frozenset(("attempt", "format", "quantity", "seed", "seq"))
_UNITS = ("_us", "_minor", "_bytes", "_ppm")
_GAP = r"[\s\u200b\-\u2010-\u2015\u2212]{1,2}"
_RUN = re.compile(rf"(?<![0-9])[0-9]+(?:{_GAP}[0-9]+)*(?![0-9])")
_DIGITS = re.compile(r"[0-9]+")
# Almost no line holds what is personal, so a line is searched for what everything personal has in it:
# thirteen digits, once blanks and dashes are away, or the end of a key in an object of any shape.
_EVERY_DIGIT_ZERO = bytes(0x30 if 0x30 <= code <= 0x39 else 0x20 for code in range(256))
_THIRTEEN = b"0" * 13
_PERSONAL_PARTS = (
    *(b'address"', b'holder"', b'number"', b'name"', b'mail"', b'iban"', b'phone"'),
    *(b'customer":{', b'customer":[', b'customers":', b'user":{', b'user":[', b'users":'),
)
_OPEN_KINDS = frozenset(
    kind
    for kind in EVENT_TYPES.values()
    if any(field.type in (JSONObject, list[JSONObject]) for field in msgspec.structs.fields(kind))
)
_encode = msgspec.json.Encoder(order="sorted").encode


class Redactor:
    """Replaces what is personal in events, under one secret; ``count`` is the number of events changed.

    Personal is: every field of a customer but the ``id`` and the sums of what was ``bought``, which the
    orders in the log tell as well; what stands under a key such as ``email`` or
    ``phone``; and whatever looks like a card number (see ``card_numbers``), in a key, in a text, or as
    an integer that is no amount, span of time or count. Ids are pseudonyms and stay, and so does whatever
    is needed to verify an event's place: number, time, type, and the hash before it.
    """

    def __init__(self, secret: bytes) -> None:
        self.count = 0
        self.secret = secret

    def records(self, events: Iterable[Event]) -> Iterator[Record]:
        """Each event as it may leave."""
        for event in events:
            line = encode(event)
            yield self._record(event, line) if _may_be_personal(event, line) else (event, "")

    def _record(self, event: Event, line: bytes) -> Record:
        try:
            changed = _encode(self.object(msgspec.json.decode(line)))
        except RecursionError:
            # What nobody can look through must not leave unseen.
            raise LogDamaged(f"event {event.seq} is nested too deeply to be redacted") from None
        if changed == line:
            return event, ""
        self.count += 1
        return decode(changed), leaf_hash(line)

    def object(self, event: JSONObject) -> JSONObject:
        """The same for an event that is a JSON object already; the one given is left alone."""
        return {
            key: value if key in _KEPT else self._member(key, value, False) for key, value in event.items()
        }

    def _member(self, key: str, value: Any, person: bool) -> Any:
        if _is_personal(key) or (person and key != "id" and not _is_sum(key, value)):
            return value if value in (None, "", [], {}) else self.token(value)
        if isinstance(value, bool) or (isinstance(value, int) and _is_count(key)):
            return value
        return self._inside(value, key in _PERSONS)

    def _inside(self, value: Any, person: bool) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return self.token(value) if _is_card(str(value)) else value
        if isinstance(value, list):
            return [self._inside(each, person) for each in value]
        if isinstance(value, dict):
            return {self._text(key): self._member(key, each, person) for key, each in value.items()}
        return value

    def _text(self, text: str) -> str:
        for number in card_numbers(text):
            text = text.replace(number, self.token(number))
        return text

    def token(self, value: Any) -> str:
        """What stands in the place of a JSON value."""
        return commitment(self.salt(value), value)

    def salt(self, value: Any) -> bytes:
        """The salt of one value; who has it can check that value, and no other."""
        return hmac.digest(self.secret, _encode(value), "sha256")


def plain(events: Iterable[Event]) -> Iterator[Record]:
    """Each event as it is, for those who may see everything."""
    return ((event, "") for event in events)


def marked(record: Record) -> bytes:
    """The line of an event; one that was changed has a member more: ``leaf``, the hash of what it was."""
    event, leaf = record
    if not leaf:
        return encode(event)
    return _encode({**msgspec.json.decode(encode(event)), "leaf": leaf})


def unmarked(line: bytes) -> Record:
    """What ``marked`` made a line of; raises ValueError for any other line."""
    try:
        return decode(line), ""
    except ValueError:
        members = msgspec.json.decode(line, type=dict[str, msgspec.Raw]) if b'"leaf"' in line else {}
        if "leaf" not in members:
            raise
    leaf = msgspec.json.decode(members.pop("leaf"), type=_Leaf)
    return decode(_encode(members)), leaf


def restored(event: Event, values: Mapping[str, Any]) -> Event:
    """An event with the values of these tokens put back; raises ValueError where they do not fit."""

    def inside(value: Any) -> Any:
        if isinstance(value, str):
            return values[value] if value in values else text(value)
        if isinstance(value, list):
            return [inside(each) for each in value]
        if isinstance(value, dict):
            return {text(key): inside(each) for key, each in value.items()}
        return value

    def text(found: str) -> str:
        return _TOKENS.sub(lambda token: str(values.get(token[0], token[0])), found)

    return decode(_encode(inside(msgspec.json.decode(encode(event)))))


def commitment(salt: bytes, value: Any) -> str:
    """The token of a value with this salt: it is bound to the value, and tells nothing of it."""
    return TOKEN + urlsafe_b64encode(sha256(salt + _encode(value)).digest()).decode().rstrip("=")


def _may_be_personal(event: Event, line: bytes) -> bool:
    own = line.replace(event.prev.encode(), b"", 1)
    if _THIRTEEN in own.translate(_EVERY_DIGIT_ZERO, b" -") or not own.isascii() or b"\\" in own:
        return True
    if type(event) not in _OPEN_KINDS:
        return False
    small = own.lower()
    return any(part in small for part in _PERSONAL_PARTS)


def is_token(text: str) -> bool:
    """Whether a text is a token and nothing else."""
    return _TOKENS.fullmatch(text) is not None


def tokens_in(text: str) -> set[str]:
    """The tokens in a text, such as the line of an event."""
    return set(_TOKENS.findall(text)) if TOKEN in text else set()


def card_numbers(text: str) -> list[str]:
    """The parts of a text that look like card numbers, as they stand in it, the longest first.

    That is 13 to 19 digits (ISO/IEC 7812) that pass the Luhn check, in one piece, or in groups with one
    or two blanks or dashes between them; other digits may stand before or behind, with a gap.
    """
    found = set[str]()
    for run in _RUN.finditer(text):
        groups = [(each.start(), each.end()) for each in _DIGITS.finditer(run[0])]
        found.update(_cards(run[0], groups))
    return sorted(found, key=lambda number: (-len(number), number))


def _cards(run: str, groups: list[tuple[int, int]]) -> Iterator[str]:
    """The stretches of a run that are covered by card numbers: two may overlap, and neither may be left."""
    start = end = 0
    for first, (begins, _) in enumerate(groups):
        ends = _longest_card(run, groups[first:])
        if not ends:
            continue
        if begins >= end:
            if end:
                yield run[start:end]
            start = begins
        end = max(end, ends)
    if end:
        yield run[start:end]


def _longest_card(run: str, groups: list[tuple[int, int]]) -> int:
    """Where the longest card number ends that begins with the first group; 0 if there is none."""
    digits, ends = "", 0
    for start, end in groups[:19]:
        digits += run[start:end]
        if len(digits) > 19:
            break
        if _is_card(digits):
            ends = end
    return ends


def _is_card(digits: str) -> bool:
    if not 13 <= len(digits) <= 19 or not digits.isdigit() or not digits.strip("0"):
        return False
    doubled = (2 * int(each) for each in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(each - 9 * (each > 9) for each in doubled)) % 10 == 0


def _is_personal(key: str) -> bool:
    return key.lower().replace("_", "").replace("-", "") in _PERSONAL


def _is_sum(key: str, value: Any) -> bool:
    """Whether this is what an excerpt of the history says of a customer's orders: a replay needs it."""
    return key == "bought" and isinstance(value, dict) and value.keys() == {"orders", "lines"}


def _is_count(key: str) -> bool:
    return key in _NUMBERS or key.endswith(_UNITS)
