"""A standard output that may go away: what is being done is finished, whoever has stopped reading."""

import os
from collections.abc import Iterable
from typing import Any, TextIO

__all__ = ["Steady"]


class Steady:
    """Writes to a stream until that fails, and is silent from then on; ``lost`` is the failure.

    A closed standard output (None) is silent from the beginning. Whatever else is asked of it, the
    stream itself answers.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.lost: OSError | None = None
        self._stream = stream if stream is not None else open(os.devnull, "w")  # noqa: SIM115

    def write(self, text: str) -> int:
        """Write, or pretend to."""
        if self.lost is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._lose(error)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write all of them, or pretend to."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write what is buffered, or pretend to."""
        if self.lost is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._lose(error)

    def _lose(self, error: OSError) -> None:
        self.lost = error
        try:
            # What is still buffered must go somewhere when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
