"""`marketsim guardrails`: the rules that a request must keep, and whether one would."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from marketsim.cli import complete, options
from marketsim.cli.exits import Exit
from marketsim.cli.session import Session, command, group
from marketsim.saga.errors import InputError, quoted

if TYPE_CHECKING:
    from marketsim.market.catalog import Catalog
    from marketsim.market.world import World

__all__ = ["guardrails_app"]

guardrails_app = group("guardrails", "The rules that a request must keep before anything starts.")

_LAST_US = 253_402_300_799_999_999
"""The end of the year 9999."""


class _Verdict(msgspec.Struct, frozen=True):
    """Whether a request would keep a rule; ``reason`` says why not, and is empty if it would."""

    rule: str
    source: str
    kept: bool
    reason: str


class _Question(msgspec.Struct, frozen=True):
    """A request that nobody made, at a moment (RFC 3339, UTC)."""

    request: dict[str, Any]
    time: str


@command(guardrails_app, "list", example="marketsim guardrails list")
def list_guardrails(session: Session) -> int:
    """List the rules that are built in and those that the catalog declares, in the order they are asked."""
    from marketsim.market.directory import read_catalog
    from marketsim.market.guardrails import described
    from marketsim.market.rules import declared

    _, world = read_catalog(session.market)
    rows = [(name, source, sentence) for name, (source, sentence) in _built_in().items()]
    for rule in world.guardrails:
        says = described(rule, world)
        rows.append((rule.name, "catalog", f"{rule.sentence} ({says})" if rule.sentence else says))
    if session.json:
        rules = {rule.name: declared(rule, world.currency) for rule in world.guardrails}
        facts = [
            {"name": name, "source": source, "says": says, "rule": rules.get(name)}
            for name, source, says in rows
        ]
        session.emit({"guardrails": facts})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        show_table(session.console(), ("rule", "from", "what it says"), rows)
        session.say("try a request with: " + session.hint("guardrails check PRODUCT"))
    return 0


@command(guardrails_app, "check", example="marketsim guardrails check laptop-1 --quantity 2")
def check_guardrails(
    session: Session,
    product: Annotated[
        str | None,
        typer.Argument(help="The product's id.", show_default=False, autocompletion=complete.products),
    ] = None,
    quantity: Annotated[
        int | None, typer.Option("--quantity", "-n", help="How many units; else one.", show_default=False)
    ] = None,
    customer: options.Customer = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="When, as RFC 3339; else now.", show_default=False),
    ] = None,
    catalog: Annotated[
        Path | None,
        typer.Option(
            "--catalog",
            metavar="FILE",
            help="Check the rules in this catalog or scenario instead, without a market.",
            show_default=False,
        ),
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option("--currency", help="That of the catalog in FILE; else USD.", show_default=False),
    ] = None,
) -> int:
    """Say for each rule whether a purchase of PRODUCT would keep it; nothing is recorded."""
    asked = {"PRODUCT": product, "--quantity": quantity, "--customer": customer, "--at": at}
    given = [name for name, value in asked.items() if value is not None]
    if catalog is not None:
        if given:
            raise InputError(f"{given[0]} and --catalog exclude each other", todo="give one of them")
        return _check_file(session, catalog, currency or "USD")
    if currency is not None:
        raise InputError("--currency goes with --catalog", todo="a market has the currency it was made with")
    if product is None:
        raise InputError("there is nothing to check", todo="name a product, or give --catalog FILE")
    return _check_request(session, product, 1 if quantity is None else quantity, customer, at)


def _built_in() -> dict[str, tuple[str, str]]:
    """The built-in rules by name: which sagas have them, and the sentence of each."""
    from marketsim.market.sagas import SAGAS

    found: dict[str, tuple[str, str]] = {}
    for saga in SAGAS.values():
        for name, rule in saga.guardrails.items():
            sagas = f"{found[name][0]}, {saga.name}" if name in found else f"built in: {saga.name}"
            found[name] = sagas, (rule.__doc__ or "").strip().split("\n")[0]
    return found


# A request.


def _check_request(
    session: Session, product: str, quantity: int, customer: str | None, at: str | None
) -> int:
    from marketsim.cli.asked import Request, checked
    from marketsim.market.directory import read_catalog
    from marketsim.market.requests import Line

    options.check_quantity(quantity, "--quantity")
    time = None if at is None else _moment(at)
    _, world = read_catalog(session.market)
    request = checked(Request("purchase", [Line(product, quantity)], customer), world)
    question = _Question(request, time or _present(session.market))
    verdicts = _verdicts(world, question)
    first = next((each.rule for each in verdicts if not each.kept), None)
    if session.json:
        facts = {"request": request, "time": question.time, "rejected_by": first, "rules": verdicts}
        session.emit(facts)
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [
            (each.rule, each.source, "kept" if each.kept else f"broken: {each.reason}") for each in verdicts
        ]
        show_table(session.console(), ("rule", "from", "verdict"), rows)
        told = "nothing stands in its way" if first is None else f"it would be rejected by {first}"
        session.say(f"{quantity} of {product} for {request['customer']} at {question.time}: {told}")
    return Exit.OK if first is None else Exit.NOT_PURCHASED


def _moment(at: str) -> str:
    from marketsim.drivers.clock import parse_time, stamp

    try:
        moment_us = parse_time(at)
    except InputError as wrong:
        raise InputError(wrong.what, where="--at", todo=wrong.todo) from wrong
    if not 0 <= moment_us <= _LAST_US:
        raise InputError(f"{quoted(at)} is no time that a market has", where="--at", todo="from 1970 to 9999")
    return stamp(moment_us)


def _present(market: Path) -> str:
    """When a purchase would begin that is made now."""
    from marketsim.drivers.clock import stamp
    from marketsim.drivers.live import present
    from marketsim.market.directory import last_time

    return stamp(present(last_time(market)))


def _verdicts(world: "World", question: _Question) -> list[_Verdict]:
    """What each rule says of the request, the built-in ones first."""
    from marketsim.market.guardrails import wanted_of, why_broken
    from marketsim.market.sagas import saga_named
    from marketsim.saga.definition import Call
    from marketsim.saga.events import TransactionBegan

    saga, request = saga_named("purchase"), question.request
    began = TransactionBegan(
        transaction="", saga=saga.name, policy="", request=request, seed=0, time=question.time
    )
    call = Call(began, {}, world, lambda event: None)
    told = [(name, f"built in: {saga.name}", rule(call) or "") for name, rule in saga.guardrails.items()]
    wanted = wanted_of(request, question.time, world)
    told += [(rule.name, "catalog", why_broken(rule, wanted)) for rule in world.guardrails]
    return [_Verdict(name, source, not why, why) for name, source, why in told]


# A file.


def _check_file(session: Session, file: Path, currency: str) -> int:
    from marketsim.market.guardrails import described, unmatched
    from marketsim.market.rules import rules_of
    from marketsim.market.world import World

    catalog, code = _catalog_in(file, currency)
    world = World()
    world.currency = code
    rules = rules_of(catalog.guardrails, code)
    notes = list(unmatched(rules, catalog))
    if session.json:
        session.emit({"file": str(file), "guardrails": catalog.guardrails, "notes": notes})
        return 0
    if not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [(rule.name, described(rule, world), rule.sentence) for rule in rules]
        if rows:
            show_table(session.console(), ("rule", "what it says", "why"), rows)
        count = f"{len(rules):,} guardrail{'' if len(rules) == 1 else 's'}"
        session.say(f"{file}: {count}" + (", each in order" if rules else ""))
    for note in notes:
        session.note(note)
    return 0


def _catalog_in(file: Path, currency: str) -> "tuple[Catalog, str]":
    """The catalog in a file, or that of a scenario with the rules it adds; and the currency it is in."""
    from marketsim.market.catalog import parse_catalog
    from marketsim.market.documents import read_document

    document = read_document(file)
    if isinstance(document.value, dict) and "scenario" in document.value:
        from marketsim.scenario.load import load_scenario

        scenario = load_scenario(file)
        return scenario.catalog, scenario.currency
    return parse_catalog(document, currency), currency
