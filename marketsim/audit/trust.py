"""The last head that was verified, kept outside the market, so that a log cannot be rewritten unseen."""

import os
import re
import sys
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from marketsim.audit.checkpoint import Checkpoint, read_checkpoint, write_whole
from marketsim.saga.errors import InputError, LogDamaged, reason_of

__all__ = ["forget", "keep", "state_folder", "trust_file", "trusted_head"]


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where a user's programs keep what they remember: XDG_STATE_HOME, or what the system has for it.

    Raises InputError if the user has no home.
    """
    given = environ.get("XDG_STATE_HOME") or (environ.get("LOCALAPPDATA") if sys.platform == "win32" else "")
    if given and Path(given).is_absolute():
        return Path(given) / "marketsim"
    try:
        return Path.home() / ".local" / "state" / "marketsim"
    except RuntimeError as error:
        todo = "say where to keep trusted heads with --trust FILE, or give --no-trust"
        raise InputError("there is no home folder", todo=todo) from error


def trust_file(market: Path) -> Path:
    """The file that keeps the trusted head of the log in this folder, wherever it is called from.

    It is found by the path alone: a log that gave itself another name has to answer to it all the same.
    """
    path = market.resolve()
    name = re.sub(r"[^A-Za-z0-9_-]", "_", path.name)[:40]
    return state_folder() / "heads" / f"{name}-{sha256(os.fsencode(path)).hexdigest()[:16]}.checkpoint"


def trusted_head(file: Path) -> Checkpoint | None:
    """The head that is kept in a file; None if there is none. Raises InputError if it cannot be read."""
    todo = "restore it from a copy; if nobody has one, remove it, and the next verification begins anew"
    try:
        return read_checkpoint(file)
    except (LogDamaged, InputError) as wrong:
        what = f"the trusted head cannot be read: {wrong.what}"
        raise InputError(what, where=str(file), todo=todo) from wrong


def keep(file: Path, head: Checkpoint) -> bool:
    """Keep a head that was verified, unless one of as many events is kept; whether it was written.

    Raises InputError if it cannot be written, or if meanwhile a head of another log is kept there.
    """
    before = trusted_head(file)
    if before is not None and before.size >= head.size:
        return False
    if before is not None and before.origin != head.origin:
        raise InputError("a head of another log is kept here", where=str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(file, head.text(), passing=f"{os.getpid()}.tmp")
    except OSError as error:
        reason = reason_of(error)
        todo = "choose another file with --trust FILE, or give --no-trust"
        raise InputError(f"the trusted head cannot be kept: {reason}", where=str(file), todo=todo) from error
    return True


def forget(market: Path) -> bool:
    """Forget the head of the log that was in this folder before; whether there was one."""
    try:
        file = trust_file(market)
        file.unlink()
    except (OSError, InputError):
        return False
    return True
