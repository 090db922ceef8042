"""The group `marketsim audit`, on which each of its modules registers commands, and what they share."""

from pathlib import Path

from marketsim.cli.session import Session, group
from marketsim.saga.errors import InputError

__all__ = ["audit_app", "log_folder", "read_bytes"]

audit_app = group(
    "audit", "The audit log: what happened, whether it is whole, and whether the books balance."
)


def log_folder(session: Session) -> Path:
    """The folder of the market's log; raises MarketError if there is no market."""
    from marketsim.market.directory import check_market

    check_market(session.market)
    return session.market / "audit"


def read_bytes(path: Path, size_bytes_max: int, what: str = "file") -> bytes:
    """A small file that was given; raises InputError if it is larger, or cannot be read."""
    try:
        with path.open("rb") as file:
            data = file.read(size_bytes_max + 1)
    except OSError as error:
        told = (error.strerror or type(error).__name__).lower()
        raise InputError(f"the {what} cannot be read: {told}", where=str(path)) from error
    if len(data) > size_bytes_max:
        raise InputError(f"the {what} is larger than {size_bytes_max:,} bytes", where=str(path))
    return data
