"""Amounts of money: integers of minor units, and how people write them."""

import math
import re
from decimal import Decimal

from marketsim.saga.errors import InputError, nearest, quoted

__all__ = [
    "AMOUNT_MAX_MINOR",
    "CURRENCIES",
    "currency_digits",
    "format_minor",
    "to_major",
    "to_minor",
    "with_money",
]

AMOUNT_MAX_MINOR = 10**15
"""The largest amount: with it, a price that was read as a double still has all its digits."""

_NO_DIGITS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO_DIGITS = """
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
    CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL
    HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU
    MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED
    VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DIGITS = "CLF UYW"

CURRENCIES: dict[str, int] = {
    code: digits
    for codes, digits in ((_NO_DIGITS, 0), (_TWO_DIGITS, 2), (_THREE_DIGITS, 3), (_FOUR_DIGITS, 4))
    for code in codes.split()
}
"""Every code of ISO 4217 that money is counted in, with the decimals of its minor unit."""


def currency_digits(code: str) -> int:
    """How many decimals the currency has: 0, 2, 3 or 4. Raises InputError for no code of ISO 4217."""
    if (digits := CURRENCIES.get(code)) is None:
        raise InputError(f"{quoted(code)} is no currency code of ISO 4217", todo=nearest(code, CURRENCIES))
    return digits


def to_minor(price: object, currency: str) -> int:
    """The minor units, from 0 to AMOUNT_MAX_MINOR, of a price in major units as JSON gives it.

    A float counts as the decimal it is written as: 19.99 is 1999 cents. Raises InputError, without a
    place, for what is no number, is negative or too large, or has more decimals than the currency.
    """
    digits = currency_digits(currency)
    if isinstance(price, bool) or not isinstance(price, int | float):
        raise InputError(f"must be a number, not {_shown(price)}", todo="write it without quotes, as 19.99")
    if isinstance(price, float) and not math.isfinite(price):
        raise InputError(f"must be a number, not {price}")
    if price < 0:
        raise InputError("is negative", todo="write 0 or more")
    if price > AMOUNT_MAX_MINOR // 10**digits:
        most = format_minor(AMOUNT_MAX_MINOR, currency)
        raise InputError("is too large", todo=f"at most {most} can be counted exactly")
    return price * 10**digits if isinstance(price, int) else _float_to_minor(price, currency, digits)


def _float_to_minor(price: float, currency: str, digits: int) -> int:
    scale = int(10**digits)
    if (near := round(price * scale)) / scale == price:
        return near
    minor = Decimal(repr(price)).scaleb(digits)
    if minor != (whole := int(minor)):
        exponent = minor.normalize().as_tuple().exponent
        decimals = digits - int(exponent)
        raise InputError(
            f"has {decimals} decimal{'' if decimals == 1 else 's'}; {currency} has {digits}",
            todo="round it",
        )
    return whole


def _shown(value: object) -> str:
    names = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    return names.get(type(value)) or quoted(value)


def format_minor(amount_minor: int, currency: str) -> str:
    """The amount as a person reads it: ``USD 1,234.50``, ``-JPY 5``. Raises InputError for no currency."""
    digits = currency_digits(currency)
    major, minor = divmod(abs(amount_minor), 10**digits)
    decimals = f".{minor:0{digits}}" if digits else ""
    return f"{'-' if amount_minor < 0 else ''}{currency} {major:,}{decimals}"


def to_major(amount_minor: int, currency: str) -> int | float:
    """The amount in major units, as catalogs hold it: an integer where it is whole.

    The opposite of to_minor in all of its range. Raises InputError for no currency.
    """
    scale = int(10 ** currency_digits(currency))
    major, minor = divmod(amount_minor, scale)
    return amount_minor / scale if minor else major


def with_money(text: str) -> str:
    """A text of the checks, which know no currency's digits, with its amounts as people write them."""

    def written(found: re.Match[str]) -> str:
        return format_minor(int(found[1]), found[2]) if found[2] in CURRENCIES else found[0]

    return re.sub(r"(-?\d{1,18}) ([A-Z]{3}) in minor units", written, text)
