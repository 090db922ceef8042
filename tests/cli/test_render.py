"""What is drawn: the timeline, tables and findings at every width, and harmless whatever stands in them.

The expected pictures are in ``expected/``; with ``REGENERATE=1`` in the environment they are written anew.
"""

import json
import os
import re
import unicodedata
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli.running import CATALOG
from drivers.matrix import CELLS, make, runs_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from marketsim.audit.findings import Finding
from marketsim.cli.outcome import outcome_of, stock_now
from marketsim.cli.render.scenario import show_result
from marketsim.cli.render.summary import show_findings, show_summary
from marketsim.cli.render.tables import show_table
from marketsim.cli.render.text import escaped_json, one_line, printable
from marketsim.cli.render.theme import ASCII, UNICODE, console, glyphs_for
from marketsim.cli.render.timeline import Timeline
from marketsim.cli.render.words import duration, moment, result_words
from marketsim.market.catalog import parse_catalog
from marketsim.market.documents import parse_document
from marketsim.market.money import CURRENCIES
from marketsim.saga.events import Event, TransactionBegan
from marketsim.saga.taxonomy import FAULTS
from marketsim.scenario.load import load_scenario
from marketsim.scenario.model import Purchase, Scenario
from marketsim.scenario.run import Result, run_scenario
from marketsim.scenario.shipped import shipped

EXPECTED = Path(__file__).parent / "expected"
WIDTHS = (60, 80, 120, 200)


def story(*faults: str, product: str = "laptop-1", quantity: int = 1, **changes: Any) -> Scenario:
    """A scenario of one purchase, made on the spot; other fields of the scenario as they are given."""
    purchase = Purchase("user-1", product, quantity=quantity, faults=list(faults))
    return scenario(purchase, CATALOG, **changes)


def cart(*faults: str, **changes: Any) -> Scenario:
    """A scenario of one checkout of two products that are both there; fields of the request as given."""
    laptop, lamp = CATALOG["products"]
    stocked = {**CATALOG, "products": [laptop, {**lamp, "inStock": 9}]}
    purchase = Purchase("user-1", cart={"laptop-1": 1, "lamp-1": 2}, faults=list(faults), **changes)
    return scenario(purchase, stocked, saga="checkout")


def scenario(purchase: Purchase, catalog: dict[str, Any], **changes: Any) -> Scenario:
    document = parse_document(json.dumps(catalog), "catalog.json")
    template = load_scenario(shipped()["happy-path"])
    return msgspec.structs.replace(
        template,
        catalog=parse_catalog(document, "USD"),
        purchases=[purchase],
        expect=[],
        seed=7,
        **changes,
    )


STORIES = {
    "happy-path": story(),
    "gateway-down": story("payment:gateway_down"),
    "policy-none": story("payment:card_declined", policy="none"),
    "crash-and-recovery": story("charge_payment:crash_after_effect"),
    "stuck": story("payment:card_declined", "release_stock:error"),
    "rejected": story(quantity=500),
    "out-of-stock": story(product="lamp-1"),
    "answer-lost": story("charge_payment:timeout_after@1", "place_order:error"),
    "unreachable": story("notifications:unreachable"),
    "late-success": story("payment:late_success"),
    "authentication-abandoned": story("payment:authentication_abandoned"),
    "checkout-probe": cart("capture_payment:timeout_after@1"),
    "checkout-cancelled": cart(cancel="250ms"),
}


class Paper(TextIOWrapper):
    """A stream that keeps what is written, in an encoding, and is perhaps a terminal."""

    def __init__(self, encoding: str, *, terminal: bool) -> None:
        self._terminal = terminal
        super().__init__(BytesIO(), encoding=encoding, newline="\n")

    def isatty(self) -> bool:
        return self._terminal

    def text(self) -> str:
        self.flush()
        assert isinstance(self.buffer, BytesIO)
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def drawn(result: Result, monkeypatch: pytest.MonkeyPatch, width: int, encoding: str, *, color: bool) -> str:
    """The timeline of a result's first transaction, and its summary."""
    monkeypatch.setenv("COLUMNS", str(width))
    paper = Paper(encoding, terminal=color)
    on = console(paper)
    began = next(index for index, event in enumerate(result.events) if isinstance(event, TransactionBegan))
    title = "purchase: laptop-1" if result.events[began].saga == "purchase" else ""
    timeline = Timeline(paper, title=title, on=on)
    timeline.show_all(result.events[began:])
    outcome = outcome_of(result.events[:began], result.events[began:])
    show_summary(outcome, stock_now(outcome, result.world), on, glyphs_for(paper))
    return paper.text()


def compare(name: str, text: str) -> None:
    """Compare with the committed picture, or write it anew if that is wanted."""
    file = EXPECTED / f"{name}.txt"
    if os.environ.get("REGENERATE"):
        file.write_text(text, encoding="utf-8", newline="\n")
    assert text == file.read_text(encoding="utf-8")


def without_color(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STORIES)
def test_a_timeline_looks_as_it_did_and_fits_its_console(monkeypatch, name, width):
    text = drawn(run_scenario(STORIES[name]), monkeypatch, width, "utf-8", color=False)
    assert "\x1b" not in text
    assert max(map(cell_len, text.splitlines())) <= width
    assert all(line == line.rstrip() for line in text.splitlines())
    compare(f"{name}-{width}", text)


@pytest.mark.parametrize("name", STORIES)
def test_colour_changes_nothing_but_the_colour(monkeypatch, name):
    result = run_scenario(STORIES[name])
    plain = drawn(result, monkeypatch, 80, "utf-8", color=False)
    colored = drawn(result, monkeypatch, 80, "utf-8", color=True)
    assert "\x1b[" in colored
    assert [line.rstrip() for line in without_color(colored).splitlines()] == plain.splitlines()
    if name in ("gateway-down", "stuck"):
        compare(f"{name}-80-color", colored)


@pytest.mark.parametrize("name", STORIES)
def test_no_color_is_honoured_on_a_terminal(monkeypatch, name):
    monkeypatch.setenv("NO_COLOR", "1")
    text = drawn(run_scenario(STORIES[name]), monkeypatch, 80, "utf-8", color=True)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", text)


@pytest.mark.parametrize("width", [60, 120])
@pytest.mark.parametrize("name", STORIES)
def test_a_stream_that_knows_only_ascii_gets_the_same_in_ascii(monkeypatch, name, width):
    text = drawn(run_scenario(STORIES[name]), monkeypatch, width, "ascii", color=False)
    assert text.isascii()
    assert max(map(cell_len, text.splitlines())) <= width
    compare(f"{name}-{width}-ascii", text)


@pytest.mark.parametrize("name", sorted(shipped()))
@pytest.mark.parametrize("width", WIDTHS)
def test_every_shipped_scenario_fits_every_width(monkeypatch, name, width):
    monkeypatch.setenv("COLUMNS", str(width))
    paper = Paper("utf-8", terminal=False)
    show_result(run_scenario(load_scenario(shipped()[name])), console(paper), paper, brief=False)
    lines = paper.text().splitlines()
    assert [line for line in lines if cell_len(line) > width and "/" not in line] == []


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_every_fault_that_strikes_is_marked_as_injected_wherever_it_strikes(fault):
    """At every place of every saga, with whatever it takes to come there."""
    cells = [cell for cell in CELLS if cell.fault == fault]
    assert cells
    for cell in cells:
        made = make(cell, runs_of(cell)[0], "default")
        assert made.struck, cell
        paper = Paper("utf-8", terminal=False)
        Timeline(paper, on=console_of(paper, 200)).show_all(made.events)
        assert re.search(rf"\b{fault}\)? ⚡ injected", paper.text()), cell


def test_a_terminal_that_is_not_there_gets_no_escape_sequence(monkeypatch):
    stream = StringIO()
    assert console(stream).is_terminal is False
    assert glyphs_for(stream) == ASCII
    assert glyphs_for(Paper("utf-8", terminal=False)) == UNICODE


# Hostile text.

HOSTILE = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\x1b\x9b\x07\x00\r\n\t\x7f\u202e\u2066\u200f\u2028\u2029\u061c[]\\"),
    ),
    max_size=40,
)
BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def steering(text: str) -> list[str]:
    """The characters in a text that move a cursor or change a direction."""
    return [each for each in text if unicodedata.category(each) in ("Cc", "Zl", "Zp") or each in BIDI]


@given(HOSTILE)
def test_printable_text_steers_no_terminal_and_plain_text_is_left_alone(text):
    shown = printable(text)
    assert steering(shown.replace("\n", "")) == []
    assert shown.count("\n") == text.count("\n")
    if not steering(text):
        assert shown == text
    assert printable(shown) == shown


@given(HOSTILE)
def test_one_line_is_one_line(text):
    assert steering(one_line(text)) == []
    assert len(one_line(text).splitlines()) <= 1


@given(st.recursive(HOSTILE, lambda inner: st.lists(inner) | st.dictionaries(HOSTILE, inner), max_leaves=8))
def test_escaped_json_is_the_same_document_and_steers_no_terminal(value):
    for indent in (None, 2):
        shown = escaped_json(json.dumps(value, ensure_ascii=False, indent=indent))
        assert json.loads(shown) == value
        assert steering(shown.replace("\n", "")) == []


def shown_text(paper: Paper) -> str:
    text = paper.text()
    assert steering(text.replace("\n", "")) == []
    return text


NAMES = HOSTILE.map(lambda text: text.encode("utf-8", "replace").decode())


def console_of(paper: Paper, width: int = 80) -> Console:
    on = console(paper)
    on.width = width
    return on


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(20, 120))
def test_a_table_is_harmless_whatever_stands_in_it(name, width):
    paper = Paper("utf-8", terminal=False)
    rows = [[name, "750"], ["plain", "5"]]
    show_table(console_of(paper, width), ("name", "price"), rows, right=("price",))
    lines = shown_text(paper).splitlines()
    assert max(map(cell_len, lines)) <= width
    assert lines[-1].split() == ["plain", "5"]


def test_a_table_keeps_names_whole_and_folds_sentences():
    paper = Paper("utf-8", terminal=False)
    rows = [("timeout_after", "No answer came, but the effect landed.")] * 2
    show_table(console_of(paper, 30), ("fault", "what happens"), rows)
    assert paper.text().count("timeout_after") == 2
    empty = Paper("utf-8", terminal=False)
    show_table(console_of(empty, 12), ("fault", "what happens"), [])
    assert "what" in empty.text()


@settings(max_examples=60, deadline=None)
@given(NAMES)
def test_a_finding_is_harmless_whatever_stands_in_it(name):
    paper = Paper("utf-8", terminal=False)
    finding = Finding(
        name,
        "error",
        name,
        seq=3,
        file=name,
        line=2,
        transaction=name,
        expected=name,
        actual=name,
        remedy=name,
    )
    show_findings([finding], console_of(paper), UNICODE, checks=11, events=3)
    assert "1 of 11 checks is broken over 3 events: 1 error" in shown_text(paper)


def renamed(event: Event, name: str) -> Event:
    """The same event, with another text wherever it has one that it does not live by."""
    texts = ("reason", "code", "message", "customer", "order", "rule", "fault", "policy", "saga", "time")
    fields = [each for each in event.__struct_fields__ if each in texts and each != "time"]
    changed = msgspec.structs.replace(event, **dict.fromkeys(fields, name))
    if "result" in fields or hasattr(event, "result"):
        changed = msgspec.structs.replace(changed, result={name: name})
    return changed


@settings(max_examples=25, deadline=None)
@given(NAMES, st.sampled_from(sorted(STORIES)))
def test_a_timeline_is_harmless_whatever_stands_in_it(name, told):
    events = _events(told)
    paper = Paper("utf-8", terminal=False)
    Timeline(paper, title=name, on=console_of(paper, 100)).show_all(renamed(event, name) for event in events)
    shown_text(paper)


_CACHE: dict[str, list[Event]] = {}


def _events(told: str) -> list[Event]:
    if told not in _CACHE:
        _CACHE[told] = run_scenario(STORIES[told]).courses[0].events
    return _CACHE[told]


@pytest.mark.parametrize("markup", ["[bold red]x[/]", "[link=https://example.com]x[/link]", ":smile:", "[/]"])
def test_markup_is_shown_as_it_is_written(markup):
    paper = Paper("utf-8", terminal=True)
    on = console_of(paper, 120)
    Timeline(paper, title=markup, on=on).show_all(renamed(event, markup) for event in _events("gateway-down"))
    show_table(on, ("name",), [[markup]])
    show_findings([Finding("rule", "error", markup)], on, UNICODE, checks=11, events=3)
    text = without_color(paper.text())
    assert text.count(markup) >= 5
    assert "\x1b]8" not in paper.text()


# Words.


@pytest.mark.parametrize(
    ("length_us", "words"),
    [
        (0, "0 ms"),
        (49_000, "49 ms"),
        (2_190_000, "2.19 s"),
        (65_000_000, "1 min 05 s"),
        (11_400_000_000, "3 h 10 min"),
    ],
)
def test_a_duration_is_written_as_a_person_reads_it(length_us, words):
    assert duration(length_us) == words


@given(st.integers(0, 10**15))
@example(999_999)
@example(59_999_999)
@example(3_599_999_999)
def test_a_duration_never_says_sixty_of_anything(length_us):
    assert not re.search(r"(?<![\d.])(60(\.00)? s|60 min|1000 ms)", duration(length_us))
    assert not re.search(r"\b60\.\d+ s", moment(length_us))


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(0, 10**12))
def test_money_in_a_result_is_written_as_money(currency, amount_minor):
    words = result_words({"price_minor": amount_minor, "currency": currency})
    assert words.startswith(f"price {currency} ")
    assert "_minor" not in words
