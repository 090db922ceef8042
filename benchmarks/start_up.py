"""Start-up: whole processes as multiples of an interpreter that does nothing."""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.purchases import catalog
from benchmarks.side_by_side import Figure, Side, process, side_by_side
from marketsim.market.directory import create_market

__all__ = ["figures", "fresh_market", "launcher", "marketsim"]

_PAIRS = 25


def figures() -> list[Figure]:
    """The version, a listing, and a purchase with its timeline."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fresh_market(folder / "made", 20)
        process(marketsim("purchase", "product-1"), folder=folder / "made")()
        nothing = process([sys.executable, "-c", "pass"])
        return [
            _figure("marketsim --version", process(marketsim("--version")), nothing, 1.5),
            _figure(
                "marketsim audit list --json",
                process(marketsim("audit", "list", "--json"), folder=folder / "made"),
                nothing,
                9.0,
            ),
            _figure("marketsim purchase, with its timeline", _purchase(folder), nothing, 12.5),
        ]


def marketsim(*arguments: str) -> Sequence[str]:
    """The command line of the program beside this interpreter."""
    return [str(Path(sys.executable).with_name("marketsim")), *arguments]


def fresh_market(folder: Path, products: int) -> Path:
    """A folder with a market in it, as `marketsim init` makes it."""
    folder.mkdir()
    create_market(folder / "market", catalog(products, 50, 10**6), "USD", "2026-01-01T00:00:00.000000Z")
    return folder


def launcher() -> str:
    """Which script starts the program: what it imports is a part of every start-up."""
    script = Path(marketsim()[0]).read_text(errors="replace")
    return "a launcher that imports re" if "import re" in script else "a lean launcher"


def _purchase(folder: Path) -> Side:
    run = process(marketsim("purchase", "product-1"), folder=folder / "fresh")

    def side() -> float:
        shutil.rmtree(folder / "fresh", ignore_errors=True)
        shutil.copytree(folder / "made", folder / "fresh")
        return run()

    return side


def _figure(command: str, ours: Side, nothing: Side, most: float) -> Figure:
    ratio = side_by_side(ours, nothing, pairs=_PAIRS)
    note = f"{ratio.a_s * 1000:.0f} ms against {ratio.b_s * 1000:.0f} ms, with {launcher()}"
    return Figure(f"`{command}`, as a multiple of `python -c pass`", ratio, most, note=note)
