"""Priorities that put rules in a wanted order, with as few changes as possible. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

GAP = 10
HIGHEST = 1_000_000


def priorities(order: Sequence[tuple[str, int]]) -> dict[str, int]:
    """New priorities by id for rules given as (id, priority) in the wanted order, the most important first.

    Most rules keep theirs. Where there is no room between two that stay, all are numbered anew.
    """
    staying = _staying([(-priority, id) for id, priority in order])
    found = _spread([priority if place in staying else None for place, (_, priority) in enumerate(order)])
    if found is None:
        found = [GAP * (len(order) - place) for place in range(len(order))]
    return {id: new for (id, old), new in zip(order, found, strict=True) if new != old}


def _staying(keys: Sequence[tuple[int, str]]) -> set[int]:
    """The places of a longest rising subsequence."""
    ends: list[tuple[int, str]] = []
    last: list[int] = []
    before: list[int] = []
    for place, key in enumerate(keys):
        length = bisect_left(ends, key)
        ends[length : length + 1] = [key]
        last[length : length + 1] = [place]
        before.append(last[length - 1] if length else -1)
    chain, place = set(), last[-1] if last else -1
    while place >= 0:
        chain.add(place)
        place = before[place]
    return chain


def _spread(values: Sequence[int | None]) -> list[int] | None:
    """Numbers between those that stay, evenly; None where there is no room for them."""
    kept = [(place, value) for place, value in enumerate(values) if value is not None]
    if not kept:
        return []
    (first, top), (final, bottom) = kept[0], kept[-1]
    begin, end = (-1, top + GAP * (first + 1)), (len(values), bottom - GAP * (len(values) - final))
    found: list[int] = []
    for (low, above), (high, below) in pairwise([begin, *kept, end]):
        missing = high - low - 1
        if missing and above - below <= missing:
            return None
        found += [above - (above - below) * step // (missing + 1) for step in range(1, missing + 1)]
        found += [below] if high < len(values) else []
    return found if max(map(abs, found)) <= HIGHEST else None
