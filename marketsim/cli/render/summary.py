"""The summary under a timeline: what changed in stock, money and orders, the checks' verdict, the end."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from marketsim.audit.findings import Finding
from marketsim.cli.exits import Exit
from marketsim.cli.outcome import Change, Outcome
from marketsim.cli.render.text import printable, wrapped
from marketsim.cli.render.theme import Glyphs
from marketsim.market.money import CURRENCIES, format_minor, with_money

__all__ = ["show_finding", "show_findings", "show_summary"]

_ENDS = {
    "committed": ("PURCHASED", "good"),
    "rejected": ("REJECTED", "warn"),
    "compensated": ("NOT PURCHASED", "warn"),
    "stuck": ("STUCK", "bad"),
    "abandoned": ("ABANDONED", "bad"),
}


def show_summary(
    outcome: Outcome, available: dict[str, int], console: Console, glyphs: Glyphs, *, exits: bool = True
) -> None:
    """Print what a transaction came to; ``available`` is the stock now of each product asked for.

    ``exits`` says whether the command exits with the transaction's own code.
    """
    console.print()
    for label, words, style in _rows(outcome, available, glyphs):
        _print(console, Text.assemble((f"  {label:<8}", "name"), (printable(words), style)), 10)
    show_findings(outcome.findings, console, glyphs, checks=outcome.checks, events=outcome.events)
    console.print()
    word, style = _ENDS[outcome.outcome]
    style = "bad" if outcome.exit == Exit.FINDING else style
    code = f" (exit {outcome.exit})" if exits else ""
    _print(console, Text.assemble("  ", (word, style), f"  {printable(_verdict(outcome))}{code}"), 4)


def show_findings(
    findings: Sequence[Finding], console: Console, glyphs: Glyphs, *, checks: int, events: int
) -> None:
    """Print the checks' verdict: that all hold, or every finding with evidence and remedy."""
    errors = [each for each in findings if each.severity == "error"]
    warned = len({each.rule for each in findings})
    verdict = f"{checks} checks hold over {events:,} events"
    if warned:
        verdict = f"none of {checks} checks is broken over {events:,} events, {warned} warn"
    if errors:
        broken = len({each.rule for each in errors})
        verdict = (
            f"{broken} of {checks} checks {'is' if broken == 1 else 'are'} broken over {events:,} events"
        )
    if errors:
        verdict += f": {_counted(findings)}"
    mark = (f"{glyphs.failed} ", "bad") if errors else (f"{glyphs.done} ", "good")
    _print(console, Text.assemble(("  checks  ", "name"), mark, verdict), 10)
    for each in findings:
        show_finding(each, console, glyphs)


def _counted(findings: Sequence[Finding]) -> str:
    """How many errors and warnings there are, in words."""
    severities = [each.severity for each in findings]
    counts = {name: severities.count(name) for name in sorted(set(severities))}
    return ", ".join(f"{count:,} {name}{'s' if count > 1 else ''}" for name, count in counts.items())


def show_finding(finding: Finding, console: Console, glyphs: Glyphs) -> None:
    """Print one finding: its rule and place, the evidence, and the remedy."""
    style = "bad" if finding.severity == "error" else "warn"
    line = f"{finding.file}:{finding.line}" if finding.line else ""
    place = ", ".join(
        part for part in (finding.transaction, f"seq {finding.seq}" if finding.seq else "", line) if part
    )
    head = Text.assemble(
        "    ",
        (printable(finding.severity), style),
        f" {printable(finding.rule)}",
        (f" ({printable(place)})" if place else "", "faint"),
    )
    _print(console, head, 6)
    _print(console, Text(f"      {printable(with_money(finding.message))}"), 6)
    if finding.expected or finding.actual:
        words = f"      expected {finding.expected or 'nothing'}; actual {finding.actual or 'nothing'}"
        _print(console, Text(printable(with_money(words)), "faint"), 6)
    if finding.remedy:
        _print(console, Text(f"      {glyphs.arrow} {printable(finding.remedy)}", "faint"), 6)


def _rows(outcome: Outcome, available: dict[str, int], glyphs: Glyphs) -> list[tuple[str, str, str]]:
    changed = [change for change in outcome.changes if change.amount]
    money = [change for change in changed if change.account.startswith("money:")]
    rows = []
    for product, units in available.items():
        stock = [each for each in changed if each.account.startswith("stock:") and each.unit == product]
        rows.append(("stock", _stock_words(stock, product, units, glyphs), "" if stock else "faint"))
    rows += [
        ("money", _money_words(money), "" if money else "faint"),
        ("orders", ", ".join(outcome.orders) or "none", "" if outcome.orders else "faint"),
    ]
    if outcome.customer_told:
        rows.append(("told", f"the customer: {outcome.customer_told}", ""))
    if outcome.dead_letters:
        rows.append(
            ("waits", f"for a person: {', '.join(outcome.dead_letters)} could not be reverted", "bad")
        )
    if outcome.left:
        rows.append(
            ("left", f"{', '.join(outcome.left)} was not done, and nothing is reverted for it", "warn")
        )
    for fault in outcome.never_reached:
        rows.append(("note", f"{fault} was never reached: nothing was injected there", "warn"))
    return rows


def _stock_words(changes: list[Change], product: str, available: int, glyphs: Glyphs) -> str:
    gained = sum(change.amount for change in changes if change.account == "stock:available")
    words = f"{product}: {available - gained} {glyphs.arrow} {available} available"
    others = [change for change in changes if change.account != "stock:available"]
    if not changes:
        return f"{product}: {available} available, as before"
    return words + "".join(f", {each.account.removeprefix('stock:')} {each.amount:+d}" for each in others)


def _money_words(changes: list[Change]) -> str:
    if not changes:
        return "as before"
    return ", ".join(
        f"{change.account.removeprefix('money:')} {_signed(change.amount, change.unit)}" for change in changes
    )


def _signed(amount: int, unit: str) -> str:
    if unit not in CURRENCIES:
        return f"{amount:+d} {unit}"
    return ("+" if amount > 0 else "") + format_minor(amount, unit)


def _verdict(outcome: Outcome) -> str:
    if outcome.exit == Exit.FINDING:
        return f"{_believed(outcome)}, and the ledger says otherwise: see the checks"
    match outcome.outcome:
        case "committed":
            return _believed(outcome)
        case "compensated" if outcome.reverts:
            return _believed(outcome)
        case "stuck":
            see = f"see: marketsim failures show {outcome.transaction}"
            return f"{outcome.reason}; not everything could be reverted, {see}"
        case "abandoned":
            return f"{outcome.reason}; nothing was reverted, as policy {outcome.policy} has it"
        case "rejected":
            return f"{outcome.reason}"
    return _believed(outcome)


def _believed(outcome: Outcome) -> str:
    """How the transaction ended, as its engine believes."""
    if outcome.outcome == "committed":
        return f"{', '.join(outcome.orders) or outcome.transaction} stands"
    done = "everything was reverted" if outcome.reverts else "there was nothing to revert"
    return f"{outcome.reason}; {done}"


def _print(console: Console, line: Text, indent: int) -> None:
    width = max(console.width, 60)
    first, *rest = wrapped(line, console, width)
    lines = [first]
    for part in wrapped(Text(" ").join(rest), console, width - indent) if rest else []:
        lines.append(Text.assemble(" " * indent, part))
    for each in lines:
        console.print(each, no_wrap=True, overflow="ignore", crop=False)
