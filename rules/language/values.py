"""Read the types of facts: convert a raw JSON value to the form that operators compute with.

A reader returns that form, or None if the value is not of the type. Most forms are the value itself; a datetime becomes
an aware `datetime`, a version becomes a tuple that compares by precedence.
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
_PART = "(0|[1-9][0-9]*)"
_WRITTEN_VERSION = re.compile(rf"[vV]?{_PART}(?:\.{_PART}(?:\.{_PART}(?:\.[0-9]+)?)?)?([-+].+)?")


def read_boolean(value: object) -> bool | None:
    """Read true or false."""
    return value if isinstance(value, bool) else None


def read_integer(value: object) -> int | None:
    """Read an integer that every JSON implementation can represent exactly."""
    if type(value) is int and -LARGEST_SAFE <= value <= LARGEST_SAFE:
        return value
    return None


def read_number(value: object) -> int | float | None:
    """Read a finite number."""
    if type(value) is float and math.isfinite(value):
        return value
    return read_integer(value)


def read_string(value: object) -> str | None:
    """Read any text."""
    return value if isinstance(value, str) else None


def read_country(value: object) -> str | None:
    """Read an ISO 3166-1 alpha-2 code in capitals."""
    return value if isinstance(value, str) and value in COUNTRIES else None


def read_currency(value: object) -> str | None:
    """Read an ISO 4217 code in capitals."""
    return value if isinstance(value, str) and value in CURRENCIES else None


def read_date(value: object) -> str | None:
    """Read a day as YYYY-MM-DD; it remains a text, because such texts sort in the order of the days."""
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        date.fromisoformat(value)
    except ValueError:
        return None
    return value


def read_datetime(value: object) -> datetime | None:
    """Read an RFC 3339 timestamp with its offset."""
    if not isinstance(value, str) or not _DATETIME.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value.upper())
    except ValueError:
        return None
    # dates at either end of the calendar cannot be converted to every timezone
    return moment if 1 < moment.year < 9999 else None


def read_list(value: object) -> list[str] | None:
    """Read a list of texts."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return None


def read_location(value: object) -> tuple[float, float] | None:
    """Read [latitude, longitude] in degrees."""
    if not isinstance(value, list) or len(value) != 2:
        return None
    latitude, longitude = read_number(value[0]), read_number(value[1])
    if latitude is None or longitude is None or abs(latitude) > 90 or abs(longitude) > 180:
        return None
    return float(latitude), float(longitude)


def read_version(value: object) -> tuple[object, ...] | None:
    """Read a Semantic Versioning 2.0.0 version as a tuple that sorts by its precedence (section 11)."""
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


def complete_version(value: object) -> str | None:
    """Return a semantic version as people write one: 2.1 is 2.1.0, v2.1.0 is 2.1.0; a fourth number is left out."""
    if not isinstance(value, str) or len(value) > _LONGEST_VERSION:
        return None
    match = _WRITTEN_VERSION.fullmatch(value.strip())
    if not match:
        return None
    major, minor, patch, suffix = match.groups()
    version = f"{major}.{minor or 0}.{patch or 0}{suffix or ''}"
    return version if read_version(version) is not None else None


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
"""Descriptions of the types, for messages."""

NUMERIC = frozenset({"integer", "number", "money"})
TEXTUAL = frozenset({"string", "country", "currency"})
