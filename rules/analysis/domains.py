"""The values of a fact, cut into regions that no clause of a set of rules tells apart.

A set of values is a mask, an integer with a bit for each region; all bits that are no region stand for the missing
value, so that -1 is "anything or missing". So sets are joined, cut and compared with one operation, whatever the
type, and each region has a value to try the clauses on.
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
    """How one fact's values are cut."""

    @property
    def present(self) -> int:
        """The mask of all values that are not missing."""

    def where(self, cuts: Collection[Any], holds: Holds) -> int:
        """The mask of the present values for which `holds`, which changes its mind at none but the `cuts`."""

    def value(self, region: int) -> Any:
        """A value in the region, in the form that operators compute with."""

    def region(self, value: Any) -> int:
        """The region that a value of the type lies in."""


@dataclass(frozen=True, slots=True)
class Line:
    """An ordered type: its ends, the value right after a cut (which need not be of the type), and what is of it.

    `near` makes a value of a gap easier to read: it is used where it lies in the gap, too.
    """

    lowest: Any
    highest: Any
    after: Callable[[Any], Any]
    contains: Callable[[Any], bool] = lambda value: True
    near: Callable[[Any, Any], Any] = lambda start, end: start


class Intervals:
    """An ordered type cut at some values: gap, cut, gap, cut, ..., gap."""

    def __init__(self, line: Line, cuts: Iterable[Any]) -> None:
        self._line = line
        self._cuts = sorted(set(cuts))
        self._bits = {cut: 2 * index + 2 for index, cut in enumerate(self._cuts)}
        self._starts = [line.lowest, *(line.after(cut) for cut in self._cuts)]
        self.present = sum(1 << bit for bit in range(1, 2 * len(self._cuts) + 2) if self._is_inhabited(bit))

    def _is_inhabited(self, bit: int) -> bool:
        line, index = self._line, (bit - 1) // 2
        if bit % 2 == 0:
            cut = self._cuts[index]
            return bool(line.lowest <= cut <= line.highest and line.contains(cut))
        start = self._starts[index]
        return bool(start <= line.highest and (index == len(self._cuts) or start < self._cuts[index]))

    def where(self, cuts: Collection[Any], holds: Holds) -> int:
        """See `Regions`."""
        mask, start = 0, 1
        for edge in sorted(self._bits[cut] for cut in cuts):
            mask |= self._span(start, edge, holds) | self._span(edge, edge + 1, holds)
            start = edge + 1
        return mask | self._span(start, 2 * len(self._cuts) + 2, holds)

    def _span(self, start: int, end: int, holds: Holds) -> int:
        span = self.present & ((1 << end) - (1 << start)) if end > start else 0
        return span if span and holds(self.value(lowest(span))) else 0

    def value(self, region: int) -> Any:
        """See `Regions`."""
        index = (region - 1) // 2
        if region % 2 == 0:
            return self._cuts[index]
        start, end = self._starts[index], self._cuts[index] if index < len(self._cuts) else None
        near = self._line.near(start, end)
        return near if start <= near and (end is None or near < end) else start

    def region(self, value: Any) -> int:
        """See `Regions`."""
        return self._bits.get(value) or 2 * bisect(self._cuts, value) + 1


class Values:
    """A type of single values: those of `known`, and where it is open, all others as one region."""

    def __init__(self, known: Iterable[Any], *, other: Any = None) -> None:
        self._known = list(dict.fromkeys(known))
        self._bits = {value: index + 2 for index, value in enumerate(self._known)}
        self._other = other
        self.present = ((1 << len(self._known)) - 1) << 2 | (0 if other is None else 2)

    def where(self, cuts: Collection[Any], holds: Holds) -> int:
        """See `Regions`."""
        own = {self._bits[cut] for cut in cuts if cut in self._bits}
        mask = sum(1 << bit for bit in own if holds(self.value(bit)))
        rest = self.present & ~sum(1 << bit for bit in own)
        return mask | rest if rest and holds(self.value(lowest(rest))) else mask

    def value(self, region: int) -> Any:
        """See `Regions`."""
        return self._other if region == 1 else self._known[region - 2]

    def region(self, value: Any) -> int:
        """See `Regions`."""
        return self._bits.get(value, 1)


def lowest(mask: int) -> int:
    """The number of the lowest bit that is set."""
    return (mask & -mask).bit_length() - 1


def regions_of(field: Field, cuts: Collection[Any]) -> Regions:
    """The regions of a declared fact whose clauses change their mind at `cuts`."""
    finite = finite_values(field)
    if finite is not None:
        return Values(finite)
    if field.type in LINES:
        return Intervals(LINES[field.type], cuts)
    return Values(cuts, other=_unlike(cuts) if field.type == "string" else ())


def finite_values(field: Field) -> Collection[Any] | None:
    """All values that the fact can have, if they are few enough to try each."""
    if field.type == "boolean":
        return (False, True)
    if field.allowed and field.type != "list":
        return [value for value in field.allowed if field.reader(value) is not None]
    return _CODES.get(field.type)


_CODES = {"country": tuple(sorted(COUNTRIES)), "currency": tuple(sorted(CURRENCIES))}


def _unlike(texts: Collection[str]) -> str:
    """A text that is none of these."""
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
    # right after a release comes the first prerelease of the next patch, right after a prerelease its own first child
    major, minor, patch, is_release, *_ = version
    return (major, minor, patch + 1, 0, (0, 0)) if is_release else (*version, (0, 0))


def _after_clock(clock: time) -> time:
    return (datetime.combine(date(2000, 1, 1), clock) + timedelta(microseconds=1)).time()


def _after_date(day: date) -> date:
    return day + timedelta(days=1) if day < date.max else day


def _near_number(start: float, end: float | None) -> float:
    if start <= 0 and (end is None or end > 0):
        return 0
    # the first gap has no start to be near of
    return math.ceil(end) - 1 if end is not None and start <= -LARGEST_SAFE else math.ceil(start)


def _near_day(start: str, end: str | None) -> str:
    return (date.fromisoformat(end) - timedelta(days=1)).isoformat() if end and start == "0001-01-01" < end else start


def _near_moment(start: datetime, end: datetime | None) -> datetime:
    return end - timedelta(days=1) if end and start == _FIRST_MOMENT and end.year > start.year + 1 else start


_FARTHEST = timedelta(hours=23, minutes=59)
_FIRST_MOMENT = datetime(2, 1, 1, tzinfo=timezone(_FARTHEST))
_LAST_MOMENT = datetime(9998, 12, 31, 23, 59, 59, 999_999, timezone(-_FARTHEST))
_LARGEST = math.nextafter(math.inf, 0)
_WHOLE = Line(-LARGEST_SAFE, LARGEST_SAFE, _after_whole, lambda value: value == math.floor(value), _near_number)


def _after_number(value: float) -> float:
    return math.nextafter(value, math.inf)


def _after_moment(moment: datetime) -> datetime:
    return moment.astimezone(UTC) + timedelta(microseconds=1)


LINES: dict[str, Line] = {
    **dict.fromkeys(NUMERIC, _WHOLE),
    "number": Line(-_LARGEST, _LARGEST, _after_number, near=_near_number),
    "date": Line("0001-01-01", "9999-12-31", _after_day, near=_near_day),
    "datetime": Line(_FIRST_MOMENT, _LAST_MOMENT, _after_moment, near=_near_moment),
    "version": Line((0, 0, 0, 0, (0, 0)), (10**190, 0, 0, 1), _after_version),
    "clock": Line(time(0, 0), time.max, _after_clock),
    "day": Line(date(2, 1, 1), date(9998, 12, 31), _after_date),
}
"""The ordered types of facts, and the clock and the calendar day of a moment in some timezone."""
