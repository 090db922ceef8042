"""Results kept in a file as they are finished, so that a run which was cut off goes on where it ended."""

import os
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import msgspec

from marketsim import __version__
from marketsim.saga.errors import InputError, quoted, reason_of

__all__ = ["LINE_BYTES_MAX", "Kept"]

LINE_BYTES_MAX = 16 << 20
"""The longest line that is written or read."""

_DIFFERENCES_MAX = 5
_ANOTHER = "give the same options again, or another file"


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: who wrote the file, and what was asked."""

    kept: str
    asked: dict[str, Any]


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Any other line: a result, by the index of its task; ``sha256`` is that of both."""

    task: int
    sha256: str
    result: msgspec.Raw


class Kept:
    """The results in a file, JSON documents by the index of their task; ``keep`` adds one, safe on disk.

    ``asked`` is whatever decides the results, by name, as JSON; ``tasks`` is how many there are. The file
    is made if it is not there. A last line that was cut off while it was written is cut, and ``notices``
    says so. As a context manager it is closed at the end.

    Raises InputError, with the line, for a file that is something else, holds the results of another
    question (with what differs) or of another version, is damaged, in use, or cannot be written.
    """

    def __init__(self, path: Path, asked: Mapping[str, Any], tasks: int) -> None:
        self.results: dict[int, bytes] = {}
        self.notices: list[str] = []
        self._path, self._tasks = path, tasks
        # What JSON makes of it, so that it can be compared with what was read.
        self._asked: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(dict(asked)))
        self._file = self._opened()
        try:
            self._take_up()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Kept":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def keep(self, index: int, result: bytes) -> None:
        """Add a result: a JSON document, without line breaks. What is there already is not added again."""
        if index in self.results:
            return
        if b"\n" in result:
            raise ValueError("a result is one line")
        self._write(msgspec.json.encode(_Line(index, _digest(index, result), msgspec.Raw(result))))
        self.results[index] = result

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _opened(self) -> IO[bytes]:
        if self._path.exists() and not (self._path.is_file() or self._path.is_dir()):
            raise self._wrong("is not a regular file", todo="choose another file")
        try:
            file = open(self._path, "a+b", buffering=0)  # noqa: SIM115 (it lives as long as this does)
        except OSError as error:
            raise self._wrong(reason_of(error), todo="choose another file") from error
        if not _locked(file):
            file.close()
            raise self._wrong("another process is writing to it", todo="wait for it to end")
        return file

    def _take_up(self) -> None:
        """Read what is there; write the first line if nothing is."""
        self._file.seek(0)
        with open(self._file.fileno(), "rb", closefd=False) as lines:
            head = lines.readline(LINE_BYTES_MAX + 1)
            begun = head.endswith(b"\n")
            if begun:
                self._check_head(head)
            elif head and not (ours := self._first_line()).startswith(head[: len(ours)]):
                raise self._wrong("is no file of kept results", 1, "choose another file")
            end = len(head) if begun else 0
            while begun and (line := lines.readline(LINE_BYTES_MAX + 1)).endswith(b"\n"):
                self._read(line)
                end += len(line)
        self._cut(end)
        if not begun:
            self._write(self._first_line())

    def _read(self, line: bytes) -> None:
        number = len(self.results) + 2
        try:
            read = msgspec.json.decode(line, type=_Line)
            msgspec.json.decode(read.result)
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"this is no result: {error}", number) from None
        if not 0 <= read.task < self._tasks or read.task in self.results:
            raise self._damaged(f"task {read.task} of {self._tasks:,}, which is not due", number)
        result = bytes(read.result)
        if read.sha256 != _digest(read.task, result):
            raise self._damaged("this was altered since it was written", number)
        self.results[read.task] = result

    def _check_head(self, line: bytes) -> None:
        try:
            head = msgspec.json.decode(line, type=_Head)
        except (ValueError, RecursionError):
            raise self._wrong("is no file of kept results", 1, "choose another file") from None
        if head.kept != __version__:
            what = f"its results are those of marketsim {quoted(head.kept)}, and this is {__version__}"
            raise self._wrong(what, 1, "begin another file")
        names = dict.fromkeys([*head.asked, *self._asked])
        differ = [name for name in names if head.asked.get(name) != self._asked.get(name)]
        if differ:
            told = [self._differs(name, head.asked) for name in differ[:_DIFFERENCES_MAX]]
            more = [f"{len(differ) - len(told)} more differ"] if len(differ) > len(told) else []
            what = f"its results answer another question: {'; '.join(told + more)}"
            raise self._wrong(what, 1, _ANOTHER)

    def _differs(self, name: str, asked: Mapping[str, Any]) -> str:
        return f"{quoted(name)[1:-1]} was {_shown(asked.get(name))} and is {_shown(self._asked.get(name))}"

    def _cut(self, end: int) -> None:
        torn_bytes = os.fstat(self._file.fileno()).st_size - end
        if not torn_bytes:
            return
        if torn_bytes > LINE_BYTES_MAX:
            raise self._wrong("a line does not end", len(self.results) + 2, "begin another file")
        self._file.truncate(end)
        self.notices.append(
            f"{self._path}: a last line of {torn_bytes:,} bytes was cut off; its task is run again"
        )

    def _first_line(self) -> bytes:
        return msgspec.json.encode(_Head(__version__, self._asked))

    def _write(self, line: bytes) -> None:
        try:
            self._file.write(line + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            what = f"a result cannot be kept: {reason_of(error)}"
            raise self._wrong(what, todo="what was kept before is safe") from error

    def _damaged(self, what: str, line: int) -> InputError:
        return self._wrong(what, line, "restore the file, or begin another")

    def _wrong(self, what: str, line: int = 0, todo: str = "") -> InputError:
        return InputError(what, where=f"{self._path}:{line}" if line else str(self._path), todo=todo)


def _digest(task: int, result: bytes) -> str:
    return sha256(b"%d:%s" % (task, result)).hexdigest()


def _shown(value: Any) -> str:
    return quoted(msgspec.json.encode(value).decode())[1:-1]


def _locked(file: IO[bytes]) -> bool:
    """Whether nobody else writes to the file, as far as this system can tell; the lock ends with the file."""
    try:
        import fcntl
    except ImportError:
        return True
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
