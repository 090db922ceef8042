"""The group `marketsim audit`, on which each of its modules registers commands, and what they share."""

from pathlib import Path

from marketsim.cli.session import Session, group

__all__ = ["audit_app", "log_folder"]

audit_app = group(
    "audit", "The audit log: what happened, whether it is whole, and whether the books balance."
)


def log_folder(session: Session) -> Path:
    """The folder of the market's log; raises MarketError if there is no market."""
    from marketsim.market.directory import check_market

    check_market(session.market)
    return session.market / "audit"
