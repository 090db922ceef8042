"""A saga as a Mermaid diagram: operations by service, the way forward, and reverts as dashed arrows back."""

from collections.abc import Iterable, Iterator, Sequence

from marketsim.cli.render.html.calls import course_of
from marketsim.cli.render.html.markup import clipped
from marketsim.cli.render.html.rows import Row
from marketsim.cli.render.text import one_line
from marketsim.saga.definition import Operation, Saga
from marketsim.saga.events import Event

__all__ = ["mermaid_of"]

_CLASSES = {
    "forward": "fill:#dff3e4,stroke:#2a8f47,color:#12331d",
    "revert": "fill:#d9f1f5,stroke:#0c7f95,color:#07333c",
    "failed": "fill:#fbe1e0,stroke:#c9302c,color:#4a100e",
    "unknown": "fill:#fbeed3,stroke:#a86a00,color:#3f2800",
    "idle": "fill:#f5f7f9,stroke:#8b949e,color:#68717d,stroke-dasharray:3 3",
}
"""The colours of the timeline."""


def mermaid_of(saga: Saga, events: Sequence[Event] = ()) -> str:
    """The flowchart of a saga; with the events of a transaction, what happened to each operation is coloured.

    It is text in ASCII: whatever a name holds that is not a letter or a digit is written as its code.
    """
    return (
        "\n".join([*_lines(saga, {(row.operation, row.back): row for row in course_of(events).rows})]) + "\n"
    )


def _lines(saga: Saga, rows: dict[tuple[str, bool], Row]) -> Iterator[str]:
    operations = list(saga.operations.values())
    ids = {each.name: f"n{index}" for index, each in enumerate(operations, 1)}
    yield "flowchart LR"
    yield f'  begin(["{_text(saga.name)}"])'
    for index, (service, own) in enumerate(_by_service(operations), 1):
        yield f'  subgraph s{index} ["{_text(service)}"]'
        for each in own:
            yield f"    {ids[each.name]}{_shape(each)}"
        yield "  end"
    for each in operations:
        for source in [ids[name] for name in each.after] or ["begin"]:
            yield f"  {source} --> {ids[each.name]}"
    yield '  done(["done"])'
    for each in operations:
        if not saga.followers[each.name]:
            yield f"  {ids[each.name]} --> done"
    for each in operations:
        yield from _way_back(each, ids, rows.get((each.name, True)), bool(rows))
    if rows:
        yield from _coloured(operations, ids, rows)


def _by_service(operations: Iterable[Operation]) -> list[tuple[str, list[Operation]]]:
    services: dict[str, list[Operation]] = {}
    for each in operations:
        services.setdefault(each.service, []).append(each)
    return list(services.items())


def _shape(operation: Operation) -> str:
    name = _text(operation.name)
    if operation.kind == "pivot":
        return f'{{{{"{name}: pivot"}}}}'
    return f'("{name}")' if operation.kind == "read_only" else f'["{name}"]'


def _way_back(operation: Operation, ids: dict[str, str], row: Row | None, ran: bool) -> Iterator[str]:
    """A revert leads from its operation to those before it; of a transaction, only if it was begun."""
    if operation.revert is None or (ran and row is None):
        return
    said = {"revert": ": reverted", "failed": ": failed", "unknown": ": no answer"}
    label = _text(operation.revert_name + (said.get(row.style, "") if row is not None else ""))
    for target in [ids[name] for name in operation.after] or ["begin"]:
        yield f'  {ids[operation.name]} -. "{label}" .-> {target}'


def _coloured(
    operations: Iterable[Operation], ids: dict[str, str], rows: dict[tuple[str, bool], Row]
) -> Iterator[str]:
    members: dict[str, list[str]] = {}
    for each in operations:
        members.setdefault(_style(rows.get((each.name, False)), rows.get((each.name, True))), []).append(
            ids[each.name]
        )
    for style, names in members.items():
        yield f"  classDef {style} {_CLASSES[style]}"
        yield f"  class {','.join(names)} {style}"


def _style(row: Row | None, back: Row | None) -> str:
    """An operation is as its revert left it, if there was one."""
    if row is None:
        return "idle"
    style = back.style if back is not None else row.style
    return style if style in _CLASSES else "unknown"


def _text(text: str) -> str:
    """A text inside quotes; what could end them, or mean something to Mermaid or to HTML, by its code."""
    shown = clipped(one_line(text), 120)
    return "".join(
        each if each.isascii() and (each.isalnum() or each in " _-.:") else f"#{ord(each)};" for each in shown
    )
