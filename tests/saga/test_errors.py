"""Errors: one line that says what, where and what to do, whatever the input was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.saga.errors import InputError, MarketBusy, MarketError, MarketsimError, nearest, quoted
from marketsim.saga.policies import POLICIES, policy_named


def test_an_error_says_where_what_and_what_to_do():
    assert (
        str(InputError("no such thing", where="a.yaml:3", todo="write b"))
        == "a.yaml:3: no such thing (write b)"
    )
    assert str(InputError("no such thing")) == "no such thing"


def test_whoever_catches_bad_input_catches_a_market_that_is_held():
    assert issubclass(MarketBusy, MarketError)
    assert issubclass(MarketError, InputError)
    assert issubclass(InputError, MarketsimError)


@given(st.text())
def test_input_is_shown_on_one_printable_line_of_bounded_length(text):
    shown = quoted(text)
    assert shown.isprintable()
    assert len(shown) <= 80 * 10 + 2
    assert shown[0] == shown[-1] == "'"


def test_a_terminal_is_not_steered_by_what_is_quoted():
    assert quoted("\x1b[2J\u202eabc") == "'\\x1b[2J\\u202eabc'"


@pytest.mark.parametrize(
    ("name", "names", "said"),
    [
        ("paymnt", ["payment", "orders"], "did you mean 'payment'?"),
        ("zzz", ["b", "a"], "known: a, b"),
        ("zzz", [f"n{n}" for n in range(9)], "known: n0, n1, n2, n3, n4, n5, n6, n7 and 1 more"),
        ("zzz", [], "there are none"),
        ("a" * 10_000, ["b"], "known: b"),
    ],
)
def test_the_nearest_name_is_told_or_else_the_names_there_are(name, names, said):
    assert nearest(name, names) == said


def test_a_policy_is_found_by_its_name():
    for name, policy in POLICIES.items():
        assert policy_named(name) is policy
        assert policy.sentence.endswith(".")


def test_a_mistyped_policy_is_an_error_with_the_nearest_name():
    with pytest.raises(InputError, match=r"no policy is called 'defualt' \(did you mean 'default'\?\)"):
        policy_named("defualt")
