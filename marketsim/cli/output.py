"""Where an export goes: standard output, or a file that is never overwritten without being told to."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from marketsim.cli.render.text import printable
from marketsim.cli.session import Session
from marketsim.saga.errors import InputError, reason_of

__all__ = ["Force", "Output", "check_target", "target_of", "write_file", "write_output"]

Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite the file.")]


def write_output(
    session: Session,
    pieces: Iterable[str] | Iterable[bytes],
    output: Path | None,
    force: bool,
    *,
    is_json: bool = True,
) -> None:
    """Write text or bytes, piece by piece. A file appears when it is complete, or not at all.

    Raises InputError for a file that exists (without ``force``) or cannot be written.
    """
    if output is None:
        for piece in pieces:
            _print(session, str(piece), is_json)
        return
    write_file(output, pieces, force)
    if session.json:
        session.emit({"wrote": str(output)})
    session.say(f"wrote {output}")


def write_file(output: Path, pieces: Iterable[str] | Iterable[bytes], force: bool) -> None:
    """Write text or bytes, piece by piece, to a file that appears when it is complete, or not at all.

    Raises InputError for a file that exists (without ``force``) or cannot be written.
    """
    target = target_of(output, force)
    partial = target.with_name(f".{target.name[:100]}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(piece.encode() if isinstance(piece, str) else piece for piece in pieces)
        partial.replace(target)
    except OSError as error:
        reason = reason_of(error)
        raise InputError(f"the file cannot be written: {reason}", where=str(output)) from error
    finally:
        partial.unlink(missing_ok=True)


def _print(session: Session, piece: str, is_json: bool) -> None:
    if is_json:
        session.write_json(piece)
    else:  # Another program takes every character as it is; a terminal is protected from some.
        session.out.write(printable(piece.replace("\r\n", "\n")) if session.out.isatty() else piece)


def check_target(output: Path, force: bool) -> None:
    """Raise InputError now, before any work is done, for a file that could not be written in the end."""
    if not target_of(output, force).parent.is_dir():
        raise InputError("there is no such folder", where=str(output), todo="make it first")


def target_of(output: Path, force: bool) -> Path:
    """The file that is meant, if it may be written: no device, no pipe, and nothing that a market keeps.

    Raises InputError for any other, and for one that exists (without ``force``).
    """
    target = output.resolve()
    if target.exists() and not target.is_file():
        raise InputError("this is no regular file", where=str(output), todo="name a file")
    if any((folder / "audit" / "000001.jsonl").exists() for folder in target.parents[:3]):
        raise InputError("this is inside a market", where=str(output), todo="write it somewhere else")
    if target.exists() and not force:
        raise InputError("the file exists", where=str(output), todo="overwrite it with --force")
    return target
