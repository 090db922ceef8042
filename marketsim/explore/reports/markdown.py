"""Explorations as Markdown, for the summary of a build or a comment on a change."""

from collections.abc import Iterator, Sequence

from marketsim.explore.told import Explored, Told, verdict_of, verdict_words

__all__ = ["markdown_text"]

_SPECIAL = str.maketrans({each: f"\\{each}" for each in "\\`*_{}[]<>#|~"})


def markdown_text(explored: Sequence[Explored]) -> str:
    """A table of all of them, and below it what was found."""
    return "\n".join(_lines(explored))


def _lines(explored: Sequence[Explored]) -> Iterator[str]:
    yield from ("# marketsim explore", "")
    yield "| saga | policy | verdict | faults it takes | runs | states | seconds |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: |"
    for each in explored:
        yield _row(each)
    for each in explored:
        yield from ("", f"{_plain(each.exploration.case)} under {_plain(each.policy)}: ")
        yield from (f"{_plain(verdict_words(each.exploration))}.", "", *_code(each.command))
        for name in each.exploration.unreached:
            yield f"- never reached: {_plain(name)}"
        for told in each.found:
            yield from _found(told)
    yield ""


def _row(explored: Explored) -> str:
    exploration = explored.exploration
    verdict = verdict_of(exploration)
    passed = "exhausted, nothing found" if verdict == "nothing found" else verdict
    said = ", ".join(told.rule for told in explored.found) or passed
    takes = min((told.counterexample.size for told in explored.found), default=0)
    cells = (
        _plain(exploration.case),
        _plain(explored.policy),
        _plain(said),
        str(takes) if explored.found else "",
        f"{exploration.runs:,}",
        f"{exploration.states:,}",
        f"{exploration.seconds:.1f}",
    )
    return f"| {' | '.join(cells)} |"


def _found(told: Told) -> Iterator[str]:
    place = f" at {told.operation}" if told.operation else ""
    yield from ("", f"## {_plain(f'{told.rule}{place}')}", "")
    yield from (f"{number}. {_plain(each)}" for number, each in enumerate(told.sentences, 1))
    if told.replay:
        yield from ("", *_code(told.replay))


def _code(command: str) -> tuple[str, ...]:
    return ("```sh", command.replace("`", "'"), "```")


def _plain(text: str) -> str:
    """Text in which nothing is markup."""
    return text.replace("\n", " ").translate(_SPECIAL)
