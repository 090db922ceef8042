"""A sweep as it is shown: its table, what a policy changes, and the heat map in a terminal and as a picture.

The expected pictures are in ``expected/``; with ``REGENERATE=1`` in the environment they are written anew.
"""

import os
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from marketsim.cli.render.figures import figure_of, short
from marketsim.cli.render.heat import PANELS_MAX, HeatMap, colour, heat_map, ink_on, show_heat
from marketsim.cli.render.html.heat import heat_picture
from marketsim.cli.render.sweep import ROWS_MAX, show_differences, show_points
from marketsim.cli.render.theme import ASCII, THEME, UNICODE, Glyphs
from marketsim.simulate.intervals import Figures, Interval, differences, summary
from marketsim.simulate.sweep import Sweep, sweep_of

EXPECTED = Path(__file__).parent / "expected"
FIGURES = [figure_of(name, "USD") for name in ("sold", "phantom_units", "phantom_minor", "held_us")]
SVG = "{http://www.w3.org/2000/svg}"


def figures_of(sweep: Sweep) -> dict[int, Figures]:
    """Results that look as if they were measured: each axis does something, and each seed a little."""
    results: dict[int, Figures] = {}
    for run in sweep.runs():
        rate = sum(float(value) for value in run.values if value.replace(".", "").isdigit())
        scatter, held = (run.seed >> 7) % 97, "none" in run.values
        results[run.index] = {
            "sold": round(100_000 - 800 * rate + scatter),
            "phantom_units": round(rate * 130 + scatter * 3) if held else 0,
            "phantom_minor": round(rate * 97_531 + scatter * 100) if held else 0,
            "held_us": round(rate * 1.3e6 * (9 if held else 1) + scatter * 1000),
        }
    return results


WIDE = sweep_of(["payment:card_declined%0..40/5", "policy=default,none"], seed=1, repeat=20)
TALL = sweep_of(["payment:card_declined%0..24/1", "servers.payment=1,2,4", "policy=default,none"], seed=1)
ONE = sweep_of(["arrivals.poisson=10..50/10"], seed=1, repeat=2)


def heat_of(sweep: Sweep, name: str = "phantom_units", missing: tuple[int, ...] = ()) -> HeatMap:
    results = {index: each for index, each in figures_of(sweep).items() if index not in missing}
    return heat_map(sweep, summary(sweep, results), figure_of(name, "USD"))


def paper(width: int = 80, *, colored: bool = False) -> Console:
    return Console(
        file=StringIO(),
        theme=THEME,
        width=width,
        markup=False,
        emoji=False,
        highlight=False,
        force_terminal=colored,
        color_system="truecolor" if colored else None,
        no_color=False,
    )


def written(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def drawn(heat: HeatMap, width: int = 80, glyphs: Glyphs = UNICODE, *, colored: bool = False) -> str:
    console = paper(width, colored=colored)
    show_heat(heat, console, glyphs)
    return written(console)


def compare(name: str, text: str) -> None:
    file = EXPECTED / name
    if os.environ.get("REGENERATE"):
        file.write_text(text, encoding="utf-8", newline="\n")
    assert text == file.read_text(encoding="utf-8")


# Figures.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0, "0"), (3, "3"), (-3, "-3"), (0.25, "0.25"), (9.996, "10.0"), (12.34, "12.3"), (99.96, "100")),
        *((1234, "1,234"), (9999, "9,999"), (12_345, "12.3k"), (123_456, "123k"), (999_960, "1.0M")),
        *((1.5e9, "1.5G"), (-2e12, "-2.0T")),
    ],
)
def test_a_number_in_a_cell_is_short(value, text):
    assert short(value) == text


@given(st.floats(-1e14, 1e14))
def test_no_number_is_longer_than_a_cell(value):
    assert len(short(value).removeprefix("-")) <= 6


@pytest.mark.parametrize(
    ("name", "mean", "half", "words"),
    [
        ("sold", 1234.5, 12.34, "1,234 ± 12"),
        ("sold", 1234.567, 1.234, "1,234.6 ± 1.2"),
        ("sold", 5.0, 0.0, "5"),
        ("sold", 5.5, None, "5.5"),
        ("lost_minor", 123_456.0, 789.0, "1,234.6 ± 7.9"),
        ("held_us", 0.0, 0.0, "0"),
        ("held_us", 1_500.0, 100.0, "1.50 ± 0.10 ms"),
        ("held_us", 90_000_000.0, 6_000_000.0, "1.50 ± 0.10 min"),
        ("held_us", 10.0, 1e9, "10 ± 1,000,000,000 µs"),
        ("reverted_ppm", 85_000.0, 1_000.0, "8.50 ± 0.10"),
    ],
)
def test_a_mean_is_told_to_as_many_digits_as_are_sure(name, mean, half, words):
    assert figure_of(name, "USD").words(Interval(20, mean, half)) == words


@pytest.mark.parametrize(
    ("name", "currency", "head"),
    [
        ("phantom_minor", "USD", "phantom USD"),
        ("phantom_minor", "", "phantom minor"),
        ("held_us", "USD", "held time"),
        ("reverted_ppm", "USD", "reverted %"),
        ("phantom_units", "USD", "phantom units"),
    ],
)
def test_a_figure_says_its_unit_above_the_numbers(name, currency, head):
    assert figure_of(name, currency).head == head


# Tables.


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_looks_as_it_did(width):
    console, results = paper(width), figures_of(WIDE)
    show_points(WIDE, summary(WIDE, results), FIGURES, console, UNICODE)
    show_differences(WIDE, differences(WIDE, results), FIGURES, console, UNICODE)
    text = written(console)
    assert max(map(cell_len, text.splitlines())) <= width
    compare(f"sweep-table-{width}.txt", text)


def test_a_stream_that_knows_only_ascii_gets_the_table_in_ascii():
    console, results = paper(), figures_of(WIDE)
    show_points(WIDE, summary(WIDE, results), FIGURES, console, ASCII)
    show_differences(WIDE, differences(WIDE, results), FIGURES, console, ASCII)
    assert written(console).isascii()
    assert "100,039 +- 14" in written(console)


def test_a_partial_sweep_says_so():
    console = paper()
    results = {index: each for index, each in figures_of(WIDE).items() if index < 30}
    show_points(WIDE, summary(WIDE, results), FIGURES[:1], console, UNICODE)
    text = written(console)
    assert "partial: 30 of 360 runs were finished" in text
    assert re.search(r"0 +none +10 +100,0", text)
    assert re.search(r"5 +default +0 +-", text)


def test_a_difference_that_may_be_none_says_so():
    sweep = sweep_of(["policy=default,none"], seed=1, repeat=3)
    sold = [5, 9, 1, 6, 7, 3]
    results = {index: {"sold": each} for index, each in enumerate(sold)}
    console = paper()
    show_differences(sweep, differences(sweep, results), FIGURES[:1], console, UNICODE)
    assert "none  +0.3 ± 5.2 ?" in written(console)
    assert "? there may be no difference: 0 lies within" in written(console)


def test_a_sweep_without_policies_compares_nothing():
    console = paper()
    show_differences(ONE, differences(ONE, figures_of(ONE)), FIGURES, console, UNICODE)
    assert written(console) == ""


def test_a_long_table_ends_and_says_where_the_rest_is():
    sweep = sweep_of(["arrivals.poisson=1..300/1"], seed=1)
    console = paper()
    show_points(sweep, summary(sweep, figures_of(sweep)), FIGURES[:1], console, UNICODE)
    assert f"and {300 - ROWS_MAX} rows more: --out FILE has them all" in written(console)


# The heat map in a terminal.


@pytest.mark.parametrize(
    ("name", "sweep", "figure", "missing"),
    [
        ("wide", WIDE, "phantom_units", ()),
        ("money", WIDE, "phantom_minor", ()),
        ("times", WIDE, "held_us", ()),
        ("tall", TALL, "phantom_units", ()),
        ("one", ONE, "sold", (0, 1)),
    ],
)
def test_a_heat_map_looks_as_it_did_and_fits_80_columns(name, sweep, figure, missing):
    heat = heat_of(sweep, figure, missing)
    text = drawn(heat)
    assert max(map(cell_len, text.splitlines())) <= 80
    assert all(line == line.rstrip() for line in text.splitlines())
    compare(f"heat-{name}-80.txt", text)
    assert drawn(heat, glyphs=ASCII).isascii()


def test_nine_rates_and_two_policies_are_one_picture():
    lines = drawn(heat_of(WIDE)).splitlines()
    assert len(lines) == 6
    assert lines[2].split() == ["policy", *["0", "5", "10", "15", "20", "25", "30", "35", "40"]]


@pytest.mark.parametrize("width", [20, 40, 60, 120, 200])
def test_a_heat_map_fits_every_width(width):
    for sweep in (WIDE, TALL, ONE):
        lines = drawn(heat_of(sweep), width).splitlines()
        assert max(map(cell_len, lines)) <= width


def test_what_is_too_wide_goes_on_below():
    heat = heat_of(sweep_of(["a=1..20/1", "b=1..20/1"], seed=1))
    text = drawn(heat)
    for value in range(1, 21):
        assert re.search(rf"^b .*\b{value}\b", text, re.MULTILINE)


def test_colours_stand_behind_the_numbers():
    text = drawn(heat_of(WIDE), colored=True)
    compare("heat-wide-80-color.txt", text)
    assert "48;2;68;1;84" in text  # the lowest
    assert "48;2;253;231;37" in text  # the highest
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert plain.splitlines()[4].split() == ["none", *drawn(heat_of(WIDE)).splitlines()[4].split()[1::2]]


def test_every_shade_has_a_mark_for_who_sees_no_colour():
    assert drawn(heat_of(WIDE)).splitlines()[-1] == "0 ▁▂▃▄▅▆▇█ 5,318"


def test_more_combinations_than_can_be_looked_at_are_counted():
    sweep = sweep_of(["a=1..5/1", "b=1..5/1", "c=1..4/1", "d=1..4/1"], seed=1)
    assert f"{16 - PANELS_MAX} more panels are not drawn" in drawn(heat_of(sweep))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 12), max_size=3), st.integers(10, 200))
def test_every_sweep_can_be_drawn(sizes, width):
    axes = [f"a{number}=1..{size}/1" for number, size in enumerate(sizes)]
    heat = heat_of(sweep_of(axes, seed=1))
    assert max(map(cell_len, drawn(heat, width).splitlines())) <= width
    ElementTree.fromstring(heat_picture(heat, "a sweep"))


@given(st.floats(0, 1))
def test_the_number_can_be_read_on_its_colour(shade):
    def luminance(parts: tuple[int, int, int]) -> float:
        linear = [
            each / 255 / 12.92 if each <= 10 else ((each / 255 + 0.055) / 1.055) ** 2.4 for each in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    paper = colour(shade)
    ink = 0.0 if ink_on(paper) == "#000000" else 1.0
    light, dark = max(luminance(paper), ink), min(luminance(paper), ink)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


# The heat map as a picture.


def texts(svg: str) -> Iterator[str]:
    return (each.text or "" for each in ElementTree.fromstring(svg).iter(f"{SVG}text"))


def test_the_picture_has_every_number_and_what_lies_behind_it():
    svg = heat_picture(heat_of(WIDE), "Stock that only looked sold")
    compare("heat-wide.svg", svg)
    shown = list(texts(svg))
    assert shown[:2] == ["Stock that only looked sold", "phantom units: mean of 20 runs, ± 41.1 or less"]
    for cell in drawn(heat_of(WIDE)).splitlines()[4].split()[1::2]:
        assert cell in shown
    titles = [each.text for each in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert "payment:card_declined % 40, policy none: 5,318 ± 41, 20 runs" in titles


def test_the_picture_runs_and_fetches_nothing_and_knows_the_night():
    svg = heat_picture(heat_of(TALL), "many")
    assert svg.isascii()
    assert "prefers-color-scheme:dark" in svg
    assert not re.search(r"<script|<foreignObject|href|url\(|@import|\bon\w+=", svg)
    assert re.findall(r"https?://[^\"]*", svg) == ["http://www.w3.org/2000/svg"]


def test_hostile_values_stay_text():
    hostile = "<script>x</script>&\x1b[31m\u202e"
    sweep = sweep_of([f"duration={hostile},b", "purchases=1,2,3"], seed=1)
    heat = heat_of(sweep)
    svg = heat_picture(heat, hostile)
    ElementTree.fromstring(svg)
    assert "<script" not in svg
    text = drawn(heat)
    assert "\x1b" not in text
    assert "\u202e" not in text
    console = paper()
    show_points(sweep, summary(sweep, figures_of(sweep)), FIGURES, console, UNICODE)
    assert "\x1b" not in written(console)
