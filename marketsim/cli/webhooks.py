"""`marketsim webhooks`: who is told of what happens, by a signed POST, and what they were not told yet."""

import re
from typing import Annotated, Any

import typer

from marketsim.cli import complete
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command, group
from marketsim.drivers.hooks.endpoints import (
    EVENTS,
    SETTINGS,
    Endpoint,
    change_settings,
    checked_events,
    checked_secret,
    checked_url,
    read_settings,
)
from marketsim.drivers.hooks.outbox import head_of, settled_size
from marketsim.market.directory import check_market
from marketsim.saga.errors import InputError, MarketsimError, nearest, quoted

__all__ = ["webhooks_app"]

webhooks_app = group("webhooks", "Telling others: a signed POST for what was bought, reverted, or got stuck.")

_TIME_LIMIT_S, _TIME_LIMIT_MAX_S = 60, 86_400
_LINGER_S = 2.0
_LOOPBACK = re.compile(r"http://(127\.[0-9.]+|localhost|\[::1\])([:/].*)?", re.IGNORECASE)

_New = Annotated[str, typer.Argument(help="Where to send, https:// or http://.", show_default=False)]
_Known = Annotated[
    str,
    typer.Argument(help="The webhook's URL.", show_default=False, autocompletion=complete.webhooks),
]


@command(webhooks_app, "add", example="marketsim webhooks add https://example.com/hooks")
def add(
    session: Session,
    url: _New,
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            metavar="TYPE",
            help=f"Only of this: {', '.join(EVENTS)}. Repeat it.",
            show_default=False,
        ),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            "--secret",
            metavar="whsec_...",
            help="Sign with this; else with one that is made, which no list of processes shows.",
            show_default=False,
        ),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Tell what has happened already, too.")
    ] = False,
) -> int:
    """Tell a URL of what happens from now on; the secret that signs it is shown this once."""
    from marketsim.audit.log import START
    from marketsim.cli.telling import add_endpoints

    check_market(session.market)
    url, events = checked_url(url), checked_events(event or [])
    given = checked_secret(secret) if secret is not None else ""
    if any(each.url == url for each in read_settings(session.market)):
        raise _told_already(url)
    seq, position = (0, START) if from_start else head_of(session.market)
    added = add_endpoints(session.market, [url], events, seq, position, given)
    if not added:
        raise _told_already(url)
    return _tell_added(session, added[0], "" if given else added[0].secret)


def _tell_added(session: Session, added: Endpoint, secret: str) -> int:
    kept = session.market / SETTINGS
    if session.json:
        facts = {"added": added.url, "events": added.events, "secret": secret or None, "kept_in": str(kept)}
        session.emit(facts)
    session.say(f"{added.url} is told of: {', '.join(added.events)}")
    session.say(f"  secret  {secret or 'as given'}")
    session.say(f"  it is kept in {kept}, which only its owner can read, and is not shown again")
    if added.url.lower().startswith("http:") and not _LOOPBACK.fullmatch(added.url):
        session.note("over http:// whoever is on the way can read what is sent")
    session.say(f"see whether it arrives: {session.hint(f'webhooks test {added.url}')}")
    return Exit.OK


@command(webhooks_app, "list", example="marketsim webhooks list")
def list_webhooks(session: Session) -> int:
    """List who is told, how far that has come, and what went wrong last."""
    check_market(session.market)
    found = [_facts(session, each) for each in read_settings(session.market)]
    if session.json:
        session.emit({"webhooks": found})
    elif not found:
        session.say(f"nobody is told; begin with: {session.hint('webhooks add URL')}")
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        heads = ("webhook", "told up to", "due", "state", "events")
        rows = [(each["url"], each["seq"], each["due"], _state(each), _short(each)) for each in found]
        show_table(session.console(), heads, rows, right=("told up to", "due"))
    return Exit.OK


@command(webhooks_app, "test", example="marketsim webhooks test https://example.com/told")
def test(session: Session, url: _Known) -> int:
    """Send one `marketsim.test` event now, and say what came of it; exit 5 if it was not taken."""
    from marketsim.drivers.hooks.delivery import origin_of
    from marketsim.drivers.hooks.messages import post, trial_message

    endpoint = _endpoint(session, url)
    message = trial_message(origin_of(session.market))
    answer = post(endpoint.url, endpoint.secret, message)
    if session.json:
        session.emit({"url": url, "id": message.id, "status": answer.status, "delivered": answer.delivered})
    session.say(f"{url}: {answer}")
    return Exit.OK if answer.delivered else Exit.INCOMPLETE


@command(webhooks_app, "deliver", example="marketsim webhooks deliver")
def deliver_due(
    session: Session,
    time_limit: Annotated[
        int, typer.Option("--time-limit", metavar="SECONDS", help="How long to go on trying.")
    ] = _TIME_LIMIT_S,
    background: Annotated[
        bool,
        typer.Option(
            "--background", help="As after a purchase: wait out failures, leave it to who is at it."
        ),
    ] = False,
) -> int:
    """Deliver what is due, now; exit 5 while something still is."""
    from marketsim.drivers.hooks.delivery import Limits, deliver, deliver_now

    if not 1 <= time_limit <= _TIME_LIMIT_MAX_S:
        todo = f"give 1 to {_TIME_LIMIT_MAX_S:,}"
        raise InputError(f"{quoted(time_limit)} seconds", where="--time-limit", todo=todo)
    check_market(session.market)
    before = read_settings(session.market)
    if before:
        _settle(session, before)
        limits = Limits(total_s=time_limit, linger_s=_LINGER_S if background else 0.0)
        (deliver if background else deliver_now)(session.market, limits, session.note)
    after = {each.url: each for each in read_settings(session.market)}
    told = [_told(session, each, after[each.url]) for each in before if each.url in after]
    left = sum(each["due"] for each in told if not each["disabled"])
    if session.json:
        session.emit({"webhooks": told, "due": left})
    for each in told:
        session.say(f"{each['url']}: {each['delivered']} delivered, {each['due']} due ({_state(each)})")
    if not told:
        session.say("nobody is told")
    return Exit.INCOMPLETE if left else Exit.OK


@command(webhooks_app, "remove", example="marketsim webhooks remove https://example.com/told")
def remove(session: Session, url: _Known) -> int:
    """Tell a URL no more, and forget its secret and what it was still to be told."""
    removed = _facts(session, _endpoint(session, url))
    change_settings(session.market, lambda endpoints: [each for each in endpoints if each.url != url])
    if session.json:
        session.emit({"removed": url, "due": removed["due"]})
    session.say(f"{url} is told no more; it was not told of {removed['due']}")
    return Exit.OK


def _told_already(url: str) -> InputError:
    return InputError(f"{quoted(url)} is told already", todo="see: marketsim webhooks list")


def _settle(session: Session, endpoints: list[Endpoint]) -> None:
    """See to it that the log's head covers what a command left that was killed: the rest is not due yet."""
    from marketsim.audit.segments import read_events
    from marketsim.drivers.clock import now_us, stamp
    from marketsim.market.directory import open_market
    from marketsim.saga.errors import MarketBusy

    furthest = max(endpoints, key=lambda each: each.seq)
    settled = settled_size(session.market)
    if not any(event.seq > settled for event in read_events(session.market / "audit", furthest.position)):
        return
    if settled_size(session.market) > settled:
        return  # Somebody was writing just now, and has ended: nothing was left.
    try:
        with open_market(session.market, timeout_s=0, time=stamp(now_us())) as market:
            notices = market.notices
        for notice in notices:
            session.note(notice)
    except MarketBusy:
        pass  # Whoever writes to it sees to it, too.
    except MarketsimError as error:
        session.note(f"what a killed command left is not told yet: {error}")


def _endpoint(session: Session, url: str) -> Endpoint:
    check_market(session.market)
    endpoints = {each.url: each for each in read_settings(session.market)}
    if url not in endpoints:
        raise InputError(f"nothing is told to {quoted(url)}", todo=nearest(url, endpoints))
    return endpoints[url]


def _facts(session: Session, endpoint: Endpoint) -> dict[str, Any]:
    """What may be shown of an endpoint: everything but its secret."""
    from marketsim.drivers.hooks.delivery import due_count

    return {
        "url": endpoint.url,
        "events": endpoint.events,
        "added": endpoint.added,
        "seq": endpoint.seq,
        "due": due_count(session.market, endpoint),
        "failures": endpoint.failures,
        "failure": endpoint.failure,
        "failed": endpoint.failed,
        "disabled": endpoint.disabled,
    }


def _told(session: Session, before: Endpoint, after: Endpoint) -> dict[str, Any]:
    from marketsim.drivers.hooks.delivery import due_count

    return {"delivered": due_count(session.market, before, after.seq), **_facts(session, after)}


def _state(facts: dict[str, Any]) -> str:
    if facts["disabled"]:
        return "disabled by its 410; remove it and add it again"
    return f"failed {facts['failures']} times: {facts['failure']}" if facts["failures"] else "well"


def _short(facts: dict[str, Any]) -> str:
    return "all" if len(facts["events"]) == len(EVENTS) else ", ".join(facts["events"])
