"""A purchase on a market's own stream: what `purchase` and `checkout` do once their words are understood."""

from collections.abc import Callable

from marketsim.audit.log import Durability
from marketsim.cli.asked import Request, checked
from marketsim.cli.outcome import Outcome, outcome_of, stock_now
from marketsim.cli.session import Session
from marketsim.cli.telling import add_webhooks
from marketsim.drivers.live import live_driver, transact
from marketsim.market.directory import Market
from marketsim.market.excerpt import history_before
from marketsim.market.gateway import DEFAULT_RULE, rule_named
from marketsim.market.requests import lines_of
from marketsim.market.sagas import saga_for
from marketsim.market.world import World
from marketsim.saga.events import Event, FaultInjected, TransactionBegan
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import policy_named
from marketsim.saga.taxonomy import FAULTS

__all__ = ["run_purchase"]


def run_purchase(session: Session, request: Request, durability: Durability) -> int:
    """Run the purchase and show it; the exit code. Raises InputError before anything is recorded."""
    policy, gateway = policy_named(request.policy), rule_named(request.gateway).name
    with session.writing(durability=durability) as market:
        wanted = checked(request, market.world)
        saga = saga_for(request.saga, wanted)
        faults = [str(parse_fault(text, saga, where="--fail")) for text in request.faults]
        _say_what_is_open(session, market)
        began = TransactionBegan(
            transaction=f"tx-{market.world.transactions + 1}",
            saga=saga.name,
            policy=policy.name,
            request=wanted,
            seed=request.seed,
            faults=faults,
            services={} if gateway == DEFAULT_RULE else {"payment": gateway},
            deadline_us=request.deadline_us,
            cancel_us=request.cancel_us,
        )
        before = history_before(market.world, began.request)
        events: list[Event] = []
        watch = _watcher(session, market, began, events)
        driver = live_driver(
            market.log, market.world, market.log.position.time, real_time=request.real_time, watch=watch
        )
        if session.webhooks:
            add_webhooks(session, market)
        transact(driver, saga, policy, began)
        market.log.flush()
        outcome = outcome_of(before, events)
    _tell(session, outcome, market.world)
    return outcome.exit


def _say_what_is_open(session: Session, market: Market) -> None:
    if market.world.open:
        names = ", ".join(sorted(market.world.open))
        session.note(f"left open by a crash: {names}; finish with: {session.hint('recover')}")


def _watcher(
    session: Session, market: Market, began: TransactionBegan, events: list[Event]
) -> Callable[[Event], None]:
    """What keeps each event in ``events``, and shows it unless silence is wanted."""
    if session.silent:
        return events.append
    from marketsim.cli.render.theme import glyphs_for
    from marketsim.cli.render.timeline import Timeline

    times, world = glyphs_for(session.out).times, market.world
    goods = ", ".join(
        f"{line.quantity} {times} {line.product} ({world.products[line.product].name})"
        for line in lines_of(began.request)
    )
    customer = began.request["customer"]
    title = f"{began.saga}: {goods} for {customer} ({world.customers[customer].name})"
    timeline = Timeline(session.out, title=title)

    def watch(event: Event) -> None:
        events.append(event)
        timeline.show(event)
        session.out.flush()
        if isinstance(event, FaultInjected) and FAULTS[event.fault].outcome == "crash":
            session.note(f"this process is killed now, for real; then: {session.hint('recover')}")

    return watch


def _tell(session: Session, outcome: Outcome, world: World) -> None:
    if session.json:
        session.emit(outcome)
    elif not session.quiet:
        from marketsim.cli.render.summary import show_summary
        from marketsim.cli.render.theme import glyphs_for

        show_summary(outcome, stock_now(outcome, world), session.console(), glyphs_for(session.out))
        if outcome.exit:
            session.say(f"\n  see: {session.hint(f'audit show {outcome.transaction}')}")
