"""Find priorities that put rules in a given order with as few changes as possible. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

GAP = 10
HIGHEST = 1_000_000


def priorities(order: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return the priorities that change, by rule id; `order` holds (id, old priority), the most important first.

    As many rules as possible keep their priority. If there is no room between two of them, all get a new one.
    """
    staying = _staying([(-priority, id) for id, priority in order])
    numbers = _spread([priority if index in staying else None for index, (_, priority) in enumerate(order)])
    if numbers is None:
        numbers = [GAP * (len(order) - index) for index in range(len(order))]
    return {id: new for (id, old), new in zip(order, numbers, strict=True) if new != old}


def _staying(keys: Sequence[tuple[int, str]]) -> set[int]:
    """Return the indices of a longest increasing subsequence."""
    ends: list[tuple[int, str]] = []
    last: list[int] = []
    before: list[int] = []
    for index, key in enumerate(keys):
        length = bisect_left(ends, key)
        ends[length : length + 1] = [key]
        last[length : length + 1] = [index]
        before.append(last[length - 1] if length else -1)
    chain, index = set(), last[-1] if last else -1
    while index >= 0:
        chain.add(index)
        index = before[index]
    return chain


def _spread(values: Sequence[int | None]) -> list[int] | None:
    """Fill the gaps (None) evenly between the values that stay; return None if there is no room."""
    fixed = [(index, value) for index, value in enumerate(values) if value is not None]
    if not fixed:
        return []
    (first, top), (final, bottom) = fixed[0], fixed[-1]
    begin, end = (-1, top + GAP * (first + 1)), (len(values), bottom - GAP * (len(values) - final))
    numbers: list[int] = []
    for (low, above), (high, below) in pairwise([begin, *fixed, end]):
        missing = high - low - 1
        if missing and above - below <= missing:
            return None
        numbers += [above - (above - below) * step // (missing + 1) for step in range(1, missing + 1)]
        numbers += [below] if high < len(values) else []
    return numbers if max(map(abs, numbers)) <= HIGHEST else None
