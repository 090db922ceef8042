"""Where an export goes: standard output, or a file that is never overwritten without being told to."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from marketsim.cli.session import Session
from marketsim.saga.errors import InputError

__all__ = ["Force", "Output", "write_output"]

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


def write_output(session: Session, pieces: Iterable[str], output: Path | None, force: bool) -> None:
    """Write text, piece by piece. A file appears when it is complete, or not at all.

    Raises InputError for a file that exists (without ``force``) or cannot be written.
    """
    if output is None:
        for piece in pieces:
            session.write_json(piece)
        return
    target = _target(output, force)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(pieces)
        partial.replace(target)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"the file cannot be written: {reason}", where=str(output)) from error
    finally:
        partial.unlink(missing_ok=True)
    if session.json:
        session.emit({"wrote": str(output)})
    session.say(f"wrote {output}")


def _target(output: Path, force: bool) -> Path:
    """The file that is meant, if it may be written: no device, no pipe, and nothing that a market keeps."""
    target = output.resolve()
    if target.exists() and not target.is_file():
        raise InputError("this is no regular file", where=str(output), todo="leave --output out and redirect")
    if any((folder / "audit" / "000001.jsonl").exists() for folder in target.parents[:3]):
        raise InputError("this is inside a market", where=str(output), todo="write it somewhere else")
    if target.exists() and not force:
        raise InputError("the file exists", where=str(output), todo="overwrite it with --force")
    return target
