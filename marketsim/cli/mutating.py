"""`marketsim explore --mutate`: who notices each mutant of a saga, and which of them live."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from marketsim.cli.exits import Exit
from marketsim.cli.exploring import Asked, case_named
from marketsim.cli.session import Session

if TYPE_CHECKING:
    from marketsim.explore.model import Case
    from marketsim.explore.mutation.mutants import Verdict
    from marketsim.explore.reading import Place

__all__ = ["show_mutants"]


def show_mutants(session: Session, asked: Asked, policy: str | None, operators: Sequence[str]) -> int:
    """Judge every mutant of a saga; a finding if one lives for which there is no reason."""
    from marketsim.explore.mutation.mutants import mutants_of, mutation_score

    case, refused = _cases(asked, policy)
    count = sum(1 for _ in mutants_of(case, operators))
    with _counting(session, count) as told:
        verdicts = mutation_score(case, operators=operators, refused=refused, progress=told)
    alive = [each for each in verdicts if each.survived]
    if session.json:
        facts = [_facts(each) for each in verdicts]
        session.emit({"saga": case.name, "policy": case.policy.name, "mutants": facts})
    elif not session.quiet:
        _show(session, case, verdicts, alive)
    return Exit.FINDING if alive else Exit.OK


def _cases(asked: Asked, policy: str | None) -> "tuple[Case, tuple[Case, ...]]":
    """The case, and those that its guardrails must turn away: only a built-in saga has such."""
    from marketsim.explore.mutation.ample import ample_case, refused_cases
    from marketsim.market.sagas import SAGAS

    if asked.what in SAGAS and not asked.gateway and policy in (None, "default"):
        return ample_case(asked.what), refused_cases(asked.what)
    return case_named(asked, policy), ()


@contextmanager
def _counting(session: Session, count: int) -> "Iterator[Callable[[Verdict], None] | None]":
    """Tells on a terminal how many mutants were looked at, if somebody watches."""
    if session.quiet or not session.err.isatty():
        yield None
        return
    from marketsim.cli.render.progress import StatusLine

    line, done = StatusLine(session.err), 0

    def told(verdict: "Verdict") -> None:
        nonlocal done
        done += 1
        line.show(lambda: f"{done} of {count} mutants, {verdict.mutant.name}")

    try:
        yield told
    finally:
        line.close()


def _show(session: Session, case: "Case", verdicts: "Sequence[Verdict]", alive: "Sequence[Verdict]") -> None:
    from marketsim.cli.render.tables import show_table

    rows = [(each.mutant.name, each.killed_by or "-", _how(each)) for each in verdicts]
    show_table(session.console(), ("mutant", "noticed by", "how"), rows)
    by = Counter(each.killed_by for each in verdicts if each.killed_by)
    told = ", ".join(f"{count} by {name}" for name, count in by.most_common())
    accepted = sum(each.accepted is not None for each in verdicts)
    words = [f"{by.total()} are noticed ({told})" if by else "none is noticed"]
    words += [f"{accepted} may live"] if accepted else []
    words += [f"{len(alive)} live"] if alive else []
    session.say(f"\n{len(verdicts)} mutants of {case.name} under {case.policy.name}: {', '.join(words)}")
    for each in alive:
        session.say(f"  alive: {each.mutant.name}: {each.mutant.difference} ({_place(each.mutant.at)})")


def _how(verdict: "Verdict") -> str:
    if verdict.accepted is not None:
        return f"{verdict.accepted.kind}: {verdict.accepted.reason}"
    rule = verdict.finding.rule if verdict.finding is not None else ""
    faults = " ".join(fault for own in verdict.faults for fault in own)
    return ": ".join(filter(None, (rule, faults))) or ("let through" if verdict.killed_by else "nothing")


def _facts(verdict: "Verdict") -> dict[str, Any]:
    made = verdict.mutant
    return {
        "operator": made.operator,
        "place": made.place,
        "difference": made.difference,
        "at": _place(made.at),
        "noticed_by": verdict.killed_by,
        "finding": verdict.finding,
        "faults": verdict.faults,
        "choices": verdict.turns,
        "accepted": verdict.accepted,
        "survived": verdict.survived,
    }


def _place(at: "Place") -> str:
    """The line that was changed."""
    from marketsim.explore.loading import as_typed

    return f"{as_typed(at.file)}:{at.line}" if at.file else "the policy"
