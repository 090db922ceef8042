"""The program: its commands, each imported only when it is asked for, and how an error ends it."""

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, TextIO, cast

import typer
from typer.core import TyperGroup

from marketsim import __version__
from marketsim.cli.exits import Exit, exit_of_error
from marketsim.cli.render.text import printable
from marketsim.cli.steady import Steady
from marketsim.saga.errors import InputError, MarketsimError, nearest, quoted, reason_of

__all__ = ["COMMANDS", "run"]

COMMANDS: dict[str, str] = {
    "demo": "demo",
    "init": "init",
    "purchase": "purchase",
    "checkout": "purchase",
    "run": "scenarios",
    "compare": "compare",
    "simulate": "simulate",
    "explore": "explore",
    "replay": "replay",
    "recover": "recover",
    "catalog": "catalog",
    "guardrails": "guardrails",
    "scenarios": "scenarios",
    "audit": "audit",
    "failures": "failures",
    "report": "report",
    "webhooks": "webhooks",
    "sagas": "sagas",
    "lint": "lint",
    "faults": "faults",
    "policies": "faults",
}
"""Every command, and the module of this folder that holds it as NAME_app."""

_LOGLESS = ("simulate", "explore", "lint")
"""The commands that do nothing in a market, and tell themselves what came of them by then."""


class _Lazy(TyperGroup):
    """A group that imports the module of a command when the command is needed, and no sooner."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"marketsim.cli.{COMMANDS[cmd_name]}")
        return typer.main.get_command(getattr(module, f"{cmd_name}_app"))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            raise InputError(f"no command is called {quoted(name)}", todo=nearest(name, COMMANDS, listed=20))
        return super().resolve_command(ctx, args)


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; a user never sees a traceback without --debug."""
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # What a terminal cannot write is shown escaped.
            stream.reconfigure(errors="backslashreplace")
    given = sys.stdout, sys.stderr
    out, err = Steady(sys.stdout), Steady(sys.stderr)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        code = _ended(arguments, debug)
        out.flush()
        if out.lost is not None and not isinstance(out.lost, BrokenPipeError):
            _tell(f"standard output cannot be written: {reason_of(out.lost)}", debug)
            return code or Exit.INCOMPLETE
        return code
    finally:
        sys.stdout, sys.stderr = given


def _ended(arguments: Sequence[str], debug: bool) -> int:
    try:
        code = int(_root().main(list(arguments), prog_name="marketsim", standalone_mode=False) or 0)
        if code == Exit.INTERRUPTED:
            logs = not arguments or arguments[0] not in _LOGLESS
            print(f"interrupted{'; what was done is in the log' if logs else ''}", file=sys.stderr)
        return code
    except MarketsimError as error:
        _tell(str(error), debug)
        return exit_of_error(error)
    except SystemExit as end:  # This is how typer ends when a shell asks for completion.
        return end.code if isinstance(end.code, int) else Exit.OK
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _tell(f"{place}{reason_of(error)}", debug)
        return Exit.BAD_INPUT
    except Exception as error:
        if hasattr(error, "format_message"):
            _tell(f"{error.format_message() or 'a command is missing'}{_usage(error)}", debug)
            return Exit.BAD_INPUT
        _tell(f"a mistake in marketsim itself: {type(error).__name__}: {error} (--debug shows where)", debug)
        return Exit.FINDING


def _root() -> Any:
    app = typer.Typer(
        cls=_Lazy,
        name="marketsim",
        no_args_is_help=True,
        rich_markup_mode="rich",
        help="Run marketplace purchases, break them on purpose, watch them being reverted, and prove "
        "from the audit log that stock and money came back to where they belong.",
        epilog="Start with: marketsim demo",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    return typer.main.get_command(app)


def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        print(f"marketsim {__version__}")
        raise typer.Exit


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f" (see: {context.command_path} --help)" if context is not None else ""


def _tell(text: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    print(f"error: {printable(text)}", file=sys.stderr)
