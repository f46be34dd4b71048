"""Sets of facts as unions of boxes: a box says for some variables in which regions their values are.

A set of values is a mask (see `rules.domains`). A variable that a box does not name may be anything, or missing.
The boxes of a condition are its disjunctive normal form; work is bounded, and `TooMuch` means that nothing is known.
"""

from collections.abc import Iterable, Sequence
from typing import Any

Variable = str | tuple[Any, ...]
"""A fact by its name, or a tuple for what follows from facts (see `rules.clauses`)."""

Box = dict[Variable, int]
Boxes = list[Box]

ANYTHING = -1
EVERYTHING: Boxes = [{}]
MOST_BOXES = 200
MOST_STEPS = 2_000


class TooMuch(Exception):
    """The condition has more cases than can be looked at in time."""


def meet(first: Box, second: Box) -> Box | None:
    """What is in both, or None if nothing is."""
    both = first | second
    for variable in first.keys() & second.keys():
        mask = first[variable] & second[variable]
        if not mask:
            return None
        both[variable] = mask
    return both


def product(first: Boxes, second: Boxes) -> Boxes:
    """What is in both unions."""
    if first == EVERYTHING or second == EVERYTHING:
        return second if first == EVERYTHING else first
    if len(first) == len(second) == 1:
        both = meet(first[0], second[0])
        return [] if both is None else [both]
    if len(first) * len(second) > MOST_BOXES * 10:
        raise TooMuch
    return union(box for one in first for other in second if (box := meet(one, other)) is not None)


def union(boxes: Iterable[Box]) -> Boxes:
    """The boxes without those that lie in another or can be joined with it."""
    kept: Boxes = []
    for box in boxes:
        _add(kept, box)
        if len(kept) > MOST_BOXES:
            raise TooMuch
    return kept


def _add(kept: Boxes, box: Box) -> None:
    for index, other in enumerate(kept):
        joined = _joined(other, box)
        if joined is not None:
            del kept[index]
            _add(kept, joined)
            return
    kept.append(box)


def _joined(first: Box, second: Box) -> Box | None:
    """Both as one box: one lies in the other, or they differ in a single variable."""
    if lies_in(second, first):
        return first
    if lies_in(first, second):
        return second
    if first.keys() != second.keys():
        return None
    different = [variable for variable, mask in first.items() if second[variable] != mask]
    if len(different) > 1:
        return None
    joined = first[different[0]] | second[different[0]]
    return {variable: mask for variable, mask in (first | {different[0]: joined}).items() if mask != ANYTHING}


def lies_in(inner: Box, outer: Box) -> bool:
    """Whether all of `inner` is in `outer`."""
    for variable, mask in outer.items():
        inside = inner.get(variable)
        if inside is None or inside & ~mask:
            return False
    return True


def covers(outer: Sequence[Box], inner: Sequence[Box]) -> bool:
    """Whether all of the union `inner` is in the union `outer`. Raises TooMuch."""
    steps = [MOST_STEPS]
    return not any(_sticks_out(box, outer, steps) for box in inner)


def _sticks_out(box: Box, outer: Sequence[Box], steps: list[int]) -> bool:
    """Whether a part of `box` is in none of `outer`: what is outside of the first of them, piece by piece."""
    steps[0] -= 1
    if steps[0] < 0:
        raise TooMuch
    touching = [other for other in outer if meet(box, other) is not None]
    if not touching:
        return True
    first, *rest = touching
    inside = dict(box)
    for variable, mask in first.items():
        mine = inside.get(variable, ANYTHING)
        outside = mine & ~mask
        if outside and _sticks_out(inside | {variable: outside}, rest, steps):
            return True
        inside[variable] = mine & mask
    return False
