"""What every command shares: where the market is, how to speak, and the options for both."""

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import msgspec
import typer

from marketsim.cli.render.text import escaped_json, printable
from marketsim.saga.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from marketsim.audit.log import Durability
    from marketsim.market.directory import Market

__all__ = ["WAIT_S", "Session", "command", "group"]


WAIT_S = 30
"""How long a command waits for another one that writes to the market, in seconds, unless told."""

_WAIT_MAX_S = 86_400


class Session:
    """One run of a command: its streams, and whether it speaks JSON, little, or as usual."""

    def __init__(
        self,
        market: Path | None = None,
        *,
        json: bool = False,
        quiet: bool = False,
        wait_s: int = WAIT_S,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        self._named = market is not None
        self.market = market or Path(os.environ.get("MARKETSIM_MARKET") or "market")
        self.json = json
        self.quiet = quiet
        if not 0 <= wait_s <= _WAIT_MAX_S:
            raise InputError(f"{wait_s} seconds", where="--wait", todo=f"give 0 to {_WAIT_MAX_S:,}")
        self.wait_s = wait_s
        self.webhooks: list[str] = []
        self._wrote = False
        self.out = out or sys.stdout
        self.err = err or sys.stderr

    def on(self, out: TextIO) -> "Session":
        """The same, with another standard output."""
        other = copy(self)
        other.out = out
        return other

    def beside(self) -> "Session":
        """The same, for what is told beside the result: on standard error, and not as JSON."""
        other = self.on(self.err)
        other.json = False
        return other

    @property
    def silent(self) -> bool:
        """Whether nothing for people goes to standard output."""
        return self.json or self.quiet

    def console(self, *, stderr: bool = False) -> "Console":
        """A console that takes text as it is: no markup, no emoji names, no guessing of colours."""
        from marketsim.cli.render.theme import console

        return console(self.err if stderr else self.out)

    def emit(self, document: Any) -> None:
        """Print one JSON document, and nothing else."""
        text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
        self.write_json(text + "\n")

    def write_json(self, text: str) -> None:
        """Write a piece of a JSON document as this stream can carry it."""
        self.out.write(escaped_json(text, getattr(self.out, "encoding", None) or "utf-8"))

    def say(self, text: str) -> None:
        """Print a line for a person, unless JSON or silence is wanted."""
        if not self.silent:
            print(printable(text), file=self.out)

    @contextmanager
    def writing(self, *, whole: bool = False, durability: "Durability" = "group") -> "Iterator[Market]":
        """The market, open for writing; what opening and closing it had to mend is told."""
        from marketsim.drivers.clock import now_us, stamp
        from marketsim.market.directory import open_market

        told = 0
        with open_market(
            self.market, durability=durability, time=stamp(now_us()), timeout_s=self.wait_s, whole=whole
        ) as market:
            told = len(market.notices)
            for notice in market.notices:
                self.note(notice)
            yield market
        for notice in market.notices[told:]:
            self.note(notice)
        self._wrote = True

    def end(self) -> None:
        """Have others told of what was recorded: last of all, when nobody waits for this process any more."""
        if self._wrote and (self.market / "webhooks.json").exists():
            from marketsim.cli.telling import tell_others

            tell_others(self)

    def hint(self, command: str) -> str:
        """A command to be typed next, on the same market."""
        return f"marketsim {command}" + (f" --market {self.market}" if self._named else "")

    def note(self, text: str) -> None:
        """Tell a person something beside the result, on standard error."""
        if not self.quiet:
            print(f"note: {printable(text)}", file=self.err)


_MARKET = Annotated[
    Path | None,
    typer.Option(
        "--market",
        metavar="DIR",
        help="The market's folder; else MARKETSIM_MARKET, else ./market.",
        show_default=False,
    ),
]
_JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document, and nothing else.")]
_QUIET = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
_DEBUG = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

_WAIT = Annotated[
    int, typer.Option("--wait", metavar="SECONDS", help="How long to wait for another command that writes.")
]

_COMMON: tuple[tuple[str, Any, Any], ...] = (
    ("json", _JSON, False),
    ("quiet", _QUIET, False),
    ("debug", _DEBUG, False),
)


def group(name: str, sentence: str) -> typer.Typer:
    """A group of commands, such as `audit`."""
    return typer.Typer(
        name=name,
        help=sentence,
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def command(
    app: typer.Typer, name: str, *, example: str, writes: bool = False, market: bool = True
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Declare a command: a function of a Session and its own options that returns an exit code.

    The options that every command has are added here, and the help ends with the example. One that
    ``writes`` to a market has to wait for whoever else does; one that needs no ``market`` takes none.
    """

    def declare(function: Callable[..., int]) -> Callable[..., int]:
        own = list(inspect.signature(function).parameters.values())[1:]
        shared: list[tuple[str, Any, Any]] = [("market", _MARKET, None)] if market else []
        shared += [("wait", _WAIT, WAIT_S)] if writes else []
        shared += _COMMON
        common = [
            inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for option, kind, default in shared
        ]
        for each in own:
            info = each.annotation.__metadata__[0]
            if isinstance(info, typer.models.ArgumentInfo) and info.metavar is None:
                info.metavar = each.name.upper()

        def call(**options: Any) -> None:
            options.pop("debug")
            session = Session(
                options.pop("market", None),
                json=options.pop("json"),
                quiet=options.pop("quiet"),
                wait_s=options.pop("wait", WAIT_S),
            )
            try:
                code = function(session, **options)
            finally:
                session.end()
            raise typer.Exit(code)

        keywords = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        call.__signature__ = inspect.Signature([*keywords, *common])  # type: ignore[attr-defined]
        call.__annotations__ = {each.name: each.annotation for each in [*keywords, *common]}
        call.__doc__ = function.__doc__
        call.__name__ = function.__name__
        app.command(name, epilog=f"Example: {example}", no_args_is_help=False)(call)
        return function

    return declare
