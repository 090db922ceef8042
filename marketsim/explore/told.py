"""What is told of an exploration: its verdict in words, and each counterexample with its story."""

from typing import Literal, TypeAlias

import msgspec

from marketsim.explore.model import Bound, Case, Counterexample, Exploration

__all__ = ["Explored", "Told", "Verdict", "bound_words", "counted", "limit_of", "verdict_of", "verdict_words"]

Verdict: TypeAlias = Literal["nothing found", "counterexample", "not reproducible", "interrupted", "limit"]
"""What an exploration came to; only the first is a pass."""


class Told(msgspec.Struct, frozen=True):
    """A counterexample, shrunk, and its case.

    ``rule`` is what had to stay broken, and ``operation`` where. ``story`` tells what happened, and ``wrong``
    what each rule has against it. ``file`` is where it is kept (empty: it is not), ``replay`` the command
    that shows it again. ``minimal`` says that nothing of it can go.
    """

    rule: str
    operation: str
    case: Case
    counterexample: Counterexample
    story: tuple[str, ...]
    wrong: tuple[str, ...]
    minimal: bool
    file: str = ""
    replay: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The story, and what is wrong in its end."""
        return (*self.story, *self.wrong)


class Explored(msgspec.Struct, frozen=True):
    """An exploration with what is told of it; ``command`` does it again."""

    policy: str
    command: str
    exploration: Exploration
    found: tuple[Told, ...]


def verdict_of(exploration: Exploration) -> Verdict:
    """What an exploration came to."""
    if exploration.irreproducible is not None:
        return "not reproducible"
    if exploration.counterexamples:
        return "counterexample"
    if exploration.interrupted:
        return "interrupted"
    return "nothing found" if exploration.exhausted else "limit"


def verdict_words(exploration: Exploration) -> str:
    """The verdict in a line, with the bound that it holds for."""
    bound = exploration.bound
    what = f"{_runs(exploration)}, bound {bound_words(bound)}"
    match verdict_of(exploration):
        case "nothing found":
            return f"exhausted: {what}: nothing found"
        case "counterexample":
            rules = {rule for each in exploration.counterexamples for rule in each.rules}
            found = f": {counted(len(rules), 'rule')} can be broken" if exploration.exhausted else ""
            return f"{_how(exploration)}: {what}{found}"
        case "not reproducible":
            return f"not reproducible: {what}: a run took another way when it was made again"
        case "interrupted":
            return f"interrupted: {what}: nothing found so far"
    return f"not exhausted: {what}: nothing found before {limit_of(exploration)} was reached"


def _runs(exploration: Exploration) -> str:
    facts = [f"{exploration.cut:,} cut at a known state"] if exploration.cut else []
    if exploration.raw > exploration.runs:
        factor = exploration.raw / exploration.runs
        facts = [f"of about {exploration.raw:,}, reduced {factor:,.1f} times", *facts]
    told = "; ".join(facts)
    return f"{counted(exploration.runs, 'run')}{f' ({told})' if facts else ''}"


def _how(exploration: Exploration) -> str:
    """How an exploration ended that found something."""
    if exploration.exhausted:
        return "exhausted"
    limit = limit_of(exploration)
    if limit:
        return f"a counterexample, and ended by {limit}"
    return "a counterexample, and interrupted" if exploration.interrupted else "ended by a counterexample"


def limit_of(exploration: Exploration) -> str:
    """The limit that was reached; empty if none was."""
    bound = exploration.bound
    if exploration.exhausted or exploration.interrupted:
        return ""
    if bound.runs_max and exploration.runs >= bound.runs_max:
        return f"the limit of {counted(bound.runs_max, 'run')}"
    too_long = bound.seconds_max and exploration.seconds >= bound.seconds_max
    return f"the time limit of {bound.seconds_max:g} s" if too_long else ""


def bound_words(bound: Bound) -> str:
    """The bound, as in ``2 faults, 1 crash, 2 customers, 1 preemption``."""
    words = [
        counted(bound.faults, "fault"),
        counted(bound.crashes, "crash", "crashes"),
        counted(bound.customers, "customer"),
        counted(bound.preemptions, "preemption"),
    ]
    words += [f"only {', '.join(bound.names)}"] if bound.names else []
    words += [f"at {', '.join(bound.targets)}"] if bound.targets else []
    return ", ".join([*words, *([] if bound.reduction else ["no reduction"])])


def counted(number: int, one: str, many: str = "") -> str:
    """A number of things: ``1 run``, ``2,000 runs``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
