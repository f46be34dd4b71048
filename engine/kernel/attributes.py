"""What candidates are like, as a contextual policy sees it: numbers by candidate, and what they stand for. Pure.

A word (the type is one) is a number for each of its values that several candidates have but not all: of no other can
one candidate teach anything about another. A number is one of the scale that facts have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bandits.posterior.weight_posterior import Attributes
from engine.kernel.scales import number_feature
from engine.model.placement import Candidate

TYPE = "type"
FEWEST = 2
MOST_TRAITS = 30
"""Those that most candidates have."""


class Trait(NamedTuple):
    """A number of each candidate; `where` says in words whom it is `high` for."""

    where: str
    values: Mapping[str, float]
    high: float = 1.0


def traits(candidates: Iterable[Candidate]) -> tuple[Trait, ...]:
    """The commonest first, then by name and value, whatever the order of candidates."""
    told: dict[str, dict[str, str | float]] = {}
    known = list(candidates)
    for candidate in known:
        for name, value in (*candidate.attributes.items(), (TYPE, candidate.type)):
            if value != "":
                told.setdefault(name, {})[candidate.id] = value
    found = [trait for name in sorted(told) for trait in _traits(name, told[name], len(known))]
    return tuple(sorted(found, key=lambda trait: -len(trait.values))[:MOST_TRAITS])


def attributes_of(found: Sequence[Trait]) -> Attributes:
    ids = {id for trait in found for id in trait.values}
    return Attributes(len(found), {id: [trait.values.get(id, 0.0) for trait in found] for id in sorted(ids)})


def _traits(name: str, told: Mapping[str, str | float], count: int) -> Iterator[Trait]:
    words = {id: value for id, value in told.items() if isinstance(value, str)}
    for word in sorted(set(words.values())):
        alike = [id for id, value in words.items() if value == word]
        if FEWEST <= len(alike) < count:
            yield Trait(f"whose {name} is {word}", dict.fromkeys(alike, 1.0))
    numbers = {id: value for id, value in told.items() if not isinstance(value, str)}
    low, high = min(numbers.values(), default=0.0), max(numbers.values(), default=0.0)
    if low < high:
        values = {id: number_feature(value) for id, value in numbers.items()}
        yield Trait(f"whose {name} is {high:g}", values, number_feature(high))
