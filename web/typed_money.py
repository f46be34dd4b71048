"""Read amounts as people type them, and write them so that they can be typed again.

Grouping, comma or point, symbol or code, and the digits of any script are read. A text with two possible readings
(“1,000” is one or one thousand) is read as the locale writes numbers, but only where the decimals of the currency rule
out the other reading; otherwise it is refused with both readings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from functools import cache

from babel import Locale
from babel.numbers import get_currency_symbol, get_decimal_symbol, get_group_symbol

from rules.language.codes import CURRENCIES, decimals_of

MOST = 2**53
Amounts = int | dict[str, int]
"""Minor units of the merchant's own currency, or minor units by currency."""

_INVISIBLE = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]")
_SPACES = re.compile(r"[\s\u00a0\u2007\u2009\u202f]")
_PARTS = re.compile("[;\n\uff1b\u061b]")
_SAME = str.maketrans(
    {**dict.fromkeys("−‐‑‒–﹣－", "-"), **dict.fromkeys("’‘`´＇", "'"), "．": ".", "，": ",", "、": ","}
)
_BODY = re.compile(
    r"(?P<before>\D*?)(?P<sign>-?)(?P<symbol>[^\d.,٫'-]*)(?P<number>(?:(?<![^\s-])[.,٫])?\d[\d.,٫٬' ]*)(?P<after>.*)"
)
_WESTERN = re.compile(r"\d{1,3}(?:(?P<mark>[.,٬' ])\d{3})(?:(?P=mark)\d{3})*")
_INDIAN = re.compile(r"\d{1,2}(?:(?P<mark>[,٬ ])\d{2})(?:(?P=mark)\d{2})*(?P=mark)\d{3}")


class NotAnAmount(ValueError):
    """Raised for a text that is no amount, or could be two; the message says so to the person who typed it."""


def is_by_currency(value: object) -> bool:
    """Return whether a JSON value gives amounts by currency, such as {"EUR": 50000, "GBP": 43000}."""
    if not isinstance(value, dict) or not value or not value.keys() <= CURRENCIES:
        return False
    return all(type(amount) is int for amount in value.values())


def read_amounts(text: str, currency: str, locale: Locale) -> Amounts:
    """Return minor units for a text such as “500”, or minor units by currency for “500; GBP 430”.

    An amount without a currency is in `currency`. Raises NotAnAmount.
    """
    parts = [part for part in _PARTS.split(text) if part.strip()]
    if not parts:
        raise NotAnAmount(_example(currency, locale))
    amounts: dict[str, int] = {}
    for part in parts:
        code, number = _split(part, currency, locale)
        if code in amounts:
            raise NotAnAmount(f"gives two amounts in {code}")
        amounts[code] = _minor(number, part.strip(), code, locale)
    return amounts[currency] if amounts.keys() == {currency} else amounts


def read_amount(text: str, currency: str, locale: Locale) -> int:
    """Return minor units of one currency. Raises NotAnAmount."""
    amounts = read_amounts(text, currency, locale)
    if isinstance(amounts, dict):
        raise NotAnAmount(f"must be in {currency}, not in {', '.join(amounts.keys() - {currency})}")
    return amounts


def amounts_text(amounts: Amounts | None, currency: str, locale: Locale) -> str:
    """Return amounts as they are typed: 50000 EUR is 500.00; nothing for None."""
    if amounts is None:
        return ""
    if isinstance(amounts, dict):
        return "; ".join(f"{code} {amounts_text(amount, code, locale)}" for code, amount in amounts.items())
    text = f"{Decimal(amounts).scaleb(-decimals_of(currency)):f}"
    return text.replace(".", _decimal_mark(locale))


def _split(part: str, currency: str, locale: Locale) -> tuple[str, str]:
    """Return the currency of a text and its number, with ASCII digits and the marks as they were typed."""
    plain = _SPACES.sub(" ", _INVISIBLE.sub("", part)).translate(_SAME).strip()
    plain = "".join(_ascii(character) for character in plain)
    match = _BODY.fullmatch(plain)
    if not match:
        raise NotAnAmount(_example(currency, locale))
    before, symbol, after = (match[name].strip() for name in ("before", "symbol", "after"))
    is_negative = bool(match["sign"]) or before.startswith("-") or before.endswith("-")
    named = [name for name in (before.strip("- "), symbol, after) if name]
    codes = {_code(name, currency, locale) for name in named}
    if len(codes) > 1 or None in codes:
        raise NotAnAmount(_example(currency, locale))
    return next(iter(codes)) or currency if codes else currency, ("-" if is_negative else "") + match["number"].strip()


def _ascii(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)


def _code(name: str, currency: str, locale: Locale) -> str | None:
    """Return the currency that a symbol or code stands for, or None."""
    name = name.strip(".")
    if name.upper() in CURRENCIES:
        return name.upper()
    own = {_symbol(currency, tag) for tag in (str(locale), "en")}
    if name in own or name == _NARROW.get(currency):
        return currency
    return _symbols(str(locale)).get(name) or _symbols("en").get(name)


_NARROW = {
    **dict.fromkeys(("USD", "AUD", "CAD", "NZD", "SGD", "HKD", "MXN", "CLP", "ARS", "COP"), "$"),
    **dict.fromkeys(("JPY", "CNY"), "¥"),
    **dict.fromkeys(("DKK", "NOK", "SEK"), "kr"),
    "PLN": "zł",
    "CZK": "Kč",
    "RUB": "₽",
    "TRY": "₺",
    "UAH": "₴",
    "HUF": "Ft",
}
"""Symbols that several currencies share: each is read as the currency that the field is in."""


def _symbol(currency: str, locale: str) -> str:
    """Return a currency's symbol as it is left of a text: without marks of direction and outer points."""
    return _INVISIBLE.sub("", get_currency_symbol(currency, locale)).strip(".")


@cache
def _symbols(locale: str) -> Mapping[str, str]:
    """Return the currency of each symbol that stands for one currency only."""
    by_symbol: dict[str, set[str]] = {}
    for code in CURRENCIES:
        by_symbol.setdefault(_symbol(code, locale), set()).add(code)
    return {symbol: min(codes) for symbol, codes in by_symbol.items() if len(codes) == 1}


def _minor(number: str, typed: str, currency: str, locale: Locale) -> int:
    decimals = decimals_of(currency)
    sign, digits = (-1, number[1:]) if number.startswith("-") else (1, number)
    grouped, pointed = _as_grouped(digits), _as_pointed(digits)
    if grouped is not None and pointed is not None and grouped != pointed:
        chosen = _by_locale(digits, grouped, pointed, decimals, locale)
        if chosen is None:
            raise NotAnAmount(_two_readings(typed, sign * grouped, sign * pointed, currency, locale))
    else:
        chosen = pointed if grouped is None else grouped
    if chosen is None:
        raise NotAnAmount(_example(currency, locale))
    minor = (sign * chosen).scaleb(decimals)
    if minor != minor.to_integral_value():
        raise NotAnAmount(f"{currency} has no smaller unit than {amounts_text(1, currency, locale)}")
    if abs(minor) > MOST:
        raise NotAnAmount("is too large an amount")
    return int(minor)


def _as_grouped(digits: str) -> Decimal | None:
    """Read the text as a whole number in groups, or without any mark."""
    if digits.isdigit() or _WESTERN.fullmatch(digits) or _INDIAN.fullmatch(digits):
        return Decimal(re.sub(r"\D", "", digits))
    return None


def _as_pointed(digits: str) -> Decimal | None:
    """Read the last mark as that between whole units and their fraction."""
    match = re.fullmatch(r"(?P<whole>.*?)(?P<mark>[.,٫])(?P<fraction>\d+)", digits)
    if not match or match["mark"] in match["whole"]:
        return None
    units = _as_grouped(match["whole"] or "0")
    return None if units is None else units + Decimal(f"0.{match['fraction']}")


def _by_locale(digits: str, grouped: Decimal, pointed: Decimal, decimals: int, locale: Locale) -> Decimal | None:
    """Return the reading that the locale's marks choose, or None if the other one remains possible."""
    mark = re.sub(r"\d", "", digits)
    if mark == _decimal_mark(locale):
        return pointed if decimals >= 3 else None
    return grouped if mark == get_group_symbol(locale) and decimals < 3 else None


def _two_readings(typed: str, grouped: Decimal, pointed: Decimal, currency: str, locale: Locale) -> str:
    """Offer both readings, as they can be typed."""
    decimals = decimals_of(currency)
    high, low = int(grouped.scaleb(decimals)), pointed.scaleb(decimals)
    if low != int(low):
        text = amounts_text(high, currency, locale)
        return f"“{typed}” is not clear: type {text} if you mean {_words(high, currency, locale)}"
    return (
        f"“{typed}” could be {_words(int(low), currency, locale)} or {_words(high, currency, locale)}: "
        f"type {amounts_text(int(low), currency, locale)} or {amounts_text(high, currency, locale)}"
    )


def _words(minor: int, currency: str, locale: Locale) -> str:
    """Return an amount with its groups and currency: 10,000.00 EUR."""
    units, _, fraction = f"{Decimal(abs(minor)).scaleb(-decimals_of(currency)):,f}".partition(".")
    text = units.replace(",", get_group_symbol(locale)) + (_decimal_mark(locale) + fraction if fraction else "")
    return f"{'-' if minor < 0 else ''}{text} {currency}"


def _example(currency: str, locale: Locale) -> str:
    fifty = amounts_text(50 * 10 ** decimals_of(currency), currency, locale)
    return f"must be an amount in {currency}, such as {fifty}"


def _decimal_mark(locale: Locale) -> str:
    return get_decimal_symbol(locale)
