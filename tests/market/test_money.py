"""Money: minor units, currencies, and how amounts are written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketsim.market.money import (
    AMOUNT_MAX_MINOR,
    CURRENCIES,
    currency_digits,
    format_minor,
    to_major,
    to_minor,
)
from marketsim.saga.errors import InputError


@pytest.mark.parametrize(
    ("price", "currency", "minor"),
    [
        (750, "USD", 75_000),
        (19.99, "USD", 1_999),
        (19.9, "USD", 1_990),
        (5.0, "USD", 500),
        (0, "USD", 0),
        (-0.0, "USD", 0),
        (0.1, "EUR", 10),
        (1.005, "KWD", 1_005),
        (1234, "JPY", 1_234),
        (1234.0, "JPY", 1_234),
        (1e3, "JPY", 1_000),
        (1.2345, "CLF", 12_345),
        (10**13, "USD", AMOUNT_MAX_MINOR),
        (9_999_999_999_999.99, "USD", AMOUNT_MAX_MINOR - 1),
    ],
)
def test_a_price_becomes_the_minor_units_it_is_written_as(price: float, currency: str, minor: int) -> None:
    assert to_minor(price, currency) == minor


@pytest.mark.parametrize(
    ("price", "currency", "what"),
    [
        (1.999, "USD", "has 3 decimals; USD has 2"),
        (0.5, "JPY", "has 1 decimal; JPY has 0"),
        (0.0000001, "USD", "has 7 decimals; USD has 2"),
        (1e-300, "USD", "has 300 decimals; USD has 2"),
        (-1, "USD", "is negative"),
        (-0.01, "USD", "is negative"),
        (10**13 + 1, "USD", "is too large"),
        (10**30, "USD", "is too large"),
        (1e300, "USD", "is too large"),
        (float("nan"), "USD", "must be a number, not nan"),
        (float("inf"), "USD", "must be a number, not inf"),
        (True, "USD", "must be a number, not true"),
        ("19.99", "USD", "must be a number, not '19.99'"),
        (None, "USD", "must be a number, not null"),
        ([1], "USD", "must be a number, not a list"),
    ],
)
def test_a_price_that_cannot_be_counted_is_refused(price: object, currency: str, what: str) -> None:
    with pytest.raises(InputError) as told:
        to_minor(price, currency)
    assert told.value.what == what
    assert told.value.where == ""


def test_a_currency_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"'UDS' is no currency code of ISO 4217 \(did you mean 'U"):
        currency_digits("UDS")
    with pytest.raises(InputError, match="is no currency code"):
        to_minor(1, "usd ")


def test_every_currency_has_a_code_of_three_letters_and_its_digits() -> None:
    assert len(CURRENCIES) > 150
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in CURRENCIES)
    assert set(CURRENCIES.values()) == {0, 2, 3, 4}
    some = {"USD": 2, "EUR": 2, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3, "CLF": 4, "CLP": 0, "ISK": 0}
    assert {code: currency_digits(code) for code in some} == some


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (123_450, "USD", "USD 1,234.50"),
        (-500, "USD", "-USD 5.00"),
        (-5, "USD", "-USD 0.05"),
        (0, "USD", "USD 0.00"),
        (1_234_567, "JPY", "JPY 1,234,567"),
        (1_005, "KWD", "KWD 1.005"),
        (1, "CLF", "CLF 0.0001"),
    ],
)
def test_an_amount_is_shown_with_the_digits_of_its_currency(minor: int, currency: str, shown: str) -> None:
    assert format_minor(minor, currency) == shown


def test_a_whole_amount_is_an_integer_in_major_units() -> None:
    assert repr(to_major(75_000, "USD")) == "750"
    assert repr(to_major(1_999, "USD")) == "19.99"
    assert repr(to_major(750, "JPY")) == "750"


@given(minor=st.integers(0, AMOUNT_MAX_MINOR), currency=st.sampled_from(sorted(CURRENCIES)))
def test_an_amount_survives_being_written_to_a_catalog_and_read_again(minor: int, currency: str) -> None:
    written = json.dumps(to_major(minor, currency))
    assert to_minor(json.loads(written), currency) == minor
