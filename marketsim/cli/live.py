"""A purchase on a market's own stream: what `purchase` does once its words are understood."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from marketsim.cli.outcome import Outcome, outcome_of
from marketsim.cli.session import Session
from marketsim.drivers.live import live_driver, transact
from marketsim.market.directory import Market
from marketsim.market.excerpt import history_before
from marketsim.market.sagas import saga_named
from marketsim.market.world import World
from marketsim.saga.errors import InputError, nearest, quoted
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.faults import parse_fault
from marketsim.saga.policies import policy_named

__all__ = ["Request", "checked", "run_purchase"]


class Request(msgspec.Struct, frozen=True):
    """What was asked for on the command line."""

    product: str
    customer: str | None
    quantity: int
    faults: Sequence[str]
    policy: str
    seed: int
    real_time: bool


def run_purchase(session: Session, request: Request, durability: Literal["group", "each", "none"]) -> int:
    """Run the purchase and show it; the exit code. Raises InputError before anything is recorded."""
    saga, policy = saga_named("purchase"), policy_named(request.policy)
    faults = [str(parse_fault(text, saga, where="--fail")) for text in request.faults]
    with session.writing(durability=durability) as market:
        _say_what_is_open(session, market)
        began = TransactionBegan(
            transaction=f"tx-{market.world.transactions + 1}",
            saga=saga.name,
            policy=policy.name,
            request=checked(request, market.world),
            seed=request.seed,
            faults=faults,
        )
        before = history_before(market.world, began.request)
        events: list[Event] = []
        watch = _watcher(session, market, began, events)
        driver = live_driver(
            market.log, market.world, market.log.position.time, real_time=request.real_time, watch=watch
        )
        transact(driver, saga, policy, began)
        market.log.flush()
        outcome = outcome_of(before, events)
    _tell(session, outcome, market.world)
    return outcome.exit


def checked(request: Request, world: World) -> dict[str, object]:
    """The request, if it can be one: what does not exist is bad input and is never recorded.

    Raises InputError, with the nearest name.
    """
    if request.product not in world.products:
        todo = nearest(request.product, world.products)
        raise InputError(f"there is no product {quoted(request.product)}", todo=todo)
    customer = request.customer if request.customer is not None else next(iter(world.customers), "")
    if customer not in world.customers:
        todo = nearest(customer, world.customers)
        raise InputError(f"there is no customer {quoted(customer)}", where="--customer", todo=todo)
    return {"product": request.product, "customer": customer, "quantity": request.quantity}


def _say_what_is_open(session: Session, market: Market) -> None:
    if market.world.open:
        names = ", ".join(sorted(market.world.open))
        session.note(f"left open by a crash: {names}; finish with: {session.hint('recover')}")


def _watcher(session: Session, market: Market, began: TransactionBegan, events: list[Event]):  # type: ignore[no-untyped-def]
    if session.silent:
        return events.append
    from marketsim.cli.render.theme import glyphs_for
    from marketsim.cli.render.timeline import Timeline

    request = began.request
    name = market.world.products[request["product"]].name
    who = market.world.customers[request["customer"]].name
    times = glyphs_for(session.out).times
    goods = f"{request['quantity']} {times} {request['product']} ({name})"
    title = f"{began.saga}: {goods} for {request['customer']} ({who})"
    timeline = Timeline(session.out, title=title)

    def watch(event: Event) -> None:
        events.append(event)
        timeline.show(event)
        session.out.flush()

    return watch


def _tell(session: Session, outcome: Outcome, world: World) -> None:
    if session.json:
        session.emit(outcome)
    elif not session.quiet:
        from marketsim.cli.render.summary import show_summary
        from marketsim.cli.render.theme import glyphs_for

        available = world.available(str(outcome.request["product"]))
        show_summary(outcome, available, session.console(), glyphs_for(session.out))
        if outcome.exit:
            session.say(f"\n  see: {session.hint(f'audit show {outcome.transaction}')}")
