"""Help: every command has it, every example in it works, and the README names every command."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.running import Cli

from marketsim.cli.app import COMMANDS, _root
from marketsim.drivers.hooks import delivery, messages
from marketsim.drivers.hooks.messages import Answer

README = Path(__file__).parents[2] / "README.md"
ENDINGS = (0, 1, 3, 4, 5, 6)
"""The exit codes with which an example may end: never as bad input."""
CAN_SIGN = importlib.util.find_spec("cryptography") is not None
SIGNS = ("audit keygen", "audit sign")
"""What needs an extra that may be missing."""


def tree(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below this one that can be run, with the words that call it."""
    if not hasattr(command, "list_commands"):
        yield words, command
        return
    for name in command.list_commands(None):
        yield from tree(command.get_command(None, name), (*words, name))


TREE = list(tree(_root()))
NAMES = [" ".join(words) for words, _ in TREE]


def example(command: Any) -> str:
    assert command.epilog is not None
    assert command.epilog.startswith("Example: ")
    return str(command.epilog).removeprefix("Example: ")


def test_the_tree_has_every_command_that_there_is():
    assert list(dict.fromkeys(words[0] for words, _ in TREE)) == list(COMMANDS)
    assert {"purchase", "audit verify", "scenarios new", "catalog restock"} <= set(NAMES)


def test_the_audits_commands_stand_in_the_order_of_their_use():
    audit = [words[1] for words, _ in TREE if words[0] == "audit"]
    assert audit[:6] == ["list", "show", "follow", "stats", "diff", "verify"]
    assert audit[-4:] == ["export", "disclose", "import", "schema"]


@pytest.mark.parametrize(("words", "command"), TREE, ids=NAMES)
def test_help_opens_with_a_sentence_and_ends_with_an_example(cli, words, command):
    ran = cli(*words, "--help")
    assert ran.code == 0
    assert ran.err == ""
    sentence = command.help.strip().splitlines()[0]
    assert re.fullmatch(r"[A-Z].*\.", sentence)
    lines = [line.strip() for line in ran.out.splitlines() if line.strip()]
    assert lines[0].startswith(f"Usage: marketsim {' '.join(words)} ")
    assert " ".join(lines[1:4]).startswith(sentence[:60])
    assert lines[-1] == f"Example: {example(command)}"
    assert cli(*words, "-h").out == ran.out


@pytest.mark.parametrize(("words", "command"), TREE, ids=NAMES)
def test_every_option_and_argument_is_explained(words, command):
    for each in command.params:
        assert each.name == "help" or (each.help and each.help.endswith((".", ")"))), each.name


@pytest.mark.parametrize(("words", "command"), TREE, ids=NAMES)
def test_an_example_is_of_its_own_command(words, command):
    assert shlex.split(example(command))[: len(words) + 1] == ["marketsim", *words]


@pytest.mark.parametrize(("words", "command"), TREE, ids=NAMES)
@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_help_loses_nothing_at_any_width(cli, monkeypatch, words, command, width):
    """Brackets in a text are no markup, and nothing is cut off with an ellipsis."""
    monkeypatch.setenv("COLUMNS", width)
    shown = cli(*words, "--help").out
    assert width == "60" or "…" not in shown
    for each in command.params:
        for option in each.opts if each.opts[0].startswith("-") else [each.metavar]:
            assert option in shown
        assert width != "200" or each.name == "help" or each.help in shown


@pytest.fixture
def sampled(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample market with one purchase that failed and one whose revert did, for the examples.

    Its first customer is Ada, and the log was handed on already, with a secret. It has the webhook of
    the examples, and whatever is sent there is taken without being sent.
    """
    monkeypatch.setenv("MARKETSIM_WEBHOOKS", "off")
    for module in (messages, delivery):
        monkeypatch.setattr(module, "post", lambda *sent: Answer(204))
    assert cli("init", "--sample", "5", "--seed", "7").code == 0
    catalog = tmp_path / "market" / "catalog.json"
    (name, *_) = re.findall(r'"id": ?"user-1",\s*"name": ?"([^"]*)"', catalog.read_text())
    catalog.write_text(catalog.read_text().replace(name, "Ada"))
    failed = ["purchase", "laptop-1", "--fail", "payment:card_declined"]
    assert cli(*failed).code == 3
    assert cli(*failed, "--fail", "release_stock:error").code == 4
    assert cli("webhooks", "add", "https://example.com/told").code == 0
    assert cli("audit", "prove", "2", "--output", "proof.json").code == 0
    assert cli("audit", "export", "--output", "log.json", "--salt-file", "secret").code == 0
    if CAN_SIGN:
        assert cli("audit", "keygen", "me").code == 0


@pytest.mark.parametrize(("words", "command"), TREE, ids=NAMES)
def test_every_example_can_be_run(cli, sampled, words, command):
    if " ".join(words) in SIGNS and not CAN_SIGN:
        pytest.skip("cryptography is not installed")
    place = ["--market", "another"] if words == ("init",) else []
    ran = cli(*shlex.split(example(command))[1:], *place)
    assert ran.code in ENDINGS, ran.err
    assert not ran.err.startswith("error: a mistake")


def test_the_examples_work_one_after_another(cli, sampled):
    """In the order of the help, in one market; init makes another one, and a letter is closed once."""
    ends = {}
    for words, command in TREE:
        if " ".join(words) in SIGNS and not CAN_SIGN:
            continue
        arguments = shlex.split(example(command))[1:]
        place = ["--market", "another"] if words == ("init",) else []
        ends[" ".join(words)] = cli(*arguments, *place).code
    closed = {"failures resolve": 2, "failures ignore": 2}
    assert {name: code for name, code in ends.items() if code} == {
        "purchase": 3,
        "checkout": 3,
        "explore": 1,
        "failures list": 4,
        "audit diff": 1,
        **closed,
    }


def test_the_first_page_says_where_to_begin(cli):
    ran = cli("--help")
    assert ran.code == 0
    for name in COMMANDS:
        assert re.search(rf"^│ {name} +\S", ran.out, re.MULTILINE)
    assert "Start with: marketsim demo" in ran.out
    assert cli().code == 2


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_named_in_the_readme(name):
    assert f"marketsim {name}" in README.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [README, README.parent / "docs" / "audit.md"], ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page):
    named = re.findall(r"\bmarketsim ([a-z]+)(?: ([a-z][a-z-]*)\b)?", page.read_text(encoding="utf-8"))
    assert named
    groups = {words[0] for words, _ in TREE if len(words) > 1}
    for first, second in named:
        if first in groups and second:
            assert f"{first} {second}" in NAMES
        elif first in COMMANDS or first in groups:
            continue
        else:
            assert first in PROSE, first


PROSE = {"runs", "for"}
"""Words that follow the program's name in a sentence."""
