"""An event as one line: number, time, transaction, type and subject, in the colour of its kind."""

from collections.abc import Callable
from typing import TextIO

from marketsim.cli.render.text import one_line
from marketsim.saga.events import Event

__all__ = ["event_line", "line_painter", "style_of"]

_STYLES = {
    "compensation": "revert",
    "fault": "fault",
    "ledger": "faint",
    "order": "faint",
    "notification": "faint",
    "service": "faint",
    "dead_letter": "warn",
}
_STYLES_OF_LAST = {
    "failed": "failed",
    "stuck": "bad",
    "abandoned": "bad",
    "rejected": "warn",
    "unknown": "unknown",
    "suspended": "unknown",
    "expired": "failed",
    "partial": "failed",
    "retry_scheduled": "waiting",
    "committed": "good",
    "compensated": "good",
    "compensating": "revert",
    "recovered": "warn",
    "succeeded": "forward",
}


def event_line(event: Event) -> str:
    """The event in a line that fits most terminals; nothing in it can move a cursor."""
    name = getattr(event, "transaction", "")
    return one_line(f"{event.seq:>7}  {event.time}  {name:<8} {event.type:<28} {_place(event)}".rstrip())


def line_painter(stream: TextIO) -> Callable[[Event], str]:
    """A function from an event to its line, coloured where the stream is a terminal that shows colours."""
    if not stream.isatty():
        return event_line
    from marketsim.cli.render.theme import console

    paper = console(stream)
    if paper.color_system is None or paper.no_color:
        return event_line
    shown = {"": ("", "")}
    for style in {*_STYLES.values(), *_STYLES_OF_LAST.values()}:
        with paper.capture() as painted:
            paper.print("\x00", style=style, end="")
        before, _, after = painted.get().partition("\x00")
        shown[style] = before, after

    def painted_line(event: Event) -> str:
        before, after = shown[style_of(event)]
        return f"{before}{event_line(event)}{after}"

    return painted_line


def style_of(event: Event) -> str:
    """The theme's style for this kind of event; empty for none."""
    family, _, last = event.type.partition(".")
    if family == "compensation" and last == "succeeded":
        return "revert"
    return _STYLES_OF_LAST.get(last) or _STYLES.get(family, "")


def _place(event: Event) -> str:
    """What an event is about, in a few words."""
    name = getattr(event, "compensation", "") or getattr(event, "operation", "")
    attempt = getattr(event, "attempt", 0)
    words = [f"{name}@{attempt}" if attempt > 1 else name]
    for key in ("fault", "code", "rule", "reason", "order", "delay_us", "source", "key"):
        value = getattr(event, key, "")
        if value:
            words.append(f"{key} {value}")
            break
    if (rules := getattr(event, "guardrails", None)) is not None:
        words.append(f"guardrails {len(rules)}")
    return " ".join(word for word in words if word)
