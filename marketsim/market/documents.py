"""Read a JSON or YAML document that a person wrote, and say where in it a mistake stands."""

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from marketsim.market._json_text import json_offset, parse_json
from marketsim.saga.errors import InputError, nearest, quoted

__all__ = [
    "DEPTH_MAX",
    "SIZE_MAX_BYTES",
    "YAML_SIZE_MAX_BYTES",
    "Document",
    "bind",
    "parse_document",
    "path_words",
    "read_bytes",
    "read_document",
]

SIZE_MAX_BYTES = 64 * 1024 * 1024
"""How large a document may be."""

YAML_SIZE_MAX_BYTES = 1024 * 1024
"""How large a document in YAML may be: its parser is a hundred times slower than that of JSON."""

DEPTH_MAX = 50
"""How many lists and objects may stand inside each other."""

_CONTAINERS = (dict, list)

T = TypeVar("T")


class Document(msgspec.Struct, frozen=True):
    """What a file says: its value, the name its user knows it by, and the text to find lines in.

    ``root`` is set in a part of a larger document: the path to the part.
    """

    value: Any
    name: str
    text: str
    language: Literal["json", "yaml"]
    root: tuple[str | int, ...] = ()

    def place(self, path: Sequence[str | int] = ()) -> str:
        """Where the key or item at ``path`` stands, as "file:line"; the nearest one above if it is absent.

        It reads the text again: meant for the one error that is told, not for every value.
        """
        whole = (*self.root, *path)
        if self.language == "json":
            return f"{self.name}:{self.text.count(chr(10), 0, json_offset(self.text, whole)) + 1}"
        from marketsim.market._yaml_text import yaml_line

        return f"{self.name}:{yaml_line(self.text, whole)}"

    def words(self, path: Sequence[str | int] = ()) -> str:
        """The path as a person writes it: ``purchases[1].quantity``; empty for the whole document."""
        return path_words((*self.root, *path))

    def part(self, *path: str | int) -> "Document":
        """The document at ``path``, which exists, with the places it has in this one."""
        value = self.value
        for step in path:
            value = value[step]
        return Document(value, self.name, self.text, self.language, (*self.root, *path))


def path_words(path: Sequence[str | int]) -> str:
    """A path as a person writes it: ``purchases[1].quantity``."""
    words = ""
    for step in path:
        if isinstance(step, int):
            words += f"[{step}]"
        elif re.fullmatch(r"[\w-]{1,80}", step):
            words += f".{step}" if words else step
        else:
            words += "[...]" if step == "..." else f"[{quoted(step)}]"
    return words


def read_document(
    path: Path, *, size_max_bytes: int = SIZE_MAX_BYTES, depth_max: int = DEPTH_MAX
) -> Document:
    """The document in the file at ``path``: JSON or YAML as parse_document decides.

    Raises InputError where there is no such regular file, it cannot be read, it is larger than
    ``size_max_bytes`` (for YAML, than YAML_SIZE_MAX_BYTES), or for a cause of parse_document.
    """
    source = read_bytes(path, size_max_bytes)
    return parse_document(source, str(path), size_max_bytes=size_max_bytes, depth_max=depth_max)


def read_bytes(path: Path, size_max_bytes: int) -> bytes:
    """What the file holds, and at most one byte more than it may.

    Raises InputError where there is no such regular file, or it cannot be read.
    """
    name = str(path)
    try:
        # A pipe or a device might never end, or never begin: it is not even opened.
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise InputError("is a folder; a file is needed", where=name)
        if not stat.S_ISREG(mode):
            raise InputError("is not a regular file", where=name, todo="copy its content to a file")
        with open(path, "rb") as file:
            return file.read(size_max_bytes + 1)
    except FileNotFoundError as wrong:
        raise InputError("there is no such file", where=name, todo="check the path") from wrong
    except OSError as wrong:
        raise InputError(f"cannot be read: {wrong.strerror or wrong}", where=name) from wrong
    except ValueError as wrong:
        raise InputError("is not a path", where=quoted(name)) from wrong


def parse_document(
    source: str | bytes,
    name: str,
    *,
    size_max_bytes: int = SIZE_MAX_BYTES,
    depth_max: int = DEPTH_MAX,
) -> Document:
    """The document in a text: JSON if ``name`` ends in .json, or if the text begins with ``{`` or ``[``.

    All else, and what a name in .yaml or .yml says is YAML, is read as YAML.


    Raises InputError, with the line where there is one, for what is empty, too large, too deep,
    not UTF-8, malformed, or means two things at once (a key that stands twice).
    """
    text = _decoded(source, name, size_max_bytes)
    if not text.strip():
        raise InputError("the file is empty", where=name)
    begins_as_json = text.lstrip()[0] in "{[" and not name.endswith((".yaml", ".yml"))
    if begins_as_json or name.endswith(".json"):
        return _json_document(text, name, depth_max)
    return _yaml_document(text, name, depth_max)


def _decoded(source: str | bytes, name: str, size_max_bytes: int) -> str:
    try:
        data = source.encode() if isinstance(source, str) else source
        if len(data) > size_max_bytes:
            raise InputError(f"is larger than {size_max_bytes:,} bytes", where=name)
        return data.decode().removeprefix("\ufeff")
    except UnicodeEncodeError as wrong:
        raise InputError("half a surrogate pair is no character", where=name) from wrong
    except UnicodeDecodeError as wrong:
        what = f"is not UTF-8: byte 0x{wrong.object[wrong.start]:02X} at offset {wrong.start:,}"
        raise InputError(what, where=name, todo="save it as UTF-8") from wrong


def _json_document(text: str, name: str, depth_max: int) -> Document:
    value = parse_json(text, name)
    if _deeper_than(value, depth_max):
        raise InputError(f"nested more than {depth_max} levels deep", where=name)
    return Document(value, name, text, "json")


def _deeper_than(value: object, depth_max: int) -> bool:
    level = [value] if isinstance(value, _CONTAINERS) else []
    for _ in range(depth_max):
        if not level:
            return False
        level = [inner for each in level for inner in _inside(each) if isinstance(inner, _CONTAINERS)]
    return bool(level)


def _inside(value: Any) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value


def _yaml_document(text: str, name: str, depth_max: int) -> Document:
    from marketsim.market._yaml_text import parse_yaml

    if len(text) > YAML_SIZE_MAX_BYTES:
        what = f"is larger than {YAML_SIZE_MAX_BYTES:,} bytes, too large for YAML"
        raise InputError(what, where=name, todo="write it as JSON")
    return Document(parse_yaml(text, name, depth_max=depth_max), name, text, "yaml")


def bind(document: Document, model: type[T]) -> T:
    """The document's value as a ``model``, a msgspec Struct: nothing is converted that is not one.

    Raises InputError with the file and line, and the path in words, for the first value that does
    not fit; for an unknown key, or a word that is none of those allowed, with the nearest right one.
    """
    try:
        return msgspec.convert(document.value, model, strict=True)
    except msgspec.ValidationError as wrong:
        raise _mismatch(document, model, str(wrong)) from wrong


# They are compiled when a mistake is told: no command needs them to start.
_AT = r" - at (?:`key` in )?`\$([^`]*)`\Z"
_STEP = r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]"
_KEY = r"(?s)Object (contains unknown|missing required) field `(.*)`\Z"
_KINDS = {
    "array": "a list",
    "bool": "true or false",
    "float": "a number",
    "int": "an integer",
    "object": "an object",
    "str": "text",
}


def _mismatch(document: Document, model: type, message: str) -> InputError:
    at = re.search(_AT, message)
    path = _steps(at.group(1)) if at else []
    what = message[: at.start()] if at else message
    if got := re.search(r"got `(\w+)`\Z", what):
        path = _named(document.value, path, lambda each: _kind(each) == got.group(1))
    if key := re.match(_KEY, what):
        verb, name = key.groups()
        if verb == "missing required":
            return _told(document, path, path, f"{quoted(name)} is missing", "")
        known = _keys_at(model, path)
        return _told(document, path, [*path, name], f"unknown key {quoted(name)}", nearest(name, known))
    if what.startswith("Invalid"):
        known = _words_at(model, path)
        path = _named(document.value, path, lambda each: str(each) not in known)
        word = str(_value_at(document.value, path))
        return _told(document, path, path, f"{quoted(word)} is not allowed here", nearest(word, known))
    return _told(document, path, path, _phrase(what), "")


def _told(
    document: Document, path: list[str | int], place: list[str | int], what: str, todo: str
) -> InputError:
    words = document.words(path)
    return InputError(f"{words}: {what}" if words else what, where=document.place(place), todo=todo)


def _steps(path: str) -> list[str | int]:
    return [int(index) if index else key or other for key, index, other in re.findall(_STEP, path)]


def _named(value: Any, path: list[str | int], refused: Callable[[object], bool]) -> list[str | int]:
    """Replace a last ``...``, by which msgspec means some key, by the first key whose value is refused."""
    inner = _value_at(value, path[:-1]) if path[-1:] == ["..."] else None
    items = inner.items() if isinstance(inner, dict) else ()
    return next(([*path[:-1], key] for key, each in items if refused(each)), path)


def _value_at(value: Any, path: Sequence[str | int]) -> object:
    try:
        for step in path:
            value = value[step]
    except (LookupError, TypeError):
        return None
    return value


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _phrase(what: str) -> str:
    if not what.startswith("Expected"):
        return what
    return re.sub(r"`([^`]*)`", lambda kinds: _kinds(kinds.group(1)), f"e{what[1:]}")


def _kinds(text: str) -> str:
    return " or ".join(_KINDS.get(each, each) for each in text.split(" | "))


def _types_at(model: type, path: Sequence[str | int]) -> list[Any]:
    from msgspec import inspect  # only when a mistake is told

    types = list(_alternatives(inspect.type_info(model)))
    for step in path:
        types = [each for outer in types for inner in _types_of(outer, step) for each in _alternatives(inner)]
    return types


def _alternatives(kind: Any) -> Iterator[Any]:
    if hasattr(kind, "type"):  # what is said about a type, around the type
        yield from _alternatives(kind.type)
    elif hasattr(kind, "types"):
        for each in kind.types:
            yield from _alternatives(each)
    else:
        yield kind


def _types_of(kind: Any, step: str | int) -> Iterator[Any]:
    for field in getattr(kind, "fields", ()):
        if field.encode_name == step:
            yield field.type
    for attribute in ("item_type", "value_type"):
        if hasattr(kind, attribute):
            yield getattr(kind, attribute)


def _keys_at(model: type, path: Sequence[str | int]) -> list[str]:
    kinds = _types_at(model, path)
    return [field.encode_name for kind in kinds for field in getattr(kind, "fields", ())]


def _words_at(model: type, path: Sequence[str | int]) -> list[str]:
    kinds = _types_at(model, path)
    return [str(value) for kind in kinds for value in getattr(kind, "values", ())]
