"""Candidates' attributes as numbers for a contextual policy, and their meaning in words. Pure.

A text attribute (such as the type) becomes a 0/1 trait for each value that at least two candidates have, but not all:
other values cannot carry anything over from one candidate to another. A number is scaled as facts are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bandits.posterior.weight_posterior import Attributes
from engine.kernel.encoding.scales import number_feature
from engine.model.placement import Candidate

TYPE = "type"
FEWEST = 2
MOST_TRAITS = 30
"""If there are more, those that the most candidates have are kept."""


class Trait(NamedTuple):
    """A number by candidate id; `where` describes in words the candidates for which it is `high`."""

    where: str
    values: Mapping[str, float]
    high: float = 1.0


def traits(candidates: Iterable[Candidate]) -> tuple[Trait, ...]:
    """Return the traits: the commonest first, then by name and value; the order of candidates does not matter."""
    by_name: dict[str, dict[str, str | float]] = {}
    count = 0
    for candidate in candidates:
        count += 1
        for name, value in (*candidate.attributes.items(), (TYPE, candidate.type)):
            if value != "":
                by_name.setdefault(name, {})[candidate.id] = value
    result = [trait for name in sorted(by_name) for trait in _traits(name, by_name[name], count)]
    return tuple(sorted(result, key=lambda trait: -len(trait.values))[:MOST_TRAITS])


def attributes_of(traits: Sequence[Trait]) -> Attributes:
    """Return the attributes matrix that the traits make, a row for each candidate that has any."""
    ids = {id for trait in traits for id in trait.values}
    return Attributes(len(traits), {id: [trait.values.get(id, 0.0) for trait in traits] for id in sorted(ids)})


def _traits(name: str, attribute: Mapping[str, str | float], count: int) -> Iterator[Trait]:
    """Yield the traits of one attribute, given by candidate id; there are `count` candidates."""
    texts = {id: value for id, value in attribute.items() if isinstance(value, str)}
    for text in sorted(set(texts.values())):
        sharing = [id for id, value in texts.items() if value == text]
        if FEWEST <= len(sharing) < count:
            yield Trait(f"whose {name} is {text}", dict.fromkeys(sharing, 1.0))
    numbers = {id: value for id, value in attribute.items() if not isinstance(value, str)}
    low, high = min(numbers.values(), default=0.0), max(numbers.values(), default=0.0)
    if low < high:
        values = {id: number_feature(value) for id, value in numbers.items()}
        yield Trait(f"whose {name} is {high:g}", values, number_feature(high))
