"""The report in a browser: what the eye sees is in its place, and nothing in it runs. Skipped without one."""

import html
import json
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from cli.running import Cli
from cli.telling import HOSTILE, market_of, products, tell_all

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")

PROBE = """<script>
const shown = node => node.getClientRects().length > 0;
const texts = [...document.querySelectorAll("svg text")].filter(shown);
const overlaps = [];
for (const svg of document.querySelectorAll("svg")) {
  const own = [...svg.querySelectorAll("text")].filter(shown)
    .map(node => [node.textContent, node.getBoundingClientRect()]);
  own.forEach(([one, a], index) => own.slice(index + 1).forEach(([two, b]) => {
    if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 2 && b.top < a.bottom - 2)
      overlaps.push(one + " / " + two);
  }));
}
const outside = texts.filter(node => {
  const box = node.getBoundingClientRect();
  return box.left < -1 || box.right > innerWidth + 1;
}).map(node => node.textContent);
const small = texts.map(node => node.getBoundingClientRect().height).filter(height => height < 8);
const facts = {texts: texts.length, overlaps, outside, small: small.length,
  wide: document.documentElement.scrollWidth, room: innerWidth};
parent.document.body.dataset.facts = JSON.stringify(facts);
</script>"""


def browse(folder: Path, page: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page without a window, and print what became of its document."""
    assert BROWSER is not None
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [
        f"--user-data-dir={folder / 'profile'}",
        "--enable-logging=stderr",
        "--virtual-time-budget=2000",
    ]
    url = (folder / page.partition("#")[0]).as_uri() + "".join(page.partition("#")[1:])
    return subprocess.run(
        [*command, *options, "--dump-dom", url], capture_output=True, text=True, timeout=60, check=True
    )


@pytest.fixture
def page(cli: Cli, tmp_path: Path) -> Path:
    tell_all(cli, tmp_path)
    assert cli("report", "--quiet", "--output", "report.html").code == 0
    return tmp_path


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (700, False), (400, False)])
def test_no_text_overlaps_or_leaves_the_page(page: Path, width: int, dark: bool) -> None:
    text = (page / "report.html").read_text()
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    # A window has a least width; a frame has the one that it is given.
    frame = html.escape(text.replace("</body>", f"{PROBE}</body>"))
    style = f"border:0;width:{width}px;height:900px"
    (page / "probed.html").write_text(f'<!doctype html><body><iframe style="{style}" srcdoc="{frame}">')
    dom = browse(
        page, "probed.html", "--window-size=1300,900", *(["--force-dark-mode"] if dark else [])
    ).stdout
    found = re.search(r'data-facts="([^"]*)"', dom)
    assert found is not None
    facts = json.loads(html.unescape(found[1]))
    assert facts["texts"] > 200
    assert facts["overlaps"] == []
    assert facts["outside"] == []
    assert facts["small"] == 0
    assert facts["wide"] <= facts["room"] == width


def test_a_link_opens_the_event_that_it_leads_to(page: Path) -> None:
    dom = browse(page, "report.html#e30").stdout
    opened = re.findall(r'<details open="">.*?<pre id="(e\d+)"', dom, re.DOTALL)
    assert opened == ["e30"]


def test_the_browser_has_nothing_to_complain_of_and_runs_nothing(cli: Cli, tmp_path: Path) -> None:
    market_of(cli, tmp_path, [{**products("laptop-1")[0], "name": "<script>document.title='owned'</script>"}])
    assert cli("purchase", "laptop-1", "--quiet").code == 0
    exported = cli("audit", "export", "--transaction", "tx-1").out
    for place, name in zip(("laptop-1", "user-1", "inventory", "confirmed"), HOSTILE, strict=False):
        exported = exported.replace(place, json.dumps(name)[1:-1])
    (tmp_path / "hostile.json").write_text(exported)
    for options in ([], ["hostile.json"]):
        assert cli("report", *options, "--quiet", "--force", "--output", "report.html").code == 0
        ran = browse(tmp_path, "report.html")
        assert "CONSOLE" not in ran.stderr
        assert re.search(r"<title>[^<]*: marketsim report</title>", ran.stdout)
        assert "<script" not in ran.stdout
        assert "<img" not in ran.stdout
        assert "&lt;script&gt;" in ran.stdout


@pytest.mark.parametrize("name", ["report.html", "picture.svg"])
def test_a_picture_of_it_can_be_taken(page: Path, cli: Cli, name: str) -> None:
    assert cli("report", "tx-3", "--svg", "--quiet", "--output", "picture.svg").code == 0
    browse(page, name, "--window-size=640,480", f"--screenshot={page / 'shot.png'}")
    data = (page / "shot.png").read_bytes()
    assert struct.unpack(">II", data[16:24]) == (640, 480)
    assert len(data) > 10_000
