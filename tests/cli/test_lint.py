"""`marketsim lint`: what it says of the built-in sagas, and of one of somebody's own."""

import sys
import textwrap

import pytest

from marketsim.explore.lint.rules import RULES

TRIP = textwrap.dedent(
    '''
    """A trip."""
    from marketsim.saga import Call, Saga

    trip = Saga("trip")

    @trip.operation(service="airline")
    def book_flight(call: Call) -> dict:
        return {"seat": call.key}

    def made() -> Saga:
        return trip
    '''
)


@pytest.fixture
def trip(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "trip", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trip.py").write_text(TRIP)
    return tmp_path / "trip.py"


def test_the_command_looks_at_the_built_in_sagas(cli):
    ran = cli("lint")
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.splitlines() == [
        f"✓ purchase: 6 operations, {len(RULES)} rules: nothing found",
        f"✓ checkout: 7 operations, {len(RULES)} rules: nothing found",
    ]


@pytest.mark.parametrize("place", ["trip.py:trip", "trip.py:made", "trip:trip"])
def test_the_command_looks_at_a_saga_of_ones_own(cli, trip, place):
    ran = cli("lint", place)
    assert ran.code == 1
    assert f"✗ {place}: 1 operation, {len(RULES)} rules: 1 error, 1 warning" in ran.out
    assert "error can-be-reverted (trip.py:7)" in ran.out
    assert "expected a handler under @book_flight.compensation; actual none" in ran.out
    document = cli("lint", place, "--json").document
    assert [each["rule"] for each in document["sagas"][0]["findings"]] == ["can-be-reverted", "can-be-asked"]
    assert cli("lint", place, "--rule", "can-be-asked").code == 0
    assert cli("lint", place, "--quiet").out == ""


def test_the_rules_can_be_listed(cli):
    assert [each["name"] for each in cli("lint", "--rules", "--json").document["rules"]] == list(RULES)
    assert "can-be-reverted" in cli("lint", "--rules").out


BAD = [
    ("nowhere.py:trip", "there is no such file"),
    ("trip.py:tripp", "'trip'"),
    ("trip.py:", "NAME"),
    ("trip.py", "NAME"),
    ("trip.py:book_flight", "not a Saga"),
    ("no.such.module:trip", "no.such.module"),
    ("broken.py:trip", "broken.py:2: it cannot be loaded: ZeroDivisionError"),
    ("unread.py:trip", "unread.py:1: it cannot be loaded: SyntaxError"),
    ("leaves.py:trip", "leaves.py:2: it cannot be loaded: SystemExit"),
    ("purchse", "'purchase'"),
]


@pytest.mark.parametrize(("place", "said"), BAD)
def test_what_cannot_be_loaded_is_bad_input_with_the_place(cli, trip, place, said):
    (trip.parent / "broken.py").write_text("a = 1\nb = a / 0\n")
    (trip.parent / "unread.py").write_text("a = (\n")
    (trip.parent / "leaves.py").write_text("import sys\nsys.exit(0)\n")
    ran = cli("lint", place)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_what_stands_beside_the_file_can_be_imported_by_it(cli, trip):
    (trip.parent / "inner").mkdir()
    (trip.parent / "inner" / "beside_it.py").write_text("from marketsim.saga import Saga\n")
    (trip.parent / "inner" / "mine.py").write_text("from beside_it import Saga\nmine = Saga('mine')\n")
    assert cli("lint", "inner/mine.py:mine").code == 0
