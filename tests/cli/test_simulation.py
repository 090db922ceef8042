"""How a simulation looks: in a terminal of any width, with and without colour, and on the page."""

import os
import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser

import msgspec
import pytest
from cli.test_render import Paper, compare, console_of, without_color
from rich.cells import cell_len
from simulate.measuring import Market

from marketsim.audit.findings import Finding
from marketsim.cli.render.comparison import differences, saved, show_comparison
from marketsim.cli.render.html.page import Report, page_html
from marketsim.cli.render.html.simulation import Simulation
from marketsim.cli.render.simulation import answers, show_simulation
from marketsim.cli.render.theme import glyphs_for
from marketsim.simulate.measured import Measured
from marketsim.simulate.measures import Measures

FAULTS = ["payment:card_declined%12", "payment:timeout_after%2", "release_stock:error%9"]


@cache
def sold_out(policy: str) -> Measured:
    """A few hundred customers who want more than there is; each comes a little after the one before."""
    market, at_us = Market([40, 30, 20, 10]), 0
    for number in range(1, 301):
        at_us += (number * 7_919) % 1_500_000
        product = min((number * 31) % 4, (number * 17) % 4)
        customer = f"u{(number * 13) % 9}"
        lines = {f"p{product}": 1 + number % 2}
        market.order(number, lines, customer, policy=policy, faults=FAULTS, delay_us=at_us)
    market.run()
    return market.live.measured()


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def drawn(measured: Measured, width: int, encoding: str = "utf-8", *, terminal: bool = False) -> str:
    paper = Paper(encoding, terminal=terminal)
    show_simulation(measured, console_of(paper, width), glyphs_for(paper), checks=14)
    return paper.text()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("policy", ["default", "none"])
def test_a_simulation_looks_as_it_did_and_fits_its_console(policy, width):
    text = drawn(sold_out(policy), width)
    assert "\x1b" not in text
    assert max(map(cell_len, text.splitlines())) <= width
    assert width < 80 or all(line == line.rstrip() for line in text.splitlines())
    compare(f"simulation-{policy}-{width}", text)


def test_a_stream_that_knows_only_ascii_gets_the_same_in_ascii():
    text = drawn(sold_out("none"), 80, "ascii")
    assert text.isascii()
    compare("simulation-none-80-ascii", text)


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    colored = drawn(sold_out("none"), 80, terminal=True)
    assert re.search(r"\x1b\[[0-9;]*3[0-9]", colored)
    charts = "purchases in each"  # Where there is no colour, each line of a chart has a mark of its own.
    said = [line.rstrip() for line in without_color(colored).partition(charts)[0].splitlines()]
    assert said == drawn(sold_out("none"), 80).partition(charts)[0].splitlines()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", drawn(sold_out("none"), 80, terminal=True))


DRAWN = """
import sys
from marketsim.cli.render.charts import Line, show_lines
from marketsim.cli.render.theme import ASCII, console
for width in range(20, 140, 3):
    on = console(sys.stdout)
    on.width = width
    ticks = [(1 + 4 * part, f"{part} min 34 s") for part in range(5)]
    lines = [Line("sold", range(17), "green"), Line("refused", [9] * 17, "red")]
    show_lines("purchases", lines, ticks, on, ASCII)
"""


def test_a_chart_is_the_same_in_every_process():
    """The library keeps labels in sets, whose order is another one in each."""
    drawings = {
        subprocess.run(
            [sys.executable, "-c", DRAWN],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in range(1, 5)
    }
    assert len(drawings) == 1


def test_of_nothing_little_is_said():
    text = drawn(Measures().measured(), 80)
    assert "0 of 0 purchases" in text
    assert len(text.splitlines()) < 12


def test_what_the_checks_found_is_told():
    paper = Paper("utf-8", terminal=False)
    finding = Finding("stock-conserved", "error", "one unit too much")
    show_simulation(
        sold_out("none"), console_of(paper), glyphs_for(paper), findings=[finding], checks=14, charts=False
    )
    assert "1 of 14 checks is broken" in paper.text()


def test_every_answer_says_how_much_it_is():
    for words in (words for _, words, style in answers(sold_out("none")) if style == "bad"):
        assert re.search(r"[0-9]", words)


# Side by side.


def test_two_simulations_stand_side_by_side():
    paper = Paper("utf-8", terminal=False)
    one, other = sold_out("default"), sold_out("none")
    show_comparison(one, other, ("default", "none"), console_of(paper), glyphs_for(paper))
    text = paper.text()
    assert max(map(cell_len, text.splitlines())) <= 80
    compare("simulation-compared-80", text)


def test_a_difference_is_what_the_second_has_more():
    one, other = sold_out("default"), sold_out("none")
    for each in differences(one, other):
        assert each.more == each.other - each.one
    assert differences(Measures().measured(), Measures().measured()) == []


def test_what_is_saved_does_not_depend_on_the_order():
    one, other = sold_out("default"), sold_out("none")
    assert list(saved(one, other, ("a", "b"))) == list(saved(other, one, ("b", "a")))
    assert list(saved(one, one, ("a", "b"))) == ["both sold the same"]


# On the page.


class Elements(HTMLParser):
    """The names of the elements of a page, checked to be closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)
        if tag not in ("meta", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        self.names.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "path":
            assert self.open.pop() == tag


def page_of(measured: Measured, **told: object) -> str:
    simulation = Simulation(measured, checks=14, command="marketsim simulate --seed 1", **told)  # type: ignore[arg-type]
    return page_html(Report("market", measured.purchases, measured.events, [], simulation=simulation))


def test_a_page_needs_nothing_else_and_runs_nothing():
    page = page_of(sold_out("none"))
    assert page.isascii()
    elements = Elements()
    elements.feed(page)
    assert elements.open == []
    assert {"svg", "table", "dl"} <= elements.names
    assert elements.names & {"script", "iframe", "link", "img", "nav"} == set()
    assert "http" not in page.replace("http-equiv", "")


def test_a_page_is_harmless_whatever_a_product_is_called():
    name = "<script>alert(1)</script>\u202e\x1b[31m"
    measured = msgspec.structs.replace(sold_out("none"), out={name: 5}, never_struck=[name])
    page = page_of(measured, findings=[Finding(name, "error", name)])
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in drawn(measured, 80)


def test_a_page_of_nothing_has_no_plots():
    assert "<svg" not in page_of(Measures().measured())
