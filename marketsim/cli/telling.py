"""What a command that writes does for the webhooks: it adds those that it was given, and has others told."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from marketsim.saga.errors import InputError, MarketError, MarketsimError, quoted

if TYPE_CHECKING:
    from marketsim.audit.log import Position
    from marketsim.cli.session import Session
    from marketsim.drivers.hooks.endpoints import Endpoint
    from marketsim.market.directory import Market

__all__ = ["add_endpoints", "add_webhooks", "checked_urls", "tell_others"]

_CHILD = """\
import os, sys, time
getattr(os, "nice", int)(10)
time.sleep(0.15)
import site
site.main()
sys.path.append(sys.argv.pop(1))
from marketsim.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""Low in priority, and asleep until the purchase has ended: what it has to import competes with nothing."""

_TOTAL_S = 600


def checked_urls(urls: Iterable[str] | None) -> list[str]:
    """The URLs, each once. Raises InputError for one to which nothing can be sent."""
    if not urls:
        return []
    from marketsim.drivers.hooks.endpoints import checked_url

    return [checked_url(url, where="--webhook") for url in dict.fromkeys(urls)]


def add_webhooks(session: "Session", market: "Market") -> None:
    """Add the session's webhooks to the market's settings, to be told of what comes from now on."""
    from marketsim.drivers.hooks.endpoints import EVENTS, SETTINGS

    here = market.log.position
    added = add_endpoints(market.path, session.webhooks, list(EVENTS), here.size, here)
    for each in added:
        session.note(f"{each.url} is told from now on; its secret is in {market.path / SETTINGS}")


def add_endpoints(
    market: Path, urls: Sequence[str], events: list[str], seq: int, position: "Position", secret: str = ""
) -> "list[Endpoint]":
    """Add those that are not there yet, each with a secret of its own unless one is given; those added.

    Raises InputError if there would be too many.
    """
    from marketsim.drivers.clock import now_us, stamp
    from marketsim.drivers.hooks.endpoints import ENDPOINTS_MAX, Endpoint, change_settings, new_secret

    new: list[Endpoint] = []

    def change(endpoints: list[Endpoint]) -> list[Endpoint]:
        known = {each.url for each in endpoints}
        for url in urls:
            if url not in known:
                key, now = secret or new_secret(), stamp(now_us())
                one = Endpoint(url=url, secret=key, events=events, added=now, seq=seq, position=position)
                new.append(one)
        if len(endpoints) + len(new) > ENDPOINTS_MAX:
            what = (
                f"{quoted(new[-1].url)} would be one too many: a market has at most {ENDPOINTS_MAX} webhooks"
            )
            raise InputError(what, todo="remove one with: marketsim webhooks remove URL")
        return [*endpoints, *new]

    change_settings(market, change)
    return new


def tell_others(session: "Session") -> None:
    """Have a process of its own deliver what is due, and do not wait for it.

    What was recorded stands, whatever is the matter with the webhooks: that is told in a note.
    """
    if os.environ.get("MARKETSIM_WEBHOOKS") == "off":
        return
    from marketsim.drivers.hooks.outbox import anybody_waits

    try:
        if anybody_waits(session.market):
            _start(session.market.resolve())
    except (MarketsimError, OSError) as error:
        session.note(f"nobody was told: {error}")


def _start(market: Path) -> None:
    if not sys.executable:
        raise MarketError("this Python does not know where it is", todo="run: marketsim webhooks deliver")
    words = ["webhooks", "deliver", "--background", "--quiet", "--time-limit", str(_TOTAL_S)]
    beside = str(Path(__file__).parents[2])
    # -P: whatever happens to lie in the present folder is not imported. -S: the site waits, too.
    command = [sys.executable, "-S", "-P", "-c", _CHILD, beside, *words, "--market", str(market)]
    try:
        nowhere = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
        os.posix_spawn(sys.executable, command, os.environ, file_actions=nowhere, setsid=True)
    except (AttributeError, NotImplementedError):  # Not every system has it.
        import subprocess

        null = subprocess.DEVNULL
        subprocess.Popen(command, stdin=null, stdout=null, stderr=null, start_new_session=True)
