"""Implement the operators of checked conditions, on values of the right types (see `rules.language.values`).

The compiled form and the explanation both call these functions. They never raise.
"""

import math
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

from rules.json_logic import javascript as js

EARTH_RADIUS_KM = 6371.0088  # the mean radius of the International Union of Geodesy and Geophysics

_UNLIMITED = 10**9  # facts are limited in size on input, and the texts built here grow no faster

Function = Callable[..., object]


def between(value: float, low: float, high: float) -> bool:
    """Return whether low <= value <= high."""
    return low <= value <= high


def weekday_in(moment: datetime, days: frozenset[int], zone: ZoneInfo) -> bool:
    """Return whether the weekday of the moment in the timezone (Monday is 0) is one of `days`."""
    return moment.astimezone(zone).weekday() in days


def time_between(moment: datetime, start: time, end: time, zone: ZoneInfo) -> bool:
    """Return whether the local time is in [start, end); `end` may be on the next day."""
    clock = moment.astimezone(zone).time()
    return start <= clock < end if start < end else clock >= start or clock < end


def days_between(moment: datetime, first: date, last: date, zone: ZoneInfo) -> bool:
    """Return whether the local date is in [first, last]."""
    return first <= moment.astimezone(zone).date() <= last


def starts_with(text: str, beginning: str) -> bool:
    """Return whether the text starts with `beginning` (casefolded already), ignoring case."""
    return text.casefold().startswith(beginning)


def ends_with(text: str, ending: str) -> bool:
    """Return whether the text ends with `ending` (casefolded already), ignoring case."""
    return text.casefold().endswith(ending)


def contains(text: str, part: str) -> bool:
    """Return whether the text contains `part` (casefolded already), ignoring case."""
    return part in text.casefold()


def in_text(part: str, text: str) -> bool:
    """Return JSON-logic's `in` for texts: nothing is in an empty text."""
    return text != "" and part in text


def within_km(location: tuple[float, float], centre: tuple[float, float], kilometres: float) -> bool:
    """Return whether the great-circle distance of two (latitude, longitude) in degrees is at most `kilometres`."""
    return distance_km(location, centre) <= kilometres


def distance_km(origin: tuple[float, float], destination: tuple[float, float]) -> float:
    """Return the great-circle distance (haversine) of two (latitude, longitude) in degrees."""
    first, second = math.radians(origin[0]), math.radians(destination[0])
    across = math.sin(math.radians(destination[1] - origin[1]) / 2) ** 2
    half = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * across
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


def percent(value: str, salt: str) -> float:
    """Return the bucket in [0, 100): 8 bytes of BLAKE2b of "salt:value" in UTF-8, big-endian, mod 10000, / 100."""
    digest = blake2b(f"{salt}:{value}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % 10_000 / 100


def percent_bucket(value: str, salt: str, low: float, high: float) -> bool:
    """Return whether the bucket of `value` is in [low, high)."""
    return low <= percent(value, salt) < high


def missing_some(needed: int, *values: object) -> bool:
    """Return whether fewer than `needed` values are present; an empty text counts as missing, as in JSON-logic."""
    return sum(value is not None and value != "" for value in values) < needed


def plus(*numbers: float) -> float:
    """Return the sum, as a double."""
    return sum(numbers, 0.0)


def times(first: float, *others: float) -> float:
    """Return the product, as a double; JSON-logic turns a factor of -0 into 0."""
    product = float(first)
    for number in others:
        product = (product + 0.0) * (number + 0.0)
    return product


def minus(first: float, second: float | None = None) -> float:
    """Return the difference, or the negative of a single number, as a double."""
    return -float(first) if second is None else float(first) - second


def least(*numbers: float) -> float:
    """Return the smallest number; NaN if one is NaN."""
    return math.nan if any(number != number for number in numbers) else min(numbers)


def greatest(*numbers: float) -> float:
    """Return the largest number; NaN if one is NaN."""
    return math.nan if any(number != number for number in numbers) else max(numbers)


def cat(*values: object) -> str:
    """Return the values as JavaScript prints them, joined."""
    return js.join(list(values), "", js.Budget(_UNLIMITED))


def substr(text: str, start: float, count: object = js.UNDEFINED) -> str:
    """Return JSON-logic's `substr`."""
    return js.substr(text, start, count, js.Budget(_UNLIMITED))


def choose(*values: object) -> object:
    """Return JSON-logic's `if`: condition, value, condition, value, ..., value."""
    for index in range(0, len(values) - 1, 2):
        if values[index]:
            return values[index + 1]
    return values[-1]


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Return the timezone with that (valid) name."""
    return ZoneInfo(name)
