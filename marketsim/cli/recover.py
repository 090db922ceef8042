"""`marketsim recover`: finish what a crash left open, forward or back."""

from collections.abc import Iterable
from typing import Annotated

import typer

from marketsim.cli import complete
from marketsim.cli.exits import Exit, exit_of_error
from marketsim.cli.outcome import Outcome, outcome_of, stock_now
from marketsim.cli.session import Session, command
from marketsim.market.directory import Market
from marketsim.market.world import World
from marketsim.saga.definition import Saga
from marketsim.saga.errors import InputError, MarketsimError
from marketsim.saga.events import Event, TransactionBegan

__all__ = ["recover_app"]

recover_app = typer.Typer(rich_markup_mode="rich", add_completion=False)


@command(recover_app, "recover", example="marketsim recover", writes=True)
def recover(
    session: Session,
    fail: Annotated[
        list[str] | None,
        typer.Option(
            "--fail",
            metavar="FAULT",
            help="Inject a failure into the recovery.",
            show_default=False,
            autocompletion=complete.faults,
        ),
    ] = None,
    back: Annotated[
        bool, typer.Option("--back", help="Cancel it: revert whatever is not past its pivot.")
    ] = False,
) -> int:
    """Finish what a crash left open: ask again under the same key, then go forward or revert."""
    from marketsim.audit.segments import read_events
    from marketsim.drivers.live import live_driver
    from marketsim.drivers.live import recover as finish
    from marketsim.drivers.recovery import open_transactions
    from marketsim.market.sagas import SAGAS, saga_of
    from marketsim.saga.faults import parse_fault

    with session.writing(whole=True) as market:
        market.log.flush()
        history = list(read_events(market.path / "audit"))
        left_open = open_transactions(history)
        begun = [
            event for events in left_open.values() for event in events if isinstance(event, TransactionBegan)
        ]
        sagas = [*(saga_of(event) for event in begun), *SAGAS.values()]
        for text in fail or []:
            _check_somewhere(text, sagas)
        added: dict[str, list[Event]] = {name: list(events) for name, events in left_open.items()}

        def watch(event: Event) -> None:
            added[str(getattr(event, "transaction", ""))].append(event)

        driver = live_driver(market.log, market.world, market.log.position.time, watch=watch)
        refused: dict[str, MarketsimError] = {}
        finish(
            driver,
            left_open,
            saga_of,
            lambda saga: [parse_fault(text, saga) for text in fail or [] if _belongs(text, saga)],
            back=back,
            refused=refused.__setitem__,
        )
        market.log.flush()
        finished = {name: events for name, events in added.items() if name not in refused}
        outcomes = [outcome_of(_before(history, name), events) for name, events in finished.items()]
        _tell(session, market, finished, outcomes)
    for name, error in refused.items():
        session.note(f"{name} was left open: {error}")
    worst = max((exit_of_error(error) for error in refused.values()), default=Exit.OK)
    return max([worst, *(_exit(outcome) for outcome in outcomes)])


def _check_somewhere(text: str, sagas: Iterable[Saga]) -> None:
    """Raise InputError for a fault that can strike in none of the sagas."""
    from marketsim.saga.faults import parse_fault

    wrong: InputError | None = None
    for saga in sagas:
        try:
            parse_fault(text, saga, where="--fail")
            return
        except InputError as error:
            wrong = wrong or error
    assert wrong is not None
    raise wrong


def _belongs(text: str, saga: Saga) -> bool:
    return text.partition(":")[0] in saga.targets()


def _before(history: list[Event], transaction: str) -> list[Event]:
    """The excerpt of the history in which a transaction began."""
    from marketsim.market.excerpt import history_before

    world = World()
    for event in history:
        if isinstance(event, TransactionBegan) and event.transaction == transaction:
            return history_before(world, event.request)
        world.apply(event)
    return []


def _exit(outcome: Outcome) -> Exit:
    """Finished either way is what was asked for; stuck, or a broken check, is not."""
    if any(finding.severity == "error" for finding in outcome.findings):
        return Exit.FINDING
    return Exit.STUCK if outcome.exit == Exit.STUCK else Exit.OK


def _tell(session: Session, market: Market, added: dict[str, list[Event]], outcomes: list[Outcome]) -> None:
    if session.json:
        session.emit({"recovered": outcomes})
        return
    if not outcomes:
        session.say("nothing was left open")
        return
    if session.quiet:
        return
    from marketsim.cli.render.summary import show_summary
    from marketsim.cli.render.theme import glyphs_for
    from marketsim.cli.render.timeline import Timeline

    for outcome in outcomes:
        console = session.console()
        Timeline(session.out, on=console).show_all(added[outcome.transaction])
        show_summary(outcome, stock_now(outcome, market.world), console, glyphs_for(session.out), exits=False)
