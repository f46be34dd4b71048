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
MOST_WORK = 20_000


class TooMuch(Exception):
    """There are more cases than can be looked at in time."""


class Work:
    """How many pairs of boxes may still be compared; about a microsecond each."""

    __slots__ = ("left",)

    def __init__(self, left: int = MOST_WORK) -> None:
        self.left = left

    def spend(self, pairs: int) -> None:
        """Raises TooMuch when it is used up."""
        self.left -= pairs
        if self.left < 0:
            raise TooMuch


def meet(first: Box, second: Box) -> Box | None:
    """What is in both, or None if nothing is."""
    both = first | second
    for variable in first.keys() & second.keys():
        mask = first[variable] & second[variable]
        if not mask:
            return None
        both[variable] = mask
    return both


def product(first: Boxes, second: Boxes, work: Work) -> Boxes:
    """What is in both unions. Raises TooMuch."""
    if first == EVERYTHING or second == EVERYTHING:
        return second if first == EVERYTHING else first
    if len(first) == len(second) == 1:
        both = meet(first[0], second[0])
        return [] if both is None else [both]
    work.spend(len(first) * len(second))
    return union((box for one in first for other in second if (box := meet(one, other)) is not None), work)


def union(boxes: Iterable[Box], work: Work) -> Boxes:
    """The boxes without those that lie in another or can be joined with it. Raises TooMuch."""
    kept: Boxes = []
    for box in boxes:
        _add(kept, box, work)
        if len(kept) > MOST_BOXES:
            raise TooMuch
    return kept


def _add(kept: Boxes, box: Box, work: Work) -> None:
    work.spend(len(kept))
    for index, other in enumerate(kept):
        joined = _joined(other, box)
        if joined is not None:
            del kept[index]
            _add(kept, joined, work)
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


def covers(outer: Sequence[Box], inner: Sequence[Box], work: Work) -> bool:
    """Whether all of the union `inner` is in the union `outer`. Raises TooMuch."""
    return not any(_sticks_out(box, outer, work) for box in inner)


def _sticks_out(box: Box, outer: Sequence[Box], work: Work) -> bool:
    """Whether a part of `box` is in none of `outer`: what is outside of the first of them, piece by piece."""
    work.spend(len(outer))
    touching = [other for other in outer if meet(box, other) is not None]
    if not touching:
        return True
    first, *rest = touching
    inside = dict(box)
    for variable, mask in first.items():
        mine = inside.get(variable, ANYTHING)
        outside = mine & ~mask
        if outside and _sticks_out(inside | {variable: outside}, rest, work):
            return True
        inside[variable] = mine & mask
    return False
