"""`marketsim audit`: read the log, verify it, and hand it on."""

import msgspec

from marketsim.cli import (  # They register their commands on the group.
    audit_export,  # noqa: F401
    audit_import,  # noqa: F401
    audit_numbers,  # noqa: F401
    audit_proofs,  # noqa: F401
    audit_reading,  # noqa: F401
    audit_verify,  # noqa: F401
)
from marketsim.cli.audit_group import audit_app
from marketsim.cli.output import Force, Output, write_output
from marketsim.cli.session import Session, command
from marketsim.saga.events import events_schema

__all__ = ["audit_app"]

_ORDER = (
    *("list", "show", "follow", "stats", "diff"),
    *("verify", "checks", "prove", "check-proof", "keygen", "sign"),
    *("export", "disclose", "import", "schema"),
)


@command(audit_app, "checks", example="marketsim audit checks", market=False)
def list_checks(session: Session) -> int:
    """List the checks that `verify` makes, each with its rule."""
    from marketsim.audit.checks import CHECKS

    if session.json:
        facts = [{"name": each.name, "tier": each.tier, "rule": each.sentence} for each in CHECKS.values()]
        session.emit({"checks": facts})
    elif not session.quiet:
        from marketsim.cli.render.tables import show_table

        rows = [(each.name, each.tier, each.sentence) for each in CHECKS.values()]
        show_table(session.console(), ("check", "tier", "rule"), rows)
    return 0


@command(audit_app, "schema", example="marketsim audit schema --output event.schema.json", market=False)
def schema(session: Session, output: Output = None, force: Force = False) -> int:
    """Print the JSON Schema of one event, for an editor or a reader of your own."""
    text = msgspec.json.format(msgspec.json.encode(events_schema()), indent=2).decode() + "\n"
    write_output(session, [text], output, force)
    return 0


# The help lists them by what they are for, and not as their modules happen to be imported.
audit_app.registered_commands.sort(key=lambda each: _ORDER.index(each.name or ""))
