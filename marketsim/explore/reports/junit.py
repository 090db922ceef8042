"""Explorations as JUnit XML: each check is a test case, and what was not exhausted is no pass."""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from marketsim.audit.checks import checks_of
from marketsim.explore.told import Explored, verdict_of, verdict_words

__all__ = ["junit_text"]


def junit_text(explored: Sequence[Explored]) -> str:
    """A test suite for each exploration."""
    suites = [line for each in explored for line in _suite(each)]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="marketsim explore">', *suites]
    return "\n".join([*lines, "</testsuites>", ""])


def _suite(explored: Explored) -> list[str]:
    exploration = explored.exploration
    broken = {told.rule for told in explored.found}
    rules = list(dict.fromkeys([*checks_of("basic"), *(told.rule for told in explored.found)]))
    verdict = verdict_of(exploration)
    name = f"{exploration.case} under {explored.policy}"
    unjudged = not exploration.exhausted
    counts = {
        "tests": len(rules) + 1,
        "failures": len(broken),
        "errors": int(verdict == "not reproducible"),
        "skipped": (len(rules) - len(broken)) * unjudged + (unjudged and verdict != "not reproducible"),
    }
    numbers = " ".join(f'{key}="{int(value)}"' for key, value in counts.items())
    lines = [f'  <testsuite name={_attribute(name)} {numbers} time="{exploration.seconds:.3f}">']
    for rule in rules:
        lines += _case(name, rule, _failure(explored, rule) if rule in broken else _skipped(explored))
    lines += _case(name, "exhausted", _error(explored) or _skipped(explored))
    return [*lines, f"    <system-out>{_text(_said(explored))}</system-out>", "  </testsuite>"]


def _case(suite: str, name: str, inside: str) -> list[str]:
    head = f"    <testcase classname={_attribute(suite)} name={_attribute(name)}"
    return [f"{head}>", f"      {inside}", "    </testcase>"] if inside else [f"{head}/>"]


def _failure(explored: Explored, rule: str) -> str:
    told = next(each for each in explored.found if each.rule == rule)
    body = "\n".join([*told.sentences, *([told.replay] if told.replay else [])])
    message = next(each.message for each in told.counterexample.findings if each.rule == rule)
    return f"<failure type={_attribute(rule)} message={_attribute(message)}>{_text(body)}</failure>"


def _error(explored: Explored) -> str:
    strayed = explored.exploration.irreproducible
    if strayed is None:
        return ""
    message = f"{strayed.operation}, attempt {strayed.attempt}: a choice that is not on the tape"
    body = f"expected {strayed.expected}\nactual {strayed.actual}"
    return f'<error type="not-reproducible" message={_attribute(message)}>{_text(body)}</error>'


def _skipped(explored: Explored) -> str:
    exhausted = explored.exploration.exhausted
    return "" if exhausted else f"<skipped message={_attribute(verdict_words(explored.exploration))}/>"


def _said(explored: Explored) -> str:
    unreached = [f"never reached: {each}" for each in explored.exploration.unreached]
    return "\n".join([verdict_words(explored.exploration), explored.command, *unreached])


def _attribute(text: str) -> str:
    return quoteattr(_printable(text))


def _text(text: str) -> str:
    return escape(_printable(text))


def _printable(text: str) -> str:
    """The text without what XML 1.0 cannot hold."""
    return "".join(each if each.isprintable() or each == "\n" else f"\\u{ord(each):04x}" for each in text)
