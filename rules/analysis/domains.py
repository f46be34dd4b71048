"""Cut the values of a fact into regions that no clause of a set of rules distinguishes.

A set of values is a mask, an integer with a bit for each region; all other bits stand for the missing value, so that -1
is "anything or missing". Sets of every type are united, intersected and compared with one operation, and each region
has a sample value on which clauses are evaluated.
"""

import math
from bisect import bisect
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any, Protocol

from rules.json_logic.javascript import LARGEST_SAFE
from rules.language.codes import COUNTRIES, CURRENCIES
from rules.language.values import NUMERIC
from rules.language.vocabulary import Field

Holds = Callable[[Any], bool]


class Regions(Protocol):
    """The regions of a fact's values."""

    @property
    def present(self) -> int:
        """Return the mask of all values that are not missing."""

    def where(self, cuts: Collection[Any], holds: Holds) -> int:
        """Return the mask of the present values for which `holds`, which changes only at the `cuts`."""

    def value(self, region: int) -> Any:
        """Return a value in the region, in the form that operators compute with."""

    def region(self, value: Any) -> int:
        """Return the region of a value of the type."""


@dataclass(frozen=True, slots=True)
class OrderedType:
    """An ordered type: its ends, the successor of a cut (which need not be of the type), and a membership test.

    `near` replaces the sample value of a gap by one that is easier to read, if that lies in the gap too.
    """

    lowest_bit: Any
    highest: Any
    after: Callable[[Any], Any]
    contains: Callable[[Any], bool] = lambda value: True
    near: Callable[[Any, Any], Any] = lambda start, end: start


class IntervalRegions:
    """An ordered type cut at some values: gap, cut, gap, cut, ..., gap."""

    def __init__(self, ordered_type: OrderedType, cuts: Iterable[Any]) -> None:
        self._ordered_type = ordered_type
        self._cuts = sorted(set(cuts))
        self._bits = {cut: 2 * index + 2 for index, cut in enumerate(self._cuts)}
        self._starts = [ordered_type.lowest_bit, *(ordered_type.after(cut) for cut in self._cuts)]
        self.present = sum(1 << bit for bit in range(1, 2 * len(self._cuts) + 2) if self._is_inhabited(bit))

    def _is_inhabited(self, bit: int) -> bool:
        ordered_type, index = self._ordered_type, (bit - 1) // 2
        if bit % 2 == 0:
            cut = self._cuts[index]
            return bool(ordered_type.lowest_bit <= cut <= ordered_type.highest and ordered_type.contains(cut))
        start = self._starts[index]
        return bool(start <= ordered_type.highest and (index == len(self._cuts) or start < self._cuts[index]))

    def where(self, cuts: Collection[Any], holds: Holds) -> int:
        """See `Regions`."""
        mask, start = 0, 1
        for edge in sorted(self._bits[cut] for cut in cuts):
            mask |= self._span(start, edge, holds) | self._span(edge, edge + 1, holds)
            start = edge + 1
        return mask | self._span(start, 2 * len(self._cuts) + 2, holds)

    def _span(self, start: int, end: int, holds: Holds) -> int:
        span = self.present & ((1 << end) - (1 << start)) if end > start else 0
        return span if span and holds(self.value(lowest_bit(span))) else 0

    def value(self, region: int) -> Any:
        """See `Regions`."""
        index = (region - 1) // 2
        if region % 2 == 0:
            return self._cuts[index]
        start, end = self._starts[index], self._cuts[index] if index < len(self._cuts) else None
        near = self._ordered_type.near(start, end)
        return near if start <= near and (end is None or near < end) else start

    def region(self, value: Any) -> int:
        """See `Regions`."""
        return self._bits.get(value) or 2 * bisect(self._cuts, value) + 1


class FiniteRegions:
    """A type of single values: those listed, and all others as one region if the type is open."""

    def __init__(self, values: Iterable[Any], *, other: Any = None) -> None:
        self._values = list(dict.fromkeys(values))
        self._bits = {value: index + 2 for index, value in enumerate(self._values)}
        self._other = other
        self.present = ((1 << len(self._values)) - 1) << 2 | (0 if other is None else 2)

    def where(self, cuts: Collection[Any], holds: Holds) -> int:
        """See `Regions`."""
        listed = {self._bits[cut] for cut in cuts if cut in self._bits}
        mask = sum(1 << bit for bit in listed if holds(self.value(bit)))
        rest = self.present & ~sum(1 << bit for bit in listed)
        return mask | rest if rest and holds(self.value(lowest_bit(rest))) else mask

    def value(self, region: int) -> Any:
        """See `Regions`."""
        return self._other if region == 1 else self._values[region - 2]

    def region(self, value: Any) -> int:
        """See `Regions`."""
        return self._bits.get(value, 1)


def lowest_bit(mask: int) -> int:
    """Return the index of the lowest bit that is set."""
    return (mask & -mask).bit_length() - 1


def regions_of(field: Field, cuts: Collection[Any]) -> Regions:
    """Return the regions of a declared fact whose clauses change at `cuts`."""
    finite = finite_values(field)
    if finite is not None:
        return FiniteRegions(finite)
    if field.type in ORDERED_TYPES:
        return IntervalRegions(ORDERED_TYPES[field.type], cuts)
    return FiniteRegions(cuts, other=_unlike(cuts) if field.type == "string" else ())


def finite_values(field: Field) -> Collection[Any] | None:
    """Return all values of the fact if they are few enough to try each, otherwise None."""
    if field.type == "boolean":
        return (False, True)
    if field.allowed and field.type != "list":
        return [value for value in field.allowed if field.reader(value) is not None]
    return _CODES.get(field.type)


_CODES = {"country": tuple(sorted(COUNTRIES)), "currency": tuple(sorted(CURRENCIES))}


def _unlike(texts: Collection[str]) -> str:
    """Return a text that is none of these."""
    text = "other"
    while text in texts:
        text += "-"
    return text


# --- ordered types


def _after_whole(value: float) -> int:
    return math.floor(value) + 1


def _after_day(day: str) -> str:
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except OverflowError:
        return "~"


def _after_version(version: tuple[Any, ...]) -> tuple[Any, ...]:
    # a release is followed by the first prerelease of the next patch, a prerelease by its first extension
    major, minor, patch, is_release, *_ = version
    return (major, minor, patch + 1, 0, (0, 0)) if is_release else (*version, (0, 0))


def _after_clock(clock: time) -> time:
    return (datetime.combine(date(2000, 1, 1), clock) + timedelta(microseconds=1)).time()


def _after_date(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day


def _near_number(start: float, end: float | None) -> float:
    if start <= 0 and (end is None or end > 0):
        return 0
    # the first gap starts at the lowest value, so choose a value near its end
    return math.ceil(end) - 1 if end is not None and start <= -LARGEST_SAFE else math.ceil(start)


def _near_day(start: str, end: str | None) -> str:
    return (date.fromisoformat(end) - timedelta(days=1)).isoformat() if end and start == "0001-01-01" < end else start


def _near_moment(start: datetime, end: datetime | None) -> datetime:
    return end - timedelta(days=1) if end and start == _FIRST_MOMENT and end.year > start.year + 1 else start


_FARTHEST = timedelta(hours=23, minutes=59)
_FIRST_MOMENT = datetime(2, 1, 1, tzinfo=timezone(_FARTHEST))
_LAST_MOMENT = datetime(9998, 12, 31, 23, 59, 59, 999_999, timezone(-_FARTHEST))
_LARGEST = math.nextafter(math.inf, 0)
_WHOLE = OrderedType(-LARGEST_SAFE, LARGEST_SAFE, _after_whole, lambda value: value == math.floor(value), _near_number)


def _after_number(value: float) -> float:
    return math.nextafter(value, math.inf)


def _after_moment(moment: datetime) -> datetime:
    return moment.astimezone(UTC) + timedelta(microseconds=1)


ORDERED_TYPES: dict[str, OrderedType] = {
    **dict.fromkeys(NUMERIC, _WHOLE),
    "number": OrderedType(-_LARGEST, _LARGEST, _after_number, near=_near_number),
    "date": OrderedType("0001-01-01", "9999-12-31", _after_day, near=_near_day),
    "datetime": OrderedType(_FIRST_MOMENT, _LAST_MOMENT, _after_moment, near=_near_moment),
    "version": OrderedType((0, 0, 0, 0, (0, 0)), (10**190, 0, 0, 1), _after_version),
    "clock": OrderedType(time(0, 0), time.max, _after_clock),
    "day": OrderedType(date(2, 1, 1), date(9998, 12, 31), _after_date),
}
"""The ordered types of facts, and the clock and the calendar day of a timestamp in a timezone."""
