"""The rules of the house, held by a test: how a module opens, how long things are, and the vocabulary."""

import ast
import importlib
import inspect
import re
import typing
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import marketsim
from marketsim.saga.events import EVENT_TYPES, Event, Posting

PACKAGE = Path(marketsim.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMES = [str(path.relative_to(PACKAGE)) for path in MODULES]
BARE = ("__init__.py", "__main__.py")
FUNCTION_LINES_MAX = 60
MODULE_LINES_MAX = 500
FLOORS = ("saga", "audit", "market", "drivers", "scenario", "simulate", "explore", "cli")

VOCABULARY = {
    "market": "created",
    "catalog": "changed",
    "transaction": "began rejected committed cancel_requested compensating compensated stuck abandoned",
    "operation": "started succeeded failed unknown probed suspended late retry_scheduled aborted progress",
    "compensation": "started succeeded partial failed expired skipped retry_scheduled",
    "ledger": "posted",
    "order": "placed cancelled",
    "notification": "sent",
    "service": "noted",
    "fault": "injected",
    "process": "recovered",
    "dead_letter": "resolved ignored",
}
"""The events of the design: what happens to each kind of thing."""


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def exported(module: ast.Module) -> list[str] | None:
    """What stands in ``__all__``, if there is one."""
    for node in module.body:
        if isinstance(node, ast.Assign) and [ast.unparse(each) for each in node.targets] == ["__all__"]:
            return [str(each) for each in ast.literal_eval(node.value)]
    return None


def as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants first, then classes, then the rest."""
    kind = 0 if re.fullmatch(r"[A-Z0-9_]+", name) and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_opens_with_one_sentence_of_purpose(path):
    text = ast.get_docstring(parsed(path))
    if path.name in BARE and text is None:
        assert path.read_text().strip() == ""
        return
    assert text
    opening = text.split("\n\n")[0]
    assert "\n" not in opening
    assert opening.endswith(".")
    assert ". " not in opening


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_says_what_it_offers_and_offers_what_it_says(path):
    names = exported(parsed(path))
    if names is None:
        assert path.name in BARE
        return
    assert names == sorted(names, key=as_ruff_sorts)
    module = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_no_module_and_no_function_is_too_long(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MODULE_LINES_MAX
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < FUNCTION_LINES_MAX, node.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_what_is_public_is_documented(path):
    module = parsed(path)
    names = exported(module) or []
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in names:
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_only_the_command_line_prints_or_ends_the_process(path):
    floor = path.relative_to(PACKAGE).parts[0]
    if floor in ("cli", "__main__.py"):
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("print", "sys.exit", "exit", "input")


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_a_module_imports_only_its_own_floor_and_those_below(path):
    floor = path.relative_to(PACKAGE).parts[0]
    if floor not in FLOORS:
        return
    allowed = FLOORS[: FLOORS.index(floor) + 1]
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("marketsim."):
            assert (node.module or "").split(".")[1] in allowed


@pytest.mark.parametrize("path", MODULES, ids=NAMES)
def test_data_never_becomes_code(path):
    dangerous = (
        "eval",
        "exec",
        "compile",
        "pickle.loads",
        "pickle.load",
        "yaml.load",
        "yaml.unsafe_load",
        "os.system",
    )
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in dangerous


# The vocabulary.


def test_the_events_are_those_of_the_design():
    designed = {f"{family}.{what}" for family, words in VOCABULARY.items() for what in words.split()}
    assert set(EVENT_TYPES) == designed


def types_in(annotation: object) -> Iterator[object]:
    """A type and every type inside it."""
    yield annotation
    for each in typing.get_args(annotation):
        yield from types_in(each)


@pytest.mark.parametrize("kind", [*EVENT_TYPES.values(), Posting], ids=lambda kind: kind.__name__)
def test_no_event_has_a_place_for_a_float(kind):
    for field in msgspec.structs.fields(kind):
        assert float not in types_in(field.type), field.name


@pytest.mark.parametrize("kind", EVENT_TYPES.values(), ids=lambda kind: kind.__name__)
def test_an_event_says_what_it_means_and_its_numbers_say_their_unit(kind):
    assert issubclass(kind, Event)
    assert inspect.getdoc(kind)
    for field in msgspec.structs.fields(kind):
        if field.type is int and field.name not in ("seq", "attempt", "seed", "format", "quantity"):
            assert field.name.endswith(("_us", "_minor", "_bytes", "_ppm")), field.name
