"""The findings of the checks, as a list on the page."""

from collections.abc import Callable, Sequence

from marketsim.audit.findings import Finding
from marketsim.cli.render.html.markup import escaped, tag, words_count
from marketsim.market.money import with_money

__all__ = ["findings_html"]


def findings_html(findings: Sequence[Finding], checks: int, events: int, link: Callable[[int], str]) -> str:
    """That all of so many checks hold, or every finding with its evidence and its remedy."""
    head = tag("h3", "Findings")
    if not findings:
        words = f"{checks} checks hold over {words_count(events, 'event')}."
        return head + tag("p", f"✓ {words}", class_="holds")
    return head + tag("ul", *(_finding(each, link) for each in findings), class_="findings")


def _finding(finding: Finding, link: Callable[[int], str]) -> str:
    target = link(finding.seq)
    place = f"event {finding.seq}" if finding.seq else ""
    parts = [
        tag("b", escaped(finding.severity)),
        " ",
        tag("code", escaped(finding.rule)),
        " ",
        tag("a", place, href=target) if target else place,
        tag("p", escaped(with_money(finding.message))),
    ]
    if finding.expected or finding.actual:
        words = f"expected {finding.expected or 'nothing'}; actual {finding.actual or 'nothing'}"
        parts.append(tag("p", escaped(with_money(words)), class_="faint"))
    if finding.remedy:
        parts.append(tag("p", f"→ {escaped(finding.remedy)}", class_="faint"))
    return tag("li", *parts, class_=finding.severity if finding.severity in ("error", "warning") else "error")
