"""Write docs/mutants.md and docs/mutants.json: every mutant of the built-in sagas, and who notices it.

python docs/make_mutants.py               looks at every mutant, which takes minutes
python docs/make_mutants.py skip-fence    looks at those of this operator again, and keeps the others

The tests hold that the list has every mutant, and make the runs again that show them.
"""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import Any

from marketsim.explore.mutation.ample import ample_case, refused_cases
from marketsim.explore.mutation.mutants import OPERATORS, Verdict, mutation_score

HERE = Path(__file__).parent
SAGAS = ("purchase", "checkout")

OPENING = """# Every mutant, and who notices it

A saga is made wrong on purpose, by {operators} operators, at every place where each of them can; {mutants}
mutants of the built-in sagas. {killed} are noticed: {by}. The other {accepted} are listed with the reason.
`python docs/make_mutants.py` looks at all of them again, in some minutes; a test makes the runs again that
show each one.

- *lint* is `marketsim lint`: no run is needed.
- *guardrails*: a request is let through that must be turned away.
- *explore*: the checks find it, in a run with these faults.
- *strict*: a strict check finds it, in a run with one fault.
- *calm run*: with no fault at all it does something else.

Who survives is *equivalent* (it does the same), *harmless* (it does something else, and all that is promised
holds), or *beyond* what is tried.
"""


def main(operators: list[str]) -> None:
    """Look at every mutant, or at those of these operators, and write both files."""
    with Pool(len(SAGAS)) as pool:
        made = pool.map(partial(look_at, operators=operators), SAGAS)
    looked_at = dict(zip(SAGAS, made, strict=True))
    if operators:
        before = json.loads((HERE / "mutants.json").read_text(encoding="utf-8"))
        looked_at = {saga: _merged(before[saga], looked_at[saga]) for saga in SAGAS}
    text = json.dumps(looked_at, indent=1, ensure_ascii=False) + "\n"
    (HERE / "mutants.json").write_text(text, encoding="utf-8")
    (HERE / "mutants.md").write_text(page(looked_at), encoding="utf-8")


def look_at(saga: str, operators: Sequence[str] = ()) -> list[dict[str, Any]]:
    """What is to be told of each mutant of a saga."""
    case, refused = ample_case(saga), refused_cases(saga)
    verdicts = mutation_score(case, refused=refused, operators=operators, progress=_tell)
    return [_facts(each) for each in verdicts]


def _merged(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was told before, and in its place what is told now."""
    again = {(each["operator"], each["place"]): each for each in now}
    return [again.get((each["operator"], each["place"]), each) for each in before]


def _tell(verdict: Verdict) -> None:
    reason = verdict.accepted.kind if verdict.accepted else "SURVIVED"
    print(
        verdict.mutant.case.name,
        verdict.mutant.name,
        verdict.killed_by or reason,
        file=sys.stderr,
        flush=True,
    )


def _facts(verdict: Verdict) -> dict[str, Any]:
    told = {
        "operator": verdict.mutant.operator,
        "place": verdict.mutant.place,
        "difference": verdict.mutant.difference,
        "noticed_by": verdict.killed_by,
        "rule": verdict.finding.rule if verdict.finding else "",
        "faults": [list(each) for each in verdict.faults],
        "turns": verdict.turns,
        "kind": verdict.accepted.kind if verdict.accepted else "",
        "reason": verdict.accepted.reason if verdict.accepted else "",
    }
    return {name: value for name, value in told.items() if value}


def page(looked_at: dict[str, list[dict[str, Any]]]) -> str:
    """The page for a reader."""
    every = [each for mutants in looked_at.values() for each in mutants]
    by = Counter(each["noticed_by"] for each in every if "noticed_by" in each)
    opening = OPENING.format(
        operators=len(OPERATORS),
        mutants=len(every),
        killed=by.total(),
        by=", ".join(f"{count} by {name}" for name, count in by.most_common()),
        accepted=len(every) - by.total(),
    )
    return "\n".join(
        [opening, *[line for saga, mutants in looked_at.items() for line in _table(saga, mutants)]]
    )


def _table(saga: str, mutants: list[dict[str, Any]]) -> list[str]:
    lines = [
        f"## {saga}",
        "",
        "| mutant | what is different | noticed by | how |",
        "| --- | --- | --- | --- |",
    ]
    for each in mutants:
        name, by = f"{each['operator']}@{each['place']}", each.get("noticed_by", "")
        how = f"{each['kind']}: {each['reason']}" if "kind" in each else _how(each)
        lines.append(f"| `{name}` | {each['difference']} | {by or '-'} | {how or '**nothing**'} |")
    return [*lines, ""]


def _how(each: dict[str, Any]) -> str:
    rule = f"`{each['rule']}`" if "rule" in each else "let through" if "noticed_by" in each else ""
    faults = "; ".join(" ".join(f"`{fault}`" for fault in own) for own in each.get("faults", []) if own)
    return f"{rule}: {faults}" if faults else rule


if __name__ == "__main__":
    main(sys.argv[1:])
