"""The files of `marketsim explore`: counterexamples, each by its name, and the reports for other programs."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from marketsim.cli.output import check_target, write_file
from marketsim.saga.errors import InputError

if TYPE_CHECKING:
    from marketsim.explore.model import Case, Counterexample, Exploration
    from marketsim.explore.told import Explored, Told

__all__ = ["Files", "tell"]

_SCENARIO, _KEPT = ".scenario.yaml", ".counterexample.json"
_ALIKE_MAX = 99


class Files(msgspec.Struct, frozen=True):
    """Where everything is written: ``output`` is a file, a folder, or None for the present folder."""

    output: Path | None = None
    checkpoint: Path | None = None
    resume: Path | None = None
    junit: Path | None = None
    sarif: Path | None = None
    markdown: Path | None = None
    force: bool = False

    def check(self, *, several: bool, policies: int) -> None:
        """Raise InputError before anything is explored for what could not be written in the end."""
        if policies > 1 and (self.checkpoint or self.resume):
            raise InputError("a checkpoint is of one policy", where="--policy", todo="explore one at a time")
        if self.output is not None and not self.output.is_dir():
            if several:
                todo = "name a folder that there is"
                raise InputError("several may be found", where=f"--output {self.output}", todo=todo)
            check_target(self.output, self.force)
        kept = None if self.checkpoint == self.resume else self.checkpoint
        for path in filter(None, (kept, self.junit, self.sarif, self.markdown)):
            check_target(path, self.force)

    def write_reports(self, explored: Sequence["Explored"]) -> None:
        """Write the reports that are asked for."""
        if self.junit is not None:
            from marketsim.explore.reports.junit import junit_text

            write_file(self.junit, [junit_text(explored)], self.force)
        if self.sarif is not None:
            from marketsim.explore.reports.sarif import sarif_text

            write_file(self.sarif, [sarif_text(explored)], self.force)
        if self.markdown is not None:
            from marketsim.explore.reports.markdown import markdown_text

            write_file(self.markdown, [markdown_text(explored)], self.force)

    def keep(self, name: str, text: str) -> Path:
        """Write a counterexample and say where; one that is there already stays, and keeps its name."""
        if self.output is not None and not self.output.is_dir():
            write_file(self.output, [text], self.force)
            return self.output
        path = _free((self.output or Path()) / name, text, self.force)
        if not path.exists() or self.force:
            write_file(path, [text], self.force)
        return path


def tell(
    case: "Case", exploration: "Exploration", files: Files, again: str, *, all_rules: bool
) -> Iterator["Told"]:
    """Shrink, tell and keep what was found: the first of it, or a counterexample for each rule.

    ``again`` is the command that explores the same case.
    """
    from marketsim.explore.marketplace import saga_of_request
    from marketsim.explore.shrink import shrink

    if exploration.irreproducible is not None:
        return  # What it found may be found no more.
    seen: set[str] = set()
    for found in exploration.counterexamples:
        for rule in [each for each in found.rules if each not in seen]:
            if rule in seen or (seen and not all_rules):
                continue
            small = shrink(case, found, rule=rule, saga_of=saga_of_request(case))
            seen.update(small.counterexample.rules)
            place = small.finding.operation
            yield _told(small.case, small.counterexample, rule, place, small.minimal, files, again)


def _told(
    case: "Case",
    found: "Counterexample",
    rule: str,
    operation: str,
    minimal: bool,
    files: Files,
    again: str,
) -> "Told":
    from marketsim.explore.counterexample_file import kept_text
    from marketsim.explore.scenario_file import scenario_text, story_and_wrong
    from marketsim.explore.told import Told

    story, wrong = story_and_wrong(found)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{case.name}-{case.policy.name}-{rule}")
    text = scenario_text(case, found, name)
    if text is not None:
        path = files.keep(f"{name}{_SCENARIO}", text)
        replay = f"marketsim run {path}"
    else:
        path = files.keep(f"{name}{_KEPT}", kept_text(case, found, name, [*story, *wrong]))
        replay = f"{again} --replay {path}"
    return Told(rule, operation, case, found, story, wrong, minimal, str(path), replay)


def _free(path: Path, text: str, force: bool) -> Path:
    """The path, or one with a number, that is free or says the same."""
    stem = path.name.partition(".")[0]
    rest = path.name[len(stem) :]
    for number in range(1, _ALIKE_MAX + 1):
        here = path.with_name(f"{stem}-{number}{rest}") if number > 1 else path
        if force or not here.exists() or (here.is_file() and here.read_bytes() == text.encode()):
            return here
    raise InputError(f"there are {_ALIKE_MAX} of them", where=str(path), todo="name a file with --output")
