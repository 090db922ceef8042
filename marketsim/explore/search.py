"""Explore: the search, by whoever runs it, within its limits, to be taken up again."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from marketsim.explore.checkpoint import resume_survey, save_survey
from marketsim.explore.cluster import ClusterCrew, crew_on_cluster
from marketsim.explore.crew import Crew
from marketsim.explore.model import Bound, Case, Exploration, Progress
from marketsim.explore.survey import Survey

__all__ = ["explore"]

_SAVE_S = 20.0
"""How often a search is saved that has a file for it, in seconds."""


def explore(
    case: Case,
    bound: Bound = Bound(),  # noqa: B008
    *,
    wanted: int = 1,
    processes: int = 1,
    cluster: str = "",
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
    resume: Path | None = None,
) -> Exploration:
    """Try everything within the bound, until so many rules are seen broken as are ``wanted`` (0: all).

    Whatever number of ``processes`` run it, the result is the same, and so it is on a Dask ``cluster``: the
    one at this address (``tcp://HOST:PORT``), or one of so many processes on this machine (``dask``).
    ``progress`` is told after each round how far it has come, and may raise KeyboardInterrupt. What is not
    finished is saved in ``checkpoint``, now and then and at the end, and taken up from ``resume``. Whoever
    interrupts it has what came of it so far.

    Raises InputError for a file that is not of this case and bound, a cluster that is not there and a case
    that cannot be made there, MarketsimError for a cluster that goes away, and OSError for a file that
    cannot be written.
    """
    survey = resume_survey(resume, case, bound, wanted) if resume else Survey(case, bound, wanted)
    with _crew_of(survey, processes, cluster) as crew:
        crew.learn(survey.known.each())
        end = _search(survey, crew, progress, checkpoint)
    if checkpoint is not None and end in ("limited", "stopped"):
        save_survey(survey, checkpoint)
    return survey.result(end == "exhausted", end in ("stopped", "interrupted"))


def _crew_of(survey: Survey, processes: int, cluster: str) -> AbstractContextManager[Crew | ClusterCrew]:
    asked = (survey.case, survey.bound, survey.menus, survey.known, processes)
    return crew_on_cluster(*asked, cluster) if cluster else Crew(*asked)


def _search(
    survey: Survey,
    crew: Crew | ClusterCrew,
    progress: Callable[[Progress], None] | None,
    checkpoint: Path | None,
) -> Literal["exhausted", "limited", "stopped", "interrupted"]:
    """One round after the other; why there is no other: it is stopped between two, or interrupted in one."""
    saved_s = time.perf_counter()
    try:
        while not (survey.satisfied or survey.limited):
            scripts = survey.next_round()
            if not scripts:
                return "exhausted"
            survey.take_in(crew.run(scripts))
            crew.learn(survey.added)
            if progress is not None and not _told(progress, survey):
                return "stopped"
            if checkpoint is not None and time.perf_counter() - saved_s > _SAVE_S:
                save_survey(survey, checkpoint)
                saved_s = time.perf_counter()
    except KeyboardInterrupt:
        # In the middle of a round there is nothing that could be saved: what was saved before stands.
        return "interrupted"
    return "limited"


def _told(progress: Callable[[Progress], None], survey: Survey) -> bool:
    """Tell how far it has come; whether it may go on."""
    try:
        progress(survey.progress())
    except KeyboardInterrupt:
        return False
    return True
