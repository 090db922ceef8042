"""The rules of the linter: each fires on a saga that was made wrong for it, alone, and tells the line."""

import functools
import inspect
import random
import time
from datetime import datetime

import pytest
from explore.bookings import MINUTE_US, ONCE, book, cancel, confirm, declare, find, look, pay, right

from marketsim.explore.lint.rules import RULES, lint
from marketsim.explore.lint.spans import takes_us
from marketsim.explore.reading import place_of, reads_of
from marketsim.market.sagas import SAGAS, saga_for
from marketsim.saga import POLICIES, Retry, Saga
from marketsim.saga.errors import InputError

CART = {"customer": "ada", "cart": [{"product": "a", "quantity": 1}, {"product": "b", "quantity": 2}]}


def helper(call):
    return call.results["confirm"]


def book_by_memory(call):
    return {"nights": call.request["nights"]}


def book_for_the_transaction(call):
    return {call.transaction: call.request["nights"]}


def cancel_what_was_answered(call):
    return {"free": call.result["free"]}


def look_and_take(call):
    call.post([])
    return {}


async def wait(call):
    return {"key": call.key}


def iterate(call):
    yield call.key


def pay_what_comes_later(call):
    return {call.key: call.results["confirm"]}


def pay_by_a_helper(call):
    return {call.key: helper(call)}


def pay_misspelt(call):
    return {call.key: call.results.get("bok")}


def find_and_write(call):
    call.record(None)
    return {}


def roll(call):
    return {call.key: random.randint(1, 6)}


def look_at_the_clock(call):
    return {call.key: int(time.time())}


def look_at_the_calendar(call):
    return {call.key: str(datetime.now())}


def with_(*, before=(look,), booking=None, paying=None, last=None, **rest) -> Saga:
    """The right saga with another operation in the place of one of its own."""
    saga = Saga("stay")
    for action in before:
        declare(saga, action, kind="read_only")
    declare(saga, *(booking or (book, cancel, find)), **(rest if booking else {}))
    declare(saga, *(paying or (pay, cancel, find)), **({"kind": "pivot"} | (rest if paying else {})))
    declare(saga, *(last or (confirm,)), **({"kind": "retriable"} | (rest if last else {})))
    return saga


def beside() -> Saga:
    """Payment runs beside the booking whose result it reads."""
    saga = Saga("stay")
    declare(saga, look, kind="read_only")
    declare(saga, book, cancel, find, after=["look"])
    declare(saga, pay, cancel, find, after=["look"])
    declare(saga, confirm, after=["book", "pay"], kind="retriable")
    return saga


def early() -> Saga:
    """The guest is told before anything is paid."""
    saga = Saga("stay")
    declare(saga, look, kind="read_only")
    declare(saga, book, cancel, find)
    declare(saga, confirm, kind="retriable")
    declare(saga, pay, cancel, find, kind="pivot", after=["book"])
    return saga


def told_first() -> Saga:
    """There is no pivot, and the guest is told before the payment, which may be reverted."""
    saga = early()
    saga.operations["pay"].kind = "compensatable"
    return saga


def behind() -> Saga:
    saga = right()
    declare(saga, look_at, cancel, find)
    return saga


def look_at(call):
    return {"key": call.key}


def beside_the_pivot() -> Saga:
    saga = right()
    declare(saga, look_at, kind="read_only", after=["look"])
    return saga


def one_desk() -> Saga:
    saga = Saga("stay")
    for name in ("book", "pay"):
        made = functools.partial(book_for_the_transaction)
        made.__name__ = name
        declare(saga, made, cancel, find, service="desk")
    return saga


WRONG = [
    ("can-be-reverted", "book", lambda: with_(booking=(book, None, find)), "error"),
    ("irreversible-last", "confirm", early, "error"),
    ("irreversible-last", "confirm", told_first, "error"),
    ("forward-past-the-pivot", "look_at", behind, "error"),
    ("forward-past-the-pivot", "look_at", beside_the_pivot, "error"),
    ("can-be-asked", "book", lambda: with_(booking=(book, cancel)), "warning"),
    ("can-be-asked", "book", lambda: with_(booking=(book, cancel), one_shot=True), "warning"),
    ("can-be-asked", "pay", lambda: with_(paying=(pay,)), "error"),
    (
        "revert-without-answer",
        "book",
        lambda: with_(booking=(book, cancel_what_was_answered, find), one_shot=True),
        "error",
    ),
    (
        "revert-without-answer",
        "book",
        lambda: with_(booking=(book, cancel_what_was_answered, find)),
        "warning",
    ),
    (
        "keys-used",
        "book_by_memory",
        lambda: with_(
            paying=(lambda call: {call.key: 1}, cancel, find), booking=(book_by_memory, cancel, find)
        ),
        "warning",
    ),
    ("keys-used", "book_by_memory", lambda: with_(last=(book_by_memory,)), "error"),
    ("keys-apart", "pay", one_desk, "error"),
    ("reads-what-it-waits-for", "pay", beside, "error"),
    (
        "reads-what-it-waits-for",
        "pay_what_comes_later",
        lambda: with_(paying=(pay_what_comes_later, cancel, find)),
        "error",
    ),
    (
        "reads-what-it-waits-for",
        "pay_by_a_helper",
        lambda: with_(paying=(pay_by_a_helper, cancel, find)),
        "error",
    ),
    ("reads-what-it-waits-for", "pay_misspelt", lambda: with_(paying=(pay_misspelt, cancel, find)), "error"),
    ("reads-only", "look_and_take", lambda: with_(before=(look, look_and_take)), "error"),
    ("reads-only", "book", lambda: with_(booking=(book, cancel, find_and_write)), "error"),
    ("handlers-answer", "wait", lambda: with_(last=(wait,)), "error"),
    ("handlers-answer", "iterate", lambda: with_(last=(iterate,)), "error"),
    ("on-the-tape", "roll", lambda: with_(last=(roll,)), "warning"),
    ("on-the-tape", "look_at_the_clock", lambda: with_(last=(look_at_the_clock,)), "warning"),
    ("on-the-tape", "look_at_the_calendar", lambda: with_(last=(look_at_the_calendar,)), "warning"),
    ("retriable-is-retried", "confirm", lambda: with_(last=(confirm,), retry=ONCE), "error"),
    ("retriable-is-retried", "confirm", lambda: with_(last=(confirm,), one_shot=True), "error"),
    (
        "retries-end",
        "confirm",
        lambda: with_(
            last=(confirm,), retry=Retry(attempts_max=1000, delay_us=MINUTE_US, delay_max_us=2 * MINUTE_US)
        ),
        "error",
    ),
    ("time-to-revert", "book", lambda: with_(booking=(book, cancel, find), revert_ttl_us=MINUTE_US), "error"),
    ("time-to-answer", "confirm", lambda: with_(last=(confirm,), time_limit_us=1_000), "error"),
    ("time-to-answer", "confirm", lambda: with_(last=(confirm,), time_limit_us=20_000), "warning"),
    ("time-to-answer", "confirm", lambda: with_(last=(confirm,), latency_us=(2, 1)), "error"),
]


@pytest.mark.parametrize(("rule", "operation", "made", "severity"), WRONG)
def test_a_rule_fires_on_what_was_made_wrong_for_it_and_nothing_else_does(rule, operation, made, severity):
    (finding,) = lint(made())
    assert (finding.rule, finding.operation, finding.severity) == (rule, operation, severity)
    assert finding.message
    assert finding.expected
    assert finding.actual
    assert finding.remedy


def test_every_rule_fires_somewhere():
    assert {rule for rule, *_ in WRONG} == set(RULES)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "saga", [*SAGAS.values(), saga_for("checkout", CART), right()], ids=lambda saga: saga.name
)
def test_the_built_in_sagas_are_clean_under_every_policy(saga, policy):
    assert lint(saga, POLICIES[policy]) == []


def test_a_finding_tells_the_line_at_which_the_handler_does_it():
    (finding,) = lint(with_(paying=(pay_by_a_helper, cancel, find)))
    source, first = inspect.getsourcelines(helper)
    assert (finding.file, finding.line) == (__file__, first + 1)
    assert 'call.results["confirm"]' in source[1]


def test_a_missing_revert_is_told_at_the_action():
    (finding,) = lint(with_(booking=(book, None, find)))
    assert (finding.file, finding.line) == (place_of(book).file, place_of(book).line)


def test_only_the_rules_that_are_named_are_asked_and_an_unknown_one_is_said():
    wrong = with_(booking=(book_by_memory,), last=(roll,))
    assert {each.rule for each in lint(wrong)} > {"keys-used"}
    assert {each.rule for each in lint(wrong, names=["keys-used"])} == {"keys-used"}
    with pytest.raises(InputError, match="keys-used"):
        lint(wrong, names=["keys-usd"])


def test_a_misspelt_result_is_told_with_the_nearest_name():
    (finding,) = lint(with_(paying=(pay_misspelt, cancel, find)))
    assert "'book'" in finding.remedy


# Times.


def test_the_longest_that_retries_take_counts_calls_pauses_and_jitter():
    assert takes_us(ONCE, 5) == 5
    assert takes_us(Retry(attempts_max=3, delay_us=100, factor=2, jitter_percent=0), 10) == 330
    assert takes_us(Retry(attempts_max=3, delay_us=100, factor=2, jitter_percent=50), 10) == 480
    assert (
        takes_us(Retry(attempts_max=3, delay_us=100, factor=9, delay_max_us=100, jitter_percent=0), 10) == 230
    )
    assert takes_us(Retry(attempts_max=1000, delay_us=100, elapsed_max_us=1000), 10) == 1010


def test_a_time_to_live_is_enough_from_the_moment_that_the_rule_names():
    (finding,) = lint(with_(booking=(book, cancel, find), revert_ttl_us=MINUTE_US))
    assert "revert_ttl_us of" in finding.expected
    policy = POLICIES["default"]
    first, last = None, None
    for minutes in range(1, 30):
        found = lint(with_(booking=(book, cancel, find), revert_ttl_us=minutes * MINUTE_US), policy)
        severity = found[0].severity if found else ""
        first = minutes if severity == "warning" and first is None else first
        last = minutes if not severity and last is None else last
    assert first is not None
    assert last is not None
    assert first < last


def test_where_the_time_is_never_over_a_short_one_is_no_mistake():
    wrong = with_(booking=(book, cancel, find), revert_ttl_us=1)
    assert lint(wrong, POLICIES["orra"]) == []
    assert lint(wrong, POLICIES["none"]) == []


def test_what_is_behind_the_pivot_is_never_reverted_and_its_time_does_not_count():
    saga = right()
    declare(saga, look_at, cancel, kind="retriable", revert_ttl_us=1)
    assert lint(saga) == []


# Reading code.


def test_a_handler_is_read_through_wrappers_partials_methods_and_objects():
    class Desk:
        def take(self, call):
            return {call.key: call.results["a"]}

        def __call__(self, request):
            return {request.key: request.results["b"]}

    @functools.wraps(pay)
    def wrapped(call):
        return pay(call)

    def two(rate, call):
        return {call.key: rate}

    assert set(reads_of(Desk().take).results) == {"a"}
    assert set(reads_of(Desk()).results) == {"b"}
    assert set(reads_of(wrapped).results) == {"book"}
    assert "key" in reads_of(functools.partial(two, 3)).attributes
    assert reads_of(print).attributes == {}
    assert place_of(print).line == 0


def test_results_are_read_from_comprehensions_aliases_and_get():
    def handler(call):
        results = call.results
        lines = [each for each in results["cart"] if each in (lambda: call.results.get("seen"))()]
        return {"lines": lines, "name": call.results[call.key]}

    assert set(reads_of(handler).results) == {"cart", "seen"}


def test_a_handler_without_a_source_is_read_as_well():
    scope: dict[str, object] = {}
    exec(compile("def handler(call):\n    return {call.key: call.results['a']}", "<typed>", "exec"), scope)
    assert set(reads_of(scope["handler"]).results) == {"a"}
    assert str(place_of(scope["handler"])) == "<typed>:1"


def test_a_helper_that_calls_itself_is_followed_once():
    def handler(call):
        return handler(call) if call.key else {}

    assert set(reads_of(handler).attributes) == {"key"}
