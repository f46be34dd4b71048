"""What the operators of checked conditions compute, on values of the right types (see `rules.values`).

Both the compiled form and the explanation call these, and they never raise.
"""

import math
from collections.abc import Callable
from datetime import date, datetime, time
from functools import lru_cache
from hashlib import blake2b
from zoneinfo import ZoneInfo

from rules.json_logic import javascript as js

EARTH_RADIUS_KM = 6371.0088  # the mean radius of the International Union of Geodesy and Geophysics

_ENOUGH = 10**9  # facts are bounded where they come in, and what is made of them here grows no faster

Function = Callable[..., object]


def between(value: float, low: float, high: float) -> bool:
    """low <= value <= high."""
    return low <= value <= high


def weekday_in(moment: datetime, days: frozenset[int], zone: ZoneInfo) -> bool:
    """Whether the day of the week there and then (Monday is 0) is one of `days`."""
    return moment.astimezone(zone).weekday() in days


def time_between(moment: datetime, start: time, end: time, zone: ZoneInfo) -> bool:
    """Whether the clock there shows `start` or later and is before `end`, which may be on the next day."""
    clock = moment.astimezone(zone).time()
    return start <= clock < end if start < end else clock >= start or clock < end


def days_between(moment: datetime, first: date, last: date, zone: ZoneInfo) -> bool:
    """Whether the day there is one of `first` to `last`, both included."""
    return first <= moment.astimezone(zone).date() <= last


def starts_with(text: str, beginning: str) -> bool:
    """`beginning` is casefolded already."""
    return text.casefold().startswith(beginning)


def ends_with(text: str, ending: str) -> bool:
    """`ending` is casefolded already."""
    return text.casefold().endswith(ending)


def contains(text: str, part: str) -> bool:
    """`part` is casefolded already."""
    return part in text.casefold()


def in_text(part: str, text: str) -> bool:
    """JSON-logic's `in` for texts: nothing is in an empty text."""
    return text != "" and part in text


def within_km(here: tuple[float, float], there: tuple[float, float], kilometres: float) -> bool:
    """Whether the great-circle distance (haversine) of two [latitude, longitude] is at most `kilometres`."""
    return distance_km(here, there) <= kilometres


def distance_km(here: tuple[float, float], there: tuple[float, float]) -> float:
    """Great-circle distance of two (latitude, longitude) in degrees."""
    first, second = math.radians(here[0]), math.radians(there[0])
    across = math.sin(math.radians(there[1] - here[1]) / 2) ** 2
    half = math.sin((second - first) / 2) ** 2 + math.cos(first) * math.cos(second) * across
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


def percent(value: str, salt: str) -> float:
    """The bucket in [0, 100): BLAKE2b with 8 bytes of "salt:value" in UTF-8, big-endian, mod 10000, / 100."""
    digest = blake2b(f"{salt}:{value}".encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) % 10_000 / 100


def percent_bucket(value: str, salt: str, low: float, high: float) -> bool:
    """Whether the bucket of `value` is in [low, high)."""
    return low <= percent(value, salt) < high


def missing_some(needed: int, *values: object) -> bool:
    """Whether fewer than `needed` values are there; an empty text counts as missing, as in JSON-logic."""
    return sum(value is not None and value != "" for value in values) < needed


def plus(*numbers: float) -> float:
    """The sum, as doubles."""
    return sum(numbers, 0.0)


def times(first: float, *others: float) -> float:
    """The product, as doubles; JSON-logic turns a -0 that it multiplies into 0."""
    product = float(first)
    for number in others:
        product = (product + 0.0) * (number + 0.0)
    return product


def minus(first: float, second: float | None = None) -> float:
    """The difference, or the negative, as doubles."""
    return -float(first) if second is None else float(first) - second


def least(*numbers: float) -> float:
    """The smallest number; NaN if one is NaN."""
    return math.nan if any(number != number for number in numbers) else min(numbers)


def greatest(*numbers: float) -> float:
    """The largest number; NaN if one is NaN."""
    return math.nan if any(number != number for number in numbers) else max(numbers)


def cat(*values: object) -> str:
    """The values as JavaScript prints them, joined."""
    return js.join(list(values), "", js.Budget(_ENOUGH))


def substr(text: str, start: float, count: object = js.UNDEFINED) -> str:
    """JSON-logic's `substr`."""
    return js.substr(text, start, count, js.Budget(_ENOUGH))


def choose(*values: object) -> object:
    """`if`: condition, value, condition, value, ..., value."""
    for index in range(0, len(values) - 1, 2):
        if values[index]:
            return values[index + 1]
    return values[-1]


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The timezone of that (valid) name."""
    return ZoneInfo(name)
