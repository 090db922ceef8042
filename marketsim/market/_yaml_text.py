"""Read YAML text as plain data, without anything that makes YAML dangerous, and find a value's line."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from marketsim.market._json_text import Refused, position, read_float, read_integer
from marketsim.saga.errors import InputError, quoted

__all__ = ["parse_yaml", "yaml_line"]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_WORDS: dict[str, object] = {"": None, "~": None, "null": None, "true": True, "false": False}


def parse_yaml(text: str, name: str, *, depth_max: int) -> object:
    """The value of the one document in ``text``; ``name`` is what errors call it.

    A plain scalar is null, a boolean or a number only as JSON spells them (and ``~`` or nothing is
    null); all else, dates and ``yes`` included, is text, and so is every key.

    Raises InputError with "name:line" or "name:line:column" for what is malformed, and for anchors,
    aliases, tags, merge keys, a key that stands twice, a second document, and unbounded depth.
    """
    import yaml  # type: ignore[import-untyped,unused-ignore]  # 14 ms of start-up that JSON does not need

    if found := _UNPRINTABLE.search(text):
        what = f"the character U+{ord(found.group()):04X} may not stand in YAML"
        raise InputError(what, where=f"{name}:{position(text, found.start())}")
    try:
        return _Reader(yaml, text, name, depth_max).document()
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise InputError(f"not valid YAML: {wrong.problem or wrong.context}", where=where) from wrong
    except yaml.YAMLError as wrong:
        raise InputError(f"not valid YAML: {str(wrong).splitlines()[0]}", where=name) from wrong


def _loader(yaml: Any) -> Any:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Reader:
    """Builds values from the parser's events: nothing that YAML can express is acted on unseen."""

    def __init__(self, yaml: Any, text: str, name: str, depth_max: int) -> None:
        self.yaml = yaml
        self.name = name
        self.depth_max = depth_max
        self.events: Iterator[Any] = iter(yaml.parse(text, Loader=_loader(yaml)))

    def document(self) -> object:
        next(self.events)
        if isinstance(next(self.events), self.yaml.StreamEndEvent):
            raise InputError("the file is empty", where=self.name)
        value = self.value(next(self.events), 1)
        next(self.events)
        if not isinstance(after := next(self.events), self.yaml.StreamEndEvent):
            raise self.error(after, "a second document begins here", "keep one document in the file")
        return value

    def value(self, event: Any, depth: int) -> object:
        self.refuse_extras(event)
        if isinstance(event, self.yaml.ScalarEvent):
            return self.scalar(event)
        if depth > self.depth_max:
            raise self.error(event, f"nested more than {self.depth_max} levels deep")
        if isinstance(event, self.yaml.SequenceStartEvent):
            return list(self.items(depth))
        return self.mapping(depth)

    def items(self, depth: int) -> Iterator[object]:
        while not isinstance(event := next(self.events), self.yaml.SequenceEndEvent):
            yield self.value(event, depth + 1)

    def mapping(self, depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        while not isinstance(event := next(self.events), self.yaml.MappingEndEvent):
            key = self.key(event)
            if key in made:
                raise self.error(event, f"the key {quoted(key)} stands twice", "keep one of them")
            made[key] = self.value(next(self.events), depth + 1)
        return made

    def key(self, event: Any) -> str:
        self.refuse_extras(event)
        if not isinstance(event, self.yaml.ScalarEvent):
            raise self.error(event, "a key must be a name, not a list or an object")
        if event.value == "<<" and event.implicit[0]:
            raise self.error(event, "merge keys (<<) are not read", "write the keys out")
        return str(event.value)

    def scalar(self, event: Any) -> object:
        text = str(event.value)
        if not event.implicit[0]:  # it is quoted, or a block
            return self.text(event, text)
        if text in _WORDS:
            return _WORDS[text]
        try:
            if _INTEGER.match(text):
                return read_integer(text)
            if _FLOAT.match(text):
                return read_float(text)
        except Refused as wrong:
            raise self.error(event, wrong.what) from wrong
        if _NOT_FINITE.match(text):
            raise self.error(event, f"{text} is not a number", "quote it if it is meant as text")
        return self.text(event, text)

    def text(self, event: Any, text: str) -> str:
        if text.isascii() or not (found := _UNPRINTABLE.search(text)) or found.group() < "\ud800":
            return text
        raise self.error(event, f"U+{ord(found.group()):04X} is no character")

    def refuse_extras(self, event: Any) -> None:
        if isinstance(event, self.yaml.AliasEvent):
            raise self.error(event, f"the alias {quoted('*' + event.anchor)} is not read", "write it out")
        if event.anchor is not None:
            raise self.error(event, f"the anchor {quoted('&' + event.anchor)} is not read", "remove it")
        if event.tag is not None:
            what = f"the tag {quoted(event.tag)} is not read"
            raise self.error(event, what, "remove it; quote what is meant as text")

    def error(self, event: Any, what: str, todo: str = "") -> InputError:
        return InputError(what, where=f"{self.name}:{event.start_mark.line + 1}", todo=todo)


def yaml_line(text: str, path: Sequence[str | int]) -> int:
    """The line, from 1, of the key or the item at ``path`` in valid YAML, or the nearest one above it."""
    import yaml  # only when a mistake is told, or the text was YAML anyway

    node: Any = yaml.compose(text, Loader=_loader(yaml))
    line = node.start_mark.line
    for step in path:
        if isinstance(node, yaml.MappingNode):
            marked, node = next(((k, v) for k, v in node.value if k.value == step), (None, None))
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            marked = node = node.value[step]
        else:
            break
        if marked is None:
            break
        line = marked.start_mark.line
    return int(line) + 1
