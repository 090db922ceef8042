"""`marketsim report`: the page is whole, inert and bounded, the picture plays, the diagram is text."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli.running import Cli
from cli.telling import HOSTILE, STORIES, Parsed, market_of, products, tell_all

from marketsim.cli import report
from marketsim.cli.render.html import page

ALLOWED = set(
    re.findall(
        r"\w+",
        """html head meta title style body header main footer nav section figure p h1 h2 h3 h4 b a span code
    table thead tbody tr th td dl dt dd div ul ol li small details summary pre
    svg g path rect circle text tspan""",
    )
)
"""Every element that a report is made of."""


@pytest.fixture
def told(cli: Cli, tmp_path: Path) -> Cli:
    tell_all(cli, tmp_path)
    return cli


def parsed(ran: object) -> Parsed:
    return Parsed(str(getattr(ran, "out", "")))


def test_a_page_tells_every_story_and_its_structure_is_balanced(told: Cli) -> None:
    found = parsed(told("report"))
    assert found.unbalanced == []
    assert found.names() <= ALLOWED
    sections = [fields["id"] for name, fields in found.elements if name == "section"]
    assert sections == [f"tx-{number}" for number in range(1, len(STORIES) + 1)]
    assert f"{len(STORIES)} transactions, from a log of" in found.text
    for word in ("purchased", "reverted", "stuck", "rejected", "abandoned"):
        assert word in found.text


def test_each_mark_has_a_name_and_leads_to_its_event(told: Cli) -> None:
    ran = told("report")
    found = parsed(ran)
    ids = found.values("id")
    assert len(ids) == len(set(ids))
    targets = [value.removeprefix("#") for value in found.values("href")]
    assert len(targets) > 500
    assert set(targets) <= set(ids)
    marks = re.findall(r'<a class="(?:box|dot|pause|flag|move)[^>]*>(.{7})', ran.out)
    assert len(marks) > 400
    assert set(marks) == {"<title>"}


def test_every_event_stands_on_the_page_as_it_was_recorded(told: Cli) -> None:
    found = parsed(told("report", "tx-3"))
    events = told("audit", "list", "-t", "tx-3", "--json").document["events"]
    for event in events:
        assert f"e{event['seq']}" in found.values("id")
        assert json.dumps(event["prev"]) in found.text


def test_nothing_on_the_page_is_fetched_or_runs(told: Cli) -> None:
    ran = told("report")
    policies = [fields.get("content") for name, fields in parsed(ran).elements if "http-equiv" in fields]
    assert policies == [page._POLICY]
    assert "script" not in page._POLICY
    assert "default-src 'none'" in page._POLICY
    assert not re.search(r"<(script|link|img|iframe|object|embed|image|use)\b|@import|url\(", ran.out)
    assert all(value.startswith("#") for value in parsed(ran).values("href"))
    assert not [key for _, fields in parsed(ran).elements for key in fields if key.startswith("on")]


def test_the_page_is_ascii_and_the_same_each_time(told: Cli, tmp_path: Path) -> None:
    first = told("report").out
    assert first.isascii()
    assert told("report", "--output", "one.html").code == 0
    assert told("report").out == (tmp_path / "one.html").read_text() == first


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_inert(cli: Cli, tmp_path: Path, name: str) -> None:
    market_of(cli, tmp_path, products("laptop-1"))
    assert cli("purchase", "laptop-1", "--quiet").code == 0
    exported = cli("audit", "export", "--transaction", "tx-1").out
    quoted = json.dumps(name, ensure_ascii=False)[1:-1]
    for place in ("laptop-1", "user-1", "inventory", "order-1", "confirmed", "stripe", "stock:reserved"):
        exported = exported.replace(place, quoted)
    (tmp_path / "hostile.json").write_text(exported, encoding="utf-8")
    for options in ([], ["--svg"]):
        ran = cli("report", "hostile.json", *options)
        assert ran.code == 0, ran.err
        found = parsed(ran)
        assert found.unbalanced == []
        assert found.names() <= ALLOWED
        assert not [key for _, fields in found.elements for key in fields if key.startswith("on")]
        assert not re.search("[\u202a-\u202e\u2066-\u2069\uffff]", found.text)
    assert ElementTree.fromstring(cli("report", "hostile.json", "--svg").out) is not None


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_transaction_is_inert_even_as_an_anchor(cli: Cli, tmp_path: Path, name: str) -> None:
    market_of(cli, tmp_path, products("laptop-1"))
    assert cli("purchase", "laptop-1", "--quiet").code == 0
    exported = cli("audit", "export", "--transaction", "tx-1").out
    (tmp_path / "hostile.json").write_text(exported.replace("tx-1", json.dumps(name)[1:-1]))
    found = parsed(cli("report", "hostile.json"))
    assert found.unbalanced == []
    assert "transaction-1" in found.values("id")
    assert set(found.values("href")) <= {f"#{each}" for each in found.values("id")}


def test_a_product_that_a_market_took_in_under_such_a_name_is_inert(cli: Cli, tmp_path: Path) -> None:
    market_of(cli, tmp_path, [{"id": "x-1", "name": "<script>", "price": 1, "inStock": 3}])
    assert cli("purchase", "x-1", "--quiet").code == 0
    found = parsed(cli("report"))
    assert "script" not in found.names()
    assert "1 × x-1 (<script>) for user-1" in found.text


# How much.


def test_without_a_name_it_tells_the_last_ones(told: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TRANSACTIONS_LAST", 2)
    ran = told("report", "--output", "page.html")
    last, total = len(STORIES) - 1, len(STORIES)
    assert f"it tells the last 2 of {total} transactions" in ran.out
    found = parsed(told("report"))
    sections = [fields["id"] for name, fields in found.elements if name == "section"]
    assert sections == [f"tx-{last}", f"tx-{total}"]
    assert f"2 of {total} transactions" in found.text


def test_a_long_transaction_is_told_in_part_and_says_so(told: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EVENTS_MAX", 10)
    found = parsed(told("report", "tx-3"))
    assert len([name for name, _ in found.elements if name == "pre"]) == 10
    assert "the first 10 of" in found.text
    assert set(found.values("href")) <= {f"#{each}" for each in found.values("id")}


def test_an_event_that_is_too_long_is_cut_and_says_so(told: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "EVENT_LENGTH_MAX", 100)
    assert "characters more" in parsed(told("report", "tx-1")).text


def test_a_page_that_is_full_names_what_it_leaves_out(told: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE_BYTES_MAX", 100_000)
    ran = told("report")
    found = parsed(ran)
    assert len(ran.out) < 130_000
    sections = [name for name, _ in found.elements if name == "section"]
    assert 0 < len(sections) < len(STORIES)
    assert f"{len(STORIES) - len(sections)} transactions of these have no section" in found.text
    assert set(found.values("href")) <= {f"#{each}" for each in found.values("id")}


# The picture.


def test_the_picture_is_xml_of_its_own_that_plays_and_stands_still(told: Cli) -> None:
    picture = told("report", "tx-3", "--svg").out
    root = ElementTree.fromstring(picture)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label", "").startswith("tx-3: stuck after")
    style = root.find("{http://www.w3.org/2000/svg}style")
    assert style is not None
    still, _, _ = str(style.text).partition("@media screen and (prefers-reduced-motion:no-preference)")
    assert still != style.text
    assert "animation" not in still
    assert "href" not in picture
    assert "<script" not in picture


def test_each_colour_of_the_picture_is_also_there_for_viewers_without_variables(told: Cli) -> None:
    picture = told("report", "tx-1", "--svg").out
    for found in re.finditer(r"[;{](fill|stroke|color):var\(", picture):
        before = picture[: found.start() + 1]
        assert re.search(rf"[;{{\n]{found[1]}:#[0-9a-f]{{3,6}};$", before)


# The diagram.


def test_a_saga_needs_no_market_to_be_a_diagram(cli: Cli) -> None:
    diagram = cli("report", "--mermaid", "checkout").out
    assert diagram.startswith("flowchart LR\n")
    assert 'n5{{"capture_payment: pivot"}}' in diagram
    assert 'n3 -. "void_authorization" .-> n2' in diagram
    assert "classDef" not in diagram


def test_the_diagram_of_a_transaction_says_what_became_of_each_operation(told: Cli) -> None:
    diagram = told("report", "--mermaid", "tx-3").out
    assert '-. "release_stock.laptop-1: failed" .->' in diagram
    assert '-. "release_stock.part-01: reverted" .->' in diagram
    assert re.search(r"class n\d idle|class (n\d,)+n\d idle", diagram)


def test_a_name_is_text_in_the_diagram(told: Cli, tmp_path: Path) -> None:
    hostile = 'x]; <b>#quot;\\"é'
    exported = told("audit", "export", "-t", "tx-3").out.replace("laptop-1", json.dumps(hostile)[1:-1])
    (tmp_path / "hostile.json").write_text(exported, encoding="utf-8")
    diagram = told("report", "--mermaid", "hostile.json").out
    assert diagram.isascii()
    label = re.findall(r'n2\["(.*?)"\]', diagram)[0]
    assert re.fullmatch(r"([\w .:-]|#\d+;)+", label)
    assert "#60;b#62;" in label


# The command.


def test_an_exported_file_gives_the_picture_that_the_market_gave(told: Cli) -> None:
    whole = ("--include-personal", "--output", "tx-3.json")
    assert told("audit", "export", "-t", "tx-3", *whole).code == 0
    assert told("report", "tx-3.json", "--svg").out == told("report", "tx-3", "--svg").out
    assert told("audit", "export", "--output", "all.json").code == 0
    one = told("report", "all.json", "tx-2", "--mermaid")
    assert one.out == told("report", "tx-2", "--mermaid").out


def test_of_a_redacted_customer_the_picture_tells_the_id(cli: Cli) -> None:
    assert cli("init").code == 0
    assert cli("purchase", "laptop-1").code == 0
    assert cli("audit", "export", "-t", "tx-1", "--output", "tx-1.json").code == 0
    assert "redacted-" in Path("tx-1.json").read_text(encoding="utf-8")
    whole = cli("report", "tx-1", "--svg").out
    (name,) = re.findall(r" for user-1( \([^)]*\))", whole)
    assert cli("report", "tx-1.json", "--svg").out == whole.replace(name, "")


def test_json_gives_the_facts_and_nothing_else(told: Cli) -> None:
    document = told("report", "tx-1", "tx-3", "--json").document
    assert document["of"] == len(STORIES)
    assert [each["outcome"]["outcome"] for each in document["transactions"]] == ["compensated", "stuck"]
    assert told("report", "tx-1", "--svg", "--json").document["svg"].startswith("<svg")
    assert told("report", "purchase", "--mermaid", "--json").document["mermaid"].startswith("flowchart")
    assert told("report", "tx-1", "--json", "--output", "a.html").document == {"wrote": "a.html"}


def test_quiet_says_nothing_of_the_file(told: Cli, tmp_path: Path) -> None:
    ran = told("report", "--quiet", "--output", "a.html")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    assert (tmp_path / "a.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tx-99"], "there is no transaction 'tx-99'"),
        (["--svg"], "--svg: it is of one at a time"),
        (["--svg", "tx-1", "tx-2"], "--svg: it is of one at a time"),
        (["--mermaid"], "--mermaid: it is of one at a time"),
        (["--mermaid", "checkot"], "did you mean 'checkout'?"),
        (["--svg", "--mermaid", "tx-1"], "are two files"),
        (["missing.json"], "missing.json: the file cannot be read"),
        (["brought.json"], "not an export of events"),
        (["--output", "brought.json"], "the file exists"),
        (["--output", "market/report.html"], "this is inside a market"),
        (["--market", "nowhere"], "nowhere"),
    ],
)
def test_bad_input_is_told_with_exit_code_2(told: Cli, arguments: list[str], said: str) -> None:
    ran = told("report", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"time":"2', '"time":"x2'),
        ('"saga":"purchase"', '"saga":"none"'),
        ('"faults":["payment:card_declined"]', '"faults":["nobody:nothing"]'),
        ('"request":{', '"request":{"product":[],'),
        ('"type":"transaction.began"', '"type":"market.created","origin":"","currency":""'),
        ('"policy":"default"', '"policy":7'),
        ('"kind":"read_only"', '"kind":"' + "x" * 5_000 + '"'),
        ('"attempt":1', '"attempt":' + "9" * 18),
    ],
)
def test_events_that_do_not_fit_together_end_in_no_traceback(told: Cli, before: str, after: str) -> None:
    exported = told("audit", "export", "--transaction", "tx-1").out
    assert before in exported
    Path("odd.json").write_text(exported.replace(before, after))
    for options in ([], ["--svg"], ["--mermaid"]):
        ran = told("report", "odd.json", *options)
        assert ran.code in (0, 2), ran.err
        assert "a mistake in marketsim" not in ran.err
        assert ran.err.count("\n") <= 1


def test_a_market_without_a_transaction_has_an_empty_page(cli: Cli, tmp_path: Path) -> None:
    market_of(cli, tmp_path, products("laptop-1"))
    found = parsed(cli("report"))
    assert found.unbalanced == []
    assert "0 transactions, from a log of" in found.text
