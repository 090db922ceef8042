"""The pager: where much is to be read on a terminal, it goes through the reader's own."""

import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from shutil import which
from typing import Annotated, Any, TextIO, cast

import typer

from marketsim.cli.session import Session
from marketsim.saga.errors import quoted

__all__ = ["NoPager", "paged", "pager_words"]

NoPager = Annotated[bool, typer.Option("--no-pager", help="Write straight to the terminal.")]

_LESS = "FRX"
"""What less is told unless LESS says otherwise: end at once if it fits, keep colours, leave it standing."""


class _Pipe:
    """A pager's standard input, which counts as the terminal that it stands for."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def pager_words() -> list[str]:
    """The pager as words of a command: MARKETSIM_PAGER, else PAGER, else less; none if it is empty."""
    for name in ("MARKETSIM_PAGER", "PAGER"):
        if (text := os.environ.get(name)) is not None:
            try:
                return shlex.split(text)
            except ValueError:
                return [text]
    return ["less", "-R"]


@contextmanager
def paged(session: Session, *, off: bool = False) -> Iterator[Session]:
    """A session whose output goes through a pager, if it is a terminal and is read by a person.

    A reader who leaves early ends the block without an error. Hostile text is no more dangerous
    there than on the terminal: what is written is printable but for the colours.
    """
    words = pager_words() if not (off or session.silent) and session.out.isatty() else []
    if words and which(words[0]) is None:
        if "MARKETSIM_PAGER" in os.environ or "PAGER" in os.environ:
            session.note(f"there is no pager {quoted(words[0])}")
        words = []
    if not words or words == ["cat"]:
        yield session
        return
    environment = {"LESS": _LESS, **os.environ}
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as process:
        assert process.stdin is not None
        encoding = getattr(session.out, "encoding", None) or "utf-8"
        pipe = TextIOWrapper(process.stdin, encoding=encoding, errors="backslashreplace")
        try:
            yield session.on(cast("TextIO", _Pipe(pipe)))
            pipe.flush()
        except BrokenPipeError:
            pass  # The reader has seen enough.
        finally:
            _wait(process, pipe)


def _wait(process: "subprocess.Popen[bytes]", pipe: TextIOWrapper) -> None:
    # The terminal sends an interrupt to both: to the pager it is a key among others.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        pipe.close()
    except OSError:
        pass
    finally:
        process.wait()
        signal.signal(signal.SIGINT, before)
