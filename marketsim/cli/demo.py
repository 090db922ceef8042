"""`marketsim demo`: the story in a few seconds, told by the real commands on a market of its own."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command
from marketsim.saga.errors import MarketError

__all__ = ["demo_app"]

demo_app = typer.Typer(rich_markup_mode="rich", add_completion=False)

_CATALOG = {
    "products": [{"id": "laptop-1", "name": "Laptop", "price": 750, "inStock": 5}],
    "users": [{"id": "user-1", "name": "Ada"}],
}


class _Step(msgspec.Struct, frozen=True):
    """A command of the story: what it shows, and how it has to end. A ``killed`` one dies by a signal."""

    says: str
    arguments: Sequence[str]
    ends: int
    killed: bool = False


_STORY = (
    _Step(
        "The problem. The gateway is down after the stock was reserved, and nothing is reverted.",
        ("purchase", "laptop-1", "--fail", "payment:gateway_down", "--policy", "none"),
        Exit.STUCK,
    ),
    _Step(
        "The cure. The same purchase, reverted newest first: nothing is left behind.",
        ("purchase", "laptop-1", "--fail", "payment:gateway_down"),
        Exit.NOT_PURCHASED,
    ),
    _Step(
        "The corner. The customer is charged, and the process is killed before it is written down.",
        ("purchase", "laptop-1", "--fail", "charge_payment:crash_after_effect"),
        Exit.OK,
        killed=True,
    ),
    _Step(
        "Another process finishes the work. It asks again under the same key: one charge, one order.",
        ("recover",),
        Exit.OK,
    ),
    _Step(
        "The proof. The log is whole, and of all that happened one thing is wrong: the unit lost at first.",
        ("audit", "verify"),
        Exit.FINDING,
    ),
)


@command(demo_app, "demo", example="marketsim demo", market=False)
def demo(
    session: Session,
    keep: Annotated[
        Path | None, typer.Option("--keep", metavar="DIR", help="Keep the market here.", show_default=False)
    ] = None,
) -> int:
    """Tell the story in a few seconds: the problem, the cure, a killed process, the audit."""
    if keep is not None:
        return _tell(session, keep)
    from marketsim.audit.trust import forget

    with tempfile.TemporaryDirectory(prefix="marketsim-") as folder:
        market = Path(folder) / "market"
        try:
            return _tell(session, market)
        finally:
            forget(market)


def _tell(session: Session, market: Path) -> int:
    from marketsim.audit.trust import forget
    from marketsim.drivers.clock import now_us, stamp
    from marketsim.market.catalog import parse_catalog
    from marketsim.market.directory import create_market
    from marketsim.market.documents import parse_document

    catalog = parse_catalog(parse_document(msgspec.json.encode(_CATALOG), "demo.json"), "USD")
    try:
        create_market(market, catalog, "USD", stamp(now_us()))
    except MarketError as error:
        raise MarketError(error.what, where=error.where, todo="name another folder with --keep DIR") from None
    forget(market)
    told = []
    for number, step in enumerate(_STORY, 1):
        session.say(f"\n{number}. {step.says}\n   $ marketsim {' '.join(step.arguments)}\n")
        code = _killed(session, step, market) if step.killed else _run(session, step, market)
        told.append({"says": step.says, "command": ["marketsim", *step.arguments], "exit": code})
        if code == Exit.INTERRUPTED:
            return code
        if not step.killed and code != step.ends:
            session.note(f"this step was to end with {step.ends} and ended with {code}")
    if session.json:
        session.emit({"steps": told})
    as_told = all(step.killed or code["exit"] == step.ends for step, code in zip(_STORY, told, strict=True))
    session.say("\nNow yours: marketsim init, then marketsim purchase laptop-1 --fail payment:card_declined")
    return Exit.OK if as_told else Exit.FINDING


def _run(session: Session, step: _Step, market: Path) -> int:
    from marketsim.cli import main

    arguments = [*step.arguments, "--market", str(market)]
    if not session.silent:
        return main(arguments)
    with redirect_stdout(StringIO()):
        return main(arguments)


def _killed(session: Session, step: _Step, market: Path) -> int:
    """Run the step in a process of its own, which dies; its exit code (negative: the signal)."""
    session.out.flush()
    child = subprocess.run(
        [sys.executable, "-m", "marketsim", *step.arguments, "--market", str(market)],
        stdout=subprocess.DEVNULL if session.silent else None,
        check=False,
    )
    how = f"by signal {-child.returncode}" if child.returncode < 0 else f"with code {child.returncode}"
    session.say(f"\n  the process was killed {how}; the customer is charged, and nobody has written it down")
    return child.returncode
