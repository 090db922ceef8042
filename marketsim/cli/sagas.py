"""`marketsim sagas`: the operations of each saga, with their services, reverts and probes."""

from typing import Annotated, Any

import typer

from marketsim.cli.session import Session, command, group

__all__ = ["sagas_app"]

sagas_app = group(
    "sagas", "The sagas that can be run: their operations, and the names that faults may strike."
)


@command(sagas_app, "list", example="marketsim sagas list", market=False)
def list_sagas(session: Session) -> int:
    """List the sagas, each with what it does and the command that runs it."""
    from marketsim.market.sagas import SAGAS

    if session.json:
        session.emit({"sagas": [{"name": each.name, "sentence": each.sentence} for each in SAGAS.values()]})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        show_table(
            session.console(), ("saga", "what it is"), [(each.name, each.sentence) for each in SAGAS.values()]
        )
        session.say("its operations: marketsim sagas show NAME; run it: marketsim NAME --help")
    return 0


@command(sagas_app, "show", example="marketsim sagas show checkout", market=False)
def show_saga(
    session: Session,
    name: Annotated[str, typer.Argument(help="The saga's name.", show_default=False)],
) -> int:
    """Show the operations of a saga in their order; each name in the table may be struck by a fault."""
    from marketsim.market.sagas import saga_named

    saga = saga_named(name)
    rows: list[dict[str, Any]] = [
        {
            "operation": each.name,
            "service": each.service,
            "kind": each.kind,
            "after": list(each.after),
            "revert": each.revert_name,
            "probe": each.probe_name,
            "sentence": each.sentence,
        }
        for each in saga.operations.values()
    ]
    if session.json:
        session.emit({"saga": saga.name, "operations": rows, "guardrails": list(saga.guardrails)})
        return 0
    if session.quiet:
        return 0
    from marketsim.cli.render.tables import show_table

    services: dict[str, list[str]] = {}
    for each in saga.operations.values():
        services.setdefault(each.service, []).append(each.name)
    session.say(f"{saga.name}: {saga.sentence}\n")
    heads = ("operation", "kind", "revert", "probe")
    show_table(session.console(), heads, [[each[head] or "-" for head in heads] for each in rows])
    session.say("")
    for service, names in services.items():
        session.say(f"  {service:<13}  {', '.join(names)}")
    if saga.name == "checkout":
        session.say("\nthere is a reserve_stock for each product of the cart: reserve_stock.PRODUCT")
    session.say(f"\nguardrails first: {', '.join(saga.guardrails)}")
    return 0
