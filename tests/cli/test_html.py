"""The geometry of a report: pure functions from events to places, whatever the events are."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from cli.running import Cli
from cli.telling import HOSTILE, STORIES, Parsed, tell_all
from hypothesis import given
from hypothesis import strategies as st

from marketsim.audit.segments import read_events
from marketsim.cli.render.html.calls import course_of
from marketsim.cli.render.html.lanes import NARROW, WIDE, Chart, Label, Paper, chart_of, said_words
from marketsim.cli.render.html.ledger import COLUMNS_MAX, flow_list, flow_of, flow_svg
from marketsim.cli.render.html.markup import clipped, escaped, preformatted, tag
from marketsim.cli.render.html.moves import NOWHERE, goods_words, moves_of
from marketsim.cli.render.html.rows import Course
from marketsim.cli.render.html.scale import scale_of
from marketsim.cli.render.html.svg import chart_svg, stylesheet
from marketsim.saga import events as e

SECOND_US = 1_000_000
PAPERS = (WIDE, NARROW)


@pytest.fixture
def courses(cli: Cli, tmp_path: Path) -> dict[str, list[e.Event]]:
    """The events of each story."""
    tell_all(cli, tmp_path)
    own: dict[str, list[e.Event]] = {}
    for event in read_events(tmp_path / "market" / "audit"):
        own.setdefault(getattr(event, "transaction", ""), []).append(event)
    return {name: own[f"tx-{number}"] for number, name in enumerate(STORIES, 1)}


def purchase(*steps: e.Event) -> list[e.Event]:
    """A transaction of these events, a tenth of a second apart."""
    began = e.TransactionBegan(transaction="tx-1", saga="purchase", policy="default", request={}, seed=0)
    events = [began, *steps]
    for index, event in enumerate(events):
        event.seq = index + 1
        event.time = event.time or f"2026-01-01T00:00:{index // 10:02}.{index % 10}00000Z"
    return events


def started(name: str = "charge", attempt: int = 1, **changes: str) -> e.OperationStarted:
    fields = {"kind": "compensatable", "service": "payment", "key": name} | changes
    return e.OperationStarted(transaction="tx-1", operation=name, attempt=attempt, **fields)


def reverting(name: str = "charge", attempt: int = 1) -> e.CompensationStarted:
    at = {"transaction": "tx-1", "operation": name, "compensation": f"un{name}"}
    return e.CompensationStarted(**at, attempt=attempt, key="k", service="payment")


# Time.


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=60), st.sampled_from(PAPERS))
def test_time_only_runs_to_the_right_and_fills_the_paper(moments, paper):
    scale = scale_of(moments, 10, paper.width, gap=paper.gap, least=paper.least)
    places = [scale.at(moment) for moment in sorted(set(moments))]
    assert all(one < two for one, two in pairwise(places))
    assert places[0] == 10
    if len(places) > 1:
        assert places[-1] == pytest.approx(paper.width)
    assert scale.at(-5) == 10
    assert scale.at(10**15) == places[-1]


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=60))
def test_the_ticks_are_finite_and_inside(moments):
    scale = scale_of(moments, 0, 1_000, gap=30, least=4)
    ticks = scale.ticks(80)
    assert len(ticks) < 100
    assert all(min(moments) <= tick <= max(moments) for tick in ticks)


def test_a_wait_of_ten_minutes_does_not_squash_the_rest():
    moments = [0, 40_000, 90_000, 200_000, 600 * SECOND_US, 600 * SECOND_US + 150_000]
    scale = scale_of(moments, 0, 1_000, gap=30, least=5)
    (gap,) = scale.gaps
    assert (gap.from_us, gap.to_us, gap.width) == (200_000, 600 * SECOND_US, 30)
    assert scale.at(40_000) > 80
    assert scale.at(40_000) - scale.at(0) == pytest.approx(5 + 40 / 350 * (970 - 25 + 5), abs=2)


def test_what_takes_about_the_same_is_not_squeezed():
    assert scale_of(range(0, 60 * SECOND_US, 10 * SECOND_US), 0, 1_000, gap=30, least=5).gaps == []
    assert scale_of([0, 10_000, 400_000, 420_000], 0, 1_000, gap=30, least=5).gaps == []


# The calls.


def test_each_outcome_gives_its_call_a_style_and_says_why():
    outcomes = {
        "forward": e.OperationSucceeded(
            transaction="tx-1", operation="charge", attempt=1, result={"id": "c1"}
        ),
        "failed": e.OperationFailed(
            transaction="tx-1",
            operation="charge",
            attempt=1,
            code="declined",
            reason="no funds",
            retry="never",
        ),
        "unknown": e.OperationUnknown(
            transaction="tx-1", operation="charge", attempt=1, code="timeout", reason="silence"
        ),
    }
    said = {"forward": "id c1", "failed": "declined (no funds)", "unknown": "no answer: timeout (silence)"}
    for style, outcome in outcomes.items():
        (row,) = course_of(purchase(started(), outcome)).rows
        assert [(bar.style, bar.to_us - bar.from_us) for bar in row.bars] == [(style, 100_000)]
        assert row.said == [said[style]]


def test_what_was_never_answered_is_open_until_the_end():
    course = course_of(
        purchase(started(), e.TransactionCancelRequested(transaction="tx-1", code="cancelled"))
    )
    (bar,) = course.rows[0].bars
    assert (bar.style, bar.to_us) == ("open", course.length_us)
    assert [each.label for each in course.milestones] == ["cancelled"]


def test_a_probe_fills_the_time_since_the_wait_before_it():
    course = course_of(
        purchase(
            started(),
            e.OperationUnknown(transaction="tx-1", operation="charge", attempt=1, code="timeout", reason=""),
            e.OperationRetryScheduled(
                transaction="tx-1", operation="charge", attempt=2, delay_us=50_000, probe="find"
            ),
            e.OperationProbed(
                transaction="tx-1", operation="charge", attempt=2, probe="find", outcome="landed"
            ),
            e.OperationSucceeded(transaction="tx-1", operation="charge", attempt=1),
        )
    )
    (row,) = course.rows
    assert [(bar.style, bar.from_us, bar.to_us) for bar in row.bars] == [
        ("unknown", 100_000, 200_000),
        ("probe landed", 350_000, 400_000),
    ]
    assert [(wait.from_us, wait.to_us) for wait in row.waits] == [(300_000, 350_000)]
    assert row.style == "forward"
    assert "asked: it had landed" in row.said


def test_a_wait_ends_when_what_was_waited_for_comes():
    course = course_of(
        purchase(
            started(),
            e.OperationSuspended(
                transaction="tx-1", operation="charge", attempt=1, code="3ds", reason="", expires_us=10**9
            ),
            e.OperationSucceeded(transaction="tx-1", operation="charge", attempt=1),
        )
    )
    (row,) = course.rows
    assert [wait.to_us for wait in row.waits] == [300_000]
    assert [bar.style for bar in row.bars] == ["forward"]
    assert [mark.kind for mark in row.marks] == ["end"]


def test_the_new_kinds_of_events_are_drawn(courses: dict[str, list[e.Event]]) -> None:
    late = course_of(courses["late and stuck"])
    kinds = {mark.kind for row in late.rows for mark in row.marks}
    assert kinds == {"fault", "effect", "note", "late"}
    assert any("asked: no answer" in words for row in late.rows for words in row.said)
    assert "waits for an answer" in "".join(course_of(courses["suspended"]).rows[3].said)
    assert "cancelled" in [each.label for each in course_of(courses["cancelled"]).milestones]
    assert "the deadline passes" in [
        each.label for each in course_of(courses["late after the deadline"]).milestones
    ]
    assert any("expired" in words for row in course_of(courses["expired"]).rows for words in row.said)


def test_a_fault_before_the_intent_finds_its_call_or_stands_by_itself():
    fault = e.FaultInjected(transaction="tx-1", operation="charge", attempt=1, fault="crash_before_intent")
    alone = course_of(purchase(fault))
    assert alone.rows == []
    assert "charge: crash_before_intent injected" in [each.words for each in alone.milestones]
    (row,) = course_of(purchase(fault, started())).rows
    assert [mark.kind for mark in row.marks] == ["fault"]


def test_each_revert_stands_behind_its_operation(courses: dict[str, list[e.Event]]) -> None:
    rows = course_of(courses["a full cart, reverted"]).rows
    reverts = [index for index, row in enumerate(rows) if row.back]
    assert len(reverts) == 21
    assert all(rows[index].operation == rows[index - 1].operation for index in reverts)


def test_a_process_that_dies_leaves_its_call_open():
    course = course_of(purchase(started(), e.ProcessRecovered(transaction="tx-1"), started()))
    assert [(bar.from_us, bar.to_us) for bar in course.rows[0].bars] == [
        (100_000, 200_000),
        (300_000, 300_000),
    ]
    assert [each.label for each in course.milestones] == ["taken over"]


@given(st.data())
def test_events_in_any_order_make_a_course_and_a_chart(data):
    makers: list[Callable[[], e.Event]] = [
        started,
        reverting,
        lambda: started("ship", service=""),
        lambda: e.OperationSucceeded(transaction="tx-1", operation="charge", attempt=1),
        lambda: e.OperationProbed(transaction="tx-1", operation="ship", attempt=1, probe="p", outcome="?"),
        lambda: e.OperationSuspended(
            transaction="tx-1", operation="ship", attempt=1, code="c", reason="", expires_us=10**12
        ),
        lambda: e.OperationLate(transaction="tx-1", operation="none", attempt=1, outcome="succeeded"),
        lambda: e.OperationRetryScheduled(transaction="tx-1", operation="charge", attempt=2, delay_us=10**10),
        lambda: e.CompensationSucceeded(transaction="tx-1", operation="charge", compensation="uncharge"),
        lambda: e.CompensationExpired(transaction="tx-1", operation="ship", compensation="x", reason="old"),
        lambda: e.FaultInjected(transaction="tx-1", operation="charge", attempt=1, fault="crash_x"),
        lambda: e.ServiceNoted(transaction="tx-1", operation="ship", attempt=1, note="pending"),
        lambda: e.ProcessRecovered(transaction="tx-1"),
        lambda: e.TransactionStuck(transaction="tx-1", dead_letters=["charge"]),
    ]
    chosen = data.draw(st.lists(st.sampled_from(makers), max_size=30))
    course = course_of(purchase(*(make() for make in chosen)))
    for paper in PAPERS:
        chart = chart_of(course, paper)
        check_inside(chart)
        drawn = chart_svg(chart, "t", lambda seq: f"#e{seq}")
        assert Parsed(drawn).unbalanced == []


# The lanes.


@pytest.mark.parametrize("paper", PAPERS)
def test_everything_is_on_the_paper_and_in_its_lane(courses: dict[str, list[e.Event]], paper: Paper) -> None:
    for events in courses.values():
        check_inside(chart_of(course_of(events), paper))


def check_inside(chart: Chart) -> None:
    for box in chart.boxes:
        assert chart.left - 1 <= box.x
        assert box.x + box.width <= chart.width
        assert any(lane.y <= box.y and box.y + 9 <= lane.y + lane.height for lane in chart.lanes)
    for dot in chart.dots:
        assert chart.left - 10 <= dot.x <= chart.width
        assert any(lane.y <= dot.y <= lane.y + lane.height for lane in chart.lanes)
    for one, two in pairwise(chart.lanes):
        assert one.y + one.height == two.y
    assert not chart.lanes or chart.lanes[-1].y + chart.lanes[-1].height == chart.bottom <= chart.height


@pytest.mark.parametrize("paper", PAPERS)
def test_the_rows_of_a_lane_keep_apart(courses: dict[str, list[e.Event]], paper: Paper) -> None:
    for events in courses.values():
        chart = chart_of(course_of(events), paper)
        lines = sorted({label.y for label in chart.labels})
        assert all(two - one >= 12 for one, two in pairwise(lines))
        for label in chart.labels:
            assert not any(box.y < label.y + 3 and label.y - 9 < box.y + 9 for box in chart.boxes), label


@pytest.mark.parametrize("paper", PAPERS)
def test_marks_of_a_row_do_not_cover_each_other(courses: dict[str, list[e.Event]], paper: Paper) -> None:
    for events in courses.values():
        rows: dict[float, list[float]] = {}
        for dot in chart_of(course_of(events), paper).dots:
            rows.setdefault(dot.y, []).append(dot.x)
        assert all(two - one >= 9.9 for places in rows.values() for one, two in pairwise(places))


def test_the_way_back_goes_left_and_up_to_its_operation(courses: dict[str, list[e.Event]]) -> None:
    chart = chart_of(course_of(courses["a full cart, reverted"]), WIDE)
    assert len(chart.hooks) == 21
    heads = {(box.x, box.y + 4.5) for box in chart.boxes if not box.back}
    for hook in chart.hooks:
        assert hook.to_x < hook.x
        assert hook.to_y < hook.y
        assert (hook.to_x, hook.to_y) in heads


def test_a_label_is_cut_to_its_room_and_whole_in_its_title(courses: dict[str, list[e.Event]]) -> None:
    labels: list[Label] = chart_of(course_of(courses["late and stuck"]), NARROW).labels
    cut = [label for label in labels if label.words.endswith("…")]
    assert cut
    assert all(len(label.title) > len(label.name) + len(label.words) for label in cut)


def test_what_is_said_again_is_counted():
    assert said_words(["error", "error", "late", "error"]) == "error ×2 · late · error"


def test_a_gap_is_drawn_and_says_how_long_it_is(courses: dict[str, list[e.Event]]) -> None:
    chart = chart_of(course_of(courses["late and stuck"]), WIDE)
    words = [gap.words for gap in chart.gaps]
    assert "10 s squeezed" in words
    assert any("min" in each for each in words)


def test_an_empty_course_is_an_empty_chart():
    chart = chart_of(Course([], [], 0), WIDE)
    assert (chart.boxes, chart.lanes) == ([], [])


# The ledger.


def test_lines_are_paired_by_what_they_count_and_what_is_missing_is_nowhere():
    postings = [
        e.Posting("stock:available", product="a", quantity=-2),
        e.Posting("stock:available", product="b", quantity=-1),
        e.Posting("stock:reserved", product="b", quantity=1),
        e.Posting("stock:reserved", product="a", quantity=2),
        e.Posting("money:merchant", currency="USD", amount_minor=5),
    ]
    moves = moves_of(e.LedgerPosted(transaction="tx-1", operation="reserve", postings=postings))
    roads = [(move.source, move.target, goods_words(move.lines)) for move in moves]
    assert roads == [
        ("stock:available", "stock:reserved", "1 × b, 2 × a"),
        (NOWHERE, "money:merchant", "USD 0.05"),
    ]


def test_the_flow_ends_with_what_each_account_gained(courses: dict[str, list[e.Event]]) -> None:
    flow = flow_of(courses["bought"])
    assert flow.accounts == [
        "stock:available",
        "stock:reserved",
        "stock:sold",
        "money:customer:user-1",
        "money:merchant",
    ]
    assert set(flow.net) == {"stock:available", "stock:sold", "money:customer:user-1", "money:merchant"}
    drawing = flow_svg(flow, "t", lambda seq: f"#e{seq}")
    assert Parsed(drawing).unbalanced == []
    assert "+USD 25.00" in Parsed(drawing).text
    assert flow_of(courses["declined"]).net == {}


def test_a_cart_is_one_arrow_and_its_sum():
    names = [f"p-{number}" for number in range(20)]
    postings = [
        line
        for name in names
        for line in (
            e.Posting("stock:reserved", product=name, quantity=-2),
            e.Posting("stock:sold", product=name, quantity=2),
        )
    ]
    (move,) = moves_of(e.LedgerPosted(transaction="tx-1", operation="order", postings=postings))
    assert goods_words(move.lines) == "40 units of 20 products"


def test_a_ledger_of_many_accounts_is_told_in_words():
    postings = [e.Posting(f"odd:{n}", currency="USD", amount_minor=n - 5) for n in range(COLUMNS_MAX + 3)]
    flow = flow_of([e.LedgerPosted(transaction="tx-1", operation="x", postings=postings)])
    assert flow_svg(flow, "t", str) == ""
    assert "odd:8" in Parsed(flow_list(flow, str)).text


# Markup.


@given(st.text() | st.sampled_from(HOSTILE))
def test_any_text_is_one_text_on_one_line(text):
    found = Parsed(tag("p", escaped(text), title=text))
    assert found.unbalanced == []
    assert [name for name, _ in found.elements] == ["p"]
    assert "\n" not in found.text
    assert list(found.elements[0][1]) == (["title"] if text else [])


def test_what_is_cut_says_so():
    assert preformatted("a" * 20, 5) == "aaaaa\n… and 15 characters more"
    assert clipped("日本語", 4) == "日…"
    assert clipped("abc", 3) == "abc"
    assert clipped("abc", 0) == ""
    assert len(escaped("a" * 10_000)) == 2_000


@pytest.mark.parametrize("name", ["timeline.css", "page.css", "play.css"])
def test_a_style_sheet_comes_with_the_program_and_fetches_nothing(name):
    text = stylesheet(name)
    assert text.isascii()
    assert "url(" not in text
    assert "@import" not in text
    assert "<" not in text
    assert text.count("{") == text.count("}")
