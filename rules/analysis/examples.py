"""Find facts for which conditions are true together, to prove that a finding is possible.

The boxes of a condition only describe what cannot be ruled out, because some variables are opaque. Each example is
therefore evaluated on the conditions themselves before it is used.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import chain, islice, permutations, product
from typing import Any, cast
from zoneinfo import ZoneInfo

from rules.analysis.boxes import Box
from rules.analysis.cases import Space
from rules.analysis.domains import lowest_bit
from rules.language.evaluate import read_values, verdict
from rules.language.tree import Call, Literal, Node, fields_of, is_connective
from rules.language.values import NUMERIC

Facts = dict[str, object]

_REGIONS_TRIED = 4
_TRIED = 150
_TEXTS_TRIED = 24
_SOME_DAY = date(2026, 11, 23)


def example(boxes: Iterable[Box], conditions: Sequence[Node], space: Space) -> Facts | None:
    """Return raw facts in one of the boxes for which every condition is surely true, or None if none were found."""
    likely = islice(_likely(boxes, conditions, space), _TRIED)
    return next((facts for facts in likely if holds(facts, conditions, space)), None)


def holds(facts: Mapping[str, object], conditions: Iterable[Node], space: Space) -> bool:
    """Return whether every condition is surely true for the facts."""
    return all(
        verdict(condition, read_values(condition, facts, space.vocabulary), space.lists) is True
        for condition in conditions
    )


def _likely(boxes: Iterable[Box], conditions: Sequence[Node], space: Space) -> Iterator[Facts]:
    for box in boxes:
        names = [name for name in box if isinstance(name, str)]
        pools = [list(dict.fromkeys(map(_hashable, _pool(name, box, conditions, space)))) for name in names]
        for values in islice(product(*pools), _TRIED // 3):
            yield {name: _raw(value) for name, value in zip(names, values, strict=True) if value is not None}


def _pool(name: str, box: Box, conditions: Sequence[Node], space: Space) -> Iterator[Any]:
    """Yield values of a fact that are worth trying, the plainest first; None stands for the missing value."""
    regions, mask = space.regions(name), box[name]
    present = mask & regions.present
    if not present:
        return iter([None])
    type_ = space.vocabulary[name].type
    if type_ == "list":
        return iter([_members(name, box)])
    plain = [regions.value(region) for region in _some_bits(present)]
    others = [variable for variable in box if isinstance(variable, tuple) and _is_about(variable, name)]
    if type_ == "datetime" and others:
        return _moments(plain, others, box, space)
    if any(variable[0] not in {"has", "day", "clock", "weekday"} for variable in others):
        return iter([*plain, *_odd_values(name, type_, conditions, space)])
    return iter(plain)


def _is_about(variable: tuple[Any, ...], name: str) -> bool:
    return any(part == name or (isinstance(part, tuple) and _is_about(part, name)) for part in variable)


def _some_bits(mask: int) -> Iterator[int]:
    for _ in range(_REGIONS_TRIED):
        if not mask:
            return
        yield lowest_bit(mask)
        mask &= mask - 1


def _members(name: str, box: Box) -> tuple[str, ...]:
    variables = [v for v in box if isinstance(v, tuple) and v[:2] == ("has", name)]
    return tuple(cast(str, v[2]) for v in variables if box[v] & _YES and not box[v] & _NO)


_NO, _YES = 1 << 2, 1 << 3


def _moments(plain: list[Any], others: list[tuple[Any, ...]], box: Box, space: Space) -> Iterator[Any]:
    """Yield timestamps whose weekday, day and clock fit in their timezones."""
    days = [_value(v, box, space) for v in others if v[0] == "day"] or [_SOME_DAY, *(moment.date() for moment in plain)]
    clocks = [(_value(v, box, space), ZoneInfo(v[2])) for v in others if v[0] == "clock"]
    clocks += [(time(12), ZoneInfo(v[2])) for v in others if v[0] in {"day", "weekday"}]
    moments = (
        datetime.combine(day, clock, zone) + timedelta(days=days_later)
        for day in days
        for days_later in range(8)
        for clock, zone in clocks
    )
    fitting = (moment for moment in moments if all(_fits(moment, v, box, space) for v in others))
    return chain(islice(fitting, 2), plain)


def _fits(moment: datetime, variable: tuple[Any, ...], box: Box, space: Space) -> bool:
    read_part = _READINGS.get(variable[0])
    if read_part is None:
        return True
    local = moment.astimezone(ZoneInfo(variable[2]))
    return bool(box[variable] >> space.regions(variable).region(read_part(local)) & 1)


_READINGS: Mapping[str, Callable[[datetime], Any]] = {
    "weekday": datetime.weekday,
    "clock": datetime.time,
    "day": datetime.date,
}


def _value(variable: tuple[Any, ...], box: Box, space: Space) -> Any:
    regions = space.regions(variable)
    return regions.value(lowest_bit(box[variable] & regions.present))


def _odd_values(name: str, type_: str, conditions: Sequence[Node], space: Space) -> Iterator[Any]:
    """Yield values derived from the literals of the clauses about a fact."""
    literals = [literal for condition in conditions for literal in _literals(condition, name)]
    if type_ in NUMERIC:
        numbers = [literal.value for literal in literals if isinstance(literal.value, int | float)]
        yield from (cast(int, number) + step for number in [0, *numbers] for step in (0, 1, -1, 1_000_000))
    elif type_ == "location":
        yield from (literal.value for literal in literals if literal.type == "location")
        yield from ((0.0, 0.0), (52.5, 13.4), (-33.9, 151.2))
    else:
        yield from islice(_texts(literals, space), _TEXTS_TRIED)


def _texts(literals: list[Literal], space: Space) -> Iterator[str]:
    pieces = [str(literal.raw) for literal in literals if isinstance(literal.raw, str)]
    for literal in literals:
        if literal.type == "list name":
            yield from sorted(space.lists.get(str(literal.value), frozenset()))[:3]
    for count in (1, 2, 3):
        yield from ("".join(combination) for combination in islice(permutations(pieces, count), 8))
    yield from (f"c{number}" for number in range(_TEXTS_TRIED))


def _literals(node: Node, name: str) -> Iterator[Literal]:
    """Yield the literals of the clauses that read a fact."""
    if isinstance(node, Call) and (is_connective(node) or name in fields_of(node)):
        for part in node.arguments:
            if isinstance(part, Literal):
                yield part
            else:
                yield from _literals(part, name)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _raw(value: Any) -> object:
    """Return a value in the form in which facts are sent."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return _version(value) if len(value) > 3 and isinstance(value[0], int) else list(value)
    return value


def _version(parts: tuple[Any, ...]) -> str:
    release = ".".join(map(str, parts[:3]))
    return release if parts[3] else f"{release}-{'.'.join(str(text) for _, text in parts[4:])}"
