"""Draw the README's picture: the timeline of a real run, as an SVG that fetches nothing.

python docs/make_timeline.py            writes docs/timeline.svg
"""

import re
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from marketsim.cli.outcome import outcome_of
from marketsim.cli.render.summary import show_summary
from marketsim.cli.render.theme import THEME, UNICODE
from marketsim.cli.render.timeline import Timeline
from marketsim.scenario.load import load_scenario
from marketsim.scenario.run import run_scenario

SCENARIO = """
scenario: timeline
description: The gateway is down once, and then the order cannot be written.
catalog:
  products: [{id: laptop-1, name: Laptop, price: 750, inStock: 5}]
  users: [{id: user-1, name: Ada}]
purchases:
  - {product: laptop-1, customer: user-1, faults: ["payment:gateway_down@1", "place_order:error"]}
expect:
  - {purchase: 1, outcome: compensated, reverts: [refund_payment, release_stock]}
"""

_COLORS = TerminalTheme(
    (22, 27, 34),
    (201, 209, 217),
    [
        (110, 118, 129),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (177, 186, 196),
    ],
)


def drawn() -> str:
    """The picture, from a run that is made now."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "timeline.yaml"
        file.write_text(SCENARIO)
        result = run_scenario(load_scenario(file))
    if not result.passed:
        raise SystemExit(f"the run is not what the picture is of: {result.failures}")
    stream = StringIO()
    console = Console(
        file=stream, theme=THEME, record=True, width=84, force_terminal=True, markup=False, highlight=False
    )
    console.print("$ marketsim purchase laptop-1 --fail payment:gateway_down@1 --fail place_order:error\n")
    course = result.courses[0]
    timeline = Timeline(
        stream, on=console, glyphs=UNICODE, title="purchase: 1 × laptop-1 (Laptop) for user-1 (Ada)"
    )
    timeline.show_all(course.events)
    opening = result.events[: course.events[0].seq - 1]
    show_summary(
        outcome_of(opening, course.events), {"laptop-1": result.world.available("laptop-1")}, console, UNICODE
    )
    console.print()
    svg = console.export_svg(title="marketsim", theme=_COLORS, unique_id="timeline")
    # The fonts of the standard picture would be fetched from elsewhere; a local one does as well.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"[ \t]+\n", "\n", svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas"))


if __name__ == "__main__":
    target = Path(__file__).with_name("timeline.svg")
    target.write_text(drawn(), encoding="utf-8")
    print(f"wrote {target.name}")
