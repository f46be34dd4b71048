"""Represent sets of facts as unions of boxes: a box restricts some variables to some regions of their values.

A set of values is a mask (see `rules.analysis.domains`). A variable that a box does not name may have any value, or be
missing. The boxes of a condition are its disjunctive normal form. The work is bounded: `TooManyCases` means that the
result is unknown.
"""

from collections.abc import Iterable, Sequence
from typing import Any

Variable = str | tuple[Any, ...]
"""A fact by its name, or a tuple for a value derived from facts (see `rules.analysis.clauses`)."""

Box = dict[Variable, int]
Boxes = list[Box]

ANYTHING = -1
EVERYTHING: Boxes = [{}]
MOST_BOXES = 200
MOST_WORK = 20_000


class TooManyCases(Exception):
    """Raised if there are too many cases to analyse in the time allowed."""


class Work:
    """The number of pairs of boxes that may still be compared, at about a microsecond each."""

    __slots__ = ("left",)

    def __init__(self, left: int = MOST_WORK) -> None:
        self.left = left

    def spend(self, pairs: int) -> None:
        """Subtract `pairs`. Raises TooManyCases if too few are left."""
        self.left -= pairs
        if self.left < 0:
            raise TooManyCases


def meet(first: Box, second: Box) -> Box | None:
    """Return the intersection, or None if it is empty."""
    both = first | second
    for variable in first.keys() & second.keys():
        mask = first[variable] & second[variable]
        if not mask:
            return None
        both[variable] = mask
    return both


def product(first: Boxes, second: Boxes, work: Work) -> Boxes:
    """Return the intersection of two unions. Raises TooManyCases."""
    if first == EVERYTHING or second == EVERYTHING:
        return second if first == EVERYTHING else first
    if len(first) == len(second) == 1:
        both = meet(first[0], second[0])
        return [] if both is None else [both]
    work.spend(len(first) * len(second))
    boxes = (meet(first_box, second_box) for first_box in first for second_box in second)
    return union((box for box in boxes if box is not None), work)


def union(boxes: Iterable[Box], work: Work) -> Boxes:
    """Return the boxes without those that lie in another box or can be merged with it. Raises TooManyCases."""
    result: Boxes = []
    for box in boxes:
        _add(result, box, work)
        if len(result) > MOST_BOXES:
            raise TooManyCases
    return result


def _add(boxes: Boxes, box: Box, work: Work) -> None:
    work.spend(len(boxes))
    for index, other in enumerate(boxes):
        merged = _merged(other, box)
        if merged is not None:
            del boxes[index]
            _add(boxes, merged, work)
            return
    boxes.append(box)


def _merged(first: Box, second: Box) -> Box | None:
    """Return both as one box if one lies in the other or they differ in a single variable, otherwise None."""
    if lies_in(second, first):
        return first
    if lies_in(first, second):
        return second
    if first.keys() != second.keys():
        return None
    different = [variable for variable, mask in first.items() if second[variable] != mask]
    if len(different) > 1:
        return None
    merged = first[different[0]] | second[different[0]]
    return {variable: mask for variable, mask in (first | {different[0]: merged}).items() if mask != ANYTHING}


def lies_in(inner: Box, outer: Box) -> bool:
    """Return whether `inner` lies completely in `outer`."""
    for variable, mask in outer.items():
        inside = inner.get(variable)
        if inside is None or inside & ~mask:
            return False
    return True


def covers(outer: Sequence[Box], inner: Sequence[Box], work: Work) -> bool:
    """Return whether the union `inner` lies completely in the union `outer`. Raises TooManyCases."""
    return not any(_sticks_out(box, outer, work) for box in inner)


def _sticks_out(box: Box, outer: Sequence[Box], work: Work) -> bool:
    """Return whether a part of `box` is in none of `outer`: remove the first one, then check the remaining pieces."""
    work.spend(len(outer))
    touching = [other for other in outer if meet(box, other) is not None]
    if not touching:
        return True
    first, *rest = touching
    inside = dict(box)
    for variable, mask in first.items():
        current = inside.get(variable, ANYTHING)
        outside = current & ~mask
        if outside and _sticks_out(inside | {variable: outside}, rest, work):
            return True
        inside[variable] = current & mask
    return False
