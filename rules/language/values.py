"""The types of facts: what a raw JSON value must look like, and the form that operators compute with.

A reader takes a raw JSON value and returns that form, or None if the value is not of the type. Most forms are
the value itself; a datetime becomes an aware `datetime`, a version its precedence (a tuple that compares).
"""

import math
import re
from collections.abc import Callable
from datetime import date, datetime

from rules.json_logic.javascript import LARGEST_SAFE
from rules.language.codes import COUNTRIES, CURRENCIES

Reader = Callable[[object], object | None]

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DATETIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    rf"(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_LONGEST_VERSION = 200


def read_boolean(value: object) -> bool | None:
    """true or false."""
    return value if isinstance(value, bool) else None


def read_integer(value: object) -> int | None:
    """A whole number that every language can hold exactly."""
    if type(value) is int and -LARGEST_SAFE <= value <= LARGEST_SAFE:
        return value
    return None


def read_number(value: object) -> int | float | None:
    """A finite number."""
    if type(value) is float and math.isfinite(value):
        return value
    return read_integer(value)


def read_string(value: object) -> str | None:
    """Any text."""
    return value if isinstance(value, str) else None


def read_country(value: object) -> str | None:
    """An ISO 3166-1 alpha-2 code in capitals."""
    return value if isinstance(value, str) and value in COUNTRIES else None


def read_currency(value: object) -> str | None:
    """An ISO 4217 code in capitals."""
    return value if isinstance(value, str) and value in CURRENCIES else None


def read_date(value: object) -> str | None:
    """A day as YYYY-MM-DD; it stays a text, since such texts have the order of their days."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        date.fromisoformat(value)
    except ValueError:
        return None
    return value


def read_datetime(value: object) -> datetime | None:
    """An RFC 3339 moment with its offset."""
    if not isinstance(value, str) or not _DATETIME.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    # a day at either end of the calendar cannot be moved to every other timezone
    return moment if 1 < moment.year < 9999 else None


def read_list(value: object) -> list[str] | None:
    """A list of texts."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None


def read_location(value: object) -> tuple[float, float] | None:
    """[latitude, longitude] in degrees."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    latitude, longitude = read_number(value[0]), read_number(value[1])
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return float(latitude), float(longitude)


def read_version(value: object) -> tuple[object, ...] | None:
    """A Semantic Versioning 2.0.0 version, as a tuple that orders by its precedence (section 11)."""
    if not isinstance(value, str) or len(value) > _LONGEST_VERSION:
        return None
    match = _VERSION.fullmatch(value)
    if not match:
        return None
    major, minor, patch, prerelease = match.groups()
    release = (int(major), int(minor), int(patch))
    if prerelease is None:
        return (*release, 1)
    return (*release, 0, *map(_identifier, prerelease.split(".")))


def _identifier(text: str) -> tuple[int, int | str]:
    return (0, int(text)) if text.isdigit() else (1, text)


READERS: dict[str, Reader] = {
    "boolean": read_boolean,
    "integer": read_integer,
    "number": read_number,
    "money": read_integer,
    "string": read_string,
    "country": read_country,
    "currency": read_currency,
    "date": read_date,
    "datetime": read_datetime,
    "list": read_list,
    "location": read_location,
    "version": read_version,
}

WORDS = {
    "boolean": "true or false",
    "integer": "a whole number, such as 3",
    "number": "a number, such as 2.5",
    "money": "a whole number of minor units, such as 4999 for 49.99",
    "string": 'a text, such as "web"',
    "country": 'an ISO 3166 country code in capitals, such as "DE"',
    "currency": 'an ISO 4217 currency code in capitals, such as "EUR"',
    "date": 'a day, such as "2026-11-27"',
    "datetime": 'a moment with its offset, such as "2026-11-27T18:30:00+01:00"',
    "list": 'a list of texts, such as ["vip", "staff"]',
    "location": "latitude and longitude in degrees, such as [52.52, 13.405]",
    "version": 'a semantic version, such as "2.1.0"',
}
"""What a value of each type must be, for messages."""

NUMERIC = frozenset({"integer", "number", "money"})
TEXTUAL = frozenset({"string", "country", "currency"})
