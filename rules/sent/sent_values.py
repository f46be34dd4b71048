"""Convert values as checkouts send them to the form in which facts are stored.

A converter returns a JSON value of the type, or None where the value cannot mean one. It accepts what has one meaning
only: 6000.0 as a whole number, currencies and countries in small letters, alpha-3 countries, version 2.1 for 2.1.0.
Rules are not evaluated on raw values: a stored fact is what an answer is explained and replayed from.
"""

import math
import re
from collections.abc import Callable, Mapping
from unicodedata import is_normalized, normalize

from rules.json_logic.javascript import LARGEST_SAFE
from rules.language.codes import COUNTRIES, CURRENCIES, OFTEN_MISTAKEN
from rules.language.values import READERS, complete_version, read_boolean, read_location
from rules.sent.alpha3 import ALPHA_2

Converter = Callable[[object], object | None]

LONGEST_TEXT = 256
MOST_ITEMS = 200

_SURROGATE = re.compile("[\ud800-\udfff]")


def composed(text: str) -> str:
    """Return the text in Unicode's composed form (NFC), in which equal texts have equal code points."""
    return text if text.isascii() or is_normalized("NFC", text) else normalize("NFC", text)


def as_text(value: object) -> str | None:
    """Return a text of at most 256 characters, composed."""
    if type(value) is str and value.isascii():
        return value if len(value) <= LONGEST_TEXT else None
    if not isinstance(value, str) or len(value) > LONGEST_TEXT or _SURROGATE.search(value):
        return None
    return composed(value)


def as_integer(value: object) -> int | None:
    """Return a whole number, also where it is written as 6000.0."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -LARGEST_SAFE <= value <= LARGEST_SAFE else None


def as_number(value: object) -> int | float | None:
    """Return a finite number."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    return as_integer(value)


def as_country(value: object) -> str | None:
    """Return an alpha-2 code for one in any case, for an alpha-3 code, or for UK and EL."""
    if type(value) is str and value in COUNTRIES:
        return value
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return None
    code = value.strip().upper()
    code = ALPHA_2.get(code, OFTEN_MISTAKEN.get(code, code) if code in ("UK", "EL") else code)
    return code if code in COUNTRIES else None


def as_currency(value: object) -> str | None:
    """Return an ISO 4217 code for one in any case."""
    if type(value) is str and value in CURRENCIES:
        return value
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        return None
    code = value.strip().upper()
    return code if code in CURRENCIES else None


def as_list(value: object) -> list[str] | None:
    """Return a list of at most 200 texts."""
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        return None
    texts = [as_text(item) for item in value]
    return None if None in texts else texts  # type: ignore[return-value]


def as_location(value: object) -> object | None:
    """Return [latitude, longitude] in degrees as it is."""
    return value if read_location(value) is not None else None


def _trimmed(type_: str) -> Converter:
    """Return a converter of a textual form that is read strictly, but for blanks around it."""
    read = READERS[type_]

    def convert(value: object) -> str | None:
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            return None
        text = value.strip()
        return text if read(text) is not None else None

    return convert


CONVERTERS: Mapping[str, Converter] = {
    "boolean": read_boolean,
    "integer": as_integer,
    "number": as_number,
    "money": as_integer,
    "string": as_text,
    "country": as_country,
    "currency": as_currency,
    "date": _trimmed("date"),
    "datetime": _trimmed("datetime"),
    "list": as_list,
    "location": as_location,
    "version": complete_version,
}
